"""The front door: `Client`, and `AsyncClient` with the same methods as coroutines."""

from typing_extensions import Self

from qwen_client import asr, batches, captions, chains, charts, chat, image, recipes, text_streams, tts, vision, voices
from qwen_client.chains.chain_run import follow, follow_async
from qwen_client.health import Health
from qwen_client.methods import AsyncService, Service, async_streaming, awaiting, handing, running, streaming
from qwen_client.transport import AsyncTransport, Transport

DEFAULT_ADDRESS = "127.0.0.1:8001"
DEFAULT_TIMEOUT_S = 60.0


class Asr(Service):
    transcribe = running(asr.transcribe)
    transcribe_many = handing(batches.run_batch, batches.transcribe_many)
    align = running(asr.align)
    stream = handing(captions.Captions, captions.stream)


class Tts(Service):
    synthesize = running(tts.synthesize)
    stream = streaming(tts.synthesize)
    stream_text = handing(text_streams.TextStream, text_streams.stream_text)


class Chat(Service):
    complete = running(chat.complete)
    stream = streaming(chat.complete)


class Voices(Service):
    list = running(voices.list_voices)
    add = running(voices.add)
    remove = running(voices.remove)


class Images(Service):
    generate = running(image.generate)
    stream = streaming(image.generate)
    edit = running(image.edit)
    vary = running(image.vary)
    inpaint = running(image.inpaint)
    regenerate = running(image.regenerate)
    recipe = staticmethod(recipes.read_recipe)
    styles = running(image.styles)


class Vision(Service):
    describe = running(vision.describe)


class Charts(Service):
    draw = running(charts.draw)
    gantt = running(charts.gantt)
    timeline = running(charts.timeline)
    responsibility_matrix = running(charts.responsibility_matrix)
    bars = running(charts.bars)
    concept_graph = running(charts.concept_graph)


class Chains(Service):
    run = running(chains.run)
    spoken_image = running(chains.spoken_image)
    aligned_transcript = running(chains.aligned_transcript)
    meeting_minutes = handing(follow, chains.meeting_minutes)
    storyboard = handing(follow, chains.storyboard)
    courseware = handing(follow, chains.courseware)
    product_ad = handing(follow, chains.product_ad)
    describe_aloud = handing(follow, chains.describe_aloud)
    voice_chat = handing(follow, chains.voice_chat)
    conversation = handing(chains.Conversation, chains.conversation)


class Client:
    """A connection to a server; threads may share it. Every call ends within `timeout_s` seconds.

    `tenant`: whose requests these are, where no gateway says so; what the server keeps for one is never another's.

    with Client("127.0.0.1:8001", timeout_s=60) as client:
        print(client.asr.transcribe("meeting.wav").text)
        client.asr.transcribe("meeting.wav", timestamps="word").save("meeting.srt")
        client.tts.synthesize("Good morning, everyone.").save("morning.wav")
        print(client.chat.complete("Please draw a red circle.").text)
        client.image.generate("a small red circle").save("circle.png")
        print(client.chains.spoken_image("please draw a star.wav").heard)
    """

    def __init__(
        self, address: str = DEFAULT_ADDRESS, *, timeout_s: float = DEFAULT_TIMEOUT_S, tenant: str | None = None
    ) -> None:
        self._transport = Transport(address, timeout_s, tenant)
        self.asr = Asr(self._transport)
        self.tts = Tts(self._transport)
        self.chat = Chat(self._transport)
        self.voices = Voices(self._transport)
        self.image = Images(self._transport)
        self.vision = Vision(self._transport)
        self.charts = Charts(self._transport)
        self.chains = Chains(self._transport)

    def health(self) -> Health:
        """Whether the server takes requests, and which models are ready; `Unavailable` where none answers."""
        return self._transport.health()

    def close(self) -> None:
        """Close the connection; what still runs on it is cancelled, which takes a second at most."""
        self._transport.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncAsr(AsyncService):
    transcribe = awaiting(asr.transcribe)
    transcribe_many = handing(batches.run_batch_async, batches.transcribe_many)
    align = awaiting(asr.align)
    stream = handing(captions.AsyncCaptions, captions.stream)


class AsyncTts(AsyncService):
    synthesize = awaiting(tts.synthesize)
    stream = async_streaming(tts.synthesize)
    stream_text = handing(text_streams.AsyncTextStream, text_streams.stream_text)


class AsyncChat(AsyncService):
    complete = awaiting(chat.complete)
    stream = async_streaming(chat.complete)


class AsyncVoices(AsyncService):
    list = awaiting(voices.list_voices)
    add = awaiting(voices.add)
    remove = awaiting(voices.remove)


class AsyncImages(AsyncService):
    generate = awaiting(image.generate)
    stream = async_streaming(image.generate)
    edit = awaiting(image.edit)
    vary = awaiting(image.vary)
    inpaint = awaiting(image.inpaint)
    regenerate = awaiting(image.regenerate)
    recipe = staticmethod(recipes.read_recipe)
    styles = awaiting(image.styles)


class AsyncVision(AsyncService):
    describe = awaiting(vision.describe)


class AsyncCharts(AsyncService):
    draw = awaiting(charts.draw)
    gantt = awaiting(charts.gantt)
    timeline = awaiting(charts.timeline)
    responsibility_matrix = awaiting(charts.responsibility_matrix)
    bars = awaiting(charts.bars)
    concept_graph = awaiting(charts.concept_graph)


class AsyncChains(AsyncService):
    run = awaiting(chains.run)
    spoken_image = awaiting(chains.spoken_image)
    aligned_transcript = awaiting(chains.aligned_transcript)
    meeting_minutes = handing(follow_async, chains.meeting_minutes)
    storyboard = handing(follow_async, chains.storyboard)
    courseware = handing(follow_async, chains.courseware)
    product_ad = handing(follow_async, chains.product_ad)
    describe_aloud = handing(follow_async, chains.describe_aloud)
    voice_chat = handing(follow_async, chains.voice_chat)
    conversation = handing(chains.AsyncConversation, chains.conversation)


class AsyncClient:
    """As `Client`, for asyncio: make it inside a running loop.

    async with AsyncClient("127.0.0.1:8001") as client:
        speech = await client.tts.synthesize("Good morning, everyone.")
        async with client.tts.stream("Good evening.") as chunks:
            async for chunk in chunks:
                ...
    """

    def __init__(
        self, address: str = DEFAULT_ADDRESS, *, timeout_s: float = DEFAULT_TIMEOUT_S, tenant: str | None = None
    ) -> None:
        self._transport = AsyncTransport(address, timeout_s, tenant)
        self.asr = AsyncAsr(self._transport)
        self.tts = AsyncTts(self._transport)
        self.chat = AsyncChat(self._transport)
        self.voices = AsyncVoices(self._transport)
        self.image = AsyncImages(self._transport)
        self.vision = AsyncVision(self._transport)
        self.charts = AsyncCharts(self._transport)
        self.chains = AsyncChains(self._transport)

    async def health(self) -> Health:
        """As `Client.health`."""
        return await self._transport.health()

    async def close(self) -> None:
        """As `Client.close`."""
        await self._transport.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

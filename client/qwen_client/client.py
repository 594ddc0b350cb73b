"""The clients: all services of one server, blocking and for asyncio."""

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Generic

from typing_extensions import Self

from qwen_client import asr, batches, captions, chains, charts, chat, image, recipes, text_streams, tts, vision, voices
from qwen_client.chains.chain_run import following
from qwen_client.connection import Address, CallOptions, Tls, read_address
from qwen_client.health import Health
from qwen_client.methods import Service, TransportT, handing, running, streaming
from qwen_client.transport import AsyncTransport, Transport

DEFAULT_TIMEOUT_S = 60.0
DEFAULT_RETRIES = 2


class Asr(Service[TransportT]):
    transcribe = running(asr.transcribe)
    transcribe_many = handing(batches.transcribe_many, batches.run_batch, batches.run_batch_async)
    align = running(asr.align)
    stream = handing(captions.stream, captions.Captions, captions.AsyncCaptions)


class Tts(Service[TransportT]):
    synthesize = running(tts.synthesize)
    stream = streaming(tts.synthesize)
    stream_text = handing(text_streams.stream_text, text_streams.TextStream, text_streams.AsyncTextStream)


class Chat(Service[TransportT]):
    complete = running(chat.complete)
    stream = streaming(chat.complete)


class Voices(Service[TransportT]):
    list = running(voices.list_voices)
    add = running(voices.add)
    remove = running(voices.remove)


class Images(Service[TransportT]):
    generate = running(image.generate)
    stream = streaming(image.generate)
    edit = running(image.edit)
    vary = running(image.vary)
    inpaint = running(image.inpaint)
    regenerate = running(image.regenerate)
    recipe = staticmethod(recipes.read_recipe)
    styles = running(image.styles)


class Vision(Service[TransportT]):
    describe = running(vision.describe)


class Charts(Service[TransportT]):
    draw = running(charts.draw)
    gantt = running(charts.gantt)
    timeline = running(charts.timeline)
    responsibility_matrix = running(charts.responsibility_matrix)
    bars = running(charts.bars)
    concept_graph = running(charts.concept_graph)


class Chains(Service[TransportT]):
    run = running(chains.run)
    stream = streaming(chains.run)
    stages = streaming(chains.stages)
    spoken_image = running(chains.spoken_image)
    aligned_transcript = running(chains.aligned_transcript)
    meeting_minutes = following(chains.meeting_minutes)
    storyboard = following(chains.storyboard)
    courseware = following(chains.courseware)
    product_ad = following(chains.product_ad)
    describe_aloud = following(chains.describe_aloud)
    voice_chat = following(chains.voice_chat)
    conversation = handing(chains.conversation, chains.Conversation, chains.AsyncConversation)


class _Services(ABC, Generic[TransportT]):
    """What both clients have."""

    def __init__(
        self,
        address: str | None = None,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        tenant: str | None = None,
        tls: Tls | bool | None = None,
        metadata: Mapping[str, str] | None = None,
        retries: int = DEFAULT_RETRIES,
    ) -> None:
        options = CallOptions(timeout_s, tenant, metadata or {}, retries)
        self._set_transport(self._connect(read_address(address, tls), options))

    @abstractmethod
    def _connect(self, address: Address, options: CallOptions) -> TransportT: ...

    def __repr__(self) -> str:
        address, options = self._transport.address, self._transport.options
        return (
            f"{type(self).__name__}({address.target!r}, tls={address.tls is not None}, timeout_s={options.timeout_s:g})"
        )

    def with_options(
        self,
        *,
        timeout_s: float | None = None,
        tenant: str | None = None,
        metadata: Mapping[str, str] | None = None,
        retries: int | None = None,
    ) -> Self:
        """This client with other options, on the same connection, which closes with either.

        client.with_options(timeout_s=5).asr.transcribe("meeting.wav")
        """
        options = {"timeout_s": timeout_s, "tenant": tenant, "metadata": metadata, "retries": retries}
        changes: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
        other = copy.copy(self)
        other._set_transport(self._transport.with_options(**changes))
        return other

    def _set_transport(self, transport: TransportT) -> None:
        self._transport: TransportT = transport
        self.asr: Asr[TransportT] = Asr(transport)
        self.tts: Tts[TransportT] = Tts(transport)
        self.chat: Chat[TransportT] = Chat(transport)
        self.voices: Voices[TransportT] = Voices(transport)
        self.image: Images[TransportT] = Images(transport)
        self.vision: Vision[TransportT] = Vision(transport)
        self.charts: Charts[TransportT] = Charts(transport)
        self.chains: Chains[TransportT] = Chains(transport)


class Client(_Services[Transport]):
    """A connection to a server; threads may share it. Every call ends within `timeout_s` seconds.

    `address`: HOST:PORT; grpcs://HOST:PORT, or `tls`, for TLS; None: QWEN_URL of the environment, else 127.0.0.1:8001.
    `tenant`: whose requests these are, where no gateway says so; what the server keeps for one is never another's.
    `metadata`: sent with every call, such as {"authorization": "Bearer ..."}. `retries`: a request that found no
    server, or no room there, is sent so many times again, after growing pauses, unless an answer has begun or it
    would change something twice.

    with Client("127.0.0.1:8001", timeout_s=60) as client:
        print(client.asr.transcribe("meeting.wav").text)
        client.asr.transcribe("meeting.wav", timestamps="word").save("meeting.srt")
        client.tts.synthesize("Good morning, everyone.").save("morning.wav")
        print(client.chat.complete("Please draw a red circle.").text)
        client.image.generate("a small red circle").save("circle.png")
        print(client.chains.spoken_image("please draw a star.wav").heard)
    """

    def _connect(self, address: Address, options: CallOptions) -> Transport:
        return Transport(address, options)

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


class AsyncClient(_Services[AsyncTransport]):
    """As `Client`, for asyncio: make it inside a running loop.

    async with AsyncClient("127.0.0.1:8001") as client:
        speech = await client.tts.synthesize("Good morning, everyone.")
        async with client.tts.stream("Good evening.") as chunks:
            async for chunk in chunks:
                ...
    """

    def _connect(self, address: Address, options: CallOptions) -> AsyncTransport:
        return AsyncTransport(address, options)

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

"""Conversations: `client.chains.conversation`."""

import uuid
from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Self, TypeAlias

from qwen_client import captions
from qwen_client.audio import AudioInput
from qwen_client.captions import DEFAULT_SAMPLE_RATE, AsyncCaptions, Caption, Captions
from qwen_client.chains.following import AsyncChainRun, ChainRun, follow, follow_async
from qwen_client.chains.voice import OnEvent, VoiceEvent, VoiceReply, voice_chat
from qwen_client.chat import Message
from qwen_client.errors import QwenError
from qwen_client.jobs import StreamJob
from qwen_client.pcm import AudioPiece
from qwen_client.transport import AsyncTransport, Transport

OnCaption: TypeAlias = Callable[[Caption], object]
VoiceRun: TypeAlias = ChainRun[VoiceEvent, VoiceReply]
AsyncVoiceRun: TypeAlias = AsyncChainRun[VoiceEvent, VoiceReply]


@dataclass(frozen=True)
class Manners:
    """How a conversation is held: its name and what all of its turns share."""

    session: str
    messages: Sequence[Message] | None
    voice: str | None
    language: str | None
    context: str
    max_tokens: int | None
    seed: int


def conversation(
    session: str | None = None,
    *,
    messages: Sequence[Message] | None = None,
    voice: str | None = None,
    language: str | None = None,
    context: str = "",
    max_tokens: int | None = None,
    seed: int = 0,
) -> Manners:
    """Talk: each turn is answered with all that was said before in mind.

        with client.chains.conversation(voice="vivian") as talk:
            talk.say("hello.wav").result().save("reply.wav")
            for event in talk.say("another question.wav"):
                ...

        with client.chains.conversation() as talk:  # 16-bit samples from a microphone
            while said := talk.hear(microphone, on_caption=show):
                for event in talk.say(text=said):
                    ...

    `session`: the name of one that is open already; None: a new one, which the server forgets when the `with` block is
    left. The rest as for `voice_chat`. Returns a `Conversation`.
    """
    name = session or uuid.uuid4().hex
    return Manners(name, messages, voice, language, context, max_tokens, seed)


class _Conversation:
    """What sync and async conversations share: which request comes next."""

    def __init__(self, manners: Manners) -> None:
        self.session = manners.session
        self._manners = manners
        self._has_begun = False

    def _turn(
        self, audio: AudioInput | None, text: str | None, played_s: float | None, on_event: OnEvent | None
    ) -> StreamJob[VoiceEvent, VoiceReply]:
        messages = None if self._has_begun else self._manners.messages
        shared = {name: value for name, value in vars(self._manners).items() if name != "messages"}
        job = voice_chat(audio, text=text, messages=messages, played_s=played_s, on_event=on_event, **shared)
        self._has_begun = True
        return job

    def _ending(self) -> StreamJob[VoiceEvent, VoiceReply]:
        return voice_chat(session=self.session, end_session=True)

    def _captions(self, sample_rate: int, channels: int) -> Any:
        return captions.stream(
            language=self._manners.language,
            context=self._manners.context,
            sample_rate=sample_rate,
            channels=channels,
            chunk_s=LIVE_CHUNK_S,
        )


LIVE_CHUNK_S = 0.2  # how soon the end of an utterance is noticed


class Conversation(_Conversation):
    """Turns of one conversation; leaving the `with` block ends it."""

    def __init__(self, transport: Transport, manners: Manners) -> None:
        super().__init__(manners)
        self._transport = transport

    def say(
        self,
        audio: AudioInput | None = None,
        *,
        text: str | None = None,
        played_s: float | None = None,
        on_event: OnEvent | None = None,
    ) -> VoiceRun:
        """Say something, as speech or as text: a run of `VoiceEvent`s, whose `result()` is a `VoiceReply`.

        A reply that is still running is interrupted: its run ends, `was_interrupted`. `played_s`: how much of the
        last reply was played; None: all that was delivered, or of an interrupted one as much as could be played so far.
        """
        return follow(self._transport, self._turn(audio, text, played_s, on_event))

    def hear(
        self,
        pieces: Iterable[AudioPiece],
        *,
        sample_rate: int = DEFAULT_SAMPLE_RATE,
        channels: int = 1,
        on_caption: OnCaption | None = None,
    ) -> str:
        """Listen until something was said, followed by a pause, or until `pieces` end; what was said, or "".

        `pieces` as for `asr.stream`. What an iterator has left when an utterance has ended, it has left for the next
        one. `on_caption` is called with each `Caption`: the first with a text tells that somebody speaks.
        """
        with Captions(self._transport, self._captions(sample_rate, channels)) as heard:
            for caption in heard.iterate(pieces):
                if on_caption is not None:
                    on_caption(caption)
                if caption.segments or caption.is_final:
                    return caption.stable.strip()
        return ""

    def close(self) -> None:
        """Have the server forget the conversation; a reply that is still running is interrupted."""
        if self._has_begun:
            with suppress(QwenError):  # the server forgets a silent conversation by itself, later
                self._transport.run(self._ending())
            self._has_begun = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncConversation(_Conversation):
    """As `Conversation`, with `async with`, `async for` and `await run.result()`."""

    def __init__(self, transport: AsyncTransport, manners: Manners) -> None:
        super().__init__(manners)
        self._transport = transport

    def say(
        self,
        audio: AudioInput | None = None,
        *,
        text: str | None = None,
        played_s: float | None = None,
        on_event: OnEvent | None = None,
    ) -> AsyncVoiceRun:
        """As `Conversation.say`."""
        return follow_async(self._transport, self._turn(audio, text, played_s, on_event))

    async def hear(
        self,
        pieces: AsyncIterable[AudioPiece],
        *,
        sample_rate: int = DEFAULT_SAMPLE_RATE,
        channels: int = 1,
        on_caption: OnCaption | None = None,
    ) -> str:
        """As `Conversation.hear`, of pieces that come asynchronously."""
        async with AsyncCaptions(self._transport, self._captions(sample_rate, channels)) as heard:
            async for caption in heard.iterate(pieces):
                if on_caption is not None:
                    on_caption(caption)
                if caption.segments or caption.is_final:
                    return caption.stable.strip()
        return ""

    async def close(self) -> None:
        """As `Conversation.close`."""
        if self._has_begun:
            with suppress(QwenError):  # the server forgets a silent conversation by itself, later
                await self._transport.run(self._ending())
            self._has_begun = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

"""Conversations: `client.chains.conversation`."""

import uuid
from collections.abc import AsyncIterable, Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, TypeAlias

from typing_extensions import Self

from qwen_client import captions
from qwen_client.audio import AudioInput
from qwen_client.captions import DEFAULT_SAMPLE_RATE, AsyncCaptions, Captions
from qwen_client.chains.chain_run import AsyncChainRun, ChainRun, follow, follow_async
from qwen_client.chains.voice import OnEvent, VoiceEvent, VoiceReply, voice_chat
from qwen_client.conversations import Message
from qwen_client.jobs import StreamJob
from qwen_client.pcm import AudioPiece
from qwen_client.transport import AsyncTransport, Transport
from qwen_wire.errors import InvalidRequest, QwenError
from qwen_wire.transcripts import Caption

OnCaption: TypeAlias = Callable[[Caption], object]
VoiceRun: TypeAlias = ChainRun[VoiceEvent, VoiceReply]
AsyncVoiceRun: TypeAlias = AsyncChainRun[VoiceEvent, VoiceReply]


@dataclass(frozen=True)
class ConversationOptions:
    """How a conversation is held: its name, its token, where it is open already, and what all of its turns share."""

    session: str
    token: str | None
    messages: Sequence[Message] | None
    voice: str | None
    language: str | None
    context: str
    max_tokens: int | None
    seed: int | None


def conversation(
    session: str | None = None,
    *,
    token: str | None = None,
    messages: Sequence[Message] | None = None,
    voice: str | None = None,
    language: str | None = None,
    context: str = "",
    max_tokens: int | None = None,
    seed: int | None = None,
) -> ConversationOptions:
    """Talk: each turn is answered with all that was said before in mind.

        with client.chains.conversation(voice="vivian") as talk:
            talk.say("hello.wav").result().save("reply.wav")
            for event in talk.say("another question.wav"):
                ...

        with client.chains.conversation() as talk:  # 16-bit samples from a microphone
            while said := talk.hear(microphone, on_caption=show):
                for event in talk.say(text=said):
                    ...

    A new one begins, of the name `session` or of any, which the server forgets when the `with` block is left, or after
    half an hour without a turn (unless it has another limit): `messages` of the last reply begin another one. With the
    `token` of one that is open already, that one goes on. The rest as for `voice_chat`. Returns a `Conversation`.
    """
    if token is not None and (session is None or messages is not None):
        raise InvalidRequest("token goes with the name of a conversation that is open, and without messages")
    name = session or uuid.uuid4().hex
    return ConversationOptions(name, token, messages, voice, language, context, max_tokens, seed)


class _Conversation:
    """What sync and async conversations share: which request comes next."""

    def __init__(self, options: ConversationOptions) -> None:
        self.session = options.session
        self._token = options.token
        self._options = options

    @property
    def token(self) -> str:
        """With it, and the name `session`, others may go on with the conversation."""
        if self._token is None:
            raise InvalidRequest("the conversation is not open: hold it in a with block")
        return self._token

    def _beginning(self) -> StreamJob[VoiceEvent, VoiceReply]:
        return voice_chat(session=self.session, messages=self._options.messages)

    def _turn(
        self, audio: AudioInput | None, text: str | None, played_s: float | None, on_event: OnEvent | None
    ) -> StreamJob[VoiceEvent, VoiceReply]:
        shared = {name: value for name, value in vars(self._options).items() if name not in ("messages", "token")}
        return voice_chat(audio, text=text, token=self.token, played_s=played_s, on_event=on_event, **shared)

    def _ending(self) -> StreamJob[VoiceEvent, VoiceReply]:
        return voice_chat(session=self.session, token=self.token, end_session=True)

    def _captions(self, sample_rate: int, channels: int) -> Any:
        return captions.stream(
            language=self._options.language,
            context=self._options.context,
            sample_rate=sample_rate,
            channels=channels,
            chunk_s=LIVE_CHUNK_S,
        )


LIVE_CHUNK_S = 0.2  # how soon the end of an utterance is noticed


class Conversation(_Conversation):
    """Turns of one conversation; leaving the `with` block ends it."""

    def __init__(self, transport: Transport, options: ConversationOptions) -> None:
        super().__init__(options)
        self._transport = transport

    def open(self) -> None:
        """Begin the conversation, unless it is open; `with` and the first turn do so, too."""
        if self._token is None:
            self._token = self._transport.run(self._beginning()).token

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
        self.open()
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
        if self._token is not None:
            with suppress(QwenError):  # the server forgets a silent conversation by itself, later
                self._transport.run(self._ending())
            self._token = None

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class AsyncConversation(_Conversation):
    """As `Conversation`, with `async with`, `async for` and `await run.result()`."""

    def __init__(self, transport: AsyncTransport, options: ConversationOptions) -> None:
        super().__init__(options)
        self._transport = transport

    async def open(self) -> None:
        """As `Conversation.open`; it is done before the first turn."""
        if self._token is None:
            self._token = (await self._transport.run(self._beginning())).token

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
        if self._token is not None:
            with suppress(QwenError):  # the server forgets a silent conversation by itself, later
                await self._transport.run(self._ending())
            self._token = None

    async def __aenter__(self) -> Self:
        await self.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

"""Speech in, chat, speech out: conversations whose replies are spoken while they are written.

What one utterance sets off is in `turn_pipeline.py`, what a conversation remembers in `session.py`.
"""

import asyncio
import time

from qwen_engine.chains.calls import ModelCalls, Trace
from qwen_engine.chains.deadlines import checked_deadline_s
from qwen_engine.chains.event_sinks import Emit, event_sink
from qwen_engine.chains.tasks.prompts import prompt
from qwen_engine.chains.voice_chat.request import VoiceRequest, read_request
from qwen_engine.chains.voice_chat.session import Session, Turn
from qwen_engine.chains.voice_chat.session_registry import SessionRegistry
from qwen_engine.chains.voice_chat.turn_pipeline import TurnPipeline
from qwen_engine.messages import Inputs
from qwen_engine.settings import VoiceChatSettings
from qwen_wire.chains import ChainFinish
from qwen_wire.errors import InvalidRequest
from qwen_wire.options import ChatMessage
from qwen_wire.voice_chat import SESSION, SessionStarted, TurnOutputs, TurnTimings, VoiceChatEnd


class VoiceChat:
    """The chain: each `run` takes one utterance and tells the reply to it. All of them on one asyncio loop.

    Another utterance in the same conversation interrupts a reply: that ends as cancelled, without another sound.

    Example:
        chat = VoiceChat(calls, settings)
        end = await chat.run(inputs, trace, emit)
    """

    def __init__(self, calls: ModelCalls, settings: VoiceChatSettings) -> None:
        self._calls = calls
        self._settings = settings
        self._sessions = SessionRegistry([{"role": "system", "content": prompt("assistant").system}], settings)

    async def run(self, inputs: Inputs, trace: Trace, emit: Emit) -> VoiceChatEnd:
        """Raises a `QwenError` for what is refused before anything is done."""
        request = read_request(inputs)
        options = request.options
        end_s = min(time.monotonic() + checked_deadline_s(options.deadline_s, self._settings), inputs.caller.end_s)
        session, token = self._session(request, trace.tenant)
        turn, sink = Turn(), event_sink(emit, options)
        pipeline = TurnPipeline(self._calls, request, session, turn, trace.inside(), sink.emit, end_s)
        session.begin(turn, options.played_s)
        try:
            if token is not None:
                await sink.emit(SessionStarted(stage=SESSION, session=options.session or "", token=token))
            finish = await _finished(pipeline) if request.has_utterance else "stop"
        finally:
            if session.end(turn) and options.session is not None and options.end_session:
                self._sessions.forget(trace.tenant, options.session, session)
        return sink.end(_end(pipeline, finish))

    def _session(self, request: VoiceRequest, tenant: str) -> tuple[Session, str | None]:
        """The conversation that a request belongs to, and its token, if it begins with it."""
        options, messages = request.options, request.messages()
        if options.session is None:
            session, token = self._sessions.single(), None
        elif options.token is None and not request.only_ends:
            session, token = self._sessions.begin(tenant, options.session)
        else:
            session, token = self._sessions.find(tenant, options.session, options.token), None
            if messages is not None:
                raise InvalidRequest(f"OPTIONS.messages is given, but the conversation {options.session!r} has begun")
        if messages is not None:
            session.open_with(messages)
        return session, token


async def _finished(pipeline: TurnPipeline) -> ChainFinish:
    """How the turn ended. Cancelled with the task that waits for it, and by another turn."""
    task, turn = asyncio.ensure_future(pipeline.run()), pipeline.turn
    turn.stop = task.cancel
    try:
        await task
    except asyncio.CancelledError:
        turn.reply.interrupt()
        if not turn.was_interrupted:  # the caller has left
            raise
        return "cancelled"
    return "failed" if pipeline.error else "stop"


def _end(pipeline: TurnPipeline, finish: ChainFinish) -> VoiceChatEnd:
    reply = pipeline.turn.reply
    return VoiceChatEnd(
        finish_reason=finish,
        error=pipeline.error,
        outputs=TurnOutputs(heard=pipeline.turn.heard, reply=pipeline.reply_text, spoken=reply.spoken()),
        history=tuple(ChatMessage.model_validate(message) for message in pipeline.session.history()),
        audio_s=round(reply.audio_s, 3),
        underrun_s=round(reply.dry_s, 4),
        timings=TurnTimings(**pipeline.times_s),
        trace_id=pipeline.trace.trace_id,
        seed=pipeline.request.seed,
    )

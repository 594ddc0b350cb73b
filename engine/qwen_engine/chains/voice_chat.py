"""Speech in, chat, speech out: conversations whose replies are spoken while they are written.

What one utterance sets off is in `voice_turn.py`, what a conversation remembers in `sessions.py`.
"""

import asyncio
import time
from typing import Any

from qwen_engine.chains.calls import ModelCalls, Trace
from qwen_engine.chains.events import ChainFinish, Emit, End
from qwen_engine.chains.prompts import prompt
from qwen_engine.chains.sessions import Session, Sessions, Turn
from qwen_engine.chains.voice_request import VoiceOptions, VoiceRequest, read_request
from qwen_engine.chains.voice_turn import Talk
from qwen_engine.errors import InvalidRequest
from qwen_engine.messages import Inputs
from qwen_engine.settings import VoiceChatSettings


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
        self._sessions = Sessions(
            [{"role": "system", "content": prompt("assistant").system}],
            max_sessions=settings.max_sessions,
            max_turns=settings.max_turns,
            idle_timeout_s=settings.idle_timeout_s,
        )

    async def run(self, inputs: Inputs, trace: Trace, emit: Emit) -> End:
        """Raises an `EngineError` for what is refused before anything is done."""
        request = read_request(inputs)
        options, end_s = request.options, time.monotonic() + self._deadline_s(request.options)
        session, turn = self._session(request), Turn()
        talk = Talk(self._calls, request, session, turn, trace.inside(), emit, end_s)
        session.begin(turn, options.played_s)
        try:
            finish = await _finished(talk) if request.has_utterance else "stop"
        finally:
            if session.end(turn) and options.session is not None and options.end_session:
                self._sessions.forget(options.session)
        return End(finish_reason=finish, error=talk.error, details=_details(talk))

    def _deadline_s(self, options: VoiceOptions) -> float:
        limit_s = self._settings.max_deadline_s
        if options.deadline_s is not None and options.deadline_s > limit_s:
            raise InvalidRequest(f"OPTIONS.deadline_s is {options.deadline_s:g}; the limit is {limit_s:g}")
        return options.deadline_s or self._settings.deadline_s

    def _session(self, request: VoiceRequest) -> Session:
        session, messages = self._sessions.get(request.options.session), request.messages()
        if messages is not None:
            if not session.is_new:
                raise InvalidRequest(
                    f"OPTIONS.messages is given, but the conversation {request.options.session!r} has begun"
                )
            session.open_with(messages)
        return session


async def _finished(talk: Talk) -> ChainFinish:
    """How the turn ended. Cancelled with the task that waits for it, and by another turn."""
    task, turn = asyncio.ensure_future(talk.run()), talk.turn
    turn.stop = task.cancel
    try:
        await task
    except asyncio.CancelledError:
        turn.said.interrupt()
        if not turn.was_interrupted:  # the caller has left
            raise
        return "cancelled"
    return "failed" if talk.error else "stop"


def _details(talk: Talk) -> dict[str, Any]:
    """What the end tells; `spoken` is what the conversation remembers of the reply."""
    said = talk.turn.said
    return {
        "outputs": {"heard": talk.turn.heard, "reply": talk.reply, "spoken": said.spoken()},
        "history": talk.session.history(),
        "audio_s": round(said.audio_s, 3),
        "underrun_s": round(said.dry_s, 4),
        "timings": talk.times_s,
        "trace_id": talk.trace.trace_id,
    }

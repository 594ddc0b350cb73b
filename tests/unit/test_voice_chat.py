"""The voice chat on small models: what it tells, what it remembers, and how it stops."""

import asyncio
import json
from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from qwen_engine.chains.calls import Trace
from qwen_engine.chains.tasks.prompts import prompt
from qwen_engine.chains.voice_chat.chain import VoiceChat
from qwen_engine.chains.voice_chat.turn_pipeline import ASR, CHAT, TTS
from qwen_engine.messages import Inputs
from qwen_engine.settings import VoiceChatSettings
from qwen_engine.tenants import DEFAULT_TENANT
from qwen_wire.chains import ChainEnd, Stage, StageFailed, StageProgress, StageResult
from qwen_wire.errors import InvalidRequest, ServerError, Unavailable
from qwen_wire.messages import to_dict
from qwen_wire.voice_chat import SessionStarted, SpeechProgress
from tests.small_calls import FRAMES_A_PIECE, SmallCalls, sound_of

TRACE = Trace.read({"traceparent": f"00-{'7' * 32}-{'8' * 16}-01"})
GREETING = "Good morning, dear Anna. The plan is ready. Please call Ben today."
PIECES = ["Good morning,", "dear Anna.", "The plan is ready.", "Please call Ben today."]
FRAME_S = 0.08
PIECE_S = FRAMES_A_PIECE * FRAME_S
SYSTEM = {"role": "system", "content": prompt("assistant").system}


def said(role: str, content: str) -> dict[str, str]:
    return {"role": role, "content": content}


def echo(messages: list[dict[str, str]]) -> str:
    """Says how many utterances there were, and the last one."""
    heard = [message["content"] for message in messages if message["role"] == "user"]
    return f"Number {len(heard)} is here: {heard[-1]} Is that all of it, please?"


@dataclass
class Talking:
    """A voice chat on small models, and the turns taken in it."""

    calls: SmallCalls
    settings: dict[str, Any] = field(default_factory=dict)
    tokens: dict[tuple[str, str | None], str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.chat = VoiceChat(self.calls, VoiceChatSettings(**self.settings))

    async def turn(
        self,
        audio: bytes = b"Hello there.",
        text: bytes = b"",
        on_event: Callable[[Stage], Awaitable[None] | None] = lambda _: None,
        tenant: str = DEFAULT_TENANT,
        **options: Any,
    ) -> tuple[list[Stage], ChainEnd]:
        """The events and the end of a request; the token of its conversation goes along, once it is known."""
        events: list[Stage] = []
        session = (tenant, options.get("session"))
        options = {"token": self.tokens.get(session), **options}

        async def emit(event: Stage) -> None:
            await asyncio.sleep(0)
            if isinstance(event, SessionStarted):
                self.tokens[session] = event.token
            else:
                events.append(event)
            if (waiting := on_event(event)) is not None:
                await waiting

        items = {"AUDIO": (audio,), "TEXT": (text,), "OPTIONS": (json.dumps(options).encode(),)}
        return events, await self.chat.run(Inputs(items), replace(TRACE, tenant=tenant), emit)


def talking(answer=lambda _: GREETING, **settings: Any) -> Talking:
    return Talking(SmallCalls(answer), settings)


def sounds(events: list[Stage]) -> list[tuple[str, bytes]]:
    """Each piece that was spoken, with all of its sound."""
    spoken: dict[int, tuple[str, bytes]] = {}
    for event in events:
        if isinstance(event, SpeechProgress):
            spoken[event.item] = (event.text, spoken.get(event.item, ("", b""))[1] + event.payload)
    return [spoken[item] for item in sorted(spoken)]


def types(events: list[Stage], stage: str) -> list[str]:
    return [event.type for event in events if event.stage == stage]


def test_what_is_heard_is_answered_and_spoken_in_pieces():
    talk = talking()
    events, end = asyncio.run(talk.turn())
    assert (end.finish_reason, end.error) == ("stop", None)
    assert end.to_dict()["outputs"] == {"heard": "Hello there.", "reply": GREETING, "spoken": GREETING}
    assert sounds(events) == [(piece, sound_of(piece)) for piece in PIECES]
    texts = [event.payload.decode() for event in events if isinstance(event, StageProgress) and event.stage == "reply"]
    assert "".join(texts) == GREETING
    results = [(event.stage, event.value) for event in events if isinstance(event, StageResult)]
    assert results[0] == ("heard", "Hello there.")
    assert ("reply", GREETING) in results
    assert end.to_dict()["audio_s"] == pytest.approx(4 * PIECE_S)
    assert types(events, "speech")[0] == "stage_started"


def test_the_first_clause_is_spoken_before_the_reply_is_written():
    events, _ = asyncio.run(talking().turn())
    kinds = [(event.stage, event.type) for event in events]
    assert kinds.index(("speech", "stage_progress")) < kinds.index(("reply", "stage_result"))


def test_the_steps_are_what_a_client_would_call():
    talk = talking()
    asyncio.run(talk.turn(voice="vivian", seed=3, language="en", context="Anna", max_tokens=50))
    assert talk.calls.calls_of(ASR) == [
        {"audio_format": "auto", "num_channels": 1, "language": "en", "context": "Anna", "timestamps": "none"}
    ]
    messages = [SYSTEM, said("user", "Hello there.")]
    assert talk.calls.calls_of(CHAT) == [{"messages": messages, "max_tokens": 50, "seed": 3}]
    assert talk.calls.calls_of(TTS) == [{"voice": "vivian", "seed": 3}] * len(PIECES)


def test_a_random_seed_is_that_of_all_steps_and_told():
    ends = []
    for talk in (talking(), talking()):
        ends.append(asyncio.run(talk.turn())[1])
        asked = [*talk.calls.calls_of(CHAT), *talk.calls.calls_of(TTS)]
        assert {options["seed"] for options in asked} == {ends[-1].seed}
    assert ends[0].seed != ends[1].seed


def test_every_call_belongs_to_the_trace_of_the_request():
    talk = talking()
    asyncio.run(talk.turn())
    assert {trace for _, _, trace in talk.calls.made} == {TRACE.inside()}


def test_a_text_needs_no_recogniser():
    talk = talking(echo)
    events, end = asyncio.run(talk.turn(b"", b"Hello again."))
    assert end.to_dict()["outputs"]["heard"] == "Hello again."
    assert talk.calls.calls_of(ASR) == []
    assert sounds(events)


def test_payloads_can_travel_as_base64():
    talk = talking()
    raw, _ = asyncio.run(talk.turn())
    options = {"output_encoding": "base64", "input_encoding": "base64"}
    encoded, end = asyncio.run(talk.turn(b64encode(b"Hello there."), **options))
    assert [b64decode(event.payload) for event in encoded] == [event.payload for event in raw]
    assert end.to_dict()["outputs"]["heard"] == "Hello there."
    assert end.to_dict()["audio_s"] == pytest.approx(4 * PIECE_S)


def test_where_nothing_is_said_nothing_is_answered():
    talk = talking()
    events, end = asyncio.run(talk.turn(b" ", session="a"))
    assert end.finish_reason == "stop"
    assert types(events, "reply") == types(events, "speech") == ["stage_skipped"]
    assert talk.calls.calls_of(CHAT) == []
    assert end.to_dict()["history"] == [SYSTEM]


def test_signs_alone_are_no_speech_but_stay_in_the_reply():
    talk = talking(lambda _: "The plan is ready! 🙂")
    events, end = asyncio.run(talk.turn(session="a"))
    assert [text for text, _ in sounds(events)] == ["The plan is ready!"]
    assert end.to_dict()["outputs"]["spoken"] == "The plan is ready! 🙂"


def test_a_conversation_remembers_its_turns():
    talk = talking(echo)

    async def three() -> ChainEnd:
        for word in (b"One.", b"Two."):
            await talk.turn(word, session="a")
        return (await talk.turn(b"Three.", session="a"))[1]

    history = asyncio.run(three()).to_dict()["history"]
    assert [message["role"] for message in history] == ["system", *["user", "assistant"] * 3]
    assert [message["content"] for message in history[1::2]] == ["One.", "Two.", "Three."]
    assert history[-1]["content"].startswith("Number 3 is here")
    assert talk.calls.calls_of(CHAT)[-1]["messages"] == history[:-1]


def test_conversations_do_not_mix():
    talk = talking(echo)

    async def many() -> list[ChainEnd]:
        async def conversation(name: str) -> ChainEnd:
            for number in range(3):
                _, end = await talk.turn(f"{name}{number}".encode(), session=name)
            return end

        return await asyncio.gather(*(conversation(f"talk {number}") for number in range(32)))

    for number, end in enumerate(asyncio.run(many())):
        said_by_user = [message["content"] for message in end.to_dict()["history"][1::2]]
        assert said_by_user == [f"talk {number}{turn}" for turn in range(3)]
    assert talk.calls.live == []


def test_without_a_session_nothing_is_remembered():
    talk = talking(echo)
    asyncio.run(talk.turn(b"One."))
    _, end = asyncio.run(talk.turn(b"Two."))
    assert len(end.to_dict()["history"]) == 3


def test_old_turns_are_forgotten():
    talk = talking(echo, max_turns=2)

    async def four() -> ChainEnd:
        for word in (b"One.", b"Two.", b"Three."):
            await talk.turn(word, session="a")
        return (await talk.turn(b"Four.", session="a"))[1]

    history = asyncio.run(four()).to_dict()["history"]
    assert [message["content"] for message in history[1::2]] == ["Three.", "Four."]
    assert history[0] == SYSTEM


def test_a_new_conversation_may_bring_what_was_said_before():
    talk = talking(echo)
    before = [said("system", "Be brief."), said("user", "Zero."), said("assistant", "Yes, zero.")]

    async def two() -> tuple[ChainEnd, str]:
        _, end = await talk.turn(b"One.", session="a", messages=before)
        with pytest.raises(InvalidRequest, match="the conversation 'a' has begun"):
            await talk.turn(b"Two.", session="a", messages=before)
        return end

    assert asyncio.run(two()).to_dict()["history"][:4] == [*before, said("user", "One.")]


def test_a_conversation_can_be_ended():
    talk = talking(echo)

    async def over() -> list[ChainEnd]:
        ends = [(await talk.turn(b"One.", session="a"))[1]]
        ends.append((await talk.turn(b"", session="a", end_session=True))[1])
        ends.append((await talk.turn(b"Two.", session="a", end_session=True, token=None))[1])
        ends.append((await talk.turn(b"Three.", session="a", token=None))[1])
        return ends

    ends = asyncio.run(over())
    assert [end.finish_reason for end in ends] == ["stop"] * 4
    assert [len(end.to_dict()["history"]) for end in ends] == [3, 3, 3, 3]


def test_there_is_room_for_so_many_conversations():
    talk = talking(echo, max_sessions=2)

    async def three() -> None:
        await talk.turn(session="a")
        await talk.turn(session="b")
        with pytest.raises(Unavailable, match="2 conversations are open"):
            await talk.turn(session="c")
        await talk.turn(b"", session="a", end_session=True)
        await talk.turn(session="c")

    asyncio.run(three())


# --- whose it is --------------------------------------------------------------------------------------------------


def test_the_token_comes_first_and_a_request_without_utterance_just_begins():
    talk = talking(echo)
    order: list[str] = []

    async def begin() -> ChainEnd:
        await talk.turn(session="a", on_event=lambda event: order.append(event.type))
        events, end = await talk.turn(b"", session="b", messages=[said("user", "Zero."), said("assistant", "Yes.")])
        assert (events, end.finish_reason) == ([], "stop")
        return (await talk.turn(b"One.", session="b"))[1]

    end = asyncio.run(begin())
    assert order[:2] == ["session_started", "stage_started"]
    assert [message["content"] for message in end.to_dict()["history"][1:4]] == ["Zero.", "Yes.", "One."]
    assert all(len(token) >= 40 for token in talk.tokens.values())


def test_a_guessed_conversation_is_neither_read_nor_interrupted_nor_ended():
    """Whoever does not know the token learns not even whether it is there."""
    talk = talking()
    began = asyncio.Event()

    async def hold(event: Stage) -> None:
        if isinstance(event, SpeechProgress) and not began.is_set():
            began.set()
            await asyncio.sleep(0.05)

    async def run() -> tuple[ChainEnd, ChainEnd]:
        first = asyncio.create_task(talk.turn(on_event=hold, session="a"))
        await began.wait()
        token = talk.tokens[DEFAULT_TENANT, "a"]
        for tenant, wrong in ((DEFAULT_TENANT, "guessed"), (DEFAULT_TENANT, token[:-1]), ("other", token)):
            for asked in ({"audio": b"", "end_session": True}, {"end_session": True}, {"played_s": 0.0}, {}):
                with pytest.raises(InvalidRequest) as here:
                    await talk.turn(session="a", tenant=tenant, token=wrong, **asked)
                with pytest.raises(InvalidRequest) as nowhere:
                    await talk.turn(session="b", tenant=tenant, token=wrong, **asked)
                assert str(here.value) == str(nowhere.value).replace("'b'", "'a'")
        with pytest.raises(InvalidRequest, match=r"OPTIONS\.token opens no conversation 'a'"):
            await talk.turn(b"", session="a", end_session=True, token=None)
        with pytest.raises(InvalidRequest, match="conversation 'a' is open already: choose another name"):
            await talk.turn(b"Not mine.", session="a", token=None)
        await talk.turn(b"Mine.", session="a", tenant="other", token=None)
        _, end = await first
        return end, (await talk.turn(b"Again.", session="a"))[1]

    end, again = asyncio.run(run())
    assert end.finish_reason == "stop"
    assert [message["content"] for message in again.to_dict()["history"][1::2]] == ["Hello there.", "Again."]


def test_one_tenant_s_conversations_lock_nobody_out():
    talk = talking(echo, max_sessions=4)

    async def run() -> None:
        for name in ("a", "b"):
            await talk.turn(session=name, tenant="greedy")
        with pytest.raises(Unavailable, match="this tenant has 2 conversations open, its limit"):
            await talk.turn(session="c", tenant="greedy")
        await talk.turn(session="c", tenant="other")

    asyncio.run(run())


# --- barge-in -----------------------------------------------------------------------------------------------------


async def interrupted(talk: Talking, *, after_pieces: int, **second: Any) -> tuple[list[Stage], ChainEnd, ChainEnd]:
    """The first turn's events and end, and the end of the one that came when `after_pieces` had been delivered."""
    came = asyncio.Event()

    async def hold(event: Stage) -> None:
        if isinstance(event, SpeechProgress) and event.item == after_pieces:
            came.set()
            await asyncio.Event().wait()

    first = asyncio.create_task(talk.turn(on_event=hold, session="a"))
    await came.wait()
    _, end = await talk.turn(b"Stop, please.", session="a", **second)
    return *await first, end


def test_another_utterance_stops_the_speech():
    talk = talking()
    events, cut, end = asyncio.run(interrupted(talk, after_pieces=1))
    assert cut.finish_reason == "cancelled"
    assert cut.error is None
    assert end.finish_reason == "stop"
    assert sum(isinstance(event, SpeechProgress) for event in events) == FRAMES_A_PIECE + 1
    assert talk.calls.live == []


@pytest.mark.parametrize(
    ("played_s", "remembered"),
    [
        (10.0, "Good morning, dear Anna."),  # no more than was delivered
        (2 * PIECE_S, "Good morning, dear Anna."),
        (2 * PIECE_S - 0.9 * FRAME_S, "Good morning, dear Anna."),
        (1.5 * PIECE_S, "Good morning,"),
        (0.0, None),
    ],
)
def test_words_that_were_not_spoken_are_not_remembered(played_s, remembered):
    talk = talking()
    _, _, end = asyncio.run(interrupted(talk, after_pieces=2, played_s=played_s))
    replied = [said("assistant", remembered)] if remembered else []
    if remembered:
        before = [said("user", "Hello there."), *replied, said("user", "Stop, please.")]
    else:
        before = [said("user", "Hello there. Stop, please.")]
    assert end.to_dict()["history"] == [SYSTEM, *before, said("assistant", GREETING)]


def test_how_much_of_a_whole_reply_was_played_counts_too():
    talk = talking()

    async def two() -> ChainEnd:
        await talk.turn(session="a")
        return (await talk.turn(b"Stop, please.", session="a", played_s=1.2 * PIECE_S))[1]

    assert asyncio.run(two()).to_dict()["history"][2] == said("assistant", "Good morning,")


@pytest.mark.parametrize("model", [ASR, CHAT, TTS])
def test_a_caller_who_leaves_leaves_nothing_running(model):
    talk = talking()

    async def leave() -> ChainEnd:
        talk.calls.gates[model] = asyncio.Event()
        turn = asyncio.create_task(talk.turn(session="a"))
        while model not in talk.calls.live:
            await asyncio.sleep(0)
        turn.cancel()
        with pytest.raises(asyncio.CancelledError):
            await turn
        assert talk.calls.live == []
        talk.calls.gates.clear()
        return (await talk.turn(b"Again.", session="a"))[1]

    history = asyncio.run(leave()).to_dict()["history"]
    heard = "Again." if model == ASR else "Hello there. Again."
    assert history == [SYSTEM, said("user", heard), said("assistant", GREETING)]


# --- faults -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "stage"), [(ASR, "heard"), (CHAT, "reply"), (TTS, "speech")])
def test_a_stage_that_fails_names_itself(model, stage):
    talk = talking()
    talk.calls.failing[model] = Unavailable("the queue is full")
    events, end = asyncio.run(talk.turn(session="a"))
    assert end.finish_reason == "failed"
    assert to_dict(end.error) == {"stage": stage, "status": "UNAVAILABLE", "message": "the queue is full"}
    assert [event.stage for event in events if isinstance(event, StageFailed)] == [stage]
    assert talk.calls.live == []


@pytest.mark.parametrize(("model", "stage"), [(ASR, "heard"), (CHAT, "reply"), (TTS, "speech")])
def test_a_stage_that_takes_too_long_names_itself(model, stage):
    talk = talking()

    async def late() -> tuple[list[Stage], ChainEnd]:
        talk.calls.gates[model] = asyncio.Event()
        return await talk.turn(session="a", deadline_s=0.1)

    events, end = asyncio.run(late())
    assert (end.finish_reason, end.error.status) == ("failed", "DEADLINE_EXCEEDED")
    assert [event.stage for event in events if isinstance(event, StageFailed)] == [stage]
    assert talk.calls.live == []


@pytest.mark.parametrize("model", [ASR, CHAT, TTS])
def test_what_failed_can_be_said_again(model):
    talk = talking()

    async def twice() -> ChainEnd:
        talk.calls.failing[model] = Unavailable("the queue is full")
        await talk.turn(session="a")
        talk.calls.failing.clear()
        return (await talk.turn(session="a"))[1]

    assert asyncio.run(twice()).to_dict()["history"] == [
        SYSTEM,
        said("user", "Hello there."),
        said("assistant", GREETING),
    ]


def test_a_reply_that_cannot_be_spoken_is_still_written():
    talk = talking()
    talk.calls.failing[TTS] = Unavailable("the queue is full")
    events, end = asyncio.run(talk.turn(session="a"))
    assert end.to_dict()["outputs"] == {"heard": "Hello there.", "reply": GREETING, "spoken": ""}
    assert any(isinstance(event, StageResult) and event.value == GREETING for event in events)


def test_what_was_written_before_a_failure_is_spoken():
    talk = talking()
    bits = talk.calls.qwen3_chat({}, {"messages": []})
    talk.calls.qwen3_chat = lambda *_: [{**bits[0], "text_output": b"Good morning, dear Anna. Th"}, *bits[1:]]
    talk.calls.failing[CHAT] = ServerError()
    events, end = asyncio.run(talk.turn(session="a"))
    assert [text for text, _ in sounds(events)] == PIECES[:2]
    assert end.error.stage == "reply"
    assert end.to_dict()["outputs"]["spoken"] == "Good morning, dear Anna."


def test_what_goes_wrong_inside_is_not_told():
    talk = talking()
    talk.calls.failing[CHAT] = KeyError("secret")
    _, end = asyncio.run(talk.turn())
    assert to_dict(end.error) == {"stage": "reply", "status": "INTERNAL", "message": str(ServerError())}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"audio": b""}, "AUDIO and TEXT are both empty"),
        ({"text": b"Hello"}, "AUDIO and TEXT are both given"),
        ({"audio": b"", "session": "a", "token": "x"}, "AUDIO and TEXT are both empty"),
        ({"token": "x"}, "OPTIONS.token is given without OPTIONS.session"),
        ({"end_session": True}, "OPTIONS.end_session is given without OPTIONS.session"),
        ({"played_s": 1.0}, "OPTIONS.played_s is given without OPTIONS.session"),
        ({"deadline_s": 1e6}, "OPTIONS.deadline_s is 1e.06; the limit is 10800"),
        ({"colour": "red"}, "OPTIONS.colour is unknown"),
        ({"messages": [{"role": "robot", "content": "x"}]}, "OPTIONS.messages.0.role"),
        ({"audio": b"", "text": b"x" * 5000}, "TEXT has 5000 characters"),
    ],
)
def test_bad_requests_are_refused_by_name(options, message):
    with pytest.raises(InvalidRequest, match=message):
        asyncio.run(talking().turn(**options))

"""Texts that are still being written, and voices that go while somebody waits for them, by the synthesis engine."""

import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from qwen_engine.loop import EngineLoop
from qwen_engine.messages import Caller
from qwen_engine.tenants import DEFAULT_TENANT
from qwen_engine.tts.engine import TtsEngine
from qwen_engine.tts.request import AudioChunk, ControlEvent, Reference, SamplingOverrides, Speak
from qwen_engine.tts.settings import TtsSettings
from qwen_server.home import project_home
from qwen_wire.errors import InvalidRequest, Unavailable
from qwen_wire.messages import to_dict
from qwen_wire.speech import TextAdded
from tests.recorder import WAIT_S, Recorder

HELLO = "Hello everyone."
GREEDY = SamplingOverrides(temperature=0.0)
CHECKPOINTS = project_home() / "demo" / "checkpoints"
RATE_HZ = 24_000
VOICE = Reference(np.sin(np.arange(RATE_HZ) / 20).astype(np.float32) * 0.3, "hello")


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> TtsEngine:
    torch.set_num_threads(1)
    return TtsEngine(
        TtsSettings(
            checkpoint=str(CHECKPOINTS / "tts"),
            base_checkpoint=str(CHECKPOINTS / "tts_base"),
            voice_folder=str(tmp_path_factory.mktemp("voices")),
            max_positions=512,
            max_batch=4,
        )
    )


@pytest.fixture
def loop(engine: TtsEngine) -> Iterator[EngineLoop[Speak]]:
    loop: EngineLoop[Speak] = EngineLoop(engine, max_queue=64, max_wait_s=WAIT_S)
    yield loop
    loop.close(WAIT_S)


Ask = Callable[..., Recorder]


@pytest.fixture
def ask(loop: EngineLoop[Speak]) -> Ask:
    def ask(request: Speak) -> Recorder:
        sink = Recorder()
        loop.submit([(request, sink)], Caller(request.tenant))
        return sink

    return ask


def speak(text: str = HELLO, **fields: Any) -> Speak:
    return Speak(text, **{"max_audio_s": 20.0, "sampling": GREEDY, "sub_sampling": GREEDY, **fields})


def token_of(sink: Recorder) -> str:
    """That of the first event, which is there as soon as the request is accepted."""
    first = sink.events[0]
    assert isinstance(first, ControlEvent)
    assert first.type == "text_stream"
    token: str = first.token
    return token


def add(
    engine: TtsEngine,
    token: str | None,
    text: str,
    name: str = "a",
    *,
    complete: bool = False,
    tenant: str = DEFAULT_TENANT,
) -> TextAdded | InvalidRequest:
    try:
        return engine.add_text(tenant, name, token, text, complete=complete)
    except InvalidRequest as error:
        return error


def is_added(answer: TextAdded | InvalidRequest) -> bool:
    return isinstance(answer, TextAdded)


def keep(engine: TtsEngine, name: str, consent: str, tenant: str = DEFAULT_TENANT) -> None:
    voice = engine.clone(VOICE, tenant)
    engine.add_voice(name, voice, Caller(tenant), consent=consent, reference_s=VOICE.duration_s)


def spoken(sink: Recorder) -> np.ndarray:
    assert sink.outcome() == "stop", sink.outcome()
    sounds = [event.samples for event in sink.events if isinstance(event, AudioChunk)]
    return np.concatenate([np.zeros(0, np.float32), *sounds])


@pytest.fixture
def full_house(loop: EngineLoop[Speak]) -> Iterator[Callable[[], None]]:
    """All places are taken by open texts, until each is ended by a call."""
    sinks = [Recorder() for _ in range(4)]
    sessions = loop.submit([(speak("", text_stream=f"open-{number}"), sink) for number, sink in enumerate(sinks)])
    taken = list(zip(sessions, sinks, strict=True))

    def end_one() -> None:
        session, sink = taken.pop()
        session.cancel()
        sink.outcome()

    yield end_one
    while taken:
        end_one()


def test_text_may_be_added_before_there_is_a_place(engine, ask, full_house):
    whole = speak()
    full_house()
    expected = spoken(ask(whole))
    hold = ask(speak("Good morning everyone, the meeting starts at nine o'clock today."))  # has the place that is left
    sink = ask(speak("Hello ", text_stream="a"))
    token = token_of(sink)
    assert is_added(add(engine, token, "every"))
    assert is_added(add(engine, token, "one.", complete=True))
    np.testing.assert_allclose(spoken(sink), expected, atol=1e-4)
    assert hold.outcome() == "stop"


@pytest.mark.parametrize("sentence", [HELLO, "你好。", "Is it 3.5?"])
def test_a_complete_sentence_is_spoken_while_the_stream_is_open(engine, loop, sentence):
    heard = threading.Event()
    sink = Recorder(lambda event: heard.set() if isinstance(event, AudioChunk) else None)
    loop.submit([(speak("", text_stream="a"), sink)])
    token = token_of(sink)
    assert is_added(add(engine, token, sentence))
    assert heard.wait(WAIT_S)
    assert not sink.done.is_set()
    assert is_added(add(engine, token, "", complete=True))
    assert sink.outcome() == "stop"


def test_text_for_speech_that_was_cut_is_refused(engine, loop):
    ended = threading.Event()
    sink = Recorder(lambda event: ended.set() if isinstance(event, AudioChunk) and event.frames == 5 else None)
    loop.submit([(speak("", text_stream="a", max_audio_s=0.4), sink)])
    token = token_of(sink)
    assert is_added(add(engine, token, "Good morning everyone, the meeting starts at nine o'clock today."))
    assert ended.wait(WAIT_S)
    refused = add(engine, token, "More.")
    assert isinstance(refused, InvalidRequest)
    assert "its speech has ended" in str(refused) or "opens no text stream" in str(refused)
    assert sink.outcome() == "length"


def test_two_clients_with_the_same_name_never_get_each_other_s_sentences(engine, ask):
    expected = {text: spoken(ask(speak(text))) for text in (HELLO, "Thank you everyone.")}
    first = ask(speak("", text_stream="a"))
    second = ask(speak("", text_stream="a"))
    refused = second.outcome()
    assert isinstance(refused, InvalidRequest)
    assert "text stream 'a' is open already: choose another name" in str(refused)
    assert second.events == []
    other = ask(speak("", text_stream="a", tenant="other"))
    assert is_added(add(engine, token_of(first), HELLO, complete=True))
    assert is_added(add(engine, token_of(other), "Thank you everyone.", complete=True, tenant="other"))
    np.testing.assert_allclose(spoken(first), expected[HELLO], atol=1e-4)
    np.testing.assert_allclose(spoken(other), expected["Thank you everyone."], atol=1e-4)


def test_a_guessed_text_stream_is_neither_given_words_nor_ended(engine, ask):
    expected = spoken(ask(speak()))
    sink = ask(speak("Hello ", text_stream="a"))
    token = token_of(sink)
    for tenant, wrong in ((DEFAULT_TENANT, None), (DEFAULT_TENANT, token[1:]), ("other", token), ("other", None)):
        for complete in (False, True):
            here = add(engine, wrong, "Nobody. ", complete=complete, tenant=tenant)
            nowhere = add(engine, wrong, "Nobody. ", "b", complete=complete, tenant=tenant)
            assert isinstance(here, InvalidRequest)
            assert "OPTIONS.token opens no text stream 'a'" in str(here)
            assert str(here) == str(nowhere).replace("'b'", "'a'")
    assert is_added(add(engine, token, "everyone.", complete=True))
    np.testing.assert_allclose(spoken(sink), expected, atol=1e-4)
    assert isinstance(add(engine, token, "More."), InvalidRequest)


def test_a_name_is_free_again_however_its_stream_ended(engine, ask, loop, full_house):
    waiting = Recorder()
    full_house()
    hold = ask(speak("Good morning everyone, the meeting starts at nine o'clock today."))
    (session,) = loop.submit([(speak("Hello ", text_stream="a"), waiting)])
    session.cancel()  # it never had a place
    waiting.outcome()
    hold.outcome()
    again = [ask(speak("", text_stream="a"))]
    assert is_added(add(engine, token_of(again[0]), HELLO, complete=True))
    spoken(again[0])
    again.append(ask(speak("", text_stream="a")))
    assert is_added(add(engine, token_of(again[1]), HELLO, complete=True))
    spoken(again[1])
    assert token_of(again[0]) != token_of(again[1])


def test_one_tenant_s_text_streams_leave_room_for_others(engine, ask):
    greedy = [ask(speak("", text_stream=str(number), tenant="greedy")) for number in range(3)]
    refused = greedy[2].outcome()
    assert isinstance(refused, Unavailable)
    assert "this tenant has 2 text streams open, its limit" in str(refused)
    other = ask(speak("", text_stream="0", tenant="other"))
    sinks = [*greedy[:2], other]
    for number, sink in enumerate(sinks):
        tenant = "greedy" if number < 2 else "other"
        assert is_added(add(engine, token_of(sink), HELLO, str(number % 2), complete=True, tenant=tenant))
    assert [sink.outcome() for sink in sinks] == ["stop"] * 3


def test_a_voice_that_is_removed_while_a_request_waits_is_named(engine, ask, full_house):
    keep(engine, "gone", "nobody's")
    waiting = ask(speak(voice="gone"))
    engine.remove_voice("gone", Caller())
    assert not waiting.done.is_set()
    full_house()
    error = waiting.outcome()
    assert isinstance(error, InvalidRequest)
    assert str(error) == "OPTIONS.voice is 'gone', which was removed meanwhile"


def test_what_tenants_keep_is_theirs(engine, ask, caplog):
    keep(engine, "anna", "Anna, by mail", tenant="one")
    assert "is 'anna'; allowed" in str(ask(speak(voice="anna", tenant="two")).outcome())
    with pytest.raises(InvalidRequest, match="no such stored voice"):
        engine.remove_voice("anna", Caller("two"))
    told = {tenant: engine.list_voices(tenant) for tenant in ("one", "two", DEFAULT_TENANT)}
    assert [voice.name for voice in told["one"].voices] == ["anna"]
    assert "reference_text" not in to_dict(told["one"])["voices"][0]
    assert told["one"].voices[0].in_context
    assert told["two"].voices == told[DEFAULT_TENANT].voices == ()
    assert told["two"].speakers == told["one"].speakers != ()
    assert ask(speak(voice="anna", tenant="one")).outcome() == "stop"
    assert engine.remove_voice("anna", Caller("one")).removed == "anna"


def test_cloning_without_keeping_needs_consent_and_is_accounted_for(engine, ask, caplog):
    refused = ask(speak(reference=VOICE)).outcome()
    assert isinstance(refused, InvalidRequest)
    assert str(refused) == "OPTIONS.consent is empty; note who allowed the use of the voice in REF_AUDIO"
    caplog.set_level("INFO", "qwen_engine.audit")
    sink = ask(speak(reference=VOICE, consent='Anna, by "mail"\nyesterday', tenant="one"))
    assert sink.outcome() == "stop"
    assert [chunk.consent for chunk in sink.events] == ['Anna, by "mail"\nyesterday', *[None] * (len(sink.events) - 1)]
    (line,) = [record.getMessage() for record in caplog.records if record.name == "qwen_engine.audit"]
    assert line == (
        'AUDIT {"action": "voice_cloned", "tenant": "one", "request_id": "", "voice": null, '
        '"consent": "Anna, by \\"mail\\"\\nyesterday"}'
    )


def test_a_profile_may_do_without_consent_for_what_is_not_kept(tmp_path: Path):
    checkpoint = str(CHECKPOINTS / "tts_base")
    settings = TtsSettings(checkpoint=checkpoint, voice_folder=str(tmp_path), max_positions=256, require_consent=False)
    engine = TtsEngine(settings)
    engine.prepare(speak(reference=VOICE))
    with pytest.raises(InvalidRequest, match=r"OPTIONS\.consent is empty"):
        engine.check_new_voice(DEFAULT_TENANT, "anna", " ")


def test_a_stream_takes_so_much_text_and_goes_on_without_the_rest(ask, engine):
    limit, part = engine._settings.max_stream_chars, engine._settings.max_text_chars
    sink = ask(speak("", text_stream="a"))
    token = token_of(sink)
    refused = add(engine, token, "a" * (part + 1))
    assert isinstance(refused, InvalidRequest)
    assert str(refused) == f"TEXT has {part + 1} characters; the limit is {part}"
    for _ in range(limit // part):
        assert is_added(add(engine, token, " " * part))
    refused = add(engine, token, "x")
    assert isinstance(refused, InvalidRequest)
    assert f"would have {limit + 1} characters; the limit is {limit}" in str(refused)
    assert is_added(add(engine, token, "", complete=True))
    assert len(spoken(sink)) == 0

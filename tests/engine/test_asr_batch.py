"""The recognition engine step by step: who waits for whom, what fails alone, what a recording's pieces become."""

import itertools

import numpy as np
import pytest
import soundfile
import torch

from qwen_engine.asr.engine import AsrEngine
from qwen_engine.asr.piece_queue import first_much_shorter
from qwen_engine.asr.request import SAMPLE_RATE_HZ, AsrRequest, Recognition
from qwen_engine.asr.settings import AsrSettings
from qwen_engine.loop import EngineLoop
from qwen_engine.session import Session
from qwen_wire.errors import InvalidRequest, ServerError
from qwen_wire.transcripts import Word
from tests.parity.upstream_asr import CHECKPOINT
from tests.recorder import Recorder, run, submit

NUM_ROWS = 8
SETTINGS = AsrSettings(checkpoint=str(CHECKPOINT), max_batch=NUM_ROWS, max_positions=768, max_piece_s=8)
PAUSE = np.zeros(int(1.5 * SAMPLE_RATE_HZ), np.float32)


@pytest.fixture(scope="module")
def engine() -> AsrEngine:
    torch.set_num_threads(1)
    return AsrEngine(SETTINGS)


@pytest.fixture(scope="module")
def clips(audio) -> list[np.ndarray]:
    return [soundfile.read(audio / f"{name}.wav", dtype="float32")[0] for name in ("request", "message")]


@pytest.fixture(scope="module")
def long(clips) -> np.ndarray:
    """Two minutes of speech in 30 pieces."""
    return np.concatenate([part for _ in range(15) for clip in clips for part in (clip, PAUSE)])


class Steps:
    """An engine and its sessions; requests join between steps."""

    def __init__(self, engine: AsrEngine) -> None:
        self.engine = engine
        self.live: list[Session[AsrRequest]] = []

    def join(self, request: AsrRequest) -> Recorder:
        sink = Recorder()
        self.live.append(Session(self.engine.prepare(request), sink))
        return sink

    def step(self) -> None:
        """One token, once all sound that was handed over before is encoded: steps can be counted."""
        encoder = self.engine._batch._encoder_worker._worker
        with encoder._changed:
            assert encoder._changed.wait_for(lambda: not encoder._items, timeout=60)
        self.engine.step(self.live)
        for session in [one for one in self.live if one.ended]:
            self.leave(session)

    def leave(self, session: Session[AsrRequest]) -> None:
        self.live.remove(session)
        self.engine.retire(session)

    def steps_until_end(self, sink: Recorder) -> int:
        return next(count for count in itertools.count(1) if self.step() or sink.ends)

    def leave_all(self) -> None:
        for session in tuple(self.live):
            self.leave(session)


@pytest.fixture
def steps(engine):
    steps = Steps(engine)
    yield steps
    steps.leave_all()


def alone(engine: AsrEngine, request: AsrRequest) -> Recognition:
    (sink,) = run(engine, request)
    (transcript,) = sink.events
    return transcript


def test_batch_mates_of_other_lengths_do_not_change_a_transcript(engine, clips):
    silence = np.zeros(30_000, np.float32)
    requests = [AsrRequest(clip) for clip in (clips[1], silence, clips[0], clips[1][:12_000])]
    together = [sink.events for sink in run(engine, *requests)]
    assert together == [[alone(engine, request)] for request in requests]
    assert together[1] == [Recognition("", None, 30_000 / 16_000, segments=[], failed=[])]


def test_a_budget_is_kept_and_told(engine, clips):
    short, full = run(engine, AsrRequest(clips[1], max_new_tokens=6), AsrRequest(clips[1]))
    assert (short.outcome(), full.outcome()) == ("length", "stop")
    assert len(short.events[0].text) < len(full.events[0].text)


@pytest.mark.parametrize("language", ["English", "en", "ENGLISH"])
def test_a_forced_language_is_the_result_s_language(engine, clips, language):
    assert alone(engine, AsrRequest(clips[1], language=language)).language == "English"


def test_a_long_recording_is_its_pieces_in_order(engine, clips, long):
    transcript = alone(engine, AsrRequest(long))
    times = [time for segment in transcript.segments for time in (segment.start_s, segment.end_s)]
    assert times == sorted(times)
    assert times[0] >= 0
    assert times[-1] <= transcript.duration_s
    assert transcript.text == " ".join(segment.text for segment in transcript.segments)
    for segment in transcript.segments:
        start, end = (round(time_s * SAMPLE_RATE_HZ) for time_s in (segment.start_s, segment.end_s))
        assert alone(engine, AsrRequest(long[start:end], vad=False)).text == segment.text


def test_a_short_recording_never_waits_for_a_long_one(engine, steps, clips, long):
    request = AsrRequest(clips[1][:SAMPLE_RATE_HZ])
    unhindered = steps.steps_until_end(steps.join(request))
    recordings = [steps.join(AsrRequest(np.tile(long, 10))) for _ in range(2)]
    for _ in range(40):
        steps.step()
    assert steps.steps_until_end(steps.join(request)) <= unhindered + 1
    assert not any(sink.ends for sink in recordings)


@pytest.mark.parametrize(
    ("durations_s", "first"),
    [
        ([], 0),
        ([30], 0),
        ([30, 1], 1),
        ([30, 28, 1, 2], 2),
        ([30, 1, 28], 0),
        ([1, 30], 0),
        ([4, 1], 0),
        ([9, 8, 1], 2),
    ],
)
def test_the_last_rows_go_on_alone_where_all_before_are_much_longer(durations_s, first):
    assert first_much_shorter(durations_s) == first


def test_short_recordings_do_not_shut_out_a_long_one(steps, clips):
    sink = steps.join(AsrRequest(clips[0]))
    others: list[Recorder] = []
    for _ in range(200):
        if not others or others[-1].ends:
            others.append(steps.join(AsrRequest(clips[1][: SAMPLE_RATE_HZ // 2])))
        steps.step()
    assert sink.ends
    assert len(others) > 5


def test_many_long_recordings_take_turns(engine, steps, clips, long):
    """The last to come is not the last to be begun."""
    sinks = [steps.join(AsrRequest(long)) for _ in range(2 * NUM_ROWS)]
    for _ in range(120):
        steps.step()
    assert not any(sink.ends for sink in sinks)
    begun = [session for session, job in engine._jobs.items() if job.results]
    assert len(begun) > NUM_ROWS


def test_who_leaves_takes_nothing_along(steps, engine, clips, long):
    expected = [alone(engine, AsrRequest(clip)).text for clip in clips]
    for count in range(1, 30, 4):
        steps.join(AsrRequest(long))
        stays = [steps.join(AsrRequest(clip)) for clip in clips]
        for _ in range(count):
            steps.step()
        steps.leave(steps.live[0])
        while not all(sink.ends for sink in stays):
            steps.step()
        assert [sink.events[0].text for sink in stays] == expected
    assert not engine._batch._rows


def test_a_piece_that_fails_is_told_and_its_mates_go_on(engine, clips, long, monkeypatch):
    whole = alone(engine, AsrRequest(long))
    powers = engine.checkpoint.log_mel.powers
    bad = AsrRequest(long).spans[3]

    def is_bad(samples):
        return len(samples) == len(bad) and np.may_share_memory(samples, long[bad.start : bad.end])

    def deaf_to_one(audio):
        if any(map(is_bad, audio)):
            raise RuntimeError("secret detail")
        return powers(audio)

    monkeypatch.setattr(engine.checkpoint.log_mel, "powers", deaf_to_one)
    partial, mate = run(engine, AsrRequest(long), AsrRequest(clips[1]))
    transcript = partial.events[0]
    (failure,) = transcript.failed
    assert failure.start_s == bad.start / SAMPLE_RATE_HZ
    assert failure.end_s == bad.end / SAMPLE_RATE_HZ
    assert "secret" not in failure.message
    assert list(transcript.segments) == [one for one in whole.segments if one.start_s != failure.start_s]
    assert mate.outcome() == "stop"


def test_where_every_piece_fails_the_request_fails(engine, clips, monkeypatch):
    monkeypatch.setattr(engine.checkpoint, "log_mel", lambda audio: 1 / 0)
    (sink,) = run(engine, AsrRequest(clips[0]))
    assert isinstance(sink.outcome(), ServerError)


def test_a_context_that_leaves_no_room_is_refused_alone(engine, clips):
    wordy, mate = run(engine, AsrRequest(clips[0], context="Friday or Monday? " * 200), AsrRequest(clips[0]))
    assert isinstance(wordy.outcome(), InvalidRequest)
    assert "of 768 positions" in str(wordy.outcome())
    assert mate.outcome() == "stop"


@pytest.mark.parametrize("sample", [np.nan, np.inf, -1e30])
def test_what_is_no_sound_is_refused(engine, clips, sample):
    spoilt = clips[0].copy()
    spoilt[1000] = sample
    with pytest.raises(InvalidRequest, match="full scale is 1"):
        engine.prepare(AsrRequest(spoilt))


@pytest.mark.parametrize(
    ("fields", "message"),
    [({"language": "Klingon"}, "'Klingon'; allowed: auto"), ({"timestamps": "word"}, "has no aligner")],
)
def test_what_cannot_be_served_is_refused_by_name(engine, clips, fields, message):
    with pytest.raises(InvalidRequest, match=message):
        engine.prepare(AsrRequest(clips[0], **fields))


def test_a_seed_gives_the_same_text_alone_and_in_a_crowd(engine, clips):
    asked = [AsrRequest(clips[1], temperature=1.5, seed=seed) for seed in (1, 2, 3)]
    crowd = [sink.events[0].text for sink in run(engine, *asked, AsrRequest(clips[0]))]
    assert crowd[:3] == [alone(engine, request).text for request in asked]


def test_more_audio_than_memory_is_meant_for_is_refused(clips):
    engine = AsrEngine(SETTINGS.model_copy(update={"max_held_audio_s": 10}))
    long = AsrRequest(np.tile(clips[0], 10))
    loop: EngineLoop[AsrRequest] = EngineLoop(engine, max_queue=8, max_wait_s=60)
    sinks, _ = submit(loop, [long, AsrRequest(clips[1])])
    outcomes = [sink.outcome() for sink in sinks]
    loop.close(timeout_s=60)
    assert outcomes[0] == "stop"
    assert "s of audio are being worked on, and the limit is 10 s" in str(outcomes[1])


class EvenTimer:
    """Gives every word of a piece an equal share of its time."""

    def times(self, samples, text, language, *, chars):
        words = list(text) if chars else text.split()
        edges = np.linspace(0, len(samples) / SAMPLE_RATE_HZ, len(words) + 1)
        return [Word(word, start, end) for word, start, end in zip(words, edges, edges[1:], strict=False)]


def test_times_of_words_are_those_of_the_recording(long):
    engine = AsrEngine(SETTINGS, EvenTimer())
    transcript = alone(engine, AsrRequest(long, timestamps="word"))
    assert " ".join(word.text for word in transcript.words) == transcript.text
    times = [time for word in transcript.words for time in (word.start_s, word.end_s)]
    assert times == sorted(times)
    assert times[0] == pytest.approx(transcript.segments[0].start_s)
    assert times[-1] == pytest.approx(transcript.segments[-1].end_s)
    assert alone(engine, AsrRequest(long[:30_000])).words is None


def test_times_of_words_do_not_wait_for_what_others_say(clips, long):
    engine = AsrEngine(SETTINGS, EvenTimer())
    steps = Steps(engine)
    recording = steps.join(AsrRequest(long))
    timed = steps.join(AsrRequest(clips[1][:SAMPLE_RATE_HZ], timestamps="word"))
    while not timed.ends:
        steps.step()
        assert not recording.ends
    assert timed.events[0].words is not None
    steps.leave_all()


class TimerOfSome(EvenTimer):
    """Fails for every second piece."""

    num_asked = 0

    def times(self, samples, text, language, *, chars):
        self.num_asked += 1
        if self.num_asked % 2:
            raise ValueError("secret detail")
        return super().times(samples, text, language, chars=chars)


def test_a_piece_whose_words_cannot_be_timed_keeps_its_text(engine, long):
    whole = alone(engine, AsrRequest(long))
    transcript = alone(AsrEngine(SETTINGS, TimerOfSome()), AsrRequest(long, timestamps="char"))
    assert transcript.text == whole.text
    assert len(transcript.failed) == (len(whole.segments) + 1) // 2
    assert all(failure.message.startswith("no times of words: internal error") for failure in transcript.failed)
    assert transcript.words


@pytest.mark.parametrize("budget", range(1, 9))
@pytest.mark.parametrize("language", [None, "English"])
def test_an_answer_that_is_cut_early_is_never_told_as_its_prefix(engine, clips, budget, language):
    (whole,) = run(engine, AsrRequest(clips[1], language))
    (cut,) = run(engine, AsrRequest(clips[1], language, max_new_tokens=budget))
    assert cut.outcome() == "length"
    heard, said = cut.events[0], whole.events[0].text
    assert heard.finish_reason == "length"
    assert said.startswith(heard.text)
    assert heard.language == ("English" if heard.text else None)
    assert bool(heard.text) or language is None


def test_budgets_of_a_few_tokens_end_in_the_prefix(engine):
    """Else the test above would show nothing."""
    prompts = engine.checkpoint.prompts
    assert len(prompts.tokenizer.encode("language English")) >= 2
    assert prompts.parse(prompts.tokenizer.encode("language English")) == (None, "")


@pytest.mark.parametrize(
    ("answer", "told"),
    [("", ""), ("l", ""), ("Lang", ""), ("language", ""), ("language ", ""), ("language Eng", ""),
     ("language Chi\ufffd", ""),
     ("Look at language.", "Look at language."), ("language models are large", "language models are large")],
)  # fmt: skip
def test_only_the_beginning_of_an_answer_is_no_text(engine, answer, told):
    prompts = engine.checkpoint.prompts
    assert prompts.parse(prompts.tokenizer.encode(answer)) == (None, told)
    assert prompts.parse(prompts.tokenizer.encode(answer), forced=True) == (None, answer.strip())

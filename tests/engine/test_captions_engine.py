"""Live captions by the engine: what a listener reads, what it must never read, and what is left of streams that go."""

import gc
import itertools
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from qwen_engine.asr.captions.engine import CaptionEngine
from qwen_engine.asr.captions.request import Caption, CaptionRequest
from qwen_engine.asr.captions.stream import CaptionStream, RunningSegment
from qwen_engine.asr.engine import AsrEngine
from qwen_engine.asr.features import LogMel
from qwen_engine.asr.hearing import Hearing
from qwen_engine.asr.joining import join_texts
from qwen_engine.asr.request import AsrRequest, Heard
from qwen_engine.audio import pcm16
from qwen_engine.errors import Internal, InvalidRequest, Unavailable
from qwen_engine.loop import EngineLoop, Session
from qwen_engine.options import CaptionOptions
from qwen_engine.settings import AsrSettings, CaptionSettings
from tests.captioner import Cut, anyhow, caption, caption_together, chunk, evenly
from tests.monologues import SAMPLE_RATE_HZ, monologues
from tests.parity.upstream_asr import CHECKPOINT
from tests.recorder import WAIT_S, Recorder, run

NUM_STREAMS = 8
IDLE_S = 20.0
SETTINGS = CaptionSettings(
    checkpoint=str(CHECKPOINT), max_batch=8, max_positions=768, max_streams=NUM_STREAMS, idle_timeout_s=IDLE_S
)


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture(scope="module")
def clock() -> Clock:
    return Clock()


@pytest.fixture(scope="module")
def engine(clock) -> CaptionEngine:
    torch.set_num_threads(1)
    return CaptionEngine(SETTINGS, clock=clock)


@pytest.fixture
def loop(engine, clock) -> Iterator[EngineLoop[CaptionRequest]]:
    loop = EngineLoop(engine, max_queue=64, max_wait_s=WAIT_S)
    yield loop
    loop.close(WAIT_S)
    clock.now_s += 2 * IDLE_S
    engine.idle()


@pytest.fixture(scope="module")
def offline() -> AsrEngine:
    return AsrEngine(AsrSettings(checkpoint=str(CHECKPOINT), max_batch=8, max_positions=768))


@pytest.fixture(scope="module")
def sounds() -> list[np.ndarray]:
    return [as_sent(sound) for sound in monologues(4, seed=11)]


def as_sent(sound: np.ndarray) -> np.ndarray:
    return np.frombuffer(pcm16(sound), "<i2").astype(np.float32) / 2**15


def written(captions: list[Caption]) -> list[tuple[float, float, str]]:
    return [(one.start_s, one.end_s, one.text) for caption in captions for one in caption.segments]


def test_a_segment_s_final_text_is_its_offline_transcript(loop, offline, sounds):
    captions = caption_together(loop, sounds, evenly(0.5))
    for sound, heard in zip(sounds, captions, strict=True):
        spans = [(round(start * SAMPLE_RATE_HZ), round(end * SAMPLE_RATE_HZ)) for start, end, _ in written(heard)]
        transcripts = run(offline, *[AsrRequest(sound[start:end]) for start, end in spans])
        assert [sink.events[0].text for sink in transcripts] == [text for *_, text in written(heard)]
        assert len(spans) >= 2


@pytest.mark.parametrize("cut", [anyhow(1), anyhow(2), evenly(0.1), evenly(2.0)], ids=["any", "other", "100ms", "2s"])
def test_stable_text_only_grows_and_the_final_text_does_not_depend_on_the_chunks(loop, sounds, cut: Cut):
    expected = caption(loop, sounds[0], evenly(0.5))
    captions = caption(loop, sounds[0], cut)
    assert written(captions) == written(expected)
    assert captions[-1].stable == expected[-1].stable
    assert [one.index for one in captions] == list(range(len(captions)))
    assert all(after.stable.startswith(before.stable) for before, after in itertools.pairwise(captions))
    num_ended = itertools.accumulate(len(one.segments) for one in captions)
    assert [one.segment for one in captions] == list(num_ended)
    assert [one.is_final for one in captions] == [False] * (len(captions) - 1) + [True]
    assert captions[-1].partial == ""
    assert captions[-1].audio_s == len(sounds[0]) / SAMPLE_RATE_HZ
    assert captions[-1].stable == join_texts(text for *_, text in written(captions))


def test_text_comes_while_it_is_spoken(loop, sounds):
    """There is partial text before anything is stable, and what is written first is gone on with."""
    captions = caption(loop, sounds[0], evenly(0.5))
    first_end = next(index for index, one in enumerate(captions) if one.segments)
    partial = [one.partial for one in captions[:first_end] if one.partial]
    assert len(partial) >= 2
    assert len(partial[-1]) > len(partial[0])
    assert captions[-1].language == "English"


@pytest.mark.parametrize(
    "sound",
    [
        np.zeros(10 * SAMPLE_RATE_HZ, np.float32),
        np.random.default_rng(0).normal(0, 0.05, 10 * SAMPLE_RATE_HZ),
        0.3 * np.sin(np.arange(10 * SAMPLE_RATE_HZ) / 5),
    ],
    ids=["silence", "hiss", "tone"],
)
def test_where_nobody_speaks_nothing_is_written(loop, sound):
    captions = caption(loop, sound.astype(np.float32), evenly(0.5))
    assert {one.stable + one.partial for one in captions} == {""}
    assert written(captions) == []


def test_a_session_s_state_is_bounded_however_long_somebody_speaks(loop, engine, sounds):
    """Nobody pauses for 45 seconds."""
    speech = sounds[0][np.abs(sounds[0]) > 0.003]
    data = pcm16(np.resize(speech, 45 * SAMPLE_RATE_HZ))
    kept, captions = [], []
    for at in range(0, len(data), 4 * SAMPLE_RATE_HZ):
        sink = chunk(loop, "endless", data[at : at + 4 * SAMPLE_RATE_HZ], start=at == 0)
        assert sink.outcome() == "stop"
        captions += sink.events
        kept.append(len(engine._streams["endless"]._samples))
    assert 8 * SAMPLE_RATE_HZ < max(kept) <= (SETTINGS.max_segment_s + 2) * SAMPLE_RATE_HZ
    segments = written(captions)
    assert segments
    assert all(end - start <= SETTINGS.max_segment_s for start, end, _ in segments)


def test_windows_that_are_complete_are_encoded_once(engine):
    """Where the loudest moment comes first, what is encoded bit by bit equals what is encoded at once."""
    sound = np.random.default_rng(1).normal(0, 0.1, 20 * SAMPLE_RATE_HZ).astype(np.float32)
    sound[2000:3000] *= 4
    checkpoint = engine.checkpoint
    hearing = Hearing(checkpoint.config)

    def heard(samples):
        (powers,) = checkpoint.log_mel.powers([hearing.tail(samples)])
        return hearing.take(checkpoint.encoder(hearing.windows(powers)), len(samples))

    with torch.inference_mode():
        [features] = checkpoint.log_mel([sound])
        whole = torch.cat(checkpoint.encoder(checkpoint.encoder.windows(features)))
        for end in range(SAMPLE_RATE_HZ, len(sound) + 1, 7000):
            heard(sound[:end])
        assert len(hearing.tail(sound)) < 9 * SAMPLE_RATE_HZ
        at_last = heard(sound)
    torch.testing.assert_close(at_last, whole, atol=1e-4, rtol=1e-4)


def test_half_a_character_is_not_shown():
    running = RunningSegment.__new__(RunningSegment)
    running.start = running.heard_until = 0
    running.write((), Heard((1, 2), "你好\ufffd", "Chinese", "stop", 0.0))
    assert running.text == "你好"


@pytest.mark.parametrize(
    ("options", "make"),
    [
        ({"sample_rate_hz": 48_000}, lambda sound: pcm16(np.repeat(sound, 3))),
        ({"num_channels": 2}, lambda sound: pcm16(np.stack([sound, np.zeros_like(sound)], axis=1).ravel())),
        ({"audio_format": "pcm_f32le"}, lambda sound: sound.astype("<f4").tobytes()),
    ],
    ids=["48 kHz", "one silent channel", "floats"],
)
def test_samples_come_in_any_form(loop, sounds, options, make):
    expected = caption(loop, sounds[0], evenly(0.5))
    data = make(sounds[0])
    [last] = chunk_events(loop, [data[at : at + 96_000] for at in range(0, len(data), 96_000)], **options)[-1:]
    assert len(last.stable.split()) == pytest.approx(len(expected[-1].stable.split()), abs=3)
    assert last.audio_s == pytest.approx(expected[-1].audio_s, abs=1e-3)


def chunk_events(loop, chunks: list[bytes], **options) -> list[Caption]:
    events = []
    for index, data in enumerate(chunks):
        sink = chunk(loop, 1, data, start=index == 0, end=index == len(chunks) - 1, **options)
        assert sink.outcome() == "stop"
        events += sink.events
    return events


def refusal(sink: Recorder, kind: type[Exception] = InvalidRequest) -> str:
    error = sink.outcome()
    assert isinstance(error, kind)
    return str(error)


def test_chunks_of_streams_that_are_not_open_are_refused_by_name(loop):
    assert "no open stream 7: send START first" in refusal(chunk(loop, 7, bytes(2)))
    assert "no open stream 7: send START first" in refusal(chunk(loop, 7, end=True))
    assert chunk(loop, 7, start=True).outcome() == "stop"
    assert "stream 7 is open already" in refusal(chunk(loop, 7, start=True))
    assert chunk(loop, 7, end=True).outcome() == "stop"
    for end in (False, True):
        assert "no open stream 7: send START first" in refusal(chunk(loop, 7, bytes(2), end=end))
    assert chunk(loop, 7, bytes(2), start=True, end=True).outcome() == "stop"


@pytest.mark.parametrize(
    ("audio", "options", "message"),
    [
        (bytes(3), {}, "AUDIO has 3 bytes, not a whole number of frames of 2 bytes"),
        (bytes(2), {"sample_rate_hz": 8000}, "OPTIONS.sample_rate_hz is 8000, but stream 1 began with 16000"),
        (bytes(2), {"language": "German"}, "OPTIONS.language is 'German', but stream 1 began with 'English'"),
        (bytes(2 * 11 * SAMPLE_RATE_HZ), {}, "AUDIO lasts 11.0 s; a chunk may last up to 10 s"),
        (bytes(2), {"language": "Klingon"}, "OPTIONS.language is 'Klingon'; allowed: auto"),
    ],
)
def test_a_bad_chunk_is_refused_and_its_stream_goes_on(loop, sounds, audio, options, message):
    data = pcm16(sounds[0])
    half = 3 * SAMPLE_RATE_HZ
    data = data[: 3 * half]
    begin = {"language": "English"}
    expected = chunk_events(loop, [data[:half], data[half:]], **begin)[-1]
    assert chunk(loop, 1, data[:half], start=True, **begin).outcome() == "stop"
    assert message in refusal(chunk(loop, 1, audio, **options))
    sink = chunk(loop, 1, data[half:], end=True, **begin)
    assert sink.outcome() == "stop"
    assert sink.events[0].stable == expected.stable


def test_what_is_no_sound_is_refused(loop):
    options = {"audio_format": "pcm_f32le"}
    assert "full scale is 1" in refusal(chunk(loop, 1, np.array([np.nan], "<f4").tobytes(), start=True, **options))
    assert "no open stream" in refusal(chunk(loop, 1))


def test_a_context_that_leaves_no_room_is_refused_at_the_start(loop):
    assert "OPTIONS.context takes too much room" in refusal(chunk(loop, 1, start=True, context="Anna and Ben " * 250))


def test_one_stream_too_many_is_told_to_try_later(loop):
    for number in range(NUM_STREAMS):
        assert chunk(loop, number, start=True).outcome() == "stop"
    assert "8 streams are open, the limit; try again later" in refusal(chunk(loop, "more", start=True), Unavailable)
    assert chunk(loop, 0, end=True).outcome() == "stop"
    assert chunk(loop, "more", start=True).outcome() == "stop"


def test_a_thousand_abandoned_streams_leave_nothing(loop, engine, clock, sounds, monkeypatch):
    """They are cut off in mid-sentence, and nothing comes after them: the loop lets them go while it is idle."""
    speech = pcm16(sounds[0][: 2 * SAMPLE_RATE_HZ])
    streams: weakref.WeakSet[CaptionStream] = weakref.WeakSet()
    opened = engine._opened
    monkeypatch.setattr(engine, "_opened", lambda request: streams.add(stream := opened(request)) or stream)
    for number in range(1000):
        assert chunk(loop, number, speech if number % 50 == 0 else b"", start=True).outcome() == "stop"
        clock.now_s += IDLE_S / 4
        assert engine.num_streams <= 6
    clock.now_s += 2 * IDLE_S
    engine.idle()
    gc.collect()
    assert (engine.num_streams, len(streams), len(engine._jobs)) == (0, 0, 0)


def test_a_silent_stream_is_open_until_its_time_is_over(loop, clock):
    assert chunk(loop, 1, start=True).outcome() == "stop"
    clock.now_s += IDLE_S - 1
    assert chunk(loop, 1).outcome() == "stop"
    clock.now_s += IDLE_S + 1
    assert f"was silent for {IDLE_S:g} s" in refusal(chunk(loop, 1))


def test_chunks_sent_without_waiting_are_heard_in_order(loop, sounds):
    """Triton sends one at a time; nothing rests on that."""
    data = pcm16(sounds[0])
    expected = chunk_events(loop, [data[:160_000], data[160_000:]])[-1]
    sinks, sessions = [], []
    for start, end in ((True, False), (False, True)):
        sinks.append(Recorder())
        part = data[:160_000] if start else data[160_000:]
        sessions.append((CaptionRequest("both", part, CaptionOptions(), start=start, end=end), sinks[-1]))
    loop.submit(sessions)
    assert [sink.outcome() for sink in sinks] == ["stop", "stop"]
    assert sinks[1].events[0].stable == expected.stable


def test_a_stream_that_fails_is_forgotten_and_no_other(loop, engine, sounds, monkeypatch):
    expected = caption(loop, sounds[1], evenly(1.0))
    powers, broken = LogMel.powers, sounds[0]

    def fail(log_mel, clips):
        if any(len(clip) and abs(float(clip.max()) - loudest) < 1e-6 for clip in clips):
            raise RuntimeError("secret")
        return powers(log_mel, clips)

    first = caption(loop, broken, evenly(1.0))
    start, end, _ = written(first)[0]
    loudest = float(broken[round(start * SAMPLE_RATE_HZ) : round(end * SAMPLE_RATE_HZ)].max())
    monkeypatch.setattr(LogMel, "powers", fail)
    data = pcm16(broken)
    assert chunk(loop, "well", pcm16(sounds[1])[: 2 * SAMPLE_RATE_HZ], start=True).outcome() == "stop"
    sink = chunk(loop, "ill", data[: 2 * 9 * SAMPLE_RATE_HZ], start=True)
    assert isinstance(sink.outcome(), Internal)
    assert "no open stream ill" in refusal(chunk(loop, "ill", end=True))
    rest = chunk(loop, "well", pcm16(sounds[1])[2 * SAMPLE_RATE_HZ : 2 * 10 * SAMPLE_RATE_HZ])
    assert rest.outcome() == "stop"
    assert expected[-1].stable.startswith(rest.events[0].stable)


def test_a_caller_who_leaves_while_a_chunk_is_worked_on_leaves_nothing(engine, sounds):
    sink = Recorder()
    session = Session(
        CaptionRequest("gone", pcm16(sounds[0][: 3 * SAMPLE_RATE_HZ]), CaptionOptions(), start=True), sink
    )
    engine.step([session])
    assert not session.ended
    session.finish("cancelled")
    engine.retire(session)
    assert (engine.num_streams, len(engine._jobs)) == (0, 0)
    assert engine.step([]) is False

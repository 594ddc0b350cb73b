"""Live captions by the engine: what a listener reads, what it must never read, and what is left of streams that go."""

import gc
import itertools
import weakref
from collections.abc import Iterator

import numpy as np
import pytest
import soundfile
import torch

from qwen_engine.asr import request
from qwen_engine.asr.captions import stream
from qwen_engine.asr.captions.engine import CaptionEngine
from qwen_engine.asr.captions.request import CaptionRequest
from qwen_engine.asr.captions.settings import CaptionSettings
from qwen_engine.asr.captions.stream import CaptionStream, RunningSegment
from qwen_engine.asr.engine import AsrEngine
from qwen_engine.asr.features import LogMel
from qwen_engine.asr.request import AsrRequest, PieceResult
from qwen_engine.asr.settings import AsrSettings
from qwen_engine.asr.streaming_encoder import StreamingEncoderState
from qwen_engine.asr.text_join import join_texts
from qwen_engine.audio import pcm16
from qwen_engine.loop import EngineLoop
from qwen_engine.session import Session
from qwen_engine.tenants import DEFAULT_TENANT
from qwen_wire.errors import InvalidRequest, ServerError, Unavailable
from qwen_wire.options import CaptionOptions
from qwen_wire.transcripts import Caption
from tests.captioner import Cut, anyhow, begin, caption, caption_together, chunk, evenly
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


def between_silences(cut: Cut) -> Cut:
    """After each chunk some that hold nothing."""
    sizes = itertools.cycle((None, 0.0, 0.0, None, 0.0))
    return lambda: cut() if (size := next(sizes)) is None else size


@pytest.mark.parametrize("rate_hz", [SAMPLE_RATE_HZ, 8000])
def test_chunks_without_sound_change_nothing(loop, sounds, rate_hz):
    """The client sends them to keep a stream open: a break is not heard."""
    expected = caption(loop, sounds[0], evenly(0.5), sample_rate_hz=rate_hz)
    captions = caption(loop, sounds[0], between_silences(evenly(0.5)), sample_rate_hz=rate_hz)
    assert len(captions) > 2 * len(expected)
    assert written(captions) == written(expected)
    assert captions[-1].stable == expected[-1].stable
    assert captions[-1].audio_s == expected[-1].audio_s


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
        token = captions[0].token if captions else None
        sink = chunk(loop, "endless", data[at : at + 4 * SAMPLE_RATE_HZ], start=at == 0, token=token)
        assert sink.outcome() == "stop"
        captions += sink.events
        [(_, _, stream)] = engine._streams
        kept.append(len(stream._samples))
    assert 8 * SAMPLE_RATE_HZ < max(kept) <= (SETTINGS.max_segment_s + 2) * SAMPLE_RATE_HZ
    segments = written(captions)
    assert segments
    assert all(end - start <= SETTINGS.max_segment_s for start, end, _ in segments)


def test_windows_that_are_complete_are_encoded_once(engine):
    """Where the loudest moment comes first, what is encoded bit by bit equals what is encoded at once."""
    sound = np.random.default_rng(1).normal(0, 0.1, 20 * SAMPLE_RATE_HZ).astype(np.float32)
    sound[2000:3000] *= 4
    checkpoint = engine.checkpoint
    hearing = StreamingEncoderState(checkpoint.config)

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
    running.start = running.transcribed_until = 0
    running.update((), PieceResult((1, 2), "你好\ufffd", "Chinese", "stop", 0.0))
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
        token = events[0].token if events else None
        sink = chunk(loop, 1, data, start=index == 0, end=index == len(chunks) - 1, token=token, **options)
        assert sink.outcome() == "stop"
        events += sink.events
    return events


def refusal(sink: Recorder, kind: type[Exception] = InvalidRequest) -> str:
    error = sink.outcome()
    assert isinstance(error, kind)
    return str(error)


def test_chunks_of_streams_that_are_not_open_are_refused_by_name(loop):
    assert "OPTIONS.token opens no stream 7" in refusal(chunk(loop, 7, bytes(2)))
    assert "OPTIONS.token opens no stream 7" in refusal(chunk(loop, 7, end=True))
    token = begin(loop, 7)
    assert "stream 7 is open already" in refusal(chunk(loop, 7, start=True))
    assert chunk(loop, 7, end=True, token=token).outcome() == "stop"
    for end in (False, True):
        assert "OPTIONS.token opens no stream 7" in refusal(chunk(loop, 7, bytes(2), end=end, token=token))
    assert chunk(loop, 7, bytes(2), start=True, end=True).outcome() == "stop"


def test_a_guessed_stream_is_neither_read_nor_given_words_nor_ended(loop, sounds):
    """Whoever does not know the token learns not even whether the stream is there."""
    data = pcm16(sounds[0])[: 16 * SAMPLE_RATE_HZ]
    expected = chunk_events(loop, [data, b""])[-1]
    token = begin(loop, 7, data)
    for tenant in (DEFAULT_TENANT, "other"):
        for wrong in (None, "x", token[:-1], token + "x", "ä"):
            for end in (False, True):
                told = refusal(chunk(loop, 7, data, end=end, tenant=tenant, token=wrong))
                assert told == refusal(chunk(loop, 8, data, end=end, tenant=tenant, token=wrong)).replace(" 8:", " 7:")
    assert told == refusal(chunk(loop, 7, data, start=True, tenant="other", token=token))  # tokens are a tenant's, too
    assert begin(loop, 7, data, tenant="other") != token
    last = chunk(loop, 7, end=True, token=token)
    assert last.outcome() == "stop"
    assert last.events[0].stable == expected.stable


def test_a_stream_whose_sequence_somebody_ended_goes_on_by_its_token(loop, sounds):
    """Triton ends a sequence for whoever sends its id: the stream's owner then starts it once more."""
    data = pcm16(sounds[0])[: 16 * SAMPLE_RATE_HZ]
    half = len(data) // 4 * 2
    expected = chunk_events(loop, [data[:half], data[half:], b""])[-1]
    token = begin(loop, 7, data[:half])
    again = chunk(loop, 7, data[half:], start=True, token=token)
    assert again.outcome() == "stop"
    assert (again.events[0].index, again.events[0].token) == (1, None)
    last = chunk(loop, 7, start=True, end=True, token=token)
    assert last.outcome() == "stop"
    assert last.events[0] == expected
    assert "OPTIONS.token opens no stream 7" in refusal(chunk(loop, 7, start=True, token=token))


@pytest.mark.parametrize(
    ("audio", "options", "message"),
    [
        (bytes(3), {}, "AUDIO has 3 bytes, not a whole number of frames of 2 bytes"),
        (bytes(2), {"sample_rate_hz": 8000}, "OPTIONS.sample_rate_hz is 8000, but stream 1 began with 16000"),
        (bytes(2), {"language": "German"}, "OPTIONS.language is 'German', but stream 1 began with 'English'"),
        (bytes(2 * 11 * SAMPLE_RATE_HZ), {}, "AUDIO lasts 11.0 s; a chunk may last up to 10 s"),
        (bytes(2 * 1_920_064), {"num_channels": 64}, "OPTIONS.num_channels is 64, but stream 1 began with 1"),
        (bytes(4 * 1_920_001), {}, "AUDIO has 7680004 bytes; a chunk may have up to 7680000"),
        (bytes(2), {"language": "Klingon"}, "OPTIONS.language is 'Klingon'; allowed: auto"),
    ],
)
def test_a_bad_chunk_is_refused_and_its_stream_goes_on(loop, sounds, audio, options, message):
    data = pcm16(sounds[0])
    half = 3 * SAMPLE_RATE_HZ
    data = data[: 3 * half]
    asked = {"language": "English"}
    expected = chunk_events(loop, [data[:half], data[half:]], **asked)[-1]
    token = begin(loop, 1, data[:half], **asked)
    assert message in refusal(chunk(loop, 1, audio, token=token, **options))
    sink = chunk(loop, 1, data[half:], end=True, token=token, **asked)
    assert sink.outcome() == "stop"
    assert sink.events[0].stable == expected.stable


def test_what_is_no_sound_is_refused(loop):
    options = {"audio_format": "pcm_f32le"}
    assert "full scale is 1" in refusal(chunk(loop, 1, np.array([np.nan], "<f4").tobytes(), start=True, **options))
    assert begin(loop, 1, **options)


def test_a_chunk_of_many_channels_at_a_high_rate_is_refused_before_it_is_worked_on(loop):
    options = {"num_channels": 64, "sample_rate_hz": 384_000}
    token = begin(loop, 1, bytes(2 * 64 * 1920), **options)
    told = refusal(chunk(loop, 1, bytes(2 * (1_920_000 + 64)), token=token, **options))
    assert "AUDIO has more than 1920000 samples in all channels together" in told
    last = chunk(loop, 1, bytes(2 * 1_920_000), end=True, token=token, **options)
    assert last.outcome() == "stop"
    assert last.events[0].audio_s == pytest.approx((1920 + 30_000) / 384_000)


def test_a_context_that_leaves_no_room_is_refused_at_the_start(loop):
    assert "OPTIONS.context takes too much room" in refusal(chunk(loop, 1, start=True, context="Anna and Ben " * 250))


def test_one_stream_too_many_is_told_to_try_later(loop):
    tokens = [begin(loop, number) for number in range(NUM_STREAMS)]
    refused = refusal(chunk(loop, "more", start=True), Unavailable)
    assert "8 streams are open, the limit; end one, or try again later" in refused
    assert chunk(loop, 0, end=True, token=tokens[0]).outcome() == "stop"
    assert begin(loop, "more")


def test_one_tenant_s_streams_lock_nobody_out(loop, clock):
    for number in range(NUM_STREAMS // 2):
        begin(loop, number, tenant="greedy")
    told = refusal(chunk(loop, "more", start=True, tenant="greedy"), Unavailable)
    assert "this tenant has 4 streams open, its limit" in told
    assert begin(loop, 0, tenant="other")
    clock.now_s += IDLE_S + 1  # they were started, and nothing came
    assert begin(loop, "more", tenant="greedy")


def test_a_thousand_abandoned_streams_leave_nothing(loop, engine, clock, sounds, monkeypatch):
    """They are cut off in mid-sentence, and nothing comes after them: the loop lets them go while it is idle."""
    speech = pcm16(sounds[0][: 2 * SAMPLE_RATE_HZ])
    streams: weakref.WeakSet[CaptionStream] = weakref.WeakSet()
    opened = engine._stream
    monkeypatch.setattr(engine, "_stream", lambda session: streams.add(stream := opened(session)) or stream)
    for number in range(1000):
        assert chunk(loop, number, speech if number % 50 == 0 else b"", start=True).outcome() == "stop"
        clock.now_s += IDLE_S / 4
        assert engine.num_streams <= 6
    clock.now_s += 2 * IDLE_S
    engine.idle()
    gc.collect()
    assert (engine.num_streams, len(streams), len(engine._jobs)) == (0, 0, 0)


def test_a_silent_stream_is_open_until_its_time_is_over(loop, clock):
    token = begin(loop, 1)
    clock.now_s += IDLE_S - 1
    assert chunk(loop, 1, token=token).outcome() == "stop"
    clock.now_s += IDLE_S + 1
    assert "was silent for too long" in refusal(chunk(loop, 1, token=token))


def test_chunks_sent_without_waiting_are_heard_in_order(loop, sounds):
    """Triton sends one at a time; nothing rests on that."""
    data = pcm16(sounds[0])
    parts = [data[:160_000], data[160_000:320_000], data[320_000:]]
    expected = chunk_events(loop, parts)[-1]
    options = CaptionOptions(token=begin(loop, "both", parts[0]))
    requests = [CaptionRequest("both", part, options, end=part is parts[2]) for part in parts[1:]]
    sinks = [Recorder(), Recorder()]
    loop.submit(list(zip(requests, sinks, strict=True)))
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
    token = begin(loop, "well", pcm16(sounds[1])[: 2 * SAMPLE_RATE_HZ])
    ill = begin(loop, "ill")
    sink = chunk(loop, "ill", data[: 2 * 9 * SAMPLE_RATE_HZ], token=ill)
    assert isinstance(sink.outcome(), ServerError)
    assert "OPTIONS.token opens no stream 'ill'" in refusal(chunk(loop, "ill", end=True, token=ill))
    rest = chunk(loop, "well", pcm16(sounds[1])[2 * SAMPLE_RATE_HZ : 2 * 10 * SAMPLE_RATE_HZ], token=token)
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


@pytest.mark.parametrize("budget", range(1, 9))
@pytest.mark.parametrize("language", [None, "en-US"])
def test_captions_that_are_cut_early_never_tell_the_prefix(engine, loop, audio, monkeypatch, budget, language):
    sound, _ = soundfile.read(audio / "message.wav", dtype="float32")
    for module in (request, stream):
        monkeypatch.setattr(module, "MIN_TOKENS", budget)
        monkeypatch.setattr(module, "TOKENS_PER_S", 0)
    chunks = [chunk(loop, 1, pcm16(sound[: len(sound) // 2]), start=True, language=language)]
    assert chunks[0].outcome() == "stop"
    token = chunks[0].events[0].token
    chunks.append(chunk(loop, 1, pcm16(sound[len(sound) // 2 :]), end=True, token=token))
    assert chunks[1].outcome() == "length"
    said = (audio / "message.txt").read_text()
    for sink in chunks:
        told = sink.events[0]
        assert said.startswith(told.stable)
        assert "language" not in told.stable + told.partial
        assert told.language in (None, "English")

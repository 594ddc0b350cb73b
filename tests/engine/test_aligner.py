"""The alignment engine: batches, recordings longer than a window, limits, and word times inside the recogniser."""

from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch

from qwen_engine.aligner import engine as engine_module
from qwen_engine.aligner.answer import answer
from qwen_engine.aligner.engine import AlignerEngine
from qwen_engine.aligner.request import AlignRequest, TimedText
from qwen_engine.aligner.settings import AlignerSettings
from qwen_engine.aligner.timer import AlignerTimer, word_timer
from qwen_engine.asr.engine import AsrEngine
from qwen_engine.asr.request import SAMPLE_RATE_HZ, AsrRequest
from qwen_engine.asr.settings import AsrSettings
from qwen_wire.errors import InvalidRequest, ServerError
from qwen_wire.transcripts import Alignment
from tests.parity.upstream_asr import CHECKPOINT as RECOGNISER
from tests.recorder import run

ALIGNER = Path(__file__).resolve().parents[2] / "demo" / "checkpoints" / "aligner"
SETTINGS = AlignerSettings(checkpoint=str(ALIGNER), max_positions=2048, max_piece_s=10, max_audio_s=120)
NEAR_S = 0.6  # the demo aligner errs by a tenth as a rule; the recordings end with a third of a second of silence
PAUSE = np.zeros(SAMPLE_RATE_HZ, np.float32)


@pytest.fixture(scope="module")
def engine() -> AlignerEngine:
    torch.set_num_threads(1)
    return AlignerEngine(SETTINGS)


@pytest.fixture(scope="module")
def spoken(audio) -> list[tuple[np.ndarray, str]]:
    names = ("message", "request")
    return [
        (soundfile.read(audio / f"{name}.wav", dtype="float32")[0], (audio / f"{name}.txt").read_text().strip())
        for name in names
    ]


def alone(engine: AlignerEngine, request: AlignRequest) -> TimedText:
    (sink,) = run(engine, request)
    assert sink.outcome() == "stop"
    (alignment,) = sink.events
    return alignment


def check_times(alignment: TimedText) -> None:
    times = [time for word in alignment.words for time in (word.start_s, word.end_s)]
    assert times == sorted(times)
    assert all(0 <= time <= alignment.duration_s for time in times)


def test_words_are_those_of_the_text_in_order(engine, spoken):
    for samples, text in spoken:
        alignment = alone(engine, AlignRequest(samples, text))
        assert " ".join(word.text for word in alignment.words) == text
        check_times(alignment)


def test_characters_share_the_time_of_their_word(engine, spoken):
    samples, text = spoken[0]
    words = alone(engine, AlignRequest(samples, text)).words
    chars = alone(engine, AlignRequest(samples, text, chars=True))
    assert "".join(char.text for char in chars.words) == text.replace(" ", "")
    check_times(chars)
    assert {word.start_s for word in words} <= {char.start_s for char in chars.words}


def test_in_a_crowd_as_alone(engine, spoken):
    requests = [
        AlignRequest(np.concatenate([samples] * times), " ".join([text] * times))
        for samples, text in spoken
        for times in (1, 2, 5, 9)
    ]
    together = [sink.events[0] for sink in run(engine, *requests)]
    assert together == [alone(engine, request) for request in requests]


def test_a_recording_longer_than_a_window_is_aligned_to_its_end(engine, spoken, monkeypatch):
    """Each sentence where it is said."""
    parts = [spoken[index % 2] for index in range(16)]
    samples = np.concatenate([part for sound, _ in parts for part in (sound, PAUSE)])
    text = " ".join(text for _, text in parts)
    classes, lengths = engine.checkpoint.classes, []
    monkeypatch.setattr(
        engine.checkpoint, "classes", lambda clips: lengths.extend(len(clip[0]) for clip in clips) or classes(clips)
    )
    alignment = alone(engine, AlignRequest(samples, text))
    check_times(alignment)
    assert " ".join(word.text for word in alignment.words) == text
    assert max(lengths) <= SETTINGS.max_piece_s * SAMPLE_RATE_HZ < len(samples) / 2
    at_s, words = 0.0, iter(alignment.words)
    for sound, sentence in parts:
        end_s = at_s + len(sound) / SAMPLE_RATE_HZ
        said = [next(words) for _ in sentence.split()]
        assert said[0].start_s == pytest.approx(at_s, abs=NEAR_S)
        assert said[-1].end_s == pytest.approx(end_s, abs=NEAR_S)
        at_s = end_s + len(PAUSE) / SAMPLE_RATE_HZ


def test_what_fails_in_a_batch_fails_alone(engine, spoken, monkeypatch):
    classes, poison = engine.checkpoint.classes, spoken[1][0]

    def failing(clips):
        if any(len(samples) == len(poison) for samples, _ in clips):
            raise RuntimeError("a bad clip")
        return classes(clips)

    monkeypatch.setattr(engine.checkpoint, "classes", failing)
    good, bad, other = run(engine, *(AlignRequest(*spoken[index]) for index in (0, 1, 0)))
    assert (good.outcome(), other.outcome()) == ("stop", "stop")
    assert isinstance(bad.outcome(), ServerError)


def test_batches_are_bounded_and_hold_little_padding():
    class Sized:
        def __init__(self, num_positions: int) -> None:
            self.num_positions = num_positions

    works = [Sized(length) for length in (10, 4000, 12, 300, 310, 9, 290, 5000)]
    batches = [[work.num_positions for work in batch] for batch in engine_module._batches(works, 900)]
    assert batches == [[9, 10, 12], [290, 300], [310], [4000], [5000]]


@pytest.mark.parametrize("text", ["", "  \n"])
def test_nothing_to_align_is_no_error(engine, text):
    """As an ensemble hands on what was heard in silence."""
    alignment = alone(engine, AlignRequest(PAUSE, text))
    assert answer(alignment) == Alignment(language=None, duration_s=1.0, words=(), cues=())


@pytest.mark.parametrize(
    ("samples", "text", "message"),
    [
        (PAUSE, "Good morning.", "AUDIO is silent"),
        (None, "… — !", "TEXT is '… — !': it has no word"),
        (None, "a " * 1000, r"TEXT has 1000 words for .* s of AUDIO; the limit is 25 a second"),
        (None, "a" * 100_001, "TEXT has 100001 characters; the limit is 100000"),
        (np.ones(121 * SAMPLE_RATE_HZ, np.float32), "a", "AUDIO lasts 121.0 s; the limit is 120 s"),
        (np.full(SAMPLE_RATE_HZ, np.nan, np.float32), "a", "full scale is 1"),
    ],
    ids=["silent", "signs", "words", "characters", "long", "NaN"],
)
def test_what_cannot_be_aligned_is_refused(engine, spoken, samples, text, message):
    with pytest.raises(InvalidRequest, match=message):
        engine.prepare(AlignRequest(spoken[0][0] if samples is None else samples, text))


def test_a_word_longer_than_the_model_reads_is_refused_alone(engine, spoken):
    samples, text = spoken[0]
    long, mate = run(engine, AlignRequest(samples, "x" * 9000), AlignRequest(samples, text))
    assert isinstance(long.outcome(), InvalidRequest)
    assert "the limit is 2048" in str(long.outcome())
    assert mate.outcome() == "stop"


def test_the_recogniser_times_words_by_the_aligner(engine, spoken):
    settings = AsrSettings(checkpoint=str(RECOGNISER), aligner_checkpoint=str(ALIGNER), max_positions=768)
    recogniser = AsrEngine(settings, word_timer(settings))
    samples, text = spoken[0]
    (sink,) = run(recogniser, AsrRequest(samples, timestamps="word"))
    (transcript,) = sink.events
    assert transcript.text == text
    assert list(transcript.words) == list(alone(engine, AlignRequest(samples, text)).words)


def test_a_recogniser_without_aligner_has_no_timer():
    assert word_timer(AsrSettings(checkpoint=str(RECOGNISER))) is None


def test_a_transcript_without_words_has_no_times(engine):
    timer = AlignerTimer(engine.checkpoint, 10.0)
    assert timer.times(PAUSE, "…", None, chars=False) == []


def test_words_of_other_languages_are_told_to_have_no_times(engine, spoken):
    with pytest.raises(InvalidRequest, match="does not know Arabic"):
        AlignerTimer(engine.checkpoint, 10.0).times(spoken[0][0], "صباح الخير للجميع", "Arabic", chars=False)

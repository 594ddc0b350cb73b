"""silero-vad's network, run by us: its package's own results, however a stream is cut, and nothing of the package."""

import importlib.util
import itertools
import sys

import numpy as np
import pytest
import torch

from demo.training import sounds
from qwen_engine.asr.captions.endpoints import EndpointLimits, Endpoints
from qwen_engine.asr.silence import Span, speech_spans
from qwen_engine.asr.vad.methods import detector_of
from qwen_engine.asr.vad.silero import BLOCK, CONTEXT, FRAME, LOUD, SOFT, SileroStream, load_network, model_file
from qwen_server import checkpoints, doctor
from qwen_server.errors import ServerError
from qwen_server.profiles import load_profile
from tests.demo_speech import spoken

RATE_HZ = 16000
IS_INSTALLED = importlib.util.find_spec("silero_vad") is not None
needs_weights = pytest.mark.skipif(not IS_INSTALLED, reason="an extra of its own: silero")
PROFILE = '[qwen3_asr]\ncheckpoint = "x"\n[qwen3_asr_stream]\ncheckpoint = "x"\nvad_method = "silero"\n'


def recording() -> tuple[np.ndarray, list[Span]]:
    """Speech between pauses of noise, and where it is; it is no multiple of frames."""
    pause = (1e-4 * sounds.noise(int(0.9 * RATE_HZ))).astype(np.float32)
    clips = [spoken(2).astype(np.float32), spoken(4.5).astype(np.float32)]
    samples = np.concatenate([part for clip in clips for part in (pause, clip)] + [pause])
    starts = [len(pause), 2 * len(pause) + len(clips[0])]
    return samples, [Span(start, start + len(clip)) for start, clip in zip(starts, clips, strict=True)]


def segments(samples: np.ndarray, sizes: list[int]) -> list[Span]:
    endpoints = Endpoints(EndpointLimits(silence_s=0.7, max_segment_s=4.0), detector_of("silero"))
    found, at = [], 0
    for size in itertools.cycle(sizes):
        if at >= len(samples):
            break
        found += endpoints.feed(samples[at : at + size])
        at += size
    last = endpoints.finish()
    return found if last is None else [*found, last]


@pytest.fixture(autouse=True)
def one_thread():
    num_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(num_threads)


@needs_weights
@pytest.mark.filterwarnings("ignore:`torch.jit.load` is deprecated:DeprecationWarning")
@pytest.mark.parametrize("gain", [1.0, 0.03])
def test_frames_are_as_likely_as_the_package_s_own_model_says(gain):
    samples = (gain * recording()[0]).astype(np.float32)
    frames = torch.from_numpy(samples[: len(samples) // FRAME * FRAME]).split(FRAME)
    published = torch.jit.load(str(model_file()))
    published.reset_states()
    with torch.inference_mode():
        expected = [published(frame, RATE_HZ).item() for frame in frames]
    probabilities = SileroStream(load_network()).feed(samples).probabilities
    assert min(expected) < 0.1 < 0.9 < max(expected)
    assert probabilities == pytest.approx(expected, abs=1e-3)


@needs_weights
@pytest.mark.parametrize("sizes", [[511], [1, 512, 7000, 63, 2500], [20_000]])
def test_where_a_stream_is_cut_changes_no_frame(sizes):
    samples = recording()[0]
    whole, stream, found, at = (
        detector_of("silero").detect(samples),
        detector_of("silero").streaming(),
        [],
        0,
    )
    for size in itertools.cycle(sizes):
        if at >= len(samples):
            break
        found += stream.feed(samples[at : at + size])
        at += size
    assert len(whole.loud) == len(found) + 1  # the last frame is not complete
    assert [frame.loud for frame in found] == whole.loud[:-1].tolist()
    assert [frame.soft for frame in found] == whole.soft[:-1].tolist()
    assert segments(samples, sizes) == segments(samples, [8000])


@needs_weights
def test_a_long_recording_is_heard_in_blocks_as_if_at_once():
    samples = spoken(2.5 * BLOCK / RATE_HZ).astype(np.float32)[:-100]
    whole = np.pad(samples, (0, 100))
    probabilities = SileroStream(load_network()).feed(whole).probabilities
    activity = detector_of("silero").detect(samples)
    assert len(whole) > 2 * BLOCK + CONTEXT
    assert len(whole) % FRAME == 0
    assert activity.loud.tolist() == (probabilities >= LOUD).tolist()
    assert activity.soft.tolist() == (probabilities >= SOFT).tolist()


@needs_weights
def test_every_sentence_is_found_whole_in_recordings_and_streams():
    samples, clips = recording()
    for found in (speech_spans(samples, detector_of("silero")), segments(samples, [8000])):
        assert all(any(span.start <= clip.start for span in found) for clip in clips)
        kept = sum(max(0, min(a.end, b.end) - max(a.start, b.start)) for a in found for b in clips)
        assert kept > 0.97 * sum(map(len, clips))
        assert sum(map(len, found)) - kept < 0.5 * (len(samples) - sum(map(len, clips)))


WITHOUT_SPEECH = {
    "drums": sounds.drums,
    "piano and drums": sounds.music,
    "fast dialling": lambda length: sounds.dialling(length, 0.05, 0.05),
}


@needs_weights
@pytest.mark.parametrize("sound", WITHOUT_SPEECH)
def test_what_is_loud_and_moves_is_no_speech_by_the_network_alone(sound):
    samples = (0.05 * WITHOUT_SPEECH[sound](20 * RATE_HZ)).astype(np.float32)
    assert speech_spans(samples, detector_of("silero")) == segments(samples, [8000]) == []
    assert speech_spans(samples, detector_of("energy"))


@needs_weights
def test_nothing_of_the_package_is_imported():
    """It would set torch to one thread in the whole process."""
    torch.set_num_threads(3)
    load_network()
    assert torch.get_num_threads() == 3
    assert {"silero_vad", "torchaudio"}.isdisjoint(sys.modules)


@pytest.fixture
def no_package(monkeypatch):
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "silero_vad" else found(name))


def test_doctor_and_start_miss_the_package_where_a_profile_asks_for_it(no_package, tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(PROFILE)
    (missing,) = [check for check in doctor.examine(str(file)) if check.name.startswith("files of")]
    assert (missing.name, missing.ok) == ("files of qwen3_asr_stream", False)
    assert "silero-vad is not installed" in missing.found
    assert missing.mend == "pip install 'silero-vad>=6.2.3'"
    with pytest.raises(ServerError, match=r"silero-vad is not installed; pip install"):
        checkpoints.resolve_all(load_profile(str(file)).models["qwen3_asr_stream"])


def test_without_the_package_the_network_says_what_is_missing(no_package):
    with pytest.raises(FileNotFoundError, match=r"pip install 'silero-vad>=6"):
        load_network()


@needs_weights
def test_a_machine_with_the_package_lacks_nothing(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text(PROFILE)
    assert [settings.missing_files() for settings in load_profile(str(file)).models.values()] == [[], []]

"""What a profile's `vad_method` changes: which recordings and live streams the recogniser takes to be silent."""

import importlib.util
import io

import numpy as np
import pytest
import soundfile

from demo.training import sounds
from qwen_engine.asr.captions.endpoints import EndpointLimits, Endpoints
from qwen_engine.asr.captions.engine import CaptionEngine
from qwen_engine.asr.captions.settings import CaptionSettings
from qwen_engine.asr.engine import AsrEngine
from qwen_engine.asr.recording import read_request
from qwen_engine.asr.settings import AsrSettings
from qwen_engine.asr.silence import Span
from qwen_engine.asr.vad.activity import Detector
from qwen_engine.asr.vad.methods import detector_of
from qwen_engine.files import sound_decoders
from qwen_engine.loop import EngineLoop
from qwen_wire.options import AsrOptions
from tests.captioner import caption, evenly
from tests.demo_speech import SAMPLE_RATE_HZ, sentences
from tests.parity.upstream_asr import CHECKPOINT
from tests.recorder import WAIT_S, run

IS_INSTALLED = importlib.util.find_spec("silero_vad") is not None
SAID = "Good morning, the meeting starts at nine o'clock tomorrow."
METHODS = ["energy", pytest.param("silero", marks=pytest.mark.skipif(not IS_INSTALLED, reason="an extra: silero"))]


def drums() -> np.ndarray:
    return (0.05 * sounds.drums(6 * SAMPLE_RATE_HZ)).astype(np.float32)


def speech_and_drums() -> np.ndarray:
    pause = np.zeros(2 * SAMPLE_RATE_HZ, np.float32)
    return np.concatenate([pause, sentences()[0], pause, drums(), pause])


def wav(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE_HZ, format="WAV", subtype="FLOAT")
    return file.getvalue()


@pytest.mark.parametrize("method", METHODS)
def test_recordings_are_cut_by_the_method_of_the_profile(method):
    settings = AsrSettings(checkpoint=str(CHECKPOINT), max_positions=768, num_decoders=1, vad_method=method)
    decoders = sound_decoders(settings)
    try:
        requests = [read_request(wav(one), AsrOptions(), settings, decoders) for one in (speech_and_drums(), drums())]
    finally:
        decoders.close()
    mixed, alone = (sink.events[0] for sink in run(AsrEngine(settings), *requests))
    if method == "energy":  # drums are taken for speech
        assert requests[1].spans
        assert mixed.text.startswith(SAID)
    else:
        assert requests[1].spans == []
        assert (mixed.text, alone.text) == (SAID, "")


@pytest.mark.parametrize("method", METHODS)
def test_live_streams_have_their_segments_by_the_method_of_the_profile(method):
    settings = CaptionSettings(checkpoint=str(CHECKPOINT), max_positions=768, vad_method=method)
    loop = EngineLoop(CaptionEngine(settings), max_queue=8, max_wait_s=WAIT_S)
    samples = speech_and_drums()
    try:
        told = [caption(loop, samples, evenly(chunk_s)) for chunk_s in (0.5, 0.13)]
    finally:
        loop.close(WAIT_S)
    segments = [[one for heard in captions for one in heard.segments] for captions in told]
    assert segments[0] == segments[1]
    assert segments[0][0].text == SAID
    detector = detector_of(method)
    assert segments[0][0].start_s * SAMPLE_RATE_HZ in {span.start for span in live_spans(samples, detector)}
    assert bool(live_spans(drums(), detector)) == (method == "energy")


def live_spans(samples: np.ndarray, detector: Detector) -> list[Span]:
    endpoints = Endpoints(EndpointLimits(silence_s=0.7, max_segment_s=30.0), detector)
    ended, last = endpoints.feed(samples), endpoints.finish()
    return ended if last is None else [*ended, last]

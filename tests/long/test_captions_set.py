"""Live captions against the recognition engine, on 48 recordings of several sentences."""

import numpy as np
import torch

from qwen_engine.asr.captions.engine import CaptionEngine
from qwen_engine.asr.captions.settings import CaptionSettings
from qwen_engine.asr.engine import AsrEngine
from qwen_engine.asr.request import AsrRequest
from qwen_engine.asr.settings import AsrSettings
from qwen_engine.asr.text_join import join_texts
from qwen_engine.audio import pcm16
from qwen_engine.loop import EngineLoop
from qwen_wire.transcripts import Segment
from tests.captioner import anyhow, caption_together
from tests.monologues import SAMPLE_RATE_HZ, monologues
from tests.parity.upstream_asr import CHECKPOINT
from tests.recorder import WAIT_S, run

NUM_RECORDINGS = 48
AT_ONCE = 16
SAME_SHARE = 0.95


def test_final_texts_are_the_offline_transcripts_of_their_segments():
    torch.set_num_threads(1)
    offline = AsrEngine(AsrSettings(checkpoint=str(CHECKPOINT)))
    loop = EngineLoop(CaptionEngine(CaptionSettings(checkpoint=str(CHECKPOINT))), max_queue=64, max_wait_s=WAIT_S)
    sounds = monologues(NUM_RECORDINGS, seed=5)
    same = []
    for first in range(0, NUM_RECORDINGS, AT_ONCE):
        some = sounds[first : first + AT_ONCE]
        for sound, captions in zip(some, caption_together(loop, some, anyhow(first)), strict=True):
            segments = [segment for caption in captions for segment in caption.segments]
            assert segments
            assert captions[-1].stable == join_texts(segment.text for segment in segments)
            same += [
                text == segment.text for text, segment in zip(heard(offline, sound, segments), segments, strict=True)
            ]
    loop.close(WAIT_S)
    print(f"{sum(same)} of {len(same)} segments of {NUM_RECORDINGS} recordings are the same")
    assert sum(same) >= SAME_SHARE * len(same)


def heard(offline: AsrEngine, sound: np.ndarray, segments: list[Segment]) -> list[str]:
    sent = np.frombuffer(pcm16(sound), "<i2").astype(np.float32) / 2**15
    spans = [[round(time_s * SAMPLE_RATE_HZ) for time_s in (one.start_s, one.end_s)] for one in segments]
    return [sink.events[0].text for sink in run(offline, *[AsrRequest(sent[start:end]) for start, end in spans])]

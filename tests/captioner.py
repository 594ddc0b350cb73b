"""Live streams without a server: chunks go through an engine loop, as they come."""

import random
from collections.abc import Callable, Hashable, Sequence

import numpy as np

from qwen_engine.asr.captions.request import Caption, CaptionRequest
from qwen_engine.audio import pcm16
from qwen_engine.loop import EngineLoop
from qwen_engine.options import CaptionOptions
from tests.monologues import SAMPLE_RATE_HZ
from tests.recorder import Recorder

Cut = Callable[[], float]  # seconds of the next chunk


def evenly(chunk_s: float) -> Cut:
    return lambda: chunk_s


def anyhow(seed: int) -> Cut:
    """Chunks of 100 ms to 2 s."""
    rng = random.Random(seed)
    return lambda: rng.uniform(0.1, 2.0)


def chunk(
    loop: EngineLoop[CaptionRequest],
    stream_id: Hashable,
    audio: bytes = b"",
    *,
    start: bool = False,
    end: bool = False,
    **options: object,
) -> Recorder:
    """Have one chunk worked on."""
    sink = Recorder()
    request = CaptionRequest(stream_id, audio, CaptionOptions(**options), start=start, end=end)
    loop.submit([(request, sink)])
    return sink


def caption(loop: EngineLoop[CaptionRequest], sound: np.ndarray, cut: Cut, **options: object) -> list[Caption]:
    """All captions of one stream; its last chunk is empty."""
    return caption_together(loop, [sound], cut, **options)[0]


def caption_together(
    loop: EngineLoop[CaptionRequest], sounds: Sequence[np.ndarray], cut: Cut, **options: object
) -> list[list[Caption]]:
    """Captions of streams that run beside each other."""
    chunks = [_chunks(sound, cut) for sound in sounds]
    captions: list[list[Caption]] = [[] for _ in sounds]
    for turn in range(max(map(len, chunks))):
        sinks = [
            (captions[index], chunk(loop, index, some[turn], start=turn == 0, end=turn == len(some) - 1, **options))
            for index, some in enumerate(chunks)
            if turn < len(some)
        ]
        for heard, sink in sinks:
            assert sink.outcome() == "stop", sink.outcome()
            heard.extend(sink.events)
    return captions


def _chunks(sound: np.ndarray, cut: Cut) -> list[bytes]:
    data, chunks, at = pcm16(sound), [], 0
    while at < len(data):
        size = 2 * int(cut() * SAMPLE_RATE_HZ)
        chunks.append(data[at : at + size])
        at += size
    return [*chunks, b""]

"""Live streams without a server: chunks go through an engine loop, as they come."""

import random
from collections.abc import Callable, Hashable, Sequence

import numpy as np

from qwen_engine.asr.captions.request import CaptionRequest
from qwen_engine.audio import pcm16
from qwen_engine.loop import EngineLoop
from qwen_engine.messages import Caller
from qwen_engine.tenants import DEFAULT_TENANT
from qwen_wire.options import CaptionOptions
from qwen_wire.transcripts import Caption
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
    tenant: str = DEFAULT_TENANT,
    **options: object,
) -> Recorder:
    """Have one chunk worked on."""
    sink = Recorder()
    request = CaptionRequest(stream_id, audio, CaptionOptions(**options), start=start, end=end)
    loop.submit([(request, sink)], Caller(tenant))
    return sink


def begin(
    loop: EngineLoop[CaptionRequest],
    stream_id: Hashable,
    audio: bytes = b"",
    tenant: str = DEFAULT_TENANT,
    **options: object,
) -> str:
    """Open a stream; its token."""
    sink = chunk(loop, stream_id, audio, start=True, tenant=tenant, **options)
    assert sink.outcome() == "stop", sink.outcome()
    token: str = sink.events[0].token
    return token


def caption(loop: EngineLoop[CaptionRequest], sound: np.ndarray, cut: Cut, **options: object) -> list[Caption]:
    """All captions of one stream; its last chunk is empty."""
    return caption_together(loop, [sound], cut, **options)[0]


def caption_together(
    loop: EngineLoop[CaptionRequest], sounds: Sequence[np.ndarray], cut: Cut, **options: object
) -> list[list[Caption]]:
    """Captions of streams that run beside each other."""
    chunks = [_chunks(sound, cut) for sound in sounds]
    captions: list[list[Caption]] = [[] for _ in sounds]

    def next_chunk(index: int, turn: int) -> Recorder:
        some, token = chunks[index], captions[index][0].token if turn else None
        return chunk(loop, index, some[turn], start=not turn, end=turn == len(some) - 1, token=token, **options)

    for turn in range(max(map(len, chunks))):
        sinks = [(captions[index], next_chunk(index, turn)) for index, some in enumerate(chunks) if turn < len(some)]
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

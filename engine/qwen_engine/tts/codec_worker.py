"""The codec on a thread of its own: frames are decoded while the talker generates the next ones.

No other thread uses the codec, or the `Delivery` of an utterance. Streams are independent of each other, so chunks of
equal length are decoded together, in any order but their own: first chunks first, because they decide how long a
caller waits for the first audio, then the oldest.
"""

import logging
from collections.abc import Callable, Sequence

import numpy as np
import torch

from qwen_engine.batch_worker import BatchWorker
from qwen_engine.graphs import to_device
from qwen_engine.session import fail_alone
from qwen_engine.tts.codec import StreamingCodec
from qwen_engine.tts.graphs import GraphedCodec
from qwen_engine.tts.prompt import VoicePrompt
from qwen_engine.tts.speech import Chunk, Speech
from qwen_wire.errors import ServerError

log = logging.getLogger(__name__)

MAX_GROUP_FRAMES = 128  # of all streams in one call: it bounds how long a first chunk waits
MAX_PENDING_FRAMES = 384  # those in the codec included; with more, the talker waits


class CodecWorker:
    """Takes chunks and delivers them as audio.

    `prime(slot, voice, tenant)` begins a stream of the codec; it is called on the codec's thread, as are the sessions'
    sinks.
    """

    def __init__(self, codec: StreamingCodec | GraphedCodec, prime: Callable[[int, VoicePrompt, str], None]) -> None:
        self._codec = codec
        self._prime = prime
        self._worker: BatchWorker[Chunk] = BatchWorker(
            "codec", choose=_next_group, work=self._decode, fail=_fail, has_room=_has_room
        )

    def submit(self, chunks: Sequence[Chunk]) -> None:
        """Have `chunks` decoded and delivered; blocks while too many frames are pending."""
        self._worker.take()  # they have been delivered
        self._worker.submit(chunks)

    def drop(self, speech: Speech) -> None:
        """Forget the pending chunks of `speech`; its slot may begin another stream."""
        self._worker.drop(lambda chunk: chunk.speech is speech)

    def _decode(self, group: Sequence[Chunk]) -> Sequence[Chunk]:
        try:
            with torch.inference_mode():
                sounds = self._sounds(group)
        except Exception:
            log.exception("%d chunks could not be decoded", len(group))
            for chunk in group:
                _fail(chunk)
            return group
        for chunk, samples in zip(group, sounds, strict=True):
            with fail_alone(chunk.speech.session):
                chunk.speech.deliver(
                    samples, len(chunk.codes), self._codec.config.sample_rate_hz, is_last=chunk.is_last
                )
        return group

    def _sounds(self, group: Sequence[Chunk]) -> np.ndarray:
        if not group[0].codes:
            return np.zeros((len(group), 0), np.float32)
        for chunk in group:
            if chunk.begins is not None:
                self._prime(chunk.speech.slot, chunk.begins, chunk.speech.request.tenant)
        device = self._codec.device
        codes = to_device(torch.tensor([chunk.codes for chunk in group]), device)
        slots = to_device(torch.tensor([chunk.speech.slot for chunk in group]), device)
        return self._codec.decode(codes, slots).float().cpu().numpy()


def _has_room(pending: Sequence[Chunk]) -> bool:
    return sum(len(chunk.codes) for chunk in pending) <= MAX_PENDING_FRAMES


def _next_group(pending: Sequence[Chunk]) -> list[Chunk]:
    """Chunks of equal length, one of each stream."""
    heads = list({id(chunk.speech): chunk for chunk in reversed(pending)}.values())[::-1]
    leader = next((chunk for chunk in heads if chunk.begins is not None), heads[0])
    num_frames = len(leader.codes)
    alike = [chunk for chunk in heads if len(chunk.codes) == num_frames and chunk is not leader]
    return [leader, *alike][: max(1, MAX_GROUP_FRAMES // max(1, num_frames))]


def _fail(chunk: Chunk) -> None:
    chunk.speech.session.fail(ServerError())

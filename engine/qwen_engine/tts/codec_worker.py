"""The codec on a thread of its own: frames become sound while the talker makes the next ones.

It alone touches the codec, and of an utterance what concerns its listener. Streams are independent of each other, so
chunks of equal length go through the codec together, in any order but their own: first chunks first, because somebody
is waiting for a first sound, then the oldest.
"""

import logging
import threading
from collections.abc import Callable, Sequence

import numpy as np
import torch

from qwen_engine.graphs import sent
from qwen_engine.loop import fail_alone
from qwen_engine.tts.codec import StreamingCodec
from qwen_engine.tts.graphs import GraphedCodec
from qwen_engine.tts.prompt import VoicePrompt
from qwen_engine.tts.speech import Chunk, Speech
from qwen_engine.worker_thread import Worker
from qwen_wire.errors import ServerError

log = logging.getLogger(__name__)

MOST_AT_ONCE = 128  # frames of all streams in one call: nobody's first sound waits longer
MOST_WAITING = 256  # frames: more, and the talker waits
HAND_OVER_TIMEOUT_S = 60.0


class CodecWorker:
    """Takes chunks and delivers them as sound.

    `prime(slot, voice, tenant)` begins a stream of the codec; it is called on the codec's thread, as are the sessions'
    sinks.
    """

    def __init__(self, codec: StreamingCodec | GraphedCodec, prime: Callable[[int, VoicePrompt, str], None]) -> None:
        self._codec = codec
        self._prime = prime
        self._chunks: list[Chunk] = []
        self._changed = threading.Condition()
        self._group: list[Chunk] = []  # in the codec
        self._worker = Worker("codec", self._decode_next, fail=self._fail_all)

    def hand_over(self, chunks: Sequence[Chunk]) -> None:
        """Have `chunks` decoded and delivered; waits while too much is waiting already."""
        if not chunks:
            return
        with self._changed:
            if not self._changed.wait_for(self._has_room, HAND_OVER_TIMEOUT_S):
                raise TimeoutError(f"the codec took no frames for {HAND_OVER_TIMEOUT_S:g} s")
            self._chunks += chunks
        self._worker.wake()

    def forget(self, speech: Speech) -> None:
        """Drop what waits of `speech`; its slot may begin another stream."""
        with self._changed:
            self._chunks = [chunk for chunk in self._chunks if chunk.speech is not speech]
            self._changed.notify_all()

    def _has_room(self) -> bool:
        return sum(len(chunk.codes) for chunk in self._chunks) <= MOST_WAITING

    def _decode_next(self) -> bool:
        if group := self._next_group():
            self._decode(group)
        return bool(group)

    def _fail_all(self) -> None:
        with self._changed:
            chunks = [*self._group, *self._chunks]
            self._chunks = []
            self._changed.notify_all()
        for chunk in chunks:
            chunk.speech.session.fail(ServerError())

    def _next_group(self) -> list[Chunk]:
        """Chunks of equal length, one a stream; none: there is nothing left to do."""
        with self._changed:
            heads = list({id(chunk.speech): chunk for chunk in reversed(self._chunks)}.values())[::-1]
            if not heads:
                self._group = []
                return []
            leader = next((chunk for chunk in heads if chunk.begins is not None), heads[0])
            num_frames = len(leader.codes)
            alike = [chunk for chunk in heads if len(chunk.codes) == num_frames and chunk is not leader]
            group = [leader, *alike][: max(1, MOST_AT_ONCE // max(1, num_frames))]
            self._chunks = [chunk for chunk in self._chunks if chunk not in group]
            self._group = group
            self._changed.notify_all()
            return group

    def _decode(self, group: Sequence[Chunk]) -> None:
        try:
            with torch.inference_mode():
                sounds = self._sounds(group)
        except Exception:
            log.exception("%d chunks could not be decoded", len(group))
            for chunk in group:
                chunk.speech.session.fail(ServerError())
            return
        for chunk, samples in zip(group, sounds, strict=True):
            with fail_alone(chunk.speech.session):
                chunk.speech.deliver(
                    samples, len(chunk.codes), self._codec.config.sample_rate_hz, is_last=chunk.is_last
                )

    def _sounds(self, group: Sequence[Chunk]) -> np.ndarray:
        if not group[0].codes:
            return np.zeros((len(group), 0), np.float32)
        for chunk in group:
            if chunk.begins is not None:
                self._prime(chunk.speech.slot, chunk.begins, chunk.speech.request.tenant)
        device = self._codec.device
        codes = sent(torch.tensor([chunk.codes for chunk in group]), device)
        slots = sent(torch.tensor([chunk.speech.slot for chunk in group]), device)
        return self._codec.decode(codes, slots).float().cpu().numpy()

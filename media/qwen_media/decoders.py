"""The decoders of a server: files of strangers, each read in a process that can be killed."""

from collections.abc import Sequence
from dataclasses import asdict

import numpy as np
from PIL import Image
from typing_extensions import Self

from qwen_media import formats, picture
from qwen_media.errors import BadMedia
from qwen_media.pool import DecoderPool
from qwen_media.process import Task
from qwen_media.sound import Sound, Wanted

MIB = 1 << 20
SOUND_MEMORY_BYTES = 256 * MIB
PICTURE_MEMORY_BYTES = 128 * MIB
PIXEL_BYTES = 4
WORKING_PIXEL_BYTES = 32  # what turning, colours and 16 bits take at most
# A minute of the slowest codec has at least so many bytes: what takes longer is made to.
BYTES_PER_S = 40_000
SOUND_S_PER_S = 30.0  # is decoded, at least: Opus, the slowest, takes a quarter of the time


class Decoders:
    """`num_decoders` processes. A file has at most `max_file_bytes`; a small one may take `decode_s` seconds."""

    def __init__(self, jobs: Sequence[str], *, num_decoders: int, decode_s: float, max_file_bytes: int) -> None:
        self._decode_s = decode_s
        self.max_file_bytes = max_file_bytes
        self._pool = DecoderPool(jobs, num_workers=num_decoders, max_waiting=64)

    @property
    def pids(self) -> list[int]:
        return self._pool.pids

    def sound(self, data: bytes, wanted: Wanted) -> Sound:
        """The sound of a file, or of raw samples.

        Raises:
            MediaError: of any kind.
        """
        self._check_size(data, f"is empty; send a {formats.ALLOWED} file")
        task = Task(
            "sound",
            data,
            asdict(wanted),
            output_bytes=wanted.max_bytes,
            memory_bytes=SOUND_MEMORY_BYTES,
            timeout_s=self._decode_s + min(len(data) / BYTES_PER_S, wanted.max_s / SOUND_S_PER_S),
        )
        decoded = self._pool.run(task)
        return Sound(np.frombuffer(decoded.output, np.float32), decoded.result["damage_s"])

    def picture(self, data: bytes, *, max_pixels: int) -> Image.Image:
        """A still picture, upright, of mode RGB or RGBA.

        Raises:
            MediaError: of any kind.
        """
        self._check_size(data, f"is empty; send {picture.ALLOWED}")
        task = Task(
            "picture",
            data,
            {"max_pixels": max_pixels},
            output_bytes=max_pixels * PIXEL_BYTES,
            memory_bytes=PICTURE_MEMORY_BYTES + max_pixels * WORKING_PIXEL_BYTES,
            timeout_s=self._decode_s,
        )
        decoded = self._pool.run(task)
        return Image.frombytes(decoded.result["mode"], tuple(decoded.result["size"]), decoded.output)

    def close(self) -> None:
        self._pool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _check_size(self, data: bytes, empty: str) -> None:
        """At once, whether a process is free or not."""
        if not data:
            raise BadMedia(empty)
        if len(data) > self.max_file_bytes:
            raise BadMedia(f"has {len(data)} bytes; the limit is {self.max_file_bytes}")

"""Recordings of a meeting, one for each speaker."""

import io
from collections.abc import Sequence
from contextlib import ExitStack
from itertools import chain
from typing import Any

import numpy as np
import soundfile

from qwen_client.audio import AudioInput, audio_bytes
from qwen_client.pcm import pcm16
from qwen_media.errors import BadMedia
from qwen_media.formats import read_sound
from qwen_media.limits import SoundLimits
from qwen_media.resampling import uniform
from qwen_wire.errors import InvalidRequest

LIMITS = SoundLimits(24 * 3600.0)


def speaker_tracks(recordings: AudioInput | Sequence[AudioInput], speakers: Sequence[str] | None) -> tuple[bytes, ...]:
    """A file for each speaker: the recordings as they are, or their channels as FLAC.

    As many `speakers` as recordings: a recording each; as many as channels in all of them: a channel each. None: a
    recording each, or, where there is only one, a channel each.

    Raises:
        InvalidRequest: no recording, or neither as many names as recordings nor as channels.
    """
    files = tuple(map(audio_bytes, _each(recordings)))
    if not files:
        raise InvalidRequest("recordings is empty; give one at least")
    num_channels = sum(map(_num_channels, files))
    num_speakers = len(speakers) if speakers is not None else num_channels if len(files) == 1 else len(files)
    if num_speakers == len(files):
        return files
    if num_speakers != num_channels:
        raise InvalidRequest(
            f"speakers has {num_speakers} names for {len(files)} recordings with {num_channels} channels in all; "
            "give one for each recording, or one for each channel"
        )
    return tuple(track for file in files for track in _channels(file))


def _each(recordings: AudioInput | Sequence[AudioInput]) -> Sequence[Any]:
    match recordings:
        case (np.ndarray(), int() | np.integer()):  # samples and their rate are one recording
            return [recordings]
        case list() | tuple():
            return recordings
    return [recordings]


def _num_channels(file: bytes) -> int:
    """As the sound begins; 1 for what cannot be read: the server tells why."""
    try:
        return next(read_sound(memoryview(file), LIMITS)).num_channels
    except BadMedia:
        return 1


def _channels(file: bytes) -> list[bytes]:
    num_channels = _num_channels(file)
    if num_channels == 1:
        return [file]
    blocks = read_sound(memoryview(file), LIMITS)
    first = next(blocks)
    tracks = [io.BytesIO() for _ in range(num_channels)]
    with ExitStack() as open_files:
        form = {"format": "FLAC", "subtype": "PCM_16"}
        files = [
            open_files.enter_context(soundfile.SoundFile(track, "w", first.rate_hz, 1, **form)) for track in tracks
        ]
        for block in uniform(chain([first], blocks), first.rate_hz, num_channels):
            for target, channel in zip(files, block.samples.T, strict=True):
                target.write(np.frombuffer(pcm16(np.ascontiguousarray(channel), 1), np.int16))
    return [track.getvalue() for track in tracks]

"""Recordings of a meeting, one for each speaker."""

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import soundfile

from qwen_client.audio import AudioInput, audio_bytes
from qwen_client.errors import InvalidRequest


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
    """1 for a format that libsndfile does not know: the server mixes its channels."""
    try:
        return soundfile.info(io.BytesIO(file)).channels
    except soundfile.LibsndfileError:
        return 1


def _channels(file: bytes) -> list[bytes]:
    if _num_channels(file) == 1:
        return [file]
    samples, rate_hz = soundfile.read(io.BytesIO(file), dtype="int16", always_2d=True)
    tracks = []
    for channel in samples.T:
        track = io.BytesIO()
        soundfile.write(track, channel, rate_hz, format="FLAC", subtype="PCM_16")
        tracks.append(track.getvalue())
    return tracks

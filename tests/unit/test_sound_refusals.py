"""A stranger's bytes open no file and no connection, and cost no more than what they are allowed to."""

import io
import re
import socket
import struct
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from qwen_media.errors import BadMedia
from qwen_media.formats import ALLOWED
from qwen_media.sound import Wanted, decode_sound
from tests.sounds import FILES, RATE_HZ, av_file, chirps, file_of, resampled

WANTED = Wanted(RATE_HZ, 1200.0)
AT_ONCE_S = 2.0  # some milliseconds are measured


def refused(data: bytes, message: str) -> None:
    start_s = time.monotonic()
    with pytest.raises(BadMedia, match=message):
        decode_sound(data, WANTED)
    assert time.monotonic() - start_s < AT_ONCE_S


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """What must not be connected to."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.setblocking(False)
        yield server


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What Python opens or connects to; FFmpeg's own doing is told by what it gives."""
    seen: list[Any] = []
    active = True

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if active and event in ("open", "socket.connect", "socket.__new__"):
            seen.append((event, arguments[0]))

    sys.addaudithook(hook)
    yield seen
    active = False


def lists(path: Path, port: int) -> dict[str, bytes]:
    """Files that are lists of other files or addresses, by format."""
    url = f"http://127.0.0.1:{port}/a.wav"
    sdp = f"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio {port} RTP/AVP 0\n"
    dash = (
        '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
        f'<Representation id="1" bandwidth="1"><BaseURL>{url}</BaseURL></Representation></AdaptationSet></Period></MPD>'
    )
    texts = {
        "ffconcat": f"ffconcat version 1.0\nfile {path}\n",
        "ffconcat of an address": f"ffconcat version 1.0\nfile {url}\n",
        "sdp": sdp,
        "hls of a file": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{path}\n#EXT-X-ENDLIST\n",
        "hls of an address": f"#EXTM3U\n#EXT-X-TARGETDURATION:9\n#EXTINF:9,\n{url}\n#EXT-X-ENDLIST\n",
        "dash": dash,
        "subrip": "1\n00:00:00,000 --> 00:00:01,000\nHello\n",
        "data": "data:audio/wav;base64,UklGRg==",
        "path": str(path),
        "address": url,
        "rtsp": f"rtsp://127.0.0.1:{port}/x",
        "imf": '<?xml version="1.0"?><CompositionPlaylist xmlns="http://www.smpte-ra.org/schemas/2067-3/2016"/>',
        "ffmetadata": ";FFMETADATA1\ntitle=x\n",
        "avisynth": f'WavSource("{path}")\n',
        "pls": f"[playlist]\nFile1={url}\n",
        "lavfi": "sine=frequency=440",
    }
    return {name: text.encode() for name, text in texts.items()}


def test_lists_of_files_and_addresses_are_refused(audio: Path, listener: socket.socket, opened: list[Any]) -> None:
    for data in lists(audio / "message.wav", listener.getsockname()[1]).values():
        refused(data, "cannot be read as audio")
    with pytest.raises(BlockingIOError):
        listener.accept()
    assert opened == []


def test_a_list_behind_the_magic_of_a_format_that_is_read_is_none(audio: Path) -> None:
    for name, data in lists(audio / "message.wav", 9).items():
        for magic in (b"ID3\x04\0\0\0\0\0\0", b"OggS", b"\0\0\0\x08ftyp", b"\x1aE\xdf\xa3\x84webm", b"#!AMR\n", b"fLaC",
                      b"FORM\0\0\1\0AIFF", b"caff\0\1\0\0", b".snd", b"RIFF\0\1\0\0WAVE"):  # fmt: skip
            with pytest.raises(BadMedia):
                decode_sound(magic + data, WANTED)
        assert name


@pytest.mark.parametrize("form", sorted(set(soundfile.available_formats()) - {
    "WAV", "WAVEX", "RF64", "AIFF", "AU", "FLAC", "OGG", "MP3", "CAF", "RAW"}))  # fmt: skip
def test_formats_that_only_libsndfile_knows_are_refused(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # libsndfile writes a second file for SD2, `._`
    subtype = "DPCM_16" if form == "XI" else None
    refused(file_of(np.zeros(2000, np.int16), 8000, format=form, subtype=subtype), "cannot be read as audio")


OTHERS = {
    "avi": b"RIFF\x10\0\0\0AVI LIST",
    "wma": bytes.fromhex("3026b2758e66cf11"),
    "mpegts": b"\x47" * 1880,
    "flv": b"FLV\1\5\0\0\0\t",
    "wavpack": b"wvpk" + bytes(60),
    "ape": b"MAC " + bytes(60),
    "picture": b"\x89PNG\r\n\x1a\n" + bytes(60),
    "zip": b"PK\3\4" + bytes(60),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_media_are_refused(name: str) -> None:
    refused(OTHERS[name], f"cannot be read as audio; send a {re.escape(ALLOWED)} file")


def boxed(name: bytes, *content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + sum(map(len, content)), name) + b"".join(content)


def alias(path: str) -> bytes:
    """A reference to another file, as the Finder of old made it: `enable_drefs` has FFmpeg follow it."""
    name = path.encode()
    record = struct.pack(">HH", 2, len(name)) + name + bytes(len(name) % 2) + struct.pack(">HH", 0xFFFF, 0)
    return boxed(b"dref", bytes(4), struct.pack(">I", 1), boxed(b"alis", bytes(4), bytes(150), record))


def pointing_elsewhere(mov: bytes, path: str) -> bytes:
    """The movie, whose sound is said to be in the file `path`."""
    old = mov.index(b"dref", mov.index(b"smhd")) - 4
    new = alias(path)
    old_bytes = int.from_bytes(mov[old : old + 4], "big")
    changed = bytearray(mov[:old] + new + mov[old + old_bytes :])
    for parent in (b"moov", b"trak", b"mdia", b"minf", b"dinf"):
        at = mov.rindex(parent, 0, old) - 4
        size = int.from_bytes(mov[at : at + 4], "big") + len(new) - old_bytes
        changed[at : at + 4] = size.to_bytes(4, "big")
    return bytes(changed)


def test_a_movie_that_names_another_file_does_not_play_it(audio: Path) -> None:
    movie = pointing_elsewhere(av_file("mov", "pcm_s16le", chirps(), RATE_HZ), str(audio / "message.wav"))
    with pytest.raises(BadMedia):
        decode_sound(movie, WANTED)


def wav_of(rate_hz: int, channels: int = 1, num_bytes: int = 2000) -> bytes:
    bytes_per_s, frame_bytes = rate_hz * 2 * channels % 2**32, 2 * channels % 2**16
    head = struct.pack("<IHHIIHH", 16, 1, channels, rate_hz, bytes_per_s, frame_bytes, 16)
    return b"RIFF" + bytes(4) + b"WAVEfmt " + head + b"data" + struct.pack("<I", num_bytes) + bytes(num_bytes)


@pytest.mark.parametrize("rate_hz", [0, 1, 3999, 384_001, 655_350, 2**32 - 1])
def test_rates_that_no_sound_has(rate_hz: int) -> None:
    refused(wav_of(rate_hz), rf"has a sample rate of {rate_hz} Hz; allowed: 4000 to 384000 Hz")


@pytest.mark.parametrize("rate_hz", [4000, 384_000])
def test_the_least_and_the_greatest_rate(rate_hz: int) -> None:
    assert len(decode_sound(wav_of(rate_hz), WANTED).samples)


def test_a_flac_of_655_khz_is_refused() -> None:
    file = bytearray(FILES["flac"]())
    file[18:21] = (655_350 << 4).to_bytes(3, "big")[:3]
    refused(bytes(file), "has a sample rate of 655350 Hz")


@pytest.mark.parametrize("channels", [0, 65, 65535])
def test_channels(channels: int) -> None:
    refused(wav_of(16_000, channels), f"has {channels} channels; allowed: 1 to 64|damaged WAV header")


def test_many_channels_at_a_high_rate_use_up_what_is_allowed() -> None:
    """A minute in eight channels of 384 kHz, which compresses to next to nothing."""
    file = io.BytesIO()
    with soundfile.SoundFile(file, "w", 384_000, 8, format="FLAC") as target:
        for _ in range(60):
            target.write(np.zeros((384_000, 8), np.int16))
    start_s = time.monotonic()
    with pytest.raises(BadMedia, match=r"more than 11520000 samples in all channels together"):
        decode_sound(file.getvalue(), Wanted(RATE_HZ, 60.0))
    assert time.monotonic() - start_s < AT_ONCE_S


def test_a_length_beyond_the_limit_is_refused_before_it_is_decoded() -> None:
    hours = np.zeros(2 * 3600 * 8000, np.int16)
    for form in ("FLAC", "WAV"):
        refused(file_of(hours, 8000, format=form, subtype="PCM_16"), "longer than the limit of 1200 s")


def test_a_file_as_long_as_the_limit_is_taken() -> None:
    samples = chirps(2.0)
    for form in ("WAV", "FLAC", "OGG"):
        sound = decode_sound(file_of(samples, format=form), Wanted(RATE_HZ, 2.0))
        assert len(sound.samples) == pytest.approx(2 * RATE_HZ, abs=300)  # Vorbis ends with a window


def test_a_clock_that_jumps_ahead_makes_no_hours_of_silence() -> None:
    data = av_file("webm", "libopus", resampled(chirps(), 48000), 48000, pause_s=(4.0, 100_000.0))
    refused(data, "longer than the limit of 1200 s")

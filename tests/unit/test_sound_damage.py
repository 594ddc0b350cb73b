"""What is damaged or missing is left out and told; what is whole stays where it was."""

import struct

import numpy as np
import pytest

from qwen_media.errors import BadMedia
from qwen_media.sound import Sound, Wanted, decode_sound
from tests.sounds import DURATION_S, FILES, RATE_HZ, chirps, file_of, packets, shift_s

WANTED = Wanted(RATE_HZ, 60.0)
SAID = chirps()
IN_TIME_S = 0.07
CODED = (
    "mp3", "mp3 of FFmpeg", "matroska mp3", "aac", "m4a", "mp4 with pictures", "mp4 in fragments", "3gp", "m4a alac",
    "caf alac", "flac", "flac 24", "matroska flac", "ogg flac", "ogg vorbis", "ogg opus", "ogg opus of FFmpeg", "webm",
    "webm with pictures", "webm vorbis", "amr", "wav MS_ADPCM",
)  # fmt: skip
OVERWRITES = {
    "noise": lambda size: np.random.default_rng(size).bytes(size),
    "ones": lambda size: b"\xff" * size,
    "zeros": bytes,
}


def heard(data: bytes) -> Sound:
    return decode_sound(data, WANTED)


def assert_in_time(sound: Sound, times_s: tuple[float, ...], later_s: float = 0.0) -> None:
    for at_s in times_s:
        assert shift_s(np.roll(sound.samples, -round(later_s * RATE_HZ)), SAID, at_s) == pytest.approx(0, abs=IN_TIME_S)


def damaged(data: bytes, overwrite: str, share: float = 0.5) -> bytes:
    """One packet overwritten."""
    found = packets(data)
    position, size = found[round(len(found) * share)]
    return data[:position] + OVERWRITES[overwrite](size) + data[position + size :]


@pytest.mark.parametrize("overwrite", OVERWRITES)
@pytest.mark.parametrize("name", CODED)
def test_one_damaged_packet_costs_no_more_than_itself(name: str, overwrite: str) -> None:
    whole = FILES[name]()
    sound = heard(damaged(whole, overwrite))
    assert len(sound.samples) == pytest.approx(len(heard(whole).samples), abs=IN_TIME_S * RATE_HZ)
    assert_in_time(sound, (0.2, 9.3))
    assert sound.damage_s < (4.0 if name == "ogg vorbis" else 1.1)  # a page of it is so long
    if (name, overwrite) not in UNNOTICED:
        assert sound.damage_s > 0.01


# Without a checksum, zeros and noise may be sound as well.
UNNOTICED = {("wav MS_ADPCM", "zeros"), ("wav MS_ADPCM", "noise")}


def test_undamaged_bytes_of_a_page_whose_checksum_is_wrong_are_decoded() -> None:
    whole = FILES["ogg opus"]()
    at = len(whole) // 2
    sound = heard(whole[:at] + bytes([whole[at] ^ 0x55]) + whole[at + 1 :])
    assert 0 < sound.damage_s < 0.1
    assert_in_time(sound, tuple(np.arange(0.2, 9.3, 0.5)))


JOINED = ("mp3", "mp3 of FFmpeg", "aac", "amr", "flac", "ogg opus", "ogg vorbis", "ogg flac", "wav PCM_16", "wav FLOAT",
          "m4a", "mp4 with pictures", "webm", "matroska mp3", "wav MS_ADPCM")  # fmt: skip


@pytest.mark.parametrize("name", JOINED)
def test_files_that_were_joined_are_read_to_the_end_of_the_last(name: str) -> None:
    sound = heard(FILES[name]() * 3)
    assert sound.damage_s == 0
    assert len(sound.samples) / RATE_HZ == pytest.approx(3 * DURATION_S, abs=0.4)
    once = len(sound.samples) / RATE_HZ / 3
    for number in range(3):
        assert_in_time(sound, (0.2, 9.3), later_s=number * once)


@pytest.mark.parametrize(
    ("first", "second"),
    [("mp3", "mp3 of FFmpeg"), ("flac", "flac 24"), ("ogg opus", "ogg vorbis"), ("wav PCM_16", "wavex PCM_24"),
     ("ogg vorbis", "ogg flac"), ("webm", "matroska mp3"), ("m4a", "mp4 opus")],
)  # fmt: skip
def test_files_of_different_rates_and_codecs_may_be_joined(first: str, second: str) -> None:
    sound = heard(FILES[first]() + FILES[second]())
    assert sound.damage_s == 0
    assert_in_time(sound, (0.2, 9.3))
    assert_in_time(sound, (0.2, 9.3), later_s=len(sound.samples) / RATE_HZ / 2)


def id3_tag(num_bytes: int) -> bytes:
    """With what looks like frames of MP3 in it."""
    content = (b"\xff\xfb\x90\x64" * num_bytes)[:num_bytes]
    size = bytes(num_bytes >> shift & 0x7F for shift in (21, 14, 7, 0))
    return b"ID3\x04\x00\x00" + size + content


@pytest.mark.parametrize("name", ["mp3", "mp3 of FFmpeg", "aac", "flac"])
def test_tags_are_no_sound_and_no_damage(name: str) -> None:
    file = FILES[name]()
    old_tag = b"TAG" + b"A title".ljust(125, b"\0")
    joined = [id3_tag(300_000) + file, id3_tag(100) + id3_tag(70_000) + file + old_tag]
    if name != "flac":  # whose tags are only before it
        joined.append(file + old_tag + id3_tag(5000) + file + old_tag)
    for data in joined:
        sound = heard(data)
        assert sound.damage_s == 0
        assert_in_time(sound, (0.2, 9.3))


def test_a_stream_that_begins_in_the_middle_of_a_frame() -> None:
    for name in ("mp3 of FFmpeg", "aac"):
        file = FILES[name]()
        sound = heard(file[len(file) // 10 + 7 :])
        assert sound.damage_s == 0
        assert 8.5 < len(sound.samples) / RATE_HZ < 9.2


def test_flac_need_not_tell_how_long_it_is() -> None:
    file = bytearray(FILES["flac"]())
    file[21] &= 0xF0
    file[22:26] = bytes(4)
    sound = heard(bytes(file))
    assert sound.damage_s == 0
    assert len(sound.samples) == DURATION_S * RATE_HZ


@pytest.mark.parametrize(
    "name", ["wav PCM_16", "wav MS_ADPCM", "flac", "mp3", "mp4 in fragments", "webm", "aiff", "au"]
)
def test_a_file_that_was_cut_says_what_is_missing(name: str) -> None:
    """Of a kind that tells its length at its beginning, in a container that can be read without its end."""
    file = cut_in_half(FILES[name]())
    sound = heard(file)
    assert_in_time(sound, (0.2, 3.3))
    assert len(sound.samples) / RATE_HZ + sound.damage_s == pytest.approx(DURATION_S, abs=0.3)


def cut_in_half(data: bytes) -> bytes:
    return data[: len(data) // 2]


@pytest.mark.parametrize(
    "size", [0, 0x7FFFFFFF, 0x7FFFF000, 0x80000000, 0xFFFFFFFF, 0xFFFFFFDB, 2_000_000_000, 2_147_483_000]
)
def test_sizes_of_wav_that_mean_to_the_end(size: int) -> None:
    sound = heard(with_data_size(FILES["wav PCM_16"](), size))
    assert sound.damage_s == 0
    assert len(sound.samples) == DURATION_S * RATE_HZ


@pytest.mark.parametrize("difference", [-1, 1])
def test_sizes_of_wav_that_are_wrong_by_a_byte(difference: int) -> None:
    size = round(2 * DURATION_S * RATE_HZ)
    sound = heard(with_data_size(FILES["wav PCM_16"](), size + difference))
    assert sound.damage_s == 0
    assert len(sound.samples) == pytest.approx(DURATION_S * RATE_HZ, abs=1)


def with_data_size(wav: bytes, size: int) -> bytes:
    at = wav.index(b"data") + 4
    return wav[:at] + struct.pack("<I", size) + wav[at + 4 :]


def test_an_empty_wav_with_a_title_has_no_samples() -> None:
    empty = file_of(np.zeros(0, np.float32), format="WAV")
    with pytest.raises(BadMedia, match="no samples"):
        heard(empty + b"LIST" + struct.pack("<I", 12) + b"INFOISFT" + bytes(4))


@pytest.mark.parametrize("name", ["wav PCM_16", "wavex PCM_24", "rf64"])
def test_wav_with_large_chunks_before_its_samples(name: str) -> None:
    file = FILES[name]()
    at = file.index(b"data")
    junk = b"JUNK" + struct.pack("<I", 3_000_001) + b"data" * 750_000 + b"\0\0"
    listed = b"LIST" + struct.pack("<I", 70_000) + bytes(70_000)
    sound = heard(file[:at] + junk + listed + file[at:])
    assert sound.damage_s == 0
    assert_in_time(sound, (0.2, 9.3))


def test_garbage_in_all_packets_is_refused() -> None:
    file = bytearray(FILES["m4a"]())
    for position, size in packets(bytes(file)):
        file[position : position + size] = b"\xff" * size
    with pytest.raises(BadMedia, match="can be decoded"):
        heard(bytes(file))

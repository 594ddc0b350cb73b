"""Sound of every format, whole and damaged, and what is none, through the real server."""

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile

from qwen_client import Client, InvalidRequest
from tests.sounds import MAKERS, RATE_HZ, packets
from tests.unit.test_sound_refusals import lists

AT_ONCE_S = 5.0  # some milliseconds are measured; the SDP file used to block all recognition for 20 s
TELEPHONE = ("GSM610", "amr", "IMA_ADPCM", "MS_ADPCM")  # the demo checkpoint hears most of it


@pytest.fixture(scope="module")
def spoken(audio: Path) -> np.ndarray:
    samples, rate_hz = soundfile.read(audio / "message.wav", dtype="float32")
    assert rate_hz == RATE_HZ
    return samples


@pytest.fixture(scope="module")
def said(audio: Path) -> str:
    return (audio / "message.txt").read_text().strip()


@pytest.mark.parametrize("name", MAKERS)
def test_every_format_is_understood(client: Client, spoken: np.ndarray, said: str, name: str) -> None:
    heard = client.asr.transcribe(MAKERS[name](spoken))
    assert heard.damage_s == 0
    assert heard.duration_s == pytest.approx(len(spoken) / RATE_HZ, abs=0.15)
    words, expected = heard.text.lower().split(), said.lower().split()
    least = 0.6 if any(codec in name for codec in TELEPHONE) else 1.0
    assert len(set(words) & set(expected)) >= least * len(set(expected)), heard.text


@pytest.mark.parametrize("name", ["mp3", "aac", "m4a", "flac", "webm", "amr", "ogg opus of FFmpeg", "ogg vorbis"])
def test_what_is_damaged_is_told_and_the_rest_is_heard(
    client: Client, spoken: np.ndarray, said: str, name: str
) -> None:
    """A second of noise before the speech loses a packet."""
    noise = np.random.default_rng(0).normal(0, 1e-3, 4 * RATE_HZ).astype(np.float32)
    file = bytearray(MAKERS[name](np.concatenate([noise, spoken])))
    found = packets(bytes(file))
    position, size = found[len(found) // 6]
    file[position : position + size] = bytes(size)
    heard = client.asr.transcribe(bytes(file), timestamps="segment")
    assert 0 < heard.damage_s < 4
    assert heard.duration_s == pytest.approx(4 + len(spoken) / RATE_HZ, abs=0.15)
    if name != "amr":
        assert heard.text == said
    assert heard.segments[0].start_s == pytest.approx(4.0, abs=0.7)


def test_joined_files_are_heard_to_the_end(client: Client, spoken: np.ndarray, said: str) -> None:
    for name in ("mp3", "ogg opus", "wav PCM_16"):
        heard = client.asr.transcribe(MAKERS[name](spoken) * 2)
        assert heard.duration_s == pytest.approx(2 * len(spoken) / RATE_HZ, abs=0.2)
        assert heard.text.lower().count(said.split()[-1].strip(".").lower()) == 2, heard.text


def test_a_reference_with_damage_is_refused(client: Client, spoken: np.ndarray) -> None:
    file = bytearray(MAKERS["mp3"](spoken))
    position, size = packets(bytes(file))[40]
    file[position : position + size] = bytes(size)
    with pytest.raises(InvalidRequest, match="REF_AUDIO is damaged"):
        client.tts.synthesize("Good morning.", reference=bytes(file), consent="made by espeak-ng")


def test_alignments_tell_damage_too(client: Client, spoken: np.ndarray, said: str) -> None:
    file = bytearray(MAKERS["flac"](spoken))
    position, size = packets(bytes(file))[1]
    file[position : position + size] = bytes(size)
    assert client.asr.align(bytes(file), said).damage_s > 0


def test_lists_of_files_and_addresses_are_refused_at_once(client: Client, audio: Path, said: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        cases = lists(audio / "message.wav", listener.getsockname()[1])

        def outcome(data: bytes) -> str:
            with pytest.raises(InvalidRequest) as refusal:
                client.asr.transcribe(data)
            return str(refusal.value)

        start_s = time.monotonic()
        with ThreadPoolExecutor(len(cases) + 1) as callers:
            good = callers.submit(client.asr.transcribe, audio / "message.wav")
            refusals = list(callers.map(outcome, cases.values()))
            assert good.result().text == said
        assert all(refusal.startswith("AUDIO cannot be read as audio") for refusal in refusals)
        assert time.monotonic() - start_s < AT_ONCE_S
        with pytest.raises(BlockingIOError):
            listener.accept()
    for data in cases.values():
        with pytest.raises(InvalidRequest, match="REF_AUDIO cannot be read as audio"):
            client.tts.synthesize("Good morning.", reference=data, consent="none")

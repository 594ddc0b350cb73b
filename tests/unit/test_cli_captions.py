"""`qwen captions`: final text on stdout, a line a segment; audio from a file or a pipe."""

import json
import re
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
import soundfile
from client_scripts import HALF_SECOND_BYTES
from command_line import assert_fails_on_one_line, qwen
from fake_triton import FakeTriton, Payloads, Refusal
from grpc import StatusCode

from tests.sounds import DURATION_S, FILES, packets

pytestmark = pytest.mark.usefixtures("command_line")

PCM = (np.arange(48_000) % 1000).astype("<i2").tobytes()  # 3 seconds: six words of the scripted server
LINES = "w0 w1 w2 w3\nw4 w5\n"


def heard(triton: FakeTriton) -> bytes:
    """All the audio that the server got."""
    return b"".join(request.inputs["AUDIO"] for request in triton.received)


def first_options(triton: FakeTriton) -> dict[str, object]:
    return json.loads(triton.received[0].inputs["OPTIONS"])


def wav(*chunks: tuple[bytes, bytes], data_bytes: int | None = None) -> bytes:
    """A WAV file as a program writes it into a pipe; `data_bytes`: the size it tells, if not the true one."""
    content = b""
    for name, chunk in chunks:
        told = len(chunk) if data_bytes is None or name != b"data" else data_bytes
        content += name + struct.pack("<I", told) + chunk + b"\0" * (len(chunk) % 2)
    return b"RIFF" + struct.pack("<I", 0xFFFFFFFF) + b"WAVE" + content


def layout(tag: int = 1, channels: int = 1, sample_rate: int = 16_000, bits: int = 16) -> tuple[bytes, bytes]:
    frame_bytes = channels * bits // 8
    return b"fmt ", struct.pack("<HHIIHH", tag, channels, sample_rate, sample_rate * frame_bytes, frame_bytes, bits)


def test_raw_samples_from_a_pipe(triton: FakeTriton) -> None:
    result = qwen("captions", "-", "--language", "English", "--context", "Qwen", stdin=PCM)

    assert (result.exit_code, result.stdout, result.stderr) == (0, LINES, "")
    assert heard(triton) == PCM
    assert first_options(triton) == {"language": "English", "context": "Qwen"}
    assert triton.open_sequences == set()


def test_raw_samples_of_another_kind(triton: FakeTriton) -> None:
    qwen("captions", "-", "--sample-rate", "48000", "--channels", "2", stdin=PCM)

    assert first_options(triton) == {"sample_rate_hz": 48_000, "num_channels": 2}
    assert heard(triton) == PCM


@pytest.mark.parametrize("data_bytes", [None, 0, 0xFFFFFFFF, 0x80000000])
def test_wav_from_a_pipe_says_itself_what_it_is(data_bytes: int | None, triton: FakeTriton) -> None:
    header = (b"LIST", b"odd"), layout(channels=2, sample_rate=44_100)
    result = qwen("captions", "-", stdin=wav(*header, (b"data", PCM), data_bytes=data_bytes))

    assert (result.exit_code, result.stdout) == (0, LINES)
    assert first_options(triton) == {"sample_rate_hz": 44_100, "num_channels": 2}
    assert heard(triton) == PCM


def test_what_follows_the_samples_of_a_wav_is_not_heard(triton: FakeTriton) -> None:
    qwen("captions", "-", stdin=wav(layout(), (b"data", PCM), (b"LIST", b"recorded today")))

    assert heard(triton) == PCM


SOUND = np.random.default_rng(1).uniform(-0.5, 0.5, 24_000)


@pytest.mark.parametrize(
    ("tag", "bits", "encoded"),
    [
        (1, 24, (SOUND * 2**23).astype("<i4").view(np.uint8).reshape(-1, 4)[:, :3].tobytes()),
        (1, 32, (SOUND * 2**31).astype("<i4").tobytes()),
        (1, 8, (SOUND * 2**7 + 128).astype(np.uint8).tobytes()),
        (3, 32, SOUND.astype("<f4").tobytes()),
        (3, 64, SOUND.astype("<f8").tobytes()),
    ],
)
def test_wav_from_a_pipe_of_any_plain_samples(tag: int, bits: int, encoded: bytes, triton: FakeTriton) -> None:
    result = qwen("captions", "-", stdin=wav(layout(tag=tag, bits=bits, channels=2), (b"data", encoded)))

    assert (result.exit_code, result.stderr) == (0, "")
    np.testing.assert_allclose(np.frombuffer(heard(triton), "<i2") / 2**15, SOUND, atol=2**-7 if bits == 8 else 1e-4)


def test_wav_from_a_pipe_in_the_extensible_form(triton: FakeTriton) -> None:
    name, plain = layout(tag=0xFFFE)
    extensible = name, plain + struct.pack("<HHIH", 22, 16, 4, 1) + bytes.fromhex("000000001000800000aa00389b71")
    qwen("captions", "-", stdin=wav(extensible, (b"data", PCM)))

    assert heard(triton) == PCM


def test_wav_from_a_pipe_with_megabytes_before_its_samples(triton: FakeTriton) -> None:
    header = (b"JUNK", bytes(3_000_001)), (b"bext", b"data" * 30_000), layout(), (b"LIST", bytes(100_000))
    qwen("captions", "-", stdin=wav(*header, (b"data", PCM), data_bytes=2_000_000_000))

    assert heard(triton) == PCM


@pytest.mark.parametrize(
    ("stdin", "message"),
    [
        (wav(layout(tag=2, bits=4), (b"data", PCM)), "standard input is a WAV file of compressed samples"),
        (wav((b"fmt ", b"short"), (b"data", PCM)), "standard input has a damaged WAV header"),
        (wav((b"data", PCM)), "standard input has a damaged WAV header"),
        (wav(layout())[:20], "standard input has a damaged WAV header"),
        (wav()[:12] + b"JUNK\xff\xff\xff\xff", "standard input is a WAV file without samples"),
        (wav(layout(sample_rate=1), (b"data", PCM)), "standard input has a sample rate of 1 Hz"),
    ],
)
def test_wav_that_cannot_be_read_is_refused(stdin: bytes, message: str, triton: FakeTriton) -> None:
    assert_fails_on_one_line(qwen("captions", "-", stdin=stdin), message)
    assert triton.received == []


@pytest.mark.parametrize("name", [name for name in FILES if not name.startswith(("wav", "rf64"))])
def test_compressed_bytes_from_a_pipe_are_refused(name: str, triton: FakeTriton) -> None:
    result = qwen("captions", "-", stdin=FILES[name]())

    assert_fails_on_one_line(result, "give the file by its name")
    assert triton.received == []


@pytest.mark.parametrize("name", ["mp3", "flac", "m4a", "ogg opus"])
def test_a_conversation_takes_no_compressed_bytes_either(name: str, triton: FakeTriton) -> None:
    assert_fails_on_one_line(qwen("talk", "-", stdin=FILES[name]()), "give the file by its name")
    assert triton.received == []


def test_samples_that_begin_like_a_frame_of_mp3_are_samples(triton: FakeTriton) -> None:
    samples = b"\xff\xfb\x90\x64" + PCM
    assert qwen("captions", "-", stdin=samples).exit_code == 0
    assert heard(triton) == samples


@pytest.mark.parametrize("stdin", [b"", b"RIFF", b"x"])
def test_next_to_no_audio_is_no_text(stdin: bytes, triton: FakeTriton) -> None:
    result = qwen("captions", "-", stdin=stdin)

    assert (result.exit_code, result.stdout, result.stderr) == (0, "", "")
    assert len(triton.received) == 1


@pytest.mark.parametrize("name", FILES)
def test_files_of_every_format(name: str, triton: FakeTriton) -> None:
    Path("recording").write_bytes(FILES[name]())
    result = qwen("captions", "recording")

    assert (result.exit_code, result.stderr) == (0, "")
    options = first_options(triton)
    rate_hz, channels = options.get("sample_rate_hz", 16_000), options.get("num_channels", 1)
    duration_s = len(heard(triton)) / 2 / channels / rate_hz
    assert duration_s == pytest.approx(DURATION_S, abs=0.15)


def test_a_damaged_file_is_captioned_and_its_damage_told(triton: FakeTriton) -> None:
    file = FILES["mp3"]()
    position, size = packets(file)[100]
    Path("speech.mp3").write_bytes(file[:position] + bytes(size) + file[position + size :])
    result = qwen("captions", "speech.mp3")

    assert result.exit_code == 0
    assert re.fullmatch(r"warning: 0\.0\d+ s of sound are missing or damaged\n", result.stderr)


def test_files_that_were_joined_are_captioned_to_the_end(triton: FakeTriton) -> None:
    Path("speech.mp3").write_bytes(FILES["mp3"]() + FILES["mp3 of FFmpeg"]())
    qwen("captions", "speech.mp3")

    assert first_options(triton) == {}
    assert len(heard(triton)) / 32_000 == pytest.approx(2 * DURATION_S, abs=0.2)


@pytest.mark.parametrize("suffix", ["wav", "flac", "ogg", "mp3"])
def test_files(suffix: str, triton: FakeTriton) -> None:
    samples = np.random.default_rng(0).uniform(-0.5, 0.5, (16_000, 2))
    soundfile.write(f"speech.{suffix}", samples, 32_000)
    result = qwen("captions", f"speech.{suffix}")

    assert (result.exit_code, result.stderr) == (0, "")
    assert first_options(triton) == {"sample_rate_hz": 32_000, "num_channels": 2}
    sent = np.frombuffer(heard(triton), "<i2").reshape(-1, 2) / 32_768
    if suffix in ("wav", "flac"):
        np.testing.assert_allclose(sent, samples, atol=1e-4)
    else:
        assert len(sent) >= 16_000


def test_files_that_hold_floats_are_scaled(triton: FakeTriton) -> None:
    soundfile.write("speech.wav", np.full(16_000, 0.25), 16_000, subtype="FLOAT")
    qwen("captions", "speech.wav")

    assert set(np.frombuffer(heard(triton), "<i2")) == {8_192}


def test_real_time_takes_as_long_as_the_file(triton: FakeTriton) -> None:
    soundfile.write("speech.wav", np.zeros(9_600), 16_000)
    start_s = time.monotonic()
    result = qwen("captions", "speech.wav", "--realtime")

    assert time.monotonic() - start_s >= 0.6
    assert result.stdout == "w0\n"


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("missing.wav",), "No such file"),
        (("notes.txt",), "notes.txt cannot be read as audio; send a WAV"),
        (("-", "--realtime"), "--realtime is for files"),
    ],
)
def test_sources_that_cannot_work_are_one_line(arguments: tuple[str, ...], message: str, triton: FakeTriton) -> None:
    Path("notes.txt").write_text("no sound\n" * 100)

    assert_fails_on_one_line(qwen("captions", *arguments), message)
    assert triton.received == []


def test_json_is_a_line_for_each_caption(triton: FakeTriton) -> None:
    told = [json.loads(line) for line in qwen("captions", "-", "--json", stdin=PCM).stdout.splitlines()]

    assert [(one["stable"], one["partial"]) for one in told[:2]] == [("", "w0"), ("w0", " w1")]
    assert [one["is_final"] for one in told] == [False] * 6 + [True]
    assert told[3]["segments"] == [{"start_s": 0.0, "end_s": 2.0, "text": "w0 w1 w2 w3"}]


def test_a_terminal_shows_grey_text_that_turns_plain(triton: FakeTriton, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes stdout for a terminal
    monkeypatch.setenv("TERM", "xterm")
    shown = qwen("captions", "-", stdin=PCM).stdout

    assert "w0\x1b[90m w1\x1b[0m" in shown  # what may still change is grey
    assert "\nw0 w1 w2 w3\n" in shown.replace("\x1b[2K", "").replace("\r", "\n")
    assert shown.count("w4 w5\n") == 1
    assert shown.endswith(("w4 w5\n", "\x1b[?25h", "\x1b[2K"))


def test_an_error_comes_after_what_was_heard(triton: FakeTriton) -> None:
    captioner = triton.scripts["qwen3_asr_stream"]

    def refuse_the_seventh(inputs: Payloads) -> Iterator[Payloads]:
        if len(triton.received) == 7:
            raise Refusal(StatusCode.INVALID_ARGUMENT, "AUDIO is noise")
        return captioner(inputs)

    triton.scripts["qwen3_asr_stream"] = refuse_the_seventh
    result = qwen("captions", "-", stdin=PCM)

    assert (result.exit_code, result.stdout) == (1, "w0 w1 w2 w3\nw4\n")
    assert result.stderr.startswith("error: AUDIO is noise (INVALID_ARGUMENT) [request ")
    assert triton.open_sequences == set()


def test_ctrl_c_ends_the_audio_and_the_text_so_far_is_written(triton: FakeTriton) -> None:
    captioner, three_heard = triton.scripts["qwen3_asr_stream"], threading.Event()

    def script(inputs: Payloads) -> Iterator[Payloads]:
        if len(triton.received) == 3:
            three_heard.set()
        return captioner(inputs)

    triton.scripts["qwen3_asr_stream"] = script
    command = [sys.executable, "-c", "from qwen_client.cli import app; app()", "captions", "-"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(bytes(3 * HALF_SECOND_BYTES))
        process.stdin.flush()
        assert three_heard.wait(60)
        process.send_signal(signal.SIGINT)
        with suppress(BrokenPipeError):  # it may be gone already
            process.stdin.write(b"the microphone's last samples")
            process.stdin.flush()
        told = process.stdout.read()

    assert (told, process.returncode) == (b"w0 w1 w2\n", 0)
    assert triton.open_sequences == set()

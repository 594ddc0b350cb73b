"""Live captions through the real server: SDK, command line, and what goes wrong."""

import asyncio
import io
import itertools
import json
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import soundfile
import tritonclient.grpc
from tritonclient.utils import InferenceServerException

from demo.training import sounds
from qwen_client import AsyncClient, Caption, Client, QwenError
from qwen_server.profiles import Profile, load_profile
from qwen_server.triton_process import Address, TritonProcess

MODEL = "qwen3_asr_stream"
QWEN = Path(sys.prefix) / "bin" / "qwen"
SAMPLE_RATE_HZ = 16_000
PAUSE = np.zeros(SAMPLE_RATE_HZ, np.int16)
TIMEOUT_S = 60


@pytest.fixture(scope="module")
def recording(audio) -> np.ndarray:
    """Two sentences with a pause between them, 16 bit."""
    first, second = (soundfile.read(audio / f"{name}.wav", dtype="int16")[0] for name in ("message", "request"))
    return np.concatenate([first, PAUSE, second])


def in_wav(samples: np.ndarray) -> bytes:
    file = io.BytesIO()
    soundfile.write(file, samples, SAMPLE_RATE_HZ, "PCM_16", format="WAV")
    return file.getvalue()


def captions_of(client: Client, recording: np.ndarray, **options) -> list[Caption]:
    with client.asr.stream(**options) as captions:
        return list(captions.iterate([recording.tobytes()]))


def lines_of(captions: list[Caption]) -> list[str]:
    return [segment.text for caption in captions for segment in caption.segments]


@pytest.mark.parametrize("mains_hz", [50, 60])
def test_speech_under_hum_is_heard_offline_and_live(client, recording, mains_hz):
    """Hum 3 dB above the speech; both sentences have segments, and texts."""
    level = np.sqrt(np.mean((recording / 32_768) ** 2)) * 10**0.15
    humming = recording / 32_768 + level * sounds.hum(len(recording), mains_hz)
    sent = (humming * 0.5 * 32_767).astype(np.int16)
    lines = lines_of(captions_of(client, sent))
    transcript = client.asr.transcribe(in_wav(sent))
    assert len(lines) == 2
    assert all(len(line.split()) > 3 for line in lines)
    assert len(transcript.text.split()) > 8


@pytest.mark.parametrize("make", [sounds.hum, sounds.buzz, sounds.dialling, sounds.clicks, sounds.chords])
def test_where_nobody_speaks_nothing_is_written(client, make):
    sound = (0.05 * make(15 * SAMPLE_RATE_HZ)).clip(-1, 1)
    sent = (sound * 32_767).astype(np.int16)
    assert captions_of(client, sent)[-1].stable == ""
    assert client.asr.transcribe(in_wav(sent)).text == ""


def test_captions_end_in_the_offline_transcript(client, recording):
    captions = captions_of(client, recording)
    segments = [segment for caption in captions for segment in caption.segments]
    assert len(segments) == 2
    for segment in segments:
        start, end = (round(time_s * SAMPLE_RATE_HZ) for time_s in (segment.start_s, segment.end_s))
        assert client.asr.transcribe(in_wav(recording[start:end])).text == segment.text
    assert captions[-1].stable == " ".join(segment.text for segment in segments)
    assert (captions[-1].partial, captions[-1].is_final) == ("", True)
    assert any(caption.partial for caption in captions)
    assert all(after.stable.startswith(before.stable) for before, after in itertools.pairwise(captions))


def test_async_captions_are_the_same(server, client, recording):
    async def pieces() -> AsyncIterator[bytes]:
        for part in np.array_split(recording, 7):
            yield part.tobytes()

    async def captions() -> list[Caption]:
        async with AsyncClient(server.address.grpc) as each, each.asr.stream() as session:
            return [caption async for caption in session.iterate(pieces())]

    assert lines_of(asyncio.run(captions())) == lines_of(captions_of(client, recording))


def test_streams_at_once_do_not_mix(client, recording, server):
    half = len(recording) // 2
    sounds = [recording, recording[half:], recording[:half], np.tile(PAUSE, 4)]
    alone = [lines_of(captions_of(client, sound)) for sound in sounds]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda sound: lines_of(captions_of(client, sound, chunk_s=0.3)), sounds * 4))
    assert together == alone * 4
    assert alone[3] == []


def test_the_command_line_captions_a_file_and_a_pipe(server, client, recording, tmp_path):
    file = tmp_path / "speech.wav"
    file.write_bytes(in_wav(recording))
    command = [QWEN, "captions", "--url", server.address.grpc]
    expected = "".join(f"{line}\n" for line in lines_of(captions_of(client, recording)))
    for source, given in ((file, None), ("-", recording.tobytes())):
        done = subprocess.run([*command, source], input=given, capture_output=True, timeout=TIMEOUT_S, check=True)
        assert done.stdout.decode() == expected


@pytest.fixture
def triton(server):
    with tritonclient.grpc.InferenceServerClient(server.address.grpc) as connected:
        yield connected


def send(triton, number: int, audio: bytes = b"", *, start: bool = False, end: bool = False, **options) -> dict:
    """One chunk as any program may send it; the EVENT."""
    inputs = []
    for name, payload in (("AUDIO", audio), ("OPTIONS", json.dumps(options).encode())):
        inputs.append(tritonclient.grpc.InferInput(name, [1, 1], "BYTES"))
        inputs[-1].set_data_from_numpy(np.array([[payload]], dtype=np.object_))
    flags = {"sequence_id": number, "sequence_start": start, "sequence_end": end}
    answer = triton.infer(MODEL, inputs, client_timeout=TIMEOUT_S, **flags)
    return json.loads(answer.as_numpy("EVENT")[0, 0])


def test_the_event_has_what_the_protocol_says(triton, recording):
    event = send(triton, 2**63 - 1, recording.tobytes(), start=True, end=True, language="en")
    assert event.keys() >= {
        "index",
        "type",
        "stable",
        "partial",
        "language",
        "segment",
        "segments",
        "audio_s",
        "is_final",
    }
    assert (event["index"], event["type"], event["language"]) == (0, "captions", "English")
    assert (event["segment"], event["partial"], event["is_final"]) == (2, "", True)
    assert event["timings"]["total_s"] > 0
    assert all(segment.keys() == {"start_s", "end_s", "text"} for segment in event["segments"])


def test_whoever_breaks_the_sequence_is_told(triton):
    with pytest.raises(InferenceServerException, match="must specify the START flag"):
        send(triton, 11)
    token = send(triton, 11, start=True)["token"]
    with pytest.raises(InferenceServerException, match="stream 11 is open already"):
        send(triton, 11, start=True)
    with pytest.raises(InferenceServerException, match="AUDIO has 3 bytes, not a whole number of frames"):
        send(triton, 11, bytes(3), token=token)
    with pytest.raises(InferenceServerException, match=r"sample_rate_hz is 8000, but stream 11 began with 16000"):
        send(triton, 11, bytes(4), sample_rate_hz=8000, token=token)
    assert send(triton, 11, end=True, token=token)["is_final"]
    for end in (False, True):
        with pytest.raises(InferenceServerException, match="must specify the START flag"):
            send(triton, 11, end=end, token=token)


def test_a_client_that_vanishes_hurts_nobody(server, client, recording):
    script = (
        "import sys\n"
        "from qwen_client import Client\n"
        "captions = Client(sys.argv[1]).asr.stream()\n"
        "captions.feed(sys.stdin.buffer.read(64_000))\n"
        "print('heard', flush=True)\n"
        "sys.stdin.buffer.read()\n"
    )
    expected = lines_of(captions_of(client, recording))
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", script, server.address.grpc], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        process.stdin.write(recording.tobytes()[:64_000])
        process.stdin.flush()
        assert process.stdout.readline() == b"heard\n"
        process.kill()
        process.communicate(timeout=30)
    assert lines_of(captions_of(client, recording)) == expected


def test_streams_that_are_left_early_leave_room(client, recording):
    """Many more than may be open at once."""
    for _ in range(300):
        with client.asr.stream(chunk_s=0.1) as captions:
            captions.feed(recording[: SAMPLE_RATE_HZ // 10])
    assert len(lines_of(captions_of(client, recording))) == 2


IDLE_S = 1.0
BREAK_S = 4 * IDLE_S


@pytest.fixture(scope="module")
def impatient() -> Iterator[str]:
    """The address of a server that forgets silent streams soon."""
    settings = load_profile("demo").models[MODEL].model_copy(update={"idle_timeout_s": IDLE_S})
    with TritonProcess(Profile({MODEL: settings}), Address.free()) as process:
        process.wait_ready()
        yield process.address.grpc


def test_a_muted_microphone_ends_no_session_and_changes_no_text(client, impatient, recording):
    """What is said goes on in the middle of a word."""
    expected = captions_of(client, recording)[-1].stable
    halves = np.array_split(recording, 2)
    with Client(impatient) as connected, connected.asr.stream() as captions:
        captions.feed(halves[0])
        time.sleep(BREAK_S)
        captions.feed(halves[1])
        assert captions.finish().stable == expected

    async def speak() -> str:
        async with AsyncClient(impatient) as connected, connected.asr.stream() as captions:
            await captions.feed(halves[0])
            await asyncio.sleep(BREAK_S)
            await captions.feed(halves[1])
            return (await captions.finish()).stable

    assert asyncio.run(speak()) == expected


def test_a_session_of_a_client_that_is_gone_is_forgotten(impatient, recording):
    """Nothing keeps it alive."""
    with Client(impatient) as connected:
        captions = connected.asr.stream()
        captions.feed(recording[:SAMPLE_RATE_HZ])
        captions._keep_alive.stop()
        time.sleep(BREAK_S)
        with pytest.raises(QwenError, match=r"START flag|opens no stream"):
            captions.feed(recording[:SAMPLE_RATE_HZ])

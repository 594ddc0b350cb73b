"""What callers of recognition do wrong or stop waiting for hurts nobody else, and leaves every row free again."""

import asyncio
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import soundfile

from qwen_client import AsyncClient, InvalidRequest, Unavailable

NUM_ROWS = 16  # of the demo profile
PLACES = 64 + 64  # requests worked on, and waiting
MAX_QUEUE = 64  # also of those whose file waits to be read: a burst may find no room before any is worked on
SAMPLE_RATE_HZ = 16000
TIMEOUT_S = 120


@pytest.fixture(scope="module")
def said(audio) -> dict[str, str]:
    """What is said in each file."""
    return {str(audio / f"{name}.wav"): (audio / f"{name}.txt").read_text().strip() for name in ("request", "message")}


@pytest.fixture(scope="module")
def minutes(audio) -> np.ndarray:
    """Two minutes of speech."""
    samples = soundfile.read(audio / "request.wav", dtype="float32")[0]
    return np.resize(np.concatenate([samples, np.zeros(SAMPLE_RATE_HZ, np.float32)]), 120 * SAMPLE_RATE_HZ)


async def assert_all_rows_work(client: AsyncClient, said: dict[str, str]) -> None:
    """As many at once as there are rows, each with its own text."""
    files = list(said) * (NUM_ROWS // len(said))
    heard = await asyncio.gather(*map(client.asr.transcribe, files))
    assert [one.text for one in heard] == [said[file] for file in files]


def with_client(server, work) -> None:
    async def main() -> None:
        async with AsyncClient(server.address.grpc, timeout_s=TIMEOUT_S) as client:
            await work(client)

    asyncio.run(main())


def test_a_caller_who_stops_waiting_gives_all_rows_back(server, said, minutes):
    async def work(client: AsyncClient) -> None:
        leaving = [
            asyncio.create_task(client.asr.transcribe((minutes, SAMPLE_RATE_HZ), timestamps="word"))
            for _ in range(NUM_ROWS)
        ]
        await assert_all_rows_work(client, said)  # while they are worked on
        for task in leaving:
            task.cancel()
        outcomes = await asyncio.gather(*leaving, return_exceptions=True)
        assert any(isinstance(one, asyncio.CancelledError) for one in outcomes)
        await assert_all_rows_work(client, said)

    with_client(server, work)


def test_a_client_that_vanishes(server, said, minutes, tmp_path):
    recording = tmp_path / "minutes.wav"
    soundfile.write(recording, minutes, SAMPLE_RATE_HZ)
    script = (
        "import sys, threading\n"
        "from qwen_client import Client\n"
        "client = Client(sys.argv[1])\n"
        "threading.Thread(target=client.asr.transcribe, args=(sys.argv[2],), daemon=True).start()\n"
        "print(client.asr.transcribe(sys.argv[3]).text, flush=True)\n"  # it has been accepted, and so has the other
        "sys.stdin.read()\n"
    )
    arguments = [sys.executable, "-c", script, server.address.grpc, str(recording), next(iter(said))]
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout.readline().strip() == next(iter(said.values()))
    process.kill()
    process.communicate(timeout=30)
    with_client(server, lambda client: assert_all_rows_work(client, said))


def test_bad_neighbours(server, said):
    file = next(iter(said))
    samples = soundfile.read(file, dtype="float32")[0]
    spoilt = samples.copy()
    spoilt[::2] = np.nan

    async def work(client: AsyncClient) -> None:
        asr = client.asr
        calls = [
            asr.transcribe(file),
            asr.transcribe(Path(file).read_bytes()[44:]),
            asr.transcribe(file),
            asr.transcribe((spoilt, SAMPLE_RATE_HZ)),
            asr.transcribe(file, language="Klingon"),
            asr.transcribe(file),
            asr.transcribe(file, max_audio_s=0.5),
            asr.transcribe(file),
        ]
        outcomes = await asyncio.gather(*calls, return_exceptions=True)
        assert [outcomes[index].text for index in (0, 2, 5, 7)] == [said[file]] * 4
        assert all(isinstance(outcomes[index], InvalidRequest) for index in (1, 3, 4, 6))

    with_client(server, work)


def test_a_full_house_is_told_and_everyone_accepted_is_served(server, said, minutes):
    """Long recordings are sent until some are refused; the others all get the same text, and then all rows work."""

    async def work(client: AsyncClient) -> None:
        recording = (minutes[: 8 * SAMPLE_RATE_HZ], SAMPLE_RATE_HZ)
        outcomes = await asyncio.gather(
            *(client.asr.transcribe(recording) for _ in range(2 * PLACES)), return_exceptions=True
        )
        refused = [one for one in outcomes if isinstance(one, Exception)]
        assert refused
        assert all(isinstance(one, Unavailable) for one in refused)
        texts = {one.text for one in outcomes if not isinstance(one, Exception)}
        assert len(texts) == 1
        assert len(outcomes) - len(refused) >= MAX_QUEUE
        await assert_all_rows_work(client, said)

    with_client(server, work)

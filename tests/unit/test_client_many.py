"""`transcribe_many`, of both clients."""

import asyncio
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing, closing, contextmanager
from pathlib import Path
from typing import Any

import grpc
import pytest
from client_scripts import SCRIPTS, transcript
from fake_triton import FakeTriton, Payloads, Refusal

from qwen_client import AsyncClient, AudioInput, Client, InvalidRequest, Outcome, QwenError, Unavailable

TranscribeMany = Callable[..., list[Outcome]]


def sync_many(address: str, audios: Sequence[AudioInput], **options: Any) -> list[Outcome]:
    with Client(address) as client:
        return list(client.asr.transcribe_many(audios, **options))


def async_many(address: str, audios: Sequence[AudioInput], **options: Any) -> list[Outcome]:
    async def run() -> list[Outcome]:
        async with AsyncClient(address) as client:
            return [outcome async for outcome in client.asr.transcribe_many(audios, **options)]

    return asyncio.run(run())


both = pytest.mark.parametrize("many", [sync_many, async_many])


def texts(outcomes: Sequence[Outcome]) -> list[str]:
    return [outcome.heard.text if outcome.heard else str(outcome.error) for outcome in outcomes]


@both
def test_outcomes_in_the_order_given(many: TranscribeMany, triton: FakeTriton) -> None:
    recordings = [b"x" * length for length in range(30)]
    outcomes = many(triton.address, recordings, language="English", timestamps="word")

    assert [outcome.audio for outcome in outcomes] == recordings
    assert texts(outcomes) == [f"{length} bytes" for length in range(30)]
    assert {one.inputs["OPTIONS"] for one in triton.received} == {b'{"language": "English", "timestamps": "word"}'}


@both
def test_a_failing_recording_leaves_the_others(many: TranscribeMany, triton: FakeTriton, tmp_path: Path) -> None:
    def refuse_second(inputs: Payloads) -> Iterator[Payloads]:
        if len(inputs["AUDIO"]) == 2:
            raise Refusal(grpc.StatusCode.UNAVAILABLE, "the queue is full")
        return transcript(inputs)

    triton.scripts["qwen3_asr"] = refuse_second
    first, second, third, fourth = many(triton.address, [b"a", b"bb", tmp_path / "missing.wav", b"cccc"])

    assert [first.error, fourth.error] == [None, None]
    assert texts([first, second, third, fourth]) == [
        "1 bytes",
        "the queue is full",
        "No such file or directory",
        "4 bytes",
    ]
    assert (type(second.error), type(third.error)) == (Unavailable, InvalidRequest)
    assert second.error is not None
    assert second.error.request_id in {one.request_id for one in triton.received}


@both
def test_no_more_at_a_time_than_asked_for(many: TranscribeMany, triton: FakeTriton) -> None:
    """Three meet at a barrier, so three do run together; a fourth would be counted."""
    together = threading.Barrier(3)
    running = threading.Semaphore(3)

    def meet(inputs: Payloads) -> Iterator[Payloads]:
        assert running.acquire(blocking=False)
        together.wait(60)
        running.release()
        return transcript(inputs)

    triton.scripts["qwen3_asr"] = meet
    assert len(many(triton.address, [b""] * 9, concurrency=3)) == 9


@both
def test_progress_is_told(many: TranscribeMany, triton: FakeTriton) -> None:
    told: list[tuple[int, int]] = []
    many(triton.address, [b"a", b"b", b"c"], progress=lambda done, total: told.append((done, total)))

    assert told == [(1, 3), (2, 3), (3, 3)]


@both
def test_progress_bar_on_a_terminal(
    many: TranscribeMany, triton: FakeTriton, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("FORCE_COLOR", "1")  # rich takes stderr for a terminal
    many(triton.address, [b"a", b"b"], progress=True)
    shown = capsys.readouterr()

    assert shown.out == ""
    assert "transcribing" in shown.err


@both
def test_nothing_to_do(many: TranscribeMany, triton: FakeTriton) -> None:
    assert many(triton.address, []) == []


@both
def test_mistakes_of_the_caller_are_raised(many: TranscribeMany, triton: FakeTriton) -> None:
    with pytest.raises(InvalidRequest, match="concurrency is 0"):
        many(triton.address, [b""], concurrency=0)
    with pytest.raises(TypeError, match="langauge"):
        many(triton.address, [b""], langauge="English")
    assert triton.received == []


@contextmanager
def holding_the_second() -> Iterator[FakeTriton]:
    """A server that answers no second request before the block ends."""
    release = threading.Event()

    def hold(inputs: Payloads) -> Iterator[Payloads]:
        if len(inputs["AUDIO"]) == 2:
            release.wait(60)
        return transcript(inputs)

    with FakeTriton({**SCRIPTS, "qwen3_asr": hold}) as triton:
        try:
            yield triton
        finally:
            release.set()


AUDIOS = [b"a", b"bb", *[b"c"] * 50]


def test_leaving_early_gives_up_what_has_not_begun() -> None:
    with (
        holding_the_second() as triton,
        Client(triton.address) as client,
        closing(client.asr.transcribe_many(AUDIOS, concurrency=1)) as outcomes,
    ):
        assert texts([next(outcomes)]) == ["1 bytes"]

    assert len(triton.received) <= 2


def test_leaving_early_ends_the_tasks() -> None:
    async def run(address: str) -> None:
        async with AsyncClient(address) as client:
            async with aclosing(client.asr.transcribe_many(AUDIOS, concurrency=1)) as outcomes:
                assert texts([await anext(outcomes)]) == ["1 bytes"]
            assert len(asyncio.all_tasks()) == 1

    with holding_the_second() as triton:
        asyncio.run(run(triton.address))
    assert len(triton.received) <= 2


def test_no_server_is_told_for_each(triton: FakeTriton) -> None:
    with FakeTriton({}) as stopped:
        pass
    errors = [outcome.error for outcome in sync_many(stopped.address, [b"a", b"b"])]

    assert all(isinstance(error, QwenError) and "no gRPC server answers" in error.message for error in errors)

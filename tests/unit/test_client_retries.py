"""What the SDK sends again: requests that found no server or no room, and nothing that has begun."""

import asyncio
import socket
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from client_scripts import SCRIPTS, audio_event
from fake_triton import FakeTriton, Payloads, Refusal, Script

from qwen_client import AsyncClient, Client, Unavailable
from qwen_client.retries import MAX_TOKENS, Attempts, RetryBudget
from qwen_wire.errors import QwenError

BUSY = (grpc.StatusCode.UNAVAILABLE, "the queue is full")
REPEATED: dict[str, Callable[[Client], object]] = {
    "qwen3_asr": lambda client: client.asr.transcribe(b"x"),
    "qwen3_tts": lambda client: client.tts.synthesize("Hello."),
    "qwen3_chat": lambda client: client.chat.complete("hello"),
    "qwen_image": lambda client: client.image.generate("a ring"),
}
ONCE: dict[str, Callable[[Client], object]] = {
    "captions": lambda client: client.asr.stream().finish(),
    "voices.add": lambda client: client.voices.add("anna", b"x", consent="hers"),
    "voices.remove": lambda client: client.voices.remove("anna"),
    "stream_text": lambda client: client.tts.stream_text("Hello.").result(),
    "conversation": lambda client: client.chains.conversation("anna").open(),
}


def failing(script: Script, times: int, code: grpc.StatusCode, message: str) -> Script:
    left = iter(range(times))

    def run(inputs: Payloads) -> Iterator[Payloads]:
        if next(left, None) is not None:
            raise Refusal(code, message)
        yield from script(inputs)

    return run


@pytest.mark.parametrize("model", REPEATED)
def test_a_busy_server_is_asked_again(model: str, client: Client, triton: FakeTriton) -> None:
    triton.scripts[model] = failing(triton.scripts[model], 2, *BUSY)
    assert REPEATED[model](client)
    assert len(triton.received) == 3
    assert len({one.request_id for one in triton.received}) == 1


def test_async_clients_do_the_same(triton: FakeTriton) -> None:
    async def ask() -> None:
        async with AsyncClient(triton.address) as client:
            await client.asr.transcribe(b"x")
            async with client.tts.stream("Hello.") as chunks:
                assert [chunk async for chunk in chunks]

    for model in ("qwen3_asr", "qwen3_tts"):
        triton.scripts[model] = failing(triton.scripts[model], 2, *BUSY)
    asyncio.run(ask())
    assert len(triton.received) == 6


@pytest.mark.parametrize("name", ONCE)
def test_what_would_change_something_twice_is_sent_once(name: str, client: Client, triton: FakeTriton) -> None:
    for model in ("qwen3_asr_stream", "qwen3_tts", "voice_chat"):
        triton.scripts[model] = failing(SCRIPTS.get(model, lambda _: iter(())), 9, *BUSY)
    with pytest.raises(Unavailable):
        ONCE[name](client)
    assert len(triton.received) == 1


@pytest.mark.parametrize(
    "code", [code for code in grpc.StatusCode if code not in (grpc.StatusCode.OK, grpc.StatusCode.UNAVAILABLE)]
)
def test_other_failures_are_final(code: grpc.StatusCode, client: Client, triton: FakeTriton) -> None:
    triton.scripts["qwen3_asr"] = failing(triton.scripts["qwen3_asr"], 9, code, "no")
    with pytest.raises(QwenError):
        client.asr.transcribe(b"x")
    assert len(triton.received) == 1


def test_nothing_is_sent_again_once_it_has_begun(client: Client, triton: FakeTriton) -> None:
    def script(_: Payloads) -> Iterator[Payloads]:
        yield audio_event(0)
        raise Refusal(*BUSY)

    triton.scripts["qwen3_tts"] = script
    with client.tts.stream("Hello.") as chunks, pytest.raises(Unavailable):
        assert [next(chunks), next(chunks)]
    with pytest.raises(Unavailable):
        client.tts.synthesize("Hello.")
    assert len(triton.received) == 2


def test_a_client_may_ask_once_only(triton: FakeTriton) -> None:
    triton.scripts["qwen3_asr"] = failing(triton.scripts["qwen3_asr"], 9, *BUSY)
    with Client(triton.address, retries=0) as client, pytest.raises(Unavailable):
        client.asr.transcribe(b"x")
    assert len(triton.received) == 1


def test_a_server_that_comes_back_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: 0.4)  # gRPC looks again after a tenth of a second or so
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    server = FakeTriton(dict(SCRIPTS), port=port)
    pause = time.sleep

    def start_and_pause(delay_s: float) -> None:
        monkeypatch.setattr("qwen_client.stream.time.sleep", pause)
        started.append(server.__enter__())
        pause(delay_s)

    started: list[FakeTriton] = []
    with Client(f"127.0.0.1:{port}", retries=9) as client:
        monkeypatch.setattr("qwen_client.stream.time.sleep", start_and_pause)
        try:
            assert list(client.tts.stream("Hello."))
        finally:
            for one in started:
                one.__exit__()


def test_all_attempts_share_the_time_of_the_call(client: Client, triton: FakeTriton) -> None:
    triton.scripts["qwen3_asr"] = failing(triton.scripts["qwen3_asr"], 9, *BUSY)
    with pytest.raises(Unavailable):
        client.with_options(timeout_s=100.0, retries=3).asr.transcribe(b"x")
    left_s = [one.timeout_s for one in triton.received]
    assert len(left_s) == 4
    assert left_s == sorted(left_s, reverse=True)


def test_no_pause_is_longer_than_what_is_left() -> None:
    attempts = Attempts(0.0, retries=5, budget=RetryBudget())
    assert attempts.delay_s(Unavailable("x")) is None


def test_pauses_grow_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("random.uniform", lambda low, high: high)
    attempts = Attempts(1000.0, retries=7, budget=RetryBudget())
    assert [attempts.delay_s(Unavailable("x")) for _ in range(8)] == [0.1, 0.2, 0.4, 0.8, 1.6, 2.0, 2.0, None]


def test_where_most_fails_little_is_sent_again(client: Client, triton: FakeTriton) -> None:
    triton.scripts["qwen3_asr"] = failing(triton.scripts["qwen3_asr"], 1000, *BUSY)
    for _ in range(20):
        with pytest.raises(Unavailable):
            client.asr.transcribe(b"x")
    assert len(triton.received) == 20 + MAX_TOKENS


def test_a_stream_that_is_closed_between_two_attempts_stays_closed(
    client: Client, triton: FakeTriton, monkeypatch: pytest.MonkeyPatch
) -> None:
    triton.scripts["qwen3_tts"] = failing(triton.scripts["qwen3_tts"], 9, *BUSY)
    chunks = client.tts.stream("Hello.")

    def close(_: Any) -> None:
        monkeypatch.undo()
        chunks.close()

    monkeypatch.setattr("qwen_client.stream.time.sleep", close)
    with pytest.raises(QwenError, match="the stream was closed before its end"):
        next(chunks)
    assert len(triton.received) == 1

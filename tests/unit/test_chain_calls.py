"""Calls of chains to models of the same server, on a scripted one; and the places that chains run in."""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import grpc
import pytest
from client_scripts import speech
from fake_triton import FakeTriton, Payloads, Refusal

from qwen_client.calls import GrpcCalls
from qwen_engine.chains.calls import Trace
from qwen_engine.chains.child_errors import child_error
from qwen_engine.chains.concurrency import ConcurrencyLimiter
from qwen_engine.settings import ChainSettings
from qwen_engine.tenants import DEFAULT_TENANT
from qwen_wire.errors import (
    Cancelled,
    DeadlineExceeded,
    InvalidRequest,
    QwenError,
    ServerError,
    Unavailable,
)

WAIT_S = 20
TRACEPARENT = f"00-{'1' * 32}-{'2' * 16}-01"
TRACE = Trace.read({"traceparent": TRACEPARENT, "chain-depth": "1"})
SPEAK = {"TEXT": b"good morning everyone", "OPTIONS": b"{}"}


async def called(address: str, model: str, inputs: Any, deadline_s: float | None = None) -> list[dict[str, bytes]]:
    calls = GrpcCalls(address, child_error)
    async with aclosing(calls.stream(model, inputs, deadline_s=deadline_s, trace=TRACE.inside())) as responses:
        return [dict(response) async for response in responses]


def call(triton: FakeTriton, model: str, inputs: Any, deadline_s: float | None = None) -> list[dict[str, bytes]]:
    return asyncio.run(called(triton.address, model, inputs, deadline_s))


def test_every_response_of_a_stream_and_the_one_of_a_unary_model(triton: FakeTriton) -> None:
    spoken = call(triton, "qwen3_tts", SPEAK)
    assert spoken == [dict(response) for response in speech(SPEAK)]
    [heard] = call(triton, "qwen3_asr", {"AUDIO": b"123", "OPTIONS": b"{}"}, deadline_s=30)
    assert heard["TEXT"] == b"3 bytes"


def test_several_items_the_trace_and_the_deadline_reach_the_model(triton: FakeTriton) -> None:
    call(triton, "qwen_image", {"PROMPT": b"x", "OPTIONS": b"{}", "IMAGE": [b"1", b"22"]}, deadline_s=30)
    [received] = triton.received
    assert received.inputs["IMAGE"] == (b"1", b"22")
    assert Trace.read(received.headers) == TRACE.inside()
    assert (received.headers["traceparent"], received.headers["chain-depth"]) == (TRACEPARENT, "2")
    assert 0 < received.deadline_s < 31  # gRPC rounds it up to three digits


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequest),
        (grpc.StatusCode.UNAVAILABLE, Unavailable),
        (grpc.StatusCode.CANCELLED, Cancelled),
        (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlineExceeded),
        (grpc.StatusCode.INTERNAL, ServerError),
    ],
)
def test_errors_are_of_the_kind_the_model_says(triton: FakeTriton, code: Any, kind: type[QwenError]) -> None:
    def failing(inputs: Payloads) -> Iterator[Payloads]:
        yield from list(speech(inputs))[:1]
        raise Refusal(code, "as it says")

    triton.scripts["qwen3_tts"] = failing
    with pytest.raises(kind, match="internal error" if kind is ServerError else "as it says"):
        call(triton, "qwen3_tts", SPEAK)


def test_a_model_or_server_that_is_not_there_is_unavailable(triton: FakeTriton) -> None:
    triton.unloaded.add("qwen3_tts")
    with pytest.raises(Unavailable, match="qwen3_tts"):
        call(triton, "qwen3_tts", SPEAK)
    for address in ("127.0.0.1:1", "localhost:1", "[::1]:1"):
        with pytest.raises(Unavailable) as told:
            asyncio.run(called(address, "qwen3_tts", SPEAK, WAIT_S))
        assert str(told.value) == "qwen3_tts cannot be reached"


@pytest.fixture
def endless(triton: FakeTriton) -> Iterator[FakeTriton]:
    stop = threading.Event()

    def script(inputs: Payloads) -> Iterator[Payloads]:
        yield from speech(inputs)
        assert stop.wait(WAIT_S)

    triton.scripts["qwen3_tts"] = script
    yield triton
    stop.set()


def test_leaving_early_cancels_the_call(endless: FakeTriton) -> None:
    async def leave() -> None:
        calls = GrpcCalls(endless.address, child_error)
        async with aclosing(calls.stream("qwen3_tts", SPEAK, deadline_s=None, trace=TRACE)) as responses:
            async for _ in responses:
                break

    asyncio.run(leave())
    assert endless.cancelled.wait(WAIT_S)


def test_a_cancelled_task_cancels_its_call(endless: FakeTriton) -> None:
    async def cancel() -> None:
        task = asyncio.create_task(called(endless.address, "qwen3_tts", SPEAK))
        while not endless.received:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(cancel())
    assert endless.cancelled.wait(WAIT_S)


def test_a_deadline_ends_the_call(endless: FakeTriton) -> None:
    for deadline_s in (0.2, 1e-6):
        with pytest.raises(DeadlineExceeded) as told:
            call(endless, "qwen3_tts", SPEAK, deadline_s=deadline_s)
        assert str(told.value) == f"qwen3_tts was not done within {deadline_s:g} s"


@pytest.mark.parametrize("told", ["", "x", TRACEPARENT.replace("1" * 32, "0" * 32), TRACEPARENT.upper() + "X"])
def test_a_trace_that_is_none_is_replaced(told: str) -> None:
    read = Trace.read({"traceparent": told, "chain-depth": "-1"})
    assert read != Trace.read({})
    assert Trace.read(read.headers()) == read
    assert read.depth == 0
    assert json.dumps(read.headers())


@asynccontextmanager
async def taken(places: ConcurrencyLimiter, depth: int, count: int) -> AsyncIterator[None]:
    """So many places, held for the length of the block."""
    release = asyncio.Event()

    async def hold() -> None:
        async with places.one(depth, DEFAULT_TENANT):
            await release.wait()

    tasks = [asyncio.create_task(hold()) for _ in range(count)]
    for _ in range(3):
        await asyncio.sleep(0)
    yield
    release.set()
    await asyncio.gather(*tasks)


def test_places_are_apart_at_each_depth_and_bounded() -> None:
    async def run() -> None:
        places = ConcurrencyLimiter(ChainSettings(max_runs=2, max_queue=1, max_depth=1, max_wait_s=WAIT_S))
        async with taken(places, 0, 2):
            async with places.one(1, DEFAULT_TENANT):
                waiting = asyncio.create_task(_enter(places, 0))
                await asyncio.sleep(0)
                with pytest.raises(Unavailable, match=r"the queue is full \(1 waiting\)"):
                    await _enter(places, 0)
            with pytest.raises(InvalidRequest, match="2 chains are around this one, the limit is 1"):
                await _enter(places, 2)
            assert not waiting.done()
        await asyncio.wait_for(waiting, WAIT_S)

    asyncio.run(run())


def test_a_place_is_waited_for_so_long_and_one_that_leaves_the_queue_takes_none() -> None:
    async def run() -> None:
        places = ConcurrencyLimiter(ChainSettings(max_runs=1, max_queue=1, max_wait_s=0.05))
        async with taken(places, 0, 1):
            with pytest.raises(Unavailable, match=r"no place became free within 0\.05 s"):
                await _enter(places, 0)
            leaving = asyncio.create_task(_enter(places, 0))
            await asyncio.sleep(0)
            leaving.cancel()
            with pytest.raises(asyncio.CancelledError):
                await leaving
        await asyncio.wait_for(_enter(places, 0), WAIT_S)

    asyncio.run(run())


async def _enter(places: ConcurrencyLimiter, depth: int) -> None:
    async with places.one(depth, DEFAULT_TENANT):
        pass

"""As test_client_leaving.py, for asyncio: nobody's cancellation waits for the server, and none is swallowed."""

import asyncio
import gc
import time
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import aclosing
from typing import Any

import pytest
from fake_triton import FakeTriton
from test_client_leaving import TEXT, endless, silent

from qwen_client import AsyncClient, Cancelled
from qwen_client.calls import GrpcCalls
from qwen_engine.chains.calls import Trace
from qwen_engine.chains.child_errors import child_error

WAIT_S = 30


async def until(condition: Callable[[], Any]) -> None:
    async with asyncio.timeout(WAIT_S):
        while not condition():
            await asyncio.sleep(0.01)


def with_client(triton: FakeTriton, use: Callable[[AsyncClient], Coroutine[Any, Any, Any]]) -> Any:
    async def run() -> Any:
        async with AsyncClient(triton.address) as client:
            return await use(client)

    return asyncio.run(run(), debug=True)


async def listen(client: AsyncClient, most: int = 10**6) -> None:
    async with client.tts.stream(TEXT) as chunks:
        async for chunk in chunks:
            if chunk.frames >= most:
                break


async def cancelled(task: "asyncio.Task[Any]") -> float:
    """How long it took, in seconds."""
    began_s = time.monotonic()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return time.monotonic() - began_s


@pytest.mark.parametrize("num_read", [1, 3])
def test_a_stream_that_is_left_ends_by_its_id(triton: FakeTriton, num_read: int) -> None:
    endless(triton)
    with_client(triton, lambda client: listen(client, num_read))
    assert [one.found for one in triton.cancels] == [True]
    assert not triton.rpc_cancelled.is_set()
    assert not triton.open_ids


@pytest.mark.parametrize("steps", range(12))
def test_a_task_may_be_cancelled_at_any_await(triton: FakeTriton, steps: int) -> None:
    endless(triton)

    async def use(client: AsyncClient) -> None:
        task = asyncio.create_task(listen(client))
        for _ in range(steps):
            await asyncio.sleep(0)
        await cancelled(task)

    with_client(triton, use)
    assert not triton.rpc_cancelled.is_set()
    assert not triton.open_ids


@pytest.mark.parametrize("model", ["qwen3_tts", "qwen3_asr"])
def test_a_cancelled_task_does_not_wait_for_the_server_but_its_client_does(triton: FakeTriton, model: str) -> None:
    triton.obeys = False
    endless(triton) if model == "qwen3_tts" else silent(triton, model)

    async def use(client: AsyncClient) -> None:
        work = listen(client) if model == "qwen3_tts" else client.asr.transcribe(b"123")
        task = asyncio.create_task(work)
        await until(lambda: triton.open_ids)
        assert await cancelled(task) < 0.5
        assert not triton.rpc_cancelled.is_set()
        began_s = time.monotonic()
        await client.close()
        assert 0.5 < time.monotonic() - began_s < WAIT_S / 2

    with_client(triton, use)
    assert [one.model for one in triton.cancels] == [model]


def test_the_loop_is_not_held_up_meanwhile(triton: FakeTriton) -> None:
    triton.obeys = False
    endless(triton)

    async def use(client: AsyncClient) -> int:
        leaving = asyncio.create_task(listen(client, 1))
        turns = 0
        while not leaving.done():
            await asyncio.sleep(0.01)
            turns += 1
        return turns

    assert with_client(triton, use) > 20
    assert triton.rpc_cancelled.wait(WAIT_S)


def test_a_stream_whose_closing_is_cancelled_is_closed_all_the_same(triton: FakeTriton) -> None:
    triton.obeys = False
    endless(triton)

    async def use(client: AsyncClient) -> None:
        task = asyncio.create_task(listen(client, 1))
        await until(lambda: triton.cancels)
        assert await cancelled(task) < 0.5

    with_client(triton, use)
    assert triton.rpc_cancelled.wait(WAIT_S)


@pytest.mark.parametrize("ends", ["collected", "client"])
def test_a_stream_that_nobody_closes(triton: FakeTriton, ends: str) -> None:
    endless(triton)

    async def use(client: AsyncClient) -> None:
        chunks = client.tts.stream(TEXT)
        await anext(chunks)
        if ends == "collected":
            del chunks
            gc.collect()
            await until(lambda: triton.cancels and not triton.open_ids)
        else:
            await client.close()

    with_client(triton, use)
    assert [one.found for one in triton.cancels] == [True]
    assert not triton.rpc_cancelled.is_set()


def test_closing_the_client_ends_what_other_tasks_wait_for(triton: FakeTriton) -> None:
    endless(triton)
    silent(triton, "qwen3_asr")

    async def use(client: AsyncClient) -> None:
        waiting: list[Awaitable[Any]] = [client.asr.transcribe(b"123"), client.tts.synthesize(TEXT)]
        tasks = [asyncio.ensure_future(one) for one in waiting]
        await until(lambda: len(triton.open_ids) == 2)
        await client.close()
        for task in tasks:
            with pytest.raises(Cancelled):
                await task

    with_client(triton, use)
    assert not triton.rpc_cancelled.is_set()


def test_a_timeout_of_the_callers_own_is_kept(triton: FakeTriton) -> None:
    endless(triton)

    async def use(client: AsyncClient) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await listen(client)

    with_client(triton, use)
    assert not triton.rpc_cancelled.is_set()


def test_one_of_a_group_that_fails_cancels_the_others(triton: FakeTriton) -> None:
    endless(triton)

    async def fail() -> None:
        await until(lambda: len(triton.open_ids) == 5)
        raise ZeroDivisionError

    async def use(client: AsyncClient) -> None:
        async with asyncio.TaskGroup() as group:
            for _ in range(5):
                group.create_task(listen(client))
            group.create_task(fail())

    with pytest.raises(ExceptionGroup):
        with_client(triton, use)
    assert len({one.request_id for one in triton.cancels if one.found}) == 5
    assert not triton.rpc_cancelled.is_set()


TRACE = Trace.read({"chain-depth": "1"}, "anna")
SPEAK = {"TEXT": b"good morning", "OPTIONS": b"{}"}
HEAR = {"AUDIO": b"123", "OPTIONS": b"{}"}


@pytest.mark.parametrize("model", ["qwen3_tts", "qwen3_asr"])
@pytest.mark.parametrize("how", ["leaves", "is cancelled"])
def test_a_chain_leaves_its_calls_alike(triton: FakeTriton, model: str, how: str) -> None:
    endless(triton)
    silent(triton, "qwen3_asr")

    async def call(calls: GrpcCalls) -> None:
        inputs = SPEAK if model == "qwen3_tts" else HEAR
        async with aclosing(calls.stream(model, inputs, deadline_s=30, trace=TRACE)) as responses:
            async for _ in responses:
                if how == "leaves":
                    break

    async def run() -> None:
        task = asyncio.create_task(call(GrpcCalls(triton.address, child_error)))
        await until(lambda: triton.received)
        if how == "leaves" and model == "qwen3_tts":
            await task
        else:
            await cancelled(task)
        await until(lambda: len(asyncio.all_tasks()) == 1)

    asyncio.run(run(), debug=True)
    [cancel] = triton.cancels
    assert (cancel.model, cancel.found, cancel.headers["qwen-tenant"]) == (model, True, "anna")
    assert not triton.rpc_cancelled.is_set()


def test_a_chain_tells_the_called_model_how_long_it_has(triton: FakeTriton) -> None:
    async def run() -> None:
        for deadline_s in (30.0, 1.0, None):
            stream = GrpcCalls(triton.address, child_error).stream(
                "qwen3_tts", SPEAK, deadline_s=deadline_s, trace=TRACE
            )
            async with aclosing(stream) as responses:
                assert [response async for response in responses]

    asyncio.run(run())
    assert [one.timeout_s for one in triton.received] == [pytest.approx(29.5), pytest.approx(0.9), None]

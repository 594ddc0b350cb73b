"""`AsyncClient` does all that `Client` does."""

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from typing import Any

import grpc
import numpy as np
import pytest
from client_scripts import SCRIPTS, audio_event, encoded
from fake_triton import FakeTriton, Payloads, Refusal

from qwen_client import AsyncClient, Client, InvalidRequest, Progress, Unavailable

RECIPE = {"model": "qwen_image", "checkpoint": "x", "task": "generate", "prompt": "a ring", "width": 8, "height": 8,
          "steps": 2, "seed": 3, "format": "png"}  # fmt: skip
DRAWN = ["Queued", *(["Progress"] * 3 + ["Picture"]) * 2]
RED = encoded(8, 8, recipe=RECIPE)
SERVICES = ("asr", "tts", "voices", "image", "charts", "chains")


def with_client(triton: FakeTriton, use: Callable[[AsyncClient], Coroutine[Any, Any, Any]]) -> Any:
    async def run() -> Any:
        async with AsyncClient(triton.address) as client:
            return await use(client)

    return asyncio.run(run())


def until_cancelled(triton: FakeTriton) -> None:
    def script(_: Payloads) -> Any:
        yield audio_event(0)
        triton.cancelled.wait()

    triton.scripts["qwen3_tts"] = script


def test_results_equal_the_sync_clients() -> None:
    async def use(client: AsyncClient) -> list[Any]:
        return [
            (await client.asr.transcribe(b"abc")).text,
            (await client.tts.synthesize("good morning")).samples,
            (await client.image.generate("a ring", size=32)).data,
            (await client.image.edit(RED, "make it green")).data,
            (await client.image.vary(RED, "a ring", strength=0.5)).data,
            (await client.image.inpaint(RED, RED, "a ring")).data,
            (await client.image.regenerate(RED)).data,
            await client.image.styles(),
            client.image.recipe(RED),
            (await client.chains.spoken_image(b"abc")).heard,
            (await client.asr.align(b"abc", "good morning")).words,
            (await client.chains.aligned_transcript(b"abc")).alignment.words,
            await client.health(),
        ]

    with FakeTriton(dict(SCRIPTS)) as triton, Client(triton.address) as sync:
        results = with_client(triton, use)
        expected = [
            sync.asr.transcribe(b"abc").text,
            sync.tts.synthesize("good morning").samples,
            sync.image.generate("a ring", size=32).data,
            sync.image.edit(RED, "make it green").data,
            sync.image.vary(RED, "a ring", strength=0.5).data,
            sync.image.inpaint(RED, RED, "a ring").data,
            sync.image.regenerate(RED).data,
            sync.image.styles(),
            sync.image.recipe(RED),
            sync.chains.spoken_image(b"abc").heard,
            sync.asr.align(b"abc", "good morning").words,
            sync.chains.aligned_transcript(b"abc").alignment.words,
            sync.health(),
        ]
    for result, wanted in zip(results, expected, strict=True):
        np.testing.assert_equal(result, wanted)


def test_requests_run_together() -> None:
    async def use(client: AsyncClient) -> list[str]:
        heard = await asyncio.gather(*(client.asr.transcribe(b"x" * length) for length in range(20)))
        return [one.text for one in heard]

    with FakeTriton(dict(SCRIPTS)) as triton:
        assert with_client(triton, use) == [f"{length} bytes" for length in range(20)]


def test_stream_and_progress() -> None:
    told: list[Progress] = []

    async def use(client: AsyncClient) -> Any:
        await client.image.generate("a ring", on_progress=told.append)
        async with client.tts.stream("good morning everyone") as chunks:
            indices = [chunk.index async for chunk in chunks]
        async with client.image.stream("a ring", n=2) as events:
            assert [type(event).__name__ async for event in events] == DRAWN
        return indices, chunks.finish_reason, chunks.request_id

    with FakeTriton(dict(SCRIPTS)) as triton:
        indices, finish_reason, request_id = with_client(triton, use)
        assert request_id == triton.received[-2].request_id
    assert (indices, finish_reason) == ([0, 1, 2], "stop")
    assert told == [Progress(1, 3, 0, 2.0), Progress(2, 3, 0, 1.0), Progress(3, 3, 0, 0.0)]


def test_leaving_early_cancels() -> None:
    async def use(client: AsyncClient) -> None:
        async with client.tts.stream("endless") as chunks:
            async for _ in chunks:
                break
        assert await asyncio.to_thread(triton.cancelled.wait, 60)

    with FakeTriton(dict(SCRIPTS)) as triton:
        until_cancelled(triton)
        with_client(triton, use)


def test_cancelling_the_task_cancels_the_request() -> None:
    async def use(client: AsyncClient) -> None:
        started = asyncio.Event()

        async def speak() -> None:
            async with client.tts.stream("endless") as chunks:
                async for _ in chunks:
                    started.set()

        task = asyncio.create_task(speak())
        await started.wait()
        task.cancel()
        assert await asyncio.to_thread(triton.cancelled.wait, 60)
        with pytest.raises(asyncio.CancelledError):
            await task

    with FakeTriton(dict(SCRIPTS)) as triton:
        until_cancelled(triton)
        with_client(triton, use)


@pytest.mark.parametrize("model", ["qwen3_asr", "qwen3_tts"])
def test_errors_are_the_same(model: str) -> None:
    def refuse(_: Payloads) -> Any:
        raise Refusal(grpc.StatusCode.INVALID_ARGUMENT, "no such voice")

    async def use(client: AsyncClient) -> None:
        calls = {"qwen3_asr": client.asr.transcribe(b""), "qwen3_tts": client.tts.synthesize("hello")}
        call = calls.pop(model)
        calls.popitem()[1].close()
        with pytest.raises(InvalidRequest, match="no such voice") as caught:
            await call
        assert caught.value.request_id == triton.received[0].request_id

    with FakeTriton(dict(SCRIPTS)) as triton:
        triton.scripts[model] = refuse
        with_client(triton, use)


def test_no_server() -> None:
    with FakeTriton({}) as triton:
        pass

    async def use(client: AsyncClient) -> None:
        with pytest.raises(Unavailable, match=f"no gRPC server answers at {triton.address}; `qwen serve`"):
            await client.health()

    with_client(triton, use)


def methods(client: Any) -> dict[str, inspect.Signature]:
    return {
        f"{service}.{name}": inspect.signature(method)
        for service in SERVICES
        for name, method in inspect.getmembers(getattr(client, service), callable)
        if not name.startswith("_")
    }


def test_both_clients_have_the_same_documented_methods() -> None:
    async def collect() -> dict[str, inspect.Signature]:
        async with AsyncClient() as client:
            return methods(client)

    with Client() as client:
        assert methods(client) == asyncio.run(collect())
        assert list(methods(client)["tts.stream"].parameters)[:2] == ["text", "voice"]
        assert client.asr.transcribe.__name__ == "transcribe"
        assert "Write down what is said" in (client.asr.transcribe.__doc__ or "")

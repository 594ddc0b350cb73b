"""Every way to fail, as the SDK's callers see it."""

import asyncio
import socket
from collections.abc import Callable, Iterator

import grpc
import pytest
from client_scripts import audio_event
from fake_triton import FakeTriton, Payloads, Refusal

import qwen_client
from qwen_client import (
    AsyncClient,
    Cancelled,
    ChainFailed,
    Client,
    DeadlineExceeded,
    InvalidRequest,
    QwenError,
    ServerError,
    Unavailable,
)
from qwen_client.grpc_errors import refusal

STATUSES = [
    (grpc.StatusCode.INVALID_ARGUMENT, InvalidRequest),
    (grpc.StatusCode.UNAVAILABLE, Unavailable),
    (grpc.StatusCode.CANCELLED, Cancelled),
    (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlineExceeded),
    (grpc.StatusCode.INTERNAL, ServerError),
    (grpc.StatusCode.UNKNOWN, ServerError),
]
CALLS: dict[str, Callable[[Client], object]] = {
    "qwen3_asr": lambda client: client.asr.transcribe(b""),
    "qwen3_asr_stream": lambda client: client.asr.stream().finish(),
    "qwen3_aligner": lambda client: client.asr.align(b"", "hello"),
    "aligned_transcript": lambda client: client.chains.aligned_transcript(b""),
    "qwen3_tts": lambda client: client.tts.synthesize("hello"),
    "qwen3_chat": lambda client: client.chat.complete("hello"),
    "qwen_image": lambda client: client.image.generate("a ring"),
    "qwen3_vl": lambda client: client.vision.describe(b""),
    "chart_image": lambda client: client.charts.bars({"a": [1.0]}, ["b"]),
    "spoken_image": lambda client: client.chains.spoken_image(b""),
}


def refusing(code: grpc.StatusCode, message: str) -> Callable[[Payloads], Iterator[Payloads]]:
    def script(_: Payloads) -> Iterator[Payloads]:
        raise Refusal(code, message)
        yield {}

    return script


@pytest.mark.parametrize("model", CALLS)
@pytest.mark.parametrize(("code", "kind"), STATUSES)
def test_status_becomes_an_error(
    code: grpc.StatusCode, kind: type[QwenError], model: str, client: Client, triton: FakeTriton
) -> None:
    triton.scripts[model] = refusing(code, "OPTIONS.steps is 0")
    with pytest.raises(QwenError) as caught:
        CALLS[model](client)

    assert type(caught.value) is kind
    assert caught.value.status == code.name
    assert caught.value.request_id == triton.received[0].request_id != ""
    if kind is not DeadlineExceeded:
        assert caught.value.message == str(caught.value) == "OPTIONS.steps is 0"


def test_what_triton_puts_before_an_ensemble_s_error_is_left_out() -> None:
    told = refusal("in ensemble 'outer', in ensemble 'spoken_image', UNAVAILABLE: the queue is full", "r1")
    assert (type(told), told.status, told.message) == (Unavailable, "UNAVAILABLE", "the queue is full")


@pytest.mark.parametrize("model", CALLS)
def test_a_model_that_is_not_loaded_is_unavailable(model: str, client: Client, triton: FakeTriton) -> None:
    triton.unloaded.add(model)
    with pytest.raises(Unavailable, match=f"unknown model: '{model}'"):
        CALLS[model](client)


def test_an_error_after_some_audio_ends_the_stream(client: Client, triton: FakeTriton) -> None:
    def script(_: Payloads) -> Iterator[Payloads]:
        yield audio_event(0)
        raise Refusal(grpc.StatusCode.INTERNAL, "internal error")

    triton.scripts["qwen3_tts"] = script
    with client.tts.stream("hello") as chunks:
        assert next(chunks).index == 0
        with pytest.raises(ServerError, match="internal error"):
            next(chunks)
    assert chunks.finish_reason is None


@pytest.mark.parametrize("model", [*CALLS, "health"])
def test_no_server_names_the_address_and_the_way_out(model: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound, but nobody listens
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with Client(address) as client, pytest.raises(Unavailable) as caught:
            CALLS.get(model, Client.health)(client)

    assert caught.value.message == f"no gRPC server answers at {address}; `qwen serve` starts one"
    assert caught.value.status == "UNAVAILABLE"


def test_every_call_has_the_clients_deadline(triton: FakeTriton) -> None:
    with Client(triton.address, timeout_s=1000.0) as client:
        for call in CALLS.values():
            call(client)

    assert [900 < request.deadline_s < 1010 for request in triton.received] == [True] * len(CALLS)


def test_the_tenant_is_a_header_of_every_call(triton: FakeTriton) -> None:
    async def ask() -> None:
        async with AsyncClient(triton.address, tenant="anna") as client:
            await client.asr.transcribe(b"x")
            await client.tts.synthesize("Hello.")

    with Client(triton.address, tenant="anna") as client:
        client.asr.transcribe(b"x")
        client.tts.synthesize("Hello.")
    asyncio.run(ask())
    assert [one.headers["qwen-tenant"] for one in triton.received] == ["anna"] * 4
    with Client(triton.address) as client:
        client.asr.transcribe(b"x")
    assert "qwen-tenant" not in triton.received[-1].headers


def test_a_tenant_that_is_no_name_is_refused_at_once() -> None:
    with pytest.raises(InvalidRequest, match="tenant is 'Anna ': use up to 64 of a-z"):
        Client("127.0.0.1:1", tenant="Anna ")


def test_deadline(triton: FakeTriton) -> None:
    def script(_: Payloads) -> Iterator[Payloads]:
        triton.cancelled.wait()
        yield audio_event(0)

    triton.scripts["qwen3_tts"] = script
    with Client(triton.address, timeout_s=0.5) as client, pytest.raises(DeadlineExceeded, match=r"within 0\.5 s"):
        client.tts.synthesize("hello")
    assert triton.cancelled.wait(60)


def test_an_answer_of_another_protocol_is_a_server_error(client: Client, triton: FakeTriton) -> None:
    triton.scripts["qwen3_asr"] = lambda _: iter([{"OUTPUT0": b""}])
    with pytest.raises(ServerError, match="the answer has no RESULT") as caught:
        client.asr.transcribe(b"")
    assert caught.value.request_id == triton.received[0].request_id


def test_health(client: Client, triton: FakeTriton) -> None:
    health = client.health()
    assert (health.live, health.ready) == (True, True)
    assert {name for name, ready in health.models.items() if ready} == set(CALLS)
    assert health.models["workflow"] is False  # known, but not served here

    triton.unloaded.add("qwen_image")
    assert client.health().models["qwen_image"] is False
    assert client.health().ready is False


def test_the_tree_of_errors_is_exported() -> None:
    names = [kind.__name__ for kind in QwenError.__subclasses__()]
    assert {"QwenError", *names} <= set(qwen_client.__all__)


@pytest.mark.parametrize("kind", [kind for kind in QwenError.__subclasses__() if kind is not ChainFailed])
def test_errors_raised_by_hand_have_a_status_of_grpcs(kind: type[QwenError]) -> None:
    error = kind("what went wrong", request_id="7")

    assert error.status in grpc.StatusCode.__members__
    assert (str(error), error.request_id) == ("what went wrong", "7")

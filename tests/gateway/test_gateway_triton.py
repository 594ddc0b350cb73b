"""/v2 of the gateway in front of a recorder: what passes, in which form, and what is refused before Triton sees it."""

import json
import socket
import struct
import threading
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx
import pytest
from fake_triton import FakeTriton

from tests.gateway_thread import GatewayThread
from tests.http_triton import Asked, HTTPTriton
from tests.waiting import until

INFER, GENERATE, STREAM = (f"/v2/models/qwen3_tts/{verb}" for verb in ("infer", "generate", "generate_stream"))
TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
JSON = {"content-type": "application/json"}
SSE = {"content-type": "text/event-stream"}


@pytest.fixture
def upstream() -> Iterator[HTTPTriton]:
    with HTTPTriton() as running:
        yield running


@pytest.fixture
def door(triton: FakeTriton, upstream: HTTPTriton) -> Iterator[GatewayThread]:
    with GatewayThread(triton=(triton.address,), triton_http=(upstream.address,), timeout_s=60) as running:
        yield running


@pytest.fixture
def v2(door: GatewayThread) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=door.url, timeout=30, trust_env=False) as client:
        yield client


def text_input(*texts: str, name: str = "TEXT", **fields: Any) -> dict[str, Any]:
    return {"name": name, "shape": [1, len(texts)], "datatype": "BYTES", "data": [*texts], **fields}


def framed(*items: bytes) -> bytes:
    return b"".join(struct.pack("<I", len(item)) + item for item in items)


def binary(v2: httpx.Client, head: Any, tail: bytes, length: object = None) -> httpx.Response:
    text = json.dumps(head).encode()
    headers = {"inference-header-content-length": str(len(text) if length is None else length)}
    return v2.post(INFER, content=text + tail, headers=headers)


def binary_input(size: int, *shape: int, datatype: str = "BYTES") -> dict[str, Any]:
    shape_of_one = [*(shape or (1, 1))]
    return {"name": "TEXT", "shape": shape_of_one, "datatype": datatype, "parameters": {"binary_data_size": size}}


def test_tensors_and_parameters_pass(v2: httpx.Client, upstream: HTTPTriton) -> None:
    body = {"id": "an id of my own", "inputs": [text_input("hello")], "outputs": [{"name": "AUDIO"}]}
    sent = {**body, "parameters": {"timeout": 5_000_000, "priority": 1}}
    headers = {"traceparent": TRACE, "qwen-tenant": "anna", "qwen-admin-key": "x", "chain-depth": "3", "cookie": "a=b"}
    told = v2.post(INFER, json=sent, headers=headers)
    assert told.status_code == 200
    (asked,) = upstream.asked
    assert (asked.method, asked.path, asked.json) == ("POST", INFER, sent)
    assert asked.headers["traceparent"] == TRACE
    assert not {"qwen-tenant", "qwen-admin-key", "chain-depth", "cookie"} & set(asked.headers)


def test_generate_passes_with_what_headers_would_say(v2: httpx.Client, upstream: HTTPTriton) -> None:
    body = {"TEXT": "hello", "OPTIONS": {"voice": "ava", "nested": [{"a": 1}]}, "max_tokens": 5, "stop_words": ["a"]}
    v2.post("/v2/models/qwen3_tts/versions/1/generate", json=body, headers={"traceparent": TRACE, "qwen-tenant": "x"})
    (asked,) = upstream.asked
    assert asked.path == "/v2/models/qwen3_tts/versions/1/generate"
    sent = asked.json
    assert json.loads(sent.pop("OPTIONS")) == body.pop("OPTIONS")
    assert len(sent.pop("id")) == 32
    assert sent == {**body, "traceparent": TRACE, "timeout": 60_000_000}
    assert "traceparent" not in asked.headers


def test_a_tenant_is_taken_where_the_settings_say_so(triton: FakeTriton, upstream: HTTPTriton) -> None:
    settings = {"triton": (triton.address,), "triton_http": (upstream.address,), "trusts_tenants": True}
    with GatewayThread(**settings) as gateway, httpx.Client(base_url=gateway.url) as v2:
        v2.post(INFER, json={"inputs": [text_input("hello")]}, headers={"qwen-tenant": "anna"})
        v2.post(GENERATE, json={"TEXT": "hello"}, headers={"qwen-tenant": "anna"})
        assert v2.post(GENERATE, json={"TEXT": "x"}, headers={"qwen-tenant": "A B"}).status_code == 400
    inferred, generated = upstream.asked
    assert inferred.headers["qwen-tenant"] == generated.json["qwen-tenant"] == "anna"


def test_a_request_may_not_take_longer_than_the_gateway_allows(v2: httpx.Client, upstream: HTTPTriton) -> None:
    v2.post(GENERATE, json={"TEXT": "hello", "timeout": 10**12})
    assert upstream.asked[0].json["timeout"] == 60_000_000


def test_binary_tensors_pass(v2: httpx.Client, upstream: HTTPTriton) -> None:
    upstream.scripts["infer"] = lambda _: (200, {"inference-header-content-length": "2"}, iter([b"{}", b"rest"]))
    tail = framed(b"hello", b"") + bytes(8)
    inputs = [binary_input(13, 1, 2), text_input("x", name="OPTIONS"), binary_input(8, 2, datatype="FP32")]
    told = binary(v2, {"inputs": inputs, "parameters": {"binary_data_output": True}}, tail)
    assert (told.content, told.headers["inference-header-content-length"]) == (b"{}rest", "2")
    (asked,) = upstream.asked
    size = int(asked.headers["inference-header-content-length"])
    head = json.loads(asked.body[:size])
    assert (head["inputs"], asked.body[size:]) == (inputs, tail)
    assert head["parameters"]["binary_data_output"] is True


GETS = {
    "/v2": "/v2",
    "/v2/health/live": "/v2/health/live",
    "/v2/health/ready": "/v2/health/ready",
    "/v2/models/qwen3_tts": "/v2/models/qwen3_tts",
    "/v2/models/qwen3_tts/ready": "/v2/models/qwen3_tts/ready",
    "/v2/models/qwen3_tts/versions/1": "/v2/models/qwen3_tts/versions/1",
    "/v2/models/storyboard/versions/1/ready?x=1": "/v2/models/storyboard/versions/1/ready",
    "/v2/models/qwen3%5Ftts/ready": "/v2/models/qwen3_tts/ready",
}


@pytest.mark.parametrize("path", GETS)
def test_state(path: str, v2: httpx.Client, upstream: HTTPTriton) -> None:
    assert v2.get(path).status_code == 200
    assert [(asked.method, asked.path) for asked in upstream.asked] == [("GET", GETS[path])]


SHUT = """
    /v2/repository/index /v2/repository/models/qwen3_tts/load /v2/repository/models/qwen3_tts/unload
    /v2/models/qwen3_tts/config /v2/models/qwen3_tts/versions/1/config /v2/models/stats /v2/models/qwen3_tts/stats
    /v2/models/qwen3_tts/versions/1/stats /v2/trace/setting /v2/models/qwen3_tts/trace/setting /v2/logging
    /v2/systemsharedmemory/status /v2/systemsharedmemory/region/any/register /v2/systemsharedmemory/unregister
    /v2/cudasharedmemory/status /v2/cudasharedmemory/region/any/register /metrics /v2/models/other/infer
    /v2/models/other/ready /v2/models/qwen3_tts/../../repository/index /v2/models/qwen3_tts/versions/x/infer
    /v2/models/qwen3_tts%2Fconfig /v2/models/qwen3_tts%2F..%2F..%2Frepository/ready /v2/models/..%2Frepository/index
    /v2/models//ready /v2/models/qwen3_tts/infer/x /v2//models/qwen3_tts/ready
    /v2/models/qwen3_tts%00/ready /v2/models/qwen3_tts%0D%0Ax/ready /v2/models/%F0%9F%98%80/ready /v2/models
""".split()  # noqa: SIM905  # a line for each would be a page


@pytest.mark.parametrize("method", ["GET", "POST", "PUT"])
def test_what_is_not_reachable(method: str, door: GatewayThread, upstream: HTTPTriton) -> None:
    """Paths as they are written: a client would tidy them."""
    for path in SHUT:
        with socket.create_connection(("127.0.0.1", door.port), timeout=30) as connection:
            connection.sendall(f"{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n".encode())
            head, _, body = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")
        assert int(head.split()[1]) in (404, 405, 415, 422), path
        assert set(json.loads(body)["error"]) == {"message", "type", "param", "code"}
        assert not upstream.asked


REFUSED: dict[str, dict[str, Any]] = {
    "classification of an output": {"outputs": [{"name": "AUDIO", "parameters": {"classification": 1}}]},
    "classification of an input": {"inputs": [text_input("x", parameters={"classification": 1})]},
    "classification of the request": {"parameters": {"classification": 1}},
    "shared memory of an output": {"outputs": [{"name": "AUDIO", "parameters": {"shared_memory_region": "a"}}]},
    "shared memory of an input": {
        "inputs": [{**text_input("x"), "parameters": {"shared_memory_region": "a", "shared_memory_byte_size": 4}}]
    },
    "a tenant": {"parameters": {"qwen-tenant": "anna"}},
    "a tenant in capitals": {"parameters": {"Qwen-Tenant": "anna"}},
    "a depth": {"parameters": {"chain-depth": "1"}},
    "Triton's own": {"parameters": {"triton_enable_empty_final_response": True}},
    "a sequence": {"parameters": {"sequence_id": 5}},
    "an object": {"parameters": {"x": {}}},
    "no parameters": {"parameters": []},
    "no inputs": {"inputs": {}},
    "inputs that are none": {"inputs": [1]},
    "an unknown field": {"model_name": "x"},
    "an unknown field of an input": {"inputs": [text_input("x", model="y")]},
    "a negative shape": {"inputs": [text_input("x", shape=[-1])]},
    "a huge shape": {"inputs": [text_input("x", shape=[2**20, 2**20])]},
    "a shape with many dimensions": {"inputs": [text_input("x", shape=[1] * 1000)]},
    "a shape with a truth": {"inputs": [text_input("x", shape=[True])]},
    "no shape": {"inputs": [text_input("x", shape="1")]},
    "no name": {"inputs": [text_input("x", name=5)]},  # type: ignore[arg-type]
    "no datatype": {"inputs": [text_input("x", datatype=5)]},
    "no data": {"inputs": [{"name": "TEXT", "shape": [1, 1], "datatype": "BYTES"}]},
    "bytes that are not there": {"inputs": [binary_input(4)]},
    "an id that is none": {"id": 5},
    "a long id": {"id": "x" * 300},
    "a time-out that is none": {"parameters": {"timeout": "soon"}},
    "a time-out of nothing": {"parameters": {"timeout": 0}},
}


@pytest.mark.parametrize("case", REFUSED)
def test_requests_that_are_refused(case: str, v2: httpx.Client, upstream: HTTPTriton) -> None:
    answer = v2.post(INFER, json={"inputs": [text_input("hello")], **REFUSED[case]})
    assert (answer.status_code, answer.json()["code"]) == (400, "refused"), answer.text
    assert not upstream.asked


GENERATES: dict[str, dict[str, Any]] = {
    "a tenant": {"qwen-tenant": "anna"},
    "a tenant in capitals": {"QWEN-TENANT": "anna"},
    "classification": {"classification": 1},
    "nested parameters": {"parameters": {"classification": 1}},
    "shared memory": {"shared_memory_region": "a"},
    "a sequence": {"sequence_id": 7},
    "an id": {"id": {}},
}


@pytest.mark.parametrize("case", GENERATES)
@pytest.mark.parametrize("path", [GENERATE, STREAM])
def test_generations_that_are_refused(case: str, path: str, v2: httpx.Client, upstream: HTTPTriton) -> None:
    answer = v2.post(path, json={"TEXT": "hello", **GENERATES[case]})
    assert (answer.status_code, answer.json()["code"]) == (400, "refused"), answer.text
    assert not upstream.asked


TAILS: dict[str, tuple[list[dict[str, Any]], bytes]] = {
    "too little": ([binary_input(20)], framed(b"hello")),
    "too much": ([binary_input(9)], framed(b"hello") + b"x"),
    "too few items": ([binary_input(9, 1, 2)], framed(b"hello")),
    "too many items": ([binary_input(18, 1, 1)], framed(b"hello", b"world")),
    "an item beyond the end": ([binary_input(9)], b"\xff\xff\xff\xff" + b"hello"),
    "half a length": ([binary_input(2)], b"\0\0"),
    "a size that is none": ([binary_input(-1)], b""),
    "numbers": ([binary_input(9, 2, datatype="FP32")], bytes(9)),
    "a type that is none": ([binary_input(9, 9, datatype="STRING")], bytes(9)),
    "both": ([{**binary_input(9), "data": ["x"]}], framed(b"hello")),
    "a huge number of items": ([binary_input(9, 2**31 - 1)], framed(b"hello")),
}


@pytest.mark.parametrize("case", TAILS)
def test_binary_tensors_that_are_refused(case: str, v2: httpx.Client, upstream: HTTPTriton) -> None:
    inputs, tail = TAILS[case]
    answer = binary(v2, {"inputs": inputs}, tail)
    assert (answer.status_code, answer.json()["code"]) == (400, "refused"), answer.text
    assert not upstream.asked


@pytest.mark.parametrize("length", ["10000", "-1", "x", "1" * 20, "1.5"])
def test_lengths_of_the_head(length: str, v2: httpx.Client, upstream: HTTPTriton) -> None:
    assert binary(v2, {"inputs": [binary_input(9)]}, framed(b"hello"), length).status_code == 400
    assert not upstream.asked


TYPES = {
    "a form": (INFER, {"data": {"a": "b"}}, 415),
    "nothing": (INFER, {"content": b"{}"}, 415),
    "text": (GENERATE, {"content": b"{}", "headers": {"content-type": "text/plain"}}, 415),
    "gzip": (INFER, {"content": b"\x1f\x8b", "headers": {**JSON, "content-encoding": "gzip"}}, 415),
    "deep": (INFER, {"content": b"[" * 200_000, "headers": JSON}, 400),
    "deep within": (GENERATE, {"content": b'{"a":' * 5000 + b"1" + b"}" * 5000, "headers": JSON}, 400),
    "many values": (GENERATE, {"json": {"TEXT": [0] * 60_000}}, 400),
    "NaN": (GENERATE, {"content": b'{"TEXT": NaN}', "headers": JSON}, 400),
    "a list": (GENERATE, {"json": []}, 400),
    "no JSON": (GENERATE, {"content": b"hello", "headers": JSON}, 400),
    "a binary body to generate": (
        GENERATE,
        {"content": b"{}", "headers": {**JSON, "inference-header-content-length": "2"}},
        400,
    ),
}


@pytest.mark.parametrize("case", TYPES)
def test_bodies_that_are_refused(case: str, v2: httpx.Client, upstream: HTTPTriton) -> None:
    path, sent, status = TYPES[case]
    answer = v2.post(path, **sent)
    assert answer.status_code == status, answer.text
    assert set(answer.json()) in ({"error"}, {"error", "type", "param", "code"})
    assert not upstream.asked


def test_of_duplicate_keys_one_is_checked_and_sent(v2: httpx.Client, upstream: HTTPTriton) -> None:
    first = b'{"outputs": [{"name": "A", "parameters": {"classification": 1}}], "inputs": [], "outputs": []}'
    v2.post(INFER, content=first, headers=JSON)
    assert all(b"classification" not in asked.body for asked in upstream.asked)


def test_a_sequence_has_the_tenant_in_its_number(triton: FakeTriton, upstream: HTTPTriton) -> None:
    settings = {"triton": (triton.address,), "triton_http": (upstream.address,), "trusts_tenants": True}
    path = "/v2/models/qwen3_asr_stream/infer"
    with GatewayThread(**settings) as gateway, httpx.Client(base_url=gateway.url) as v2:
        for tenant, sequence in (("anna", 7), ("anna", 7), ("bert", 7), ("anna", "7"), ("anna", 8)):
            parameters = {"sequence_id": sequence, "sequence_start": True, "sequence_end": False}
            body = {"inputs": [text_input("x", name="AUDIO")], "parameters": parameters}
            assert v2.post(path, json=body, headers={"qwen-tenant": tenant}).status_code == 200
        for sequence_id in (0, "", True, [1], 1.5, "x" * 1000):
            body = {"inputs": [text_input("x", name="AUDIO")], "parameters": {"sequence_id": sequence_id}}
            assert v2.post(path, json=body).status_code == 400
    numbers = [asked.json["parameters"]["sequence_id"] for asked in upstream.asked]
    assert numbers[0] == numbers[1]
    assert len(set(numbers)) == 4
    assert all(0 < number < 2**63 for number in numbers)


ERRORS = {
    "a model's": (500, '{"error":"INVALID_ARGUMENT: OPTIONS.steps is 0: too few"}', 400, "OPTIONS.steps is 0: too few"),
    "Triton's": (400, '{"error":"unexpected inference input"}', 400, "unexpected inference input"),
    "no model": (404, '{"error":"Request for unknown model"}', 503, "Request for unknown model"),
    "a queue": (503, '{"error":"UNAVAILABLE: the queue is full"}', 503, "the queue is full"),
    "its own": (
        500,
        '{"error":"/usr/lib/secret.so failed"}',
        500,
        "internal error; the log of the gateway has the cause",
    ),
    "not ready": (400, "", 400, "not ready"),
    "no JSON": (500, "<html>", 500, "internal error; the log of the gateway has the cause"),
}


@pytest.mark.parametrize("path", [INFER, STREAM])
@pytest.mark.parametrize("case", ERRORS)
def test_errors_have_triton_s_form(case: str, path: str, v2: httpx.Client, upstream: HTTPTriton) -> None:
    status, text, ours, message = ERRORS[case]
    upstream.scripts[path.rpartition("/")[2]] = lambda _: (status, JSON, iter([text.encode()] if text else []))
    body = {"inputs": [text_input("x")]} if path == INFER else {"TEXT": "x"}
    answer = v2.post(path, json=body)
    assert (answer.status_code, answer.json()["error"]) == (ours, message)


def test_a_stream_is_not_held_back(v2: httpx.Client, upstream: HTTPTriton) -> None:
    has_come = threading.Event()

    def script(_: Asked) -> tuple[int, dict[str, str], Iterator[bytes]]:
        def parts() -> Iterator[bytes]:
            yield b"data: 1\n\n"
            assert has_come.wait(30)  # the second part is made once the first is there
            yield b"data: 2\n\n"

        return 200, SSE, parts()

    upstream.scripts["generate_stream"] = script
    with v2.stream("POST", STREAM, json={"TEXT": "x"}) as answer:
        assert answer.headers["content-type"].startswith("text/event-stream")
        assert answer.headers["x-accel-buffering"] == "no"
        parts = answer.iter_bytes()
        assert next(parts) == b"data: 1\n\n"
        has_come.set()
        assert b"".join(parts) == b"data: 2\n\n"


@pytest.mark.parametrize("path", [GENERATE, STREAM, INFER])
@pytest.mark.parametrize("has_begun", [False, True])
def test_a_caller_who_leaves_cancels_and_the_answer_is_read_out(
    path: str, has_begun: bool, door: GatewayThread, upstream: HTTPTriton
) -> None:
    started, cancelled = threading.Event(), threading.Event()

    def script(asked: Asked) -> tuple[int, dict[str, str], Iterator[bytes]]:
        if b"cancel" in asked.body:
            cancelled.set()
            return 200, SSE, iter([b'data: {"EVENT": "found"}\n\n'])

        def parts() -> Iterator[bytes]:
            started.set()
            if has_begun:
                yield b"data: 1\n\n"
            assert cancelled.wait(30)
            for _ in range(100):
                yield bytes(10_000)

        return 200, SSE, parts()

    upstream.scripts |= dict.fromkeys(("generate", "generate_stream", "infer"), script)
    body = json.dumps({"inputs": [text_input("x")]} if path == INFER else {"TEXT": "x"}).encode()
    head = f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", door.port), timeout=30) as connection:
        connection.sendall(head.encode() + body)
        assert started.wait(30)
        if has_begun and path == STREAM:
            assert connection.recv(100).startswith(b"HTTP/1.1 200")
    assert cancelled.wait(30)
    server = door.app.state.triton_http.server()
    until(lambda: server.num_open == 0)
    assert not upstream.was_left.is_set()  # the answer was read to its end
    request, cancel = upstream.asked[0].json, upstream.asked[1]
    assert cancel.path == STREAM
    assert json.loads(cancel.json["OPTIONS"]) == {"cancel": request["id"]}
    assert cancel.json["TEXT"] == ""


def test_an_answer_that_does_not_end_is_left_after_a_second(door: GatewayThread, upstream: HTTPTriton) -> None:
    def script(asked: Asked) -> tuple[int, dict[str, str], Iterator[bytes]]:
        def parts() -> Iterator[bytes]:
            while True:
                yield b"data: 1\n\n"

        return 200, SSE, iter([]) if b"cancel" in asked.body else parts()

    upstream.scripts["generate_stream"] = script
    with (
        httpx.Client(base_url=door.url) as v2,
        v2.stream("POST", STREAM, json={"TEXT": "x"}) as answer,
    ):
        next(answer.iter_bytes())
    until(upstream.was_left.is_set)
    until(lambda: door.app.state.triton_http.server().num_open == 0)


def test_no_server_and_no_setting(triton: FakeTriton, http: httpx.Client) -> None:
    off = http.get("/v2/health/live")
    assert (off.status_code, off.json()["code"]) == (404, "triton_http_off")
    with (
        GatewayThread(triton=(triton.address,), triton_http=("127.0.0.1:9",)) as gateway,
        httpx.Client(base_url=gateway.url) as v2,
    ):
        for answer in (v2.get("/v2/health/live"), v2.post(GENERATE, json={"TEXT": "x"})):
            assert (answer.status_code, answer.json()["type"]) == (503, "unavailable_error")

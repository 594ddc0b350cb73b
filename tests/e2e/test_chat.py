"""Chat through a real Triton, with a checkpoint of random weights: by the SDK, and by the OpenAI frontend's tensors."""

import json
import queue
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpc_client
from tritonclient.utils import InferenceServerException

from qwen_client import Client, InvalidRequest
from qwen_server.profiles import load_profile
from qwen_server.triton_process import Address, TritonProcess
from tests.chat_checkpoints import write_random_chat

WAIT_S = 60
MESSAGES = [{"role": "system", "content": "You are brief. " * 8}, {"role": "user", "content": "Hello é 早上好"}]
SCHEMA = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "green"]}, "sizes": {"type": "array", "items": {"type": "integer"}}},
    "required": ["colour", "sizes"],
    "additionalProperties": False,
}
SCHEMA["properties"]["sizes"]["maxItems"] = 3
PROMPT = "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
TYPES = {"bool": "BOOL", "int32": "INT32", "uint64": "UINT64", "float32": "FP32", "object": "BYTES"}


@pytest.fixture(scope="module")
def chat_server(tmp_path_factory) -> Iterator[TritonProcess]:
    folder = write_random_chat(tmp_path_factory.mktemp("chat"))
    profile = folder / "profile.toml"
    profile.write_text(f'[qwen3_chat]\ncheckpoint = "{folder}"\nmax_batch = 4\n')
    with TritonProcess(load_profile(str(profile)), Address.free()) as process:
        process.wait_ready()
        yield process


@pytest.fixture(scope="module")
def chat(chat_server) -> Iterator[Any]:
    with Client(chat_server.address.grpc, timeout_s=WAIT_S) as client:
        yield client.chat


def openai_tensors(prompt: str, *, stream: bool, max_tokens: int, stop: list[str] = (), **numbers: Any) -> dict:
    """As Triton's OpenAI frontend makes them for a model that is not vLLM's."""
    tensors = {
        "text_input": np.array([[prompt.encode()]], dtype=np.object_),
        "stream": np.bool_([[stream]]),
        "max_tokens": np.int32([[max_tokens]]),
        "top_p": np.float32([[1.0]]),
        "frequency_penalty": np.float32([[0.0]]),
        "presence_penalty": np.float32([[0.0]]),
    }
    if stop:
        tensors["stop_words"] = np.array([[word.encode() for word in stop]], dtype=np.object_)
    return tensors | numbers


def ask(server: TritonProcess, tensors: dict[str, np.ndarray]) -> list[tuple[bytes, dict[str, Any]]]:
    """Text and event of every response, the final one last; raises the error of a stream that ends with one."""
    answers: queue.Queue[Any] = queue.Queue()
    inputs = []
    for name, value in tensors.items():
        inputs.append(grpc_client.InferInput(name, list(value.shape), TYPES[value.dtype.name]))
        inputs[-1].set_data_from_numpy(value)
    with grpc_client.InferenceServerClient(server.address.grpc) as client:
        client.start_stream(lambda result, error: answers.put(error or result))
        client.async_stream_infer("qwen3_chat", inputs, enable_empty_final_response=True)
        responses = []
        while True:
            answer = answers.get(timeout=WAIT_S)
            if isinstance(answer, InferenceServerException):
                raise answer
            text, event = (answer.as_numpy(name)[0, 0] for name in ("text_output", "EVENT"))
            responses.append((text, json.loads(event)))
            if answer.get_response().parameters["triton_final_response"].bool_param:
                return responses


def test_an_answer_comes_in_pieces_that_make_the_whole(chat):
    with chat.stream(MESSAGES, max_tokens=60, temperature=0) as deltas:
        pieces = list(deltas)
    assert [piece.index for piece in pieces] == list(range(len(pieces)))
    assert len(pieces) > 20
    whole = chat.complete(MESSAGES, max_tokens=60, temperature=0)
    assert "".join(piece.text for piece in pieces) == whole.text
    assert deltas.finish_reason == whole.finish_reason == "length"
    assert whole.usage.completion_tokens == 60
    assert 0 < whole.usage.cached_tokens < whole.usage.prompt_tokens
    assert 0 < whole.timings.first_event_s <= whole.timings.total_s


def test_seeds_repeat_and_differ_also_in_a_crowd(chat):
    def text(seed: int) -> str:
        return chat.complete(MESSAGES, max_tokens=30, temperature=0.9, seed=seed).text

    alone = [text(seed) for seed in range(6)]
    with ThreadPoolExecutor(6) as pool:
        assert list(pool.map(text, range(6))) == alone
    assert len(set(alone)) == 6


def test_json_keeps_to_its_schema(chat):
    for seed in range(4):
        answer = chat.complete(MESSAGES, json_schema=SCHEMA, temperature=1.0, seed=seed, max_tokens=200)
        if answer.finish_reason == "stop":
            value = answer.json()
            assert value["colour"] in ("red", "green")
            assert len(value["sizes"]) <= 3


def test_the_openai_frontend_s_tensors_stream(chat_server):
    responses = ask(
        chat_server,
        openai_tensors(PROMPT, stream=True, max_tokens=24, temperature=np.float32([[0.8]]), seed=np.uint64([[7]])),
    )
    assert [event["type"] for _, event in responses] == ["text"] * (len(responses) - 1) + ["end"]
    assert responses[-1][0] == b""
    assert len(responses) > 8
    old = openai_tensors(
        PROMPT, stream=True, max_tokens=24, temperature=np.float32([[0.8]]), random_seed=np.uint64([[7]])
    )
    assert [text for text, _ in ask(chat_server, old)] == [text for text, _ in responses]


def test_the_openai_frontend_s_tensors_without_streaming(chat_server):
    """It takes the first of at most two responses, of which the last is final."""
    tensors = openai_tensors(PROMPT, stream=True, max_tokens=24, temperature=np.float32([[0.0]]))
    streamed = ask(chat_server, tensors)
    (whole, event), (_, end) = ask(chat_server, tensors | {"stream": np.bool_([[False]])})
    assert whole == b"".join(text for text, _ in streamed)
    assert (event["type"], end["type"]) == ("text", "end")
    assert end["usage"]["completion_tokens"] == streamed[-1][1]["usage"]["completion_tokens"]


def test_the_openai_frontend_s_stop_words_and_tools(chat_server):
    tensors = openai_tensors(PROMPT, stream=False, max_tokens=40, temperature=np.float32([[0.0]]))
    (whole, _), _ = ask(chat_server, tensors)
    stop = whole.decode()[10:13]
    (cut, _), (_, end) = ask(chat_server, tensors | {"stop_words": np.array([["§§", stop]], dtype=np.object_)})
    assert cut.decode() == whole.decode()[: whole.decode().index(stop)]
    assert end["finish_reason"] == "stop"
    guide = {
        "guided_decoding_guide_type": np.array([["json_schema"]], dtype=np.object_),
        "guided_decoding_guide": np.array([[json.dumps({"enum": ["red", "green"]})]], dtype=np.object_),
    }
    (text, _), (_, end) = ask(chat_server, tensors | guide)
    assert json.loads(text) in ("red", "green")
    assert end["finish_reason"] == "stop"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"json_schema": {"type": "objct"}}, "OPTIONS.json_schema cannot be used: Invalid type: objct"),
        ({"temperature": 3.0}, "OPTIONS.temperature is 3.0"),
        ({"max_tokens": 0}, "OPTIONS.max_tokens is 0"),
    ],
)
def test_what_cannot_be_answered_is_refused_by_name(chat, options, told):
    with pytest.raises(InvalidRequest, match=told):
        chat.complete(MESSAGES, **options)


def test_a_bad_tensor_is_refused_by_its_name(chat_server):
    with pytest.raises(InferenceServerException, match=r"INVALID_ARGUMENT: max_tokens is 0"):
        ask(chat_server, openai_tensors(PROMPT, stream=False, max_tokens=0))


def test_leaving_early_frees_the_row_for_others(chat):
    for _ in range(8):
        with chat.stream(MESSAGES, max_tokens=4000, temperature=1.0) as deltas:
            next(iter(deltas))
    assert chat.complete("Hello", max_tokens=3).usage.completion_tokens <= 3


def test_plain_http_streams(chat_server):
    body = {"text_input": "", "OPTIONS": json.dumps({"messages": MESSAGES, "max_tokens": 10, "temperature": 0})}
    url = f"{chat_server.address.http}/v2/models/qwen3_chat/generate_stream"
    with urllib.request.urlopen(urllib.request.Request(url, json.dumps(body).encode()), timeout=WAIT_S) as response:
        lines = [line for line in response.read().decode().splitlines() if line.startswith("data: ")]
    events = [json.loads(json.loads(line.removeprefix("data: "))["EVENT"]) for line in lines]
    assert events[-1]["type"] == "end"

"""Other people's clients against the real Triton: their requests as they make them, answers read as they read them."""

import json
import queue
import uuid
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import tritonclient.grpc as grpc_client
from tritonclient.utils import InferenceServerException

from qwen_client import Client
from qwen_server.profiles import load_profile
from qwen_server.triton_process import Address, TritonProcess
from tests.chat_checkpoints import write_random_chat
from tests.foreign_clients import (
    EndToEnd,
    GenaiPerf,
    LangChain,
    LlamaIndex,
    OpenAiFrontend,
    Tensors,
    flag,
    inputs,
    number,
    outputs_of,
    text,
)
from tests.plain_http import post

WAIT_S = 60
PROMPT = "<|im_start|>user\nHello<|im_end|>\n<|im_start|>assistant\n"
CHAT, UNSIGNED = "qwen3_chat", "qwen3_chat_uint32"


@pytest.fixture(scope="module")
def server(tmp_path_factory) -> Iterator[TritonProcess]:
    folder = write_random_chat(tmp_path_factory.mktemp("chat"))
    profile = folder / "profile.toml"
    profile.write_text(f'[qwen3_chat]\ncheckpoint = "{folder}"\nmax_batch = 4\n\n[{UNSIGNED}]\n')
    with TritonProcess(load_profile(str(profile)), Address.free()) as process:
        process.wait_ready()
        yield process


@pytest.fixture(scope="module")
def expected(server) -> str:
    """The greedy answer, by the SDK's own way."""
    with Client(server.address.grpc, timeout_s=WAIT_S) as client:
        messages = [{"role": "user", "content": "Hello"}]
        return client.chat.complete(messages, max_tokens=12, temperature=0).text


class Stream:
    """One gRPC stream, as all of these clients hold one."""

    def __init__(self, server: TritonProcess, client: Any = None, model: str = CHAT) -> None:
        self._responses: queue.Queue[Any] = queue.Queue()
        self._outputs = outputs_of(client)
        self._model = model
        self._client = grpc_client.InferenceServerClient(server.address.grpc)
        self._client.start_stream(lambda result, error: self._responses.put(error or result))

    def __enter__(self) -> "Stream":
        return self

    def __exit__(self, *_: object) -> None:
        self._client.stop_stream()
        self._client.close()

    def send(self, tensors: Tensors, request_id: str = "") -> "Stream":
        self._client.async_stream_infer(
            self._model, list(inputs(tensors)), outputs=self._outputs, request_id=request_id
        )
        return self

    def next(self) -> grpc_client.InferResult:
        answer = self._responses.get(timeout=WAIT_S)
        if isinstance(answer, InferenceServerException):
            raise answer
        return answer

    def rest(self) -> Iterator[grpc_client.InferResult]:
        """All responses up to the final one."""
        while True:
            yield (answer := self.next())
            if answer.get_response().parameters["triton_final_response"].bool_param:
                return


def ask(server: TritonProcess, tensors: Tensors, client: Any = None, model: str = CHAT) -> list[Any]:
    with Stream(server, client, model) as stream:
        return list(stream.send(tensors).rest())


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "wishes", [{}, {"seed": 2**64 - 1, "temperature": 0.7}, {"stop": ("§§",)}, {"echo": False}, {"top_p": 0.0}]
)
def test_triton_s_openai_frontend(server, stream, wishes):
    client = OpenAiFrontend(stream=stream, max_tokens=12, **wishes)
    written, usage = client.read(ask(server, client.tensors(PROMPT)))
    again, same = client.read(ask(server, client.tensors(PROMPT)))
    assert (written, usage) == (again, same)
    assert written
    assert usage["completion_tokens"] == 12
    assert usage["prompt_tokens"] > 5


def test_both_ways_of_the_openai_frontend_tell_the_same(server, expected):
    streamed, whole = OpenAiFrontend(stream=True, max_tokens=12), OpenAiFrontend(stream=False, max_tokens=12)
    told = streamed.read(ask(server, streamed.tensors(PROMPT)))
    assert told == whole.read(ask(server, whole.tensors(PROMPT)))
    assert told[1]["completion_tokens"] == 12


def test_the_older_name_of_the_seed_says_the_same(server):
    client = OpenAiFrontend(stream=False, max_tokens=24, temperature=0.8, seed=7)
    today = client.tensors(PROMPT)
    older = {"random_seed" if name == "seed" else name: value for name, value in today.items()}
    assert client.read(ask(server, today)) == client.read(ask(server, older))


def test_the_openai_frontend_s_stop_words_tools_and_echo(server):
    whole = OpenAiFrontend(stream=False, max_tokens=40)
    plain, _ = whole.read(ask(server, whole.tensors(PROMPT)))
    for stream in (True, False):
        stopping = OpenAiFrontend(stream=stream, max_tokens=40, stop=("§§", plain[10:13]))
        cut, usage = stopping.read(ask(server, stopping.tensors(PROMPT)))
        assert cut == plain[: plain.index(plain[10:13])]
        assert 0 < usage["completion_tokens"] < 40
        tool = OpenAiFrontend(stream=stream, max_tokens=40, tool_parameters=json.dumps({"enum": ["red", "green"]}))
        assert json.loads(tool.read(ask(server, tool.tensors(PROMPT)))[0]) in ("red", "green")
    echoing = OpenAiFrontend(stream=False, max_tokens=40, echo=True)
    assert echoing.read(ask(server, echoing.tensors(PROMPT)))[0] == PROMPT + plain


@pytest.mark.parametrize("stream", [True, False])
def test_genai_perf(server, stream):
    client = GenaiPerf(stream=stream, output_tokens=20)
    tensors = client.tensors(PROMPT) | ({} if stream else {"stream": flag(False)})
    counted = tensors | {"return_num_output_tokens": flag(True)}
    written = sum(int(one.as_numpy("num_output_tokens")[0, 0]) for one in ask(server, counted))
    assert written == 20
    assert all(one.as_numpy("num_output_tokens") is None for one in ask(server, tensors))
    assert len(ask(server, GenaiPerf(stream=stream).tensors(PROMPT))) > 1  # it streams unless told not to


@pytest.mark.parametrize(("client", "model"), [(LlamaIndex(tokens=12), CHAT), (LangChain(tokens=12), UNSIGNED)])
@pytest.mark.parametrize("stream", [True, False])
def test_llama_index_and_lang_chain(server, expected, client, model, stream):
    tensors = client.tensors(PROMPT) | {"stream": flag(stream)}
    pieces = [client.read(one) for one in ask(server, tensors, client, model)]
    assert [is_final for _, is_final in pieces] == [False] * (len(pieces) - 1) + [True]
    whole = OpenAiFrontend(stream=False, max_tokens=12)
    assert "".join(piece for piece, _ in pieces) == whole.read(ask(server, whole.tensors(PROMPT)))[0]
    assert (len(pieces) > 3) == stream


STOPPING = [(LlamaIndex(tokens=900), CHAT), (LangChain(tokens=900), UNSIGNED)]


def started(stream: Stream, client: Any, request_id: str, tokens: int = 900) -> Stream:
    wishes = {"top_k": number(0, client.numbers), "top_p": number(1, np.float32)}
    stream.send(client.tensors(PROMPT) | wishes | {"max_tokens": number(tokens, client.numbers)}, request_id)
    stream.next()
    return stream


@pytest.mark.parametrize(("client", "model"), STOPPING)
def test_a_stream_is_stopped_by_a_request_with_its_id_if_nobody_can_guess_it(server, client, model):
    """As TensorRT-LLM's model takes it; also on another connection."""
    request_id = uuid.uuid4().hex
    with Stream(server, client, model) as stream, Stream(server, client, model) as beside:
        started(stream, client, request_id)
        started(beside, client, request_id)
        stream.send(client.stop_tensors(), request_id)
        finals = 0
        read = 0
        while finals < 2:
            read += 1
            finals += client.read(stream.next())[1]
        assert read + len(list(beside.rest())) < 1800


@pytest.mark.parametrize(("client", "model"), STOPPING)
def test_llama_index_and_lang_chain_stop_nothing_of_others_by_their_short_ids(server, client, model):
    """They number their requests from 1 to 9999999, and stop them when they have read all."""
    with Stream(server, client, model) as stream, Stream(server, client, model) as stranger:
        alone = [client.read(one) for one in started(stream, client, "70", tokens=40).rest()]
        started(stream, client, "71", tokens=40)
        stranger.send(client.stop_tensors(), "71")
        assert [client.read(one)[1] for one in stranger.rest()] == [True]
        assert [client.read(one) for one in stream.rest()] == alone
        stream.send(client.stop_tensors(), "71")
        assert [client.read(one)[1] for one in stream.rest()] == [True]


def test_the_int32_model_says_what_it_takes_to_lang_chain(server):
    with pytest.raises(InferenceServerException, match="INT32"):
        ask(server, LangChain().tensors(PROMPT), LangChain())


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize(
    "wishes",
    [
        {},
        {"num_return_sequences": 1},
        {"end_id": 50_256, "pad_id": 50_256},
        {"bad_words": ("",), "stop_words": ("",)},
        {"exclude_input_in_output": True},
        {"return_log_probs": False},
    ],
)
def test_the_end_to_end_client_of_tensorrt_llm(server, stream, wishes):
    client = EndToEnd(stream=stream, output_len=12, **wishes)
    tensors = client.tensors(PROMPT) | {"temperature": number(0, np.float32)}
    written = client.read(ask(server, tensors, client))
    whole = OpenAiFrontend(stream=False, max_tokens=12)
    answer, _ = whole.read(ask(server, whole.tensors(PROMPT)))
    echoes = not stream and not wishes.get("exclude_input_in_output", False)
    assert written == (PROMPT + answer if echoes else answer)


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"beam_width": number(4, np.int32)}, "beam_width is 4, which this model does not do; allowed: 1"),
        ({"num_return_sequences": number(2, np.int32)}, "num_return_sequences is 2"),
        ({"return_log_probs": flag(True)}, "return_log_probs is true, which this model does not do; allowed: false"),
        ({"return_context_logits": flag(True)}, "return_context_logits is true"),
        ({"return_generation_logits": flag(True)}, "return_generation_logits is true"),
        ({"return_perf_metrics": flag(True)}, "return_perf_metrics is true"),
        ({"bad_words": text("red")}, "bad_words is 'red', which this model does not do; allowed: empty texts"),
        ({"embedding_bias_words": text("red")}, "embedding_bias_words is 'red'"),
        ({"end_id": number(-2, np.int32)}, "end_id is -2; allowed"),
        ({"max_tokens": number(0, np.int32)}, "max_tokens is 0"),
        ({"top_p": number(float("nan"), np.float32)}, "top_p is NaN"),
        ({"temperature": number(float("inf"), np.float32)}, "temperature is Infinity"),
        ({"top_k": number(-2, np.int32)}, "top_k is -2"),
        ({"min_length": number(3, np.int32), "min_tokens": number(4, np.int32)}, "min_tokens is 4 and min_length 3"),
        ({"guided_decoding_guide_type": text("regex")}, "guided_decoding_guide_type is 'regex'; allowed: json, json_"),
        ({"guided_decoding_guide_type": text("json_schema")}, "guided_decoding_guide is not JSON"),
        ({"guided_decoding_guide": text("{}")}, "guided_decoding_guide_type is ''"),
        ({"text_input": text("")}, "text_input is empty"),
        ({"text_input": np.array([[b"\xff"]], dtype=np.object_)}, "text_input is not UTF-8"),
    ],
)
def test_what_is_not_done_is_refused_by_name(server, wish, told):
    with pytest.raises(InferenceServerException) as caught:
        ask(server, OpenAiFrontend(stream=True).tensors(PROMPT) | wish)
    assert str(caught.value).startswith("INVALID_ARGUMENT: ") or "INVALID_ARGUMENT: " in str(caught.value)
    assert told in str(caught.value)


@pytest.mark.parametrize("wish", [{"length_penalty": number(3, np.float32)}, {"early_stopping": flag(True)},
                                  {"pad_id": number(-1, np.int32)}, {"top_k": number(-1, np.int32)},
                                  {"seed": number(7, np.uint64), "random_seed": number(7, np.uint64)},
                                  {"guided_decoding_guide_type": text("json")}])  # fmt: skip
def test_what_asks_for_nothing_else_is_taken(server, wish):
    assert ask(server, OpenAiFrontend(stream=False, max_tokens=12).tensors(PROMPT) | wish)


def test_an_answer_without_end_is_as_long_as_was_asked(server):
    client = OpenAiFrontend(stream=False, max_tokens=300)
    tensors = client.tensors(PROMPT) | {"end_id": number(-1, np.int32), "temperature": number(1.5, np.float32)}
    assert client.read(ask(server, tensors))[1]["completion_tokens"] == 300


def test_requests_of_nothing_are_refused_and_the_next_one_is_answered(server):
    with pytest.raises(InferenceServerException, match="request has 0 inputs"):  # Triton itself
        ask(server, {})
    for tensors in ({"stop": flag(False)}, {"return_num_input_tokens": flag(True)}):
        with pytest.raises(InferenceServerException, match="text_input is empty"):
            ask(server, tensors)
    assert ask(server, OpenAiFrontend(stream=True).tensors(PROMPT))


@pytest.mark.parametrize(
    "body",
    [
        {"text_input": PROMPT, "max_tokens": 20, "bad_words": "", "stop_words": "", "stream": False},
        {"text_input": PROMPT, "max_tokens": 20, "bad_words": "", "stop_words": "", "pad_id": 2, "end_id": 2,
         "stream": False},
        {"text_input": PROMPT, "max_tokens": 20, "bad_words": [""], "stop_words": [""], "stream": False},
        # LiteLLM of 2026-10, litellm/llms/triton/completion/transformation.py, TritonGenerateConfig
        {"text_input": PROMPT, "parameters": {"max_tokens": 20, "bad_words": [""], "stop_words": [""]},
         "stream": False},
        {"text_input": PROMPT, "max_tokens": 20, "return_num_input_tokens": True, "return_num_output_tokens": True,
         "stream": False},
        {"text_input": PROMPT, "max_tokens": 20, "temperature": 0.7, "top_k": 4, "top_p": 0.5, "random_seed": 3,
         "repetition_penalty": 1.2, "beam_width": 1, "length_penalty": 1.0, "stream": False},
    ],
)  # fmt: skip
def test_the_recipes_of_tensorrt_llm_s_page(server, body):
    """`curl -X POST …/v2/models/ensemble/generate -d '{"text_input": …}'`, but for `stream`, which is false there."""
    (told,) = post(server, f"{CHAT}/generate", body)
    assert isinstance(told["text_output"], str)
    assert ("num_output_tokens" in told) == ("return_num_output_tokens" in body)
    if "num_output_tokens" in told:
        assert told["num_input_tokens"] > 5
        assert 0 < told["num_output_tokens"] <= 20

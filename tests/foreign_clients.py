"""Other people's clients of TensorRT-LLM's models: the tensors that each of them sends, and how it reads answers.

Rebuilt from the sources named with each, since the packages bring frameworks along.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import tritonclient.grpc as grpc_client
from google.protobuf.json_format import MessageToDict
from tritonclient.utils import np_to_triton_dtype

Tensors = dict[str, np.ndarray]


def text(*words: str) -> np.ndarray:
    """(1, words), as all of them do."""
    return np.array([[word.encode() for word in words]], dtype=np.object_)


def number(value: float, dtype: type) -> np.ndarray:
    return np.array([[value]], dtype=dtype)


def flag(value: bool) -> np.ndarray:
    return np.array([[value]], dtype=bool)


@dataclass(frozen=True)
class OpenAiFrontend:
    """Triton's own: triton-inference-server/server of 2026-08-19, python/openai/openai_frontend/engine/utils/triton.py,
    `_create_trtllm_generate_request`. It asks for no outputs by name, so it gets all of them."""

    stream: bool
    max_tokens: int = 16  # of --default-max-tokens
    stop: tuple[str, ...] = ()
    top_p: float | None = 1.0
    frequency_penalty: float | None = 0.0
    presence_penalty: float | None = 0.0
    temperature: float | None = 0.0
    seed: int | None = None
    echo: bool | None = None  # of /v1/completions, false there
    tool_parameters: str | None = None

    def tensors(self, prompt: str) -> Tensors:
        given = {
            "top_p": (self.top_p, np.float32),
            "frequency_penalty": (self.frequency_penalty, np.float32),
            "presence_penalty": (self.presence_penalty, np.float32),
            "seed": (self.seed, np.uint64),
            "temperature": (self.temperature, np.float32),
        }
        tensors = {
            "text_input": text(prompt),
            "stream": flag(self.stream),
            "max_tokens": number(self.max_tokens, np.int32),
            **{name: number(value, dtype) for name, (value, dtype) in given.items() if value is not None},
            "return_num_input_tokens": flag(True),
            "return_num_output_tokens": flag(True),
        }
        if self.stop:
            tensors["stop_words"] = text(*self.stop)
        if self.echo is not None:
            tensors["exclude_input_in_output"] = flag(not self.echo)
        if self.tool_parameters is not None:
            tensors["guided_decoding_guide_type"] = text("json_schema")
            tensors["guided_decoding_guide"] = text(self.tool_parameters)
        return tensors

    def read(self, responses: Iterable[grpc_client.InferResult]) -> tuple[str, dict[str, int]]:
        """The text, and the usage as the frontend tells it."""
        responses = list(responses)
        if not self.stream:
            assert 1 <= len(responses) <= 2
            assert [_is_final(one) for one in responses][-1]
            responses = responses[:1]
        usages = [self._usage(one) for one in responses]
        usage = {"prompt_tokens": usages[0][0], "completion_tokens": sum(completion for _, completion in usages)}
        return "".join(self._text(one) for one in responses), usage

    def _text(self, response: grpc_client.InferResult) -> str:
        items = response.as_numpy("text_output")
        assert items.size == 1
        return items.reshape(-1)[0].decode()

    def _usage(self, response: grpc_client.InferResult) -> tuple[int, int]:
        read, written = (response.as_numpy(name) for name in ("num_input_tokens", "num_output_tokens"))
        assert read.dtype in (np.uint32, np.int32)
        assert written.dtype in (np.uint32, np.int32)
        return int(read.reshape(-1)[0]), int(written.reshape(-1)[0])


@dataclass(frozen=True)
class GenaiPerf:
    """genai-perf 0.0.16, genai_perf/inputs/converters/tensorrtllm_converter.py; perf_analyzer sends what of it the
    model's config declares, in the types declared there."""

    stream: bool
    output_tokens: int | None = None  # with --output-tokens-mean-deterministic

    def tensors(self, prompt: str) -> Tensors:
        tensors = {
            "text_input": text(prompt),
            "max_tokens": number(self.output_tokens or 256, np.int32),
            "exclude_input_in_output": flag(True),
        }
        if self.stream:
            tensors["stream"] = flag(True)
        if self.output_tokens:
            tensors["min_length"] = number(self.output_tokens, np.int32)
        return tensors


@dataclass(frozen=True)
class LlamaIndex:
    """llama-index-llms-nvidia-triton 0.6.0, llama_index/llms/nvidia_triton/utils.py and the defaults of base.py."""

    stream: bool = True  # it never asks for anything else
    tokens: int = 100
    temperature: float = 1.0
    top_k: float = 1.0
    top_p: float = 0
    beam_width: int = 1
    repetition_penalty: float = 1.0
    length_penalty: float = 1.0
    numbers: type = np.int32
    seed: int = 0

    def tensors(self, prompt: str) -> Tensors:
        return {
            "text_input": text(prompt),
            "max_tokens": number(self.tokens, self.numbers),
            "top_k": number(self.top_k, self.numbers),
            "top_p": number(self.top_p, np.float32),
            "temperature": number(self.temperature, np.float32),
            "length_penalty": number(self.length_penalty, np.float32),
            "repetition_penalty": number(self.repetition_penalty, np.float32),
            "random_seed": number(self.seed, np.uint64),
            "beam_width": number(self.beam_width, self.numbers),
            "stream": flag(self.stream),
        }

    def stop_tensors(self) -> Tensors:
        """What it sends under the same id, once it has read enough."""
        return {
            "input_ids": np.empty([1, 1], dtype=np.int32),
            "input_lengths": np.zeros([1, 1], dtype=np.int32),
            "request_output_len": np.array([[0]], dtype=np.uint32),
            "stop": np.array([[True]], dtype="bool"),
        }

    outputs = ("text_output",)

    def read(self, response: grpc_client.InferResult) -> tuple[str, bool]:
        """Text and whether that was all, in its own roundabout way."""
        raw = MessageToDict(response.get_response(), preserving_proto_field_name=True)
        assert "outputs" in raw
        items = response.as_numpy("text_output")
        return "".join([token.decode() for token in items]), raw["parameters"]["triton_final_response"]["bool_param"]


@dataclass(frozen=True)
class LangChain(LlamaIndex):
    """langchain-nvidia-trt 0.0.1rc0, langchain_nvidia_trt/llms.py: the same, but numbers without a sign."""

    numbers: type = np.uint32
    seed: int = 42


@dataclass(frozen=True)
class EndToEnd:
    """TensorRT-LLM of 2025, triton_backend/inflight_batcher_llm/client/end_to_end_grpc_client.py."""

    stream: bool
    output_len: int = 100
    num_return_sequences: int | None = None
    exclude_input_in_output: bool = False
    bad_words: tuple[str, ...] = ()
    stop_words: tuple[str, ...] = ()
    end_id: int | None = None
    pad_id: int | None = None
    return_log_probs: bool | None = None
    beam_width: int = 1

    def tensors(self, prompt: str) -> Tensors:
        tensors = {
            "text_input": text(prompt),
            "max_tokens": number(self.output_len, np.int32),
            "stream": flag(self.stream),
            "beam_width": number(self.beam_width, np.int32),
            "temperature": number(1.0, np.float32),
            "exclude_input_in_output": flag(self.exclude_input_in_output),
        }
        if self.num_return_sequences is not None:
            tensors["num_return_sequences"] = number(self.num_return_sequences, np.int32)
        for name in ("bad_words", "stop_words"):
            if words := getattr(self, name):
                tensors[name] = text(*words)
        for name in ("end_id", "pad_id"):
            if (token := getattr(self, name)) is not None:
                tensors[name] = number(token, np.int32)
        if self.return_log_probs is not None:
            tensors["return_log_probs"] = flag(self.return_log_probs)
        return tensors

    outputs = ("text_output",)

    def read(self, responses: Iterable[grpc_client.InferResult]) -> str:
        """Pieces added up; without streaming the last one counts."""
        pieces = [one.as_numpy("text_output")[0].decode("utf-8") for one in responses]
        return "".join(pieces) if self.stream else pieces[-1]


def inputs(tensors: Mapping[str, np.ndarray]) -> Iterator[grpc_client.InferInput]:
    """As all of them make them: type and shape from the array."""
    for name, value in tensors.items():
        tensor = grpc_client.InferInput(name, list(value.shape), np_to_triton_dtype(value.dtype))
        tensor.set_data_from_numpy(value)
        yield tensor


def _is_final(response: grpc_client.InferResult) -> bool:
    return bool(response.get_response().parameters["triton_final_response"].bool_param)


def outputs_of(client: Any) -> list[grpc_client.InferRequestedOutput] | None:
    """Those that a client asks for by name; None: it does not, and gets all."""
    names = getattr(client, "outputs", None)
    return None if names is None else [grpc_client.InferRequestedOutput(name) for name in names]

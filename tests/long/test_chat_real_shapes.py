"""The real shapes: every tensor of Qwen3's layout is read, none is missed, and the 0.6B model answers on a CPU."""

import gc
import json
from dataclasses import replace
from pathlib import Path

import jsonschema
import psutil
import pytest
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from qwen_engine.chat.checkpoint import ChatCheckpoint
from qwen_engine.chat.engine import ChatEngine
from qwen_engine.chat.request import ChatRequest
from qwen_engine.chat.settings import ChatSettings
from qwen_engine.sampling import Sampling
from qwen_engine.weights import Weights
from tests.chat_checkpoints import PUBLISHED, published_shapes, write_published_shapes
from tests.parity.upstream_chat import UpstreamChat
from tests.recorder import run

MEMORY_LIMIT_GB = {"bfloat16": 3.5, "float32": 5.0}
NUM_TOKENS = 8
SYSTEM = {"role": "system", "content": "You are a voice assistant. Answer in one or two short plain sentences."}
SCHEMA = {"type": "object", "properties": {"colour": {"enum": ["red", "green"]}}, "required": ["colour"]}


def settings(folder: Path, dtype: str) -> ChatSettings:
    return ChatSettings(checkpoint=str(folder), dtype=dtype, max_batch=3, max_positions=512, num_threads=2)


def test_the_shapes_are_those_of_the_official_class():
    with torch.device("meta"):
        official = Qwen3ForCausalLM(Qwen3Config(**PUBLISHED))
    shapes = {name: tuple(value.shape) for name, value in official.state_dict().items()}
    shapes.pop("lm_head.weight")  # tied
    assert published_shapes(PUBLISHED) == shapes


@pytest.mark.parametrize("tied", [True, False])
def test_every_tensor_is_read_and_none_is_missed(tmp_path, monkeypatch, tied):
    """Without their content, which no part of the model looks at while it is loaded."""
    config = {**PUBLISHED, "tie_word_embeddings": tied}
    shapes = published_shapes(config)
    write_published_shapes(tmp_path, config, {"model.nothing": (1,)})

    class NamesOnly(Weights):
        def __init__(self, folder, *, dtype, device):
            self._homes, self._taken, self._dtype = dict.fromkeys(shapes, folder), set(), dtype

        def take(self, name):
            self._taken.add(name)
            return torch.empty(shapes[name], dtype=self._dtype)

    monkeypatch.setattr("qwen_engine.chat.checkpoint.Weights", NamesOnly)
    assert ChatCheckpoint(settings(tmp_path, "bfloat16")).weights.unused() == []


@pytest.mark.parametrize("dtype", ["bfloat16", "float32"])
def test_the_small_model_answers_on_a_cpu_within_memory(tmp_path, dtype):
    write_published_shapes(tmp_path, PUBLISHED, published_shapes(PUBLISHED))
    gc.collect()
    before_gb = psutil.Process().memory_info().rss / 1e9
    engine = ChatEngine(settings(tmp_path, dtype))
    tokens, grammars = engine.checkpoint.tokens, engine.checkpoint.grammars
    prompts = [
        tokens.conversation([SYSTEM, {"role": "user", "content": text}], thinking=False)
        for text in ("Good morning", "Please draw a large red circle on a blue background.")
    ]
    greedy = [ChatRequest(prompt, NUM_TOKENS, Sampling(temperature=0.0)) for prompt in prompts]
    guarded = replace(greedy[0], max_tokens=60, grammar=grammars.compile(SCHEMA))
    sinks = run(engine, *greedy, guarded)
    assert psutil.Process().memory_info().rss / 1e9 - before_gb < MEMORY_LIMIT_GB[dtype]
    answer = json.loads("".join(delta.text for delta in sinks[-1].events))
    jsonschema.validate(answer, SCHEMA)
    (again,) = run(engine, greedy[0])
    if dtype == "float32":
        upstream = UpstreamChat(tmp_path)
        for sink, request in zip([*sinks[:2], again], [*greedy, greedy[0]], strict=True):
            told = "".join(delta.text for delta in sink.events)
            assert told == upstream.text(upstream.answer(request.prompt, NUM_TOKENS)).rstrip("\ufffd")
            assert sink.closing["usage"]["completion_tokens"] == NUM_TOKENS

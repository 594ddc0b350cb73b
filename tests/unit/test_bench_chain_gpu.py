"""The benchmark of voice chat on a GPU: its parts, on small models and without a GPU."""

import asyncio
import json
from contextlib import aclosing

import pytest
import torch
from transformers import Qwen3Config, Qwen3ForCausalLM

from perf.gpu.asr_checkpoint import decoder_shapes
from perf.gpu.bench_chain import GOALS, QUESTION, REPLY, TRIAL, FixedWords, first_audio, measure
from perf.gpu.chat_checkpoint import chat_config
from perf.gpu.in_process import in_process
from qwen_engine.chains.calls import Trace
from qwen_engine.chains.voice_chat.turn_pipeline import ASR, CHAT, TTS
from qwen_engine.charts.settings import ChartSettings
from qwen_wire.errors import InvalidRequest
from tests.small_calls import SmallCalls

CHART = json.dumps({"type": "bar", "categories": ["a"], "series": [{"name": "b", "values": [1]}]}).encode()


def answers(calls, model: str, **inputs: bytes) -> list:
    async def collect() -> list:
        stream = calls.stream(model, {"OPTIONS": b"{}", **inputs}, deadline_s=60, trace=Trace.read({}))
        async with aclosing(stream) as responses:
            return [response async for response in responses]

    return asyncio.run(collect())


def test_models_of_the_repository_answer_without_triton():
    with in_process({"chart_image": ChartSettings()}) as calls:
        (answer,) = answers(calls, "chart_image", CHART=CHART)
        with pytest.raises(InvalidRequest, match="CHART"):
            answers(calls, "chart_image", CHART=b"{}")
    assert answer["IMAGE"].startswith(b"\x89PNG")
    assert json.loads(answer["RESULT"])["type"] == "bar"


def test_the_words_are_fixed():
    calls = FixedWords(SmallCalls(lambda _: "x" * len(REPLY)))
    assert answers(calls, ASR, AUDIO=b"noise")[0]["TEXT"].decode() == QUESTION
    bits = [answer["text_output"].decode() for answer in answers(calls, CHAT, OPTIONS=b'{"messages": []}')]
    assert REPLY.startswith("".join(bits))
    assert answers(calls, TTS, TEXT=b"Hello.")[0]["AUDIO"]


def test_every_concurrency_is_measured():
    metrics = asyncio.run(measure(FixedWords(SmallCalls(lambda _: "x" * len(REPLY))), TRIAL))
    assert [metric.name for metric in metrics] == [
        f"voice_chat_first_audio_p{percent}_ms_c{size}" for size in TRIAL.concurrencies for percent in (50, 95)
    ]
    assert all(metric.value > 0 for metric in metrics)


def test_the_goal_is_that_of_a_hundred_callers():
    assert first_audio(100, 95, [0.4, 0.4]).met
    assert not first_audio(100, 95, [0.4, 0.6]).met
    assert first_audio(32, 95, [9.0]).met is None
    assert set(GOALS) == {(100, 95)}


@pytest.mark.parametrize("model", ["0.6b", "1.7b"])
def test_the_shapes_are_those_of_transformers(model):
    config = chat_config(model)
    known = {name: value for name, value in config.items() if name not in ("architectures", "model_type")}
    with torch.device("meta"):
        official = Qwen3ForCausalLM(Qwen3Config(**known)).state_dict()
    official.pop("lm_head.weight")  # tied
    assert dict(decoder_shapes(config, below="model.")) == {name: tuple(one.shape) for name, one in official.items()}

"""Voice in to first voice out on a GPU: `python -m perf.gpu.bench_chain [--model 1.7b]`.

Checkpoints of the published shapes with random weights are made for the run: recogniser, chat model and voice of one
size. The voice chat calls their model.py files in this process, without Triton. Random weights say nothing: the words
are fixed, the time is the models'. `--model demo --device cpu --dtype float32` tries the script itself.
"""

import asyncio
import itertools
import json
import time
from collections.abc import AsyncGenerator, Iterator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from perf.gpu import asr_checkpoint, chat_checkpoint, random_checkpoint
from perf.gpu.in_process import InProcessCalls, in_process
from perf.gpu.script import Arguments, Checkpoints, console, run
from perf.gpu.shapes import CODEC, tts_config
from perf.metrics import Goal, Metric
from perf.report import PROJECT
from qwen_engine.chains.calls import ModelCalls, Tensors, Trace
from qwen_engine.chains.voice_chat.chain import VoiceChat
from qwen_engine.chains.voice_chat.turn_pipeline import ASR, CHAT, TTS
from qwen_engine.messages import Inputs
from qwen_engine.models import MODELS
from qwen_engine.settings import ModelSettings, VoiceChatSettings
from qwen_wire.chains import Stage
from qwen_wire.voice_chat import SpeechProgress

DEMO = PROJECT / "demo" / "checkpoints"
QUESTIONS = sorted((PROJECT / "demo" / "audio").glob("*.wav"))
QUESTION = "What is on the agenda for the meeting today?"
REPLY = "Good morning, the meeting starts at nine. We talk about the plan and the budget, and Anna has the report."
BIT_CHARS = 4  # of a token
HEARD_TOKENS, MAX_REPLY_S = 20, 4.0
FOLDERS = {ASR: "asr", CHAT: "chat", TTS: "tts"}
GOALS = {(100, 95): Goal(500.0, at_most=True)}  # by callers at once and percentile


@dataclass(frozen=True)
class Plan:
    """What is measured: `concurrencies` of callers, each with so many turns."""

    concurrencies: Sequence[int] = (1, 8, 32, 100)
    turns_each: int = 5
    max_batch: int = 128
    max_positions: int = 1024


TRIAL = Plan((1, 2), turns_each=1, max_batch=4, max_positions=512)


@dataclass(frozen=True)
class FixedWords:
    """`ModelCalls` that take as long as those of `calls` and say something."""

    calls: ModelCalls

    async def stream(
        self, model: str, inputs: Tensors, *, deadline_s: float | None, trace: Trace
    ) -> AsyncGenerator[Mapping[str, bytes], None]:
        bits = iter([REPLY[start : start + BIT_CHARS] for start in range(0, len(REPLY), BIT_CHARS)])
        bounded = {**inputs, "OPTIONS": _bounded(model, inputs)}
        answers = self.calls.stream(model, bounded, deadline_s=deadline_s, trace=trace)
        async with aclosing(answers):
            async for answer in answers:
                yield _worded(model, answer, bits)


def _bounded(model: str, inputs: Tensors) -> bytes:
    """OPTIONS with an end: random weights know none."""
    asked = json.loads(inputs["OPTIONS"])  # type: ignore[arg-type]
    bounds: dict[str, dict[str, float]] = {
        ASR: {"max_new_tokens": HEARD_TOKENS},
        CHAT: {"max_tokens": len(REPLY) // BIT_CHARS + 1},
        TTS: {"max_audio_s": MAX_REPLY_S},
    }
    return json.dumps({**asked, **bounds[model]}).encode()


def _worded(model: str, answer: Mapping[str, bytes], bits: Iterator[str]) -> Mapping[str, bytes]:
    if model == ASR:
        return {**answer, "TEXT": QUESTION.encode()}
    if model == CHAT and json.loads(answer["EVENT"])["type"] != "end":
        return {**answer, "text_output": next(bits, "").encode()}
    return answer


def settings_of(folder: Path, arguments: Arguments, plan: Plan) -> dict[str, ModelSettings]:
    limits = {
        "max_batch": plan.max_batch,
        "max_positions": plan.max_positions,
        "max_queue": 2 * max(plan.concurrencies),
    }
    sections = {name: arguments.settings(folder / FOLDERS[name], **limits) for name in FOLDERS}
    return {name: MODELS[name].settings_type.model_validate(section) for name, section in sections.items()}


def write_random(folder: Path, model: str, dtype: torch.dtype, device: str) -> None:
    made: dict[str, Any] = {"dtype": dtype, "device": device}
    asr_checkpoint.write_checkpoint(folder / "asr", asr_checkpoint.asr_config(model), **made)
    chat_checkpoint.write_checkpoint(folder / "chat", chat_checkpoint.chat_config(model), **made)
    random_checkpoint.write_checkpoint(folder / "tts", tts_config(model), CODEC, **made)


def bench(folder: Path, arguments: Arguments) -> list[Metric]:
    plan = TRIAL if arguments.is_trial else Plan()
    with in_process(settings_of(folder, arguments, plan)) as calls:
        return asyncio.run(measure(calls if arguments.is_trial else FixedWords(calls), plan))


async def measure(calls: InProcessCalls | FixedWords, plan: Plan) -> list[Metric]:
    chat = VoiceChat(calls, VoiceChatSettings.model_validate({}))
    questions = [file.read_bytes() for file in QUESTIONS]
    await _first_sounds_s(chat, questions, 1, len(questions))  # what is made once
    metrics = []
    for size in plan.concurrencies:
        console.print(f"{size} callers")
        first_s = await _first_sounds_s(chat, questions, size, plan.turns_each)
        metrics += [first_audio(size, percent, first_s) for percent in (50, 95)]
    return metrics


async def _first_sounds_s(chat: VoiceChat, questions: Sequence[bytes], size: int, turns_each: int) -> list[float]:
    """Seconds to the first sound of every turn."""

    async def caller(number: int) -> list[float]:
        mine = itertools.islice(itertools.cycle(questions), number, number + turns_each)
        return [await _turn(chat, audio) for audio in mine]

    return [first_s for each in await asyncio.gather(*map(caller, range(size))) for first_s in each]


async def _turn(chat: VoiceChat, audio: bytes) -> float:
    begin_s, sounds_s = time.perf_counter(), []

    async def emit(event: Stage) -> None:
        if isinstance(event, SpeechProgress):
            sounds_s.append(time.perf_counter() - begin_s)

    end = await chat.run(Inputs({"AUDIO": (audio,), "TEXT": (), "OPTIONS": (b'{"seed": 7}',)}), Trace.read({}), emit)
    assert end.finish_reason == "stop", end.error
    return sounds_s[0]


def first_audio(size: int, percent: int, first_s: Sequence[float]) -> Metric:
    value = 1000 * float(np.percentile(first_s, percent))
    detail: dict[str, Any] = {"turns": len(first_s), "of_one_process": True}
    return Metric(f"voice_chat_first_audio_p{percent}_ms_c{size}", value, "ms", GOALS.get((size, percent)), detail)


if __name__ == "__main__":
    run("chain_gpu", __doc__, Checkpoints(DEMO, list(asr_checkpoint.SIZES), write_random), bench)

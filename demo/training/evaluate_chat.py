"""Asks the demo chat checkpoint unseen questions, greedily: `python -m demo.training.evaluate_chat [FOLDER]`.

An answer is right when it is the expected one to the character. The decoding is transformers' own, nothing constrains
it.
"""

import json
import random
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from transformers import Qwen3ForCausalLM
from transformers.models.qwen2 import Qwen2Tokenizer

from demo.training import chat_dialogues
from demo.training.chat import CHECKPOINT
from demo.training.chat_dialogues import Dialogue
from demo.training.chat_examples import prompt_text, whole_answer
from demo.training.chat_pieces import plain
from demo.training.manifest import record
from qwen_engine.chains.tasks.prompts import prompts

NUM_THREADS = 1
BATCH_SIZE = 20
MAX_NEW_TOKENS = 640
MAX_MISTAKES_SHOWN = 3
CASES = {"assistant": 50, "minutes": 40, "storyboard": 20, "lesson": 30, "translate": 40, "advert": 20}
SEED = 43


def unseen(task: str, count: int, seed: int = SEED) -> list[Dialogue]:
    """Different dialogues whose sentences training never met."""
    rng = random.Random(f"{task} {seed}")
    found: dict[tuple[str, ...], Dialogue] = {}
    while len(found) < count:
        dialogue = chat_dialogues.draw(task, rng, held_out=True)
        found.setdefault(dialogue.turns, dialogue)
    return list(found.values())


class Chat:
    """The checkpoint in `folder`, by transformers' classes."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = Qwen2Tokenizer.from_pretrained(folder, padding_side="left")
        self._model = Qwen3ForCausalLM.from_pretrained(folder).eval()

    def answers(self, dialogues: Sequence[Dialogue]) -> list[str]:
        """With their thoughts, in batches of like length."""
        prompts = [prompt_text(self._tokenizer, dialogue) for dialogue in dialogues]
        order = sorted(range(len(prompts)), key=lambda number: len(prompts[number]))
        found = [""] * len(prompts)
        for start in range(0, len(order), BATCH_SIZE):
            numbers = order[start : start + BATCH_SIZE]
            for number, answer in zip(numbers, self._generate([prompts[one] for one in numbers]), strict=True):
                found[number] = answer
        return found

    @torch.inference_mode()
    def _generate(self, prompts: list[str]) -> list[str]:
        inputs = self._tokenizer(prompts, return_tensors="pt", padding=True)
        ids = self._model.generate(**inputs, max_new_tokens=MAX_NEW_TOKENS, do_sample=False)
        return self._tokenizer.batch_decode(ids[:, inputs.input_ids.shape[1] :], skip_special_tokens=True)


def right(chat: Chat, dialogues: Sequence[Dialogue]) -> list[bool]:
    """Which are answered as expected; prints some that are not."""
    marks, shown = [], 0
    for dialogue, answer in zip(dialogues, chat.answers(dialogues), strict=True):
        marks.append(answer == plain(whole_answer(dialogue)))
        if not marks[-1] and shown < MAX_MISTAKES_SHOWN:
            print(
                "\n".join(
                    [dialogue.task, *dialogue.turns, f"should {plain(whole_answer(dialogue))}", f"is     {answer}\n"]
                )
            )
            shown += 1
    return marks


def measure(chat: Chat) -> dict[str, Any]:
    """The share of right answers, overall and in every task."""
    marks = {task: right(chat, unseen(task, count)) for task, count in CASES.items()}
    everything = [mark for own in marks.values() for mark in own]
    return {
        "exact": round(sum(everything) / len(everything), 4),
        "exact_by_task": {task: round(sum(own) / len(own), 4) for task, own in marks.items()},
        "cases": sum(CASES.values()),
        "cases_by_task": CASES,
    }


def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else CHECKPOINT
    quality = measure(Chat(folder))
    print(json.dumps(quality, indent=2))
    if folder == CHECKPOINT:
        record("chat", quality=quality)


if __name__ == "__main__":
    assert set(CASES) == set(prompts())
    main()

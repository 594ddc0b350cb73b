"""A story in pictures: by the chain, or by a call for each step."""

import json
import time
from dataclasses import dataclass

from qwen_client import AsyncClient
from qwen_engine.chains.prompts import prompt

SEED = 7


@dataclass(frozen=True)
class Story:
    """Seconds from the idea to the last picture, and what was drawn."""

    total_s: float
    prompts: tuple[str, ...]


async def in_one_call(client: AsyncClient, idea: str) -> Story:
    """The chain."""
    sent_s = time.perf_counter()
    board = await client.chains.storyboard(idea, seed=SEED).result()
    return Story(time.perf_counter() - sent_s, tuple(picture.prompt for picture in board.pictures))


async def step_by_step(client: AsyncClient, idea: str) -> Story:
    """The chat, then one picture after another, with the same seeds."""
    sent_s = time.perf_counter()
    task = prompt("storyboard")
    answer = await client.chat.complete(task.messages(idea), json_schema=task.schema)
    prompts = json.loads(answer.text)["prompts"]
    for number, words in enumerate(prompts):
        await client.image.generate(words, seed=SEED + number)
    return Story(time.perf_counter() - sent_s, tuple(prompts))

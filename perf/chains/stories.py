"""A story in pictures: by the chain, or by a call for each step."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass

from qwen_client import AsyncClient
from qwen_engine.chains.tasks.prompts import prompt

SEED = 7


@dataclass(frozen=True)
class Story:
    """Seconds from the idea to the last picture, and what was drawn."""

    total_s: float
    prompts: tuple[str, ...]


async def with_pictures(client: AsyncClient, ideas: Sequence[str], num_pictures: int, count: int) -> list[str]:
    """The first `count` ideas of which so many pictures are made; just the first ones, if there are none."""
    found: list[str] = []
    for idea in ideas:
        if len(found) < count and len(await _written(client, idea)) == num_pictures:
            found.append(idea)
    return found or list(ideas[:count])


async def in_one_call(client: AsyncClient, idea: str) -> Story:
    """The chain."""
    sent_s = time.perf_counter()
    board = await client.chains.storyboard(idea, seed=SEED).result()
    return Story(time.perf_counter() - sent_s, tuple(picture.prompt for picture in board.pictures))


async def step_by_step(client: AsyncClient, idea: str) -> Story:
    """The chat, then one picture after another, with the same seeds."""
    sent_s = time.perf_counter()
    prompts = await _written(client, idea)
    for number, words in enumerate(prompts):
        await client.image.generate(words, seed=SEED + number)
    return Story(time.perf_counter() - sent_s, tuple(prompts))


async def _written(client: AsyncClient, idea: str) -> list[str]:
    """What to draw."""
    task = prompt("storyboard")
    answer = await client.chat.complete(task.messages(idea), json_schema=task.schema, seed=SEED)
    prompts: list[str] = json.loads(answer.text)["prompts"]
    return prompts

"""What a chain costs besides the work of its stages: a workflow of cheap ones against the same calls by the client."""

import time
from dataclasses import dataclass
from typing import Any

from qwen_client import AsyncClient

NUM_STAGES = 8


@dataclass(frozen=True)
class Row:
    """Seconds that cheap stages took one after another: as a workflow, and called one by one."""

    workflow_s: float
    calls_s: float

    @property
    def per_stage_ms(self) -> float:
        return 1000 * (self.workflow_s - self.calls_s) / NUM_STAGES


def cheap_workflow() -> dict[str, Any]:
    """Stages that wait for each other; each asks the speech model who can speak, which computes nothing."""
    stage = {"model": "qwen3_tts", "inputs": {"TEXT": ""}, "options": {"action": "list_voices"}}
    first = {"stage_1": stage}
    return {
        "nodes": first | {f"stage_{n}": {**stage, "when": f"$stage_{n - 1}.EVENT"} for n in range(2, NUM_STAGES + 1)}
    }


async def one_row(client: AsyncClient) -> Row:
    begin_s = time.perf_counter()
    await client.chains.run(cheap_workflow(), {})
    workflow_s = time.perf_counter() - begin_s
    begin_s = time.perf_counter()
    for _ in range(NUM_STAGES):
        await client.voices.list()
    return Row(workflow_s, time.perf_counter() - begin_s)

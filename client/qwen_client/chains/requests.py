"""The requests of named chains."""

from collections.abc import Callable
from typing import Any, TypeAlias

from qwen_client.chains.events import read_stage
from qwen_client.chains.results import Made, MadeT, collecting
from qwen_client.jobs import StreamJob
from qwen_client.messages import Inputs, options_json
from qwen_wire.chains import StageEvent
from qwen_wire.options import ChainOptions

ChainJob: TypeAlias = StreamJob[StageEvent, MadeT]


def chain_job(
    name: str, tensors: Inputs, make: Callable[[Made], MadeT], *, deadline_s: float | None, **inputs: Any
) -> "ChainJob[MadeT]":
    """A request to the chain `name`; of its other `inputs`, those that are None are left to the server."""
    given = {key: value for key, value in inputs.items() if value is not None}
    options = options_json(ChainOptions, inputs=given or None, deadline_s=deadline_s)
    return StreamJob(name, {**tensors, "OPTIONS": options}, read_stage, collecting(make))

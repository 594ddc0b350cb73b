"""The events of a running chain, read."""

from qwen_client.messages import Answer
from qwen_wire.chains import STAGE_EVENTS, StageEvent
from qwen_wire.errors import ServerError


def read_stage(answer: Answer) -> StageEvent:
    """The event in a response of a chain."""
    kind = STAGE_EVENTS.get(told := answer.json("EVENT")["type"])
    if kind is None:
        raise ServerError(f"the answer holds an unknown event: {told}", request_id=answer.request_id)
    return answer.message(kind, "EVENT", payload=answer.payload("PAYLOAD"))

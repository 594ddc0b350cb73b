"""Files in the outputs of a workflow: they were sent as results, so their place is told instead."""

from collections.abc import Mapping
from typing import Any

from qwen_engine.chains.workflow.record import flattened
from qwen_wire.errors import InvalidRequest


class SentFiles:
    """Remembers as which result each file was sent."""

    def __init__(self) -> None:
        self._limiter: dict[int, dict[str, Any]] = {}
        self._files: list[bytes] = []  # kept alive: an id may be used again

    def remember(self, stage: str, item: int | None, outputs: Mapping[str, Any]) -> None:
        """The `outputs` of a stage, or of one item of it."""
        for name, value in outputs.items():
            for part, one in flattened(name, value):
                if isinstance(one, bytes):
                    place = {"stage": stage, "output": part}
                    self._limiter[id(one)] = place if item is None else {**place, "item": item}
                    self._files.append(one)

    def places(self, value: Any) -> Any:
        """A value as JSON: the place of each file instead of it.

        Raises:
            InvalidRequest: a file is no result.
        """
        if isinstance(value, bytes):
            if id(value) not in self._limiter:
                raise InvalidRequest("it holds a file that was sent with the request")
            return self._limiter[id(value)]
        if isinstance(value, Mapping):
            return {name: self.places(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self.places(one) for one in value]
        return value

"""Files in the outputs of a workflow: they were sent as results, so their place stands for them."""

from collections.abc import Mapping
from typing import Any

from qwen_engine.chains.workflow.record import flattened
from qwen_wire.errors import InvalidRequest
from qwen_wire.workflows import file_place


class SentFiles:
    """Remembers as which result each file was sent."""

    def __init__(self) -> None:
        self._places: dict[int, dict[str, Any]] = {}
        self._files: list[bytes] = []  # kept alive: an id may be used again

    def remember(self, stage: str, item: int | None, outputs: Mapping[str, Any]) -> None:
        """The `outputs` of a stage, or of one item of it."""
        for name, value in outputs.items():
            for part, one in flattened(name, value):
                if isinstance(one, bytes):
                    self._places[id(one)] = file_place(stage, part, item)
                    self._files.append(one)

    def places(self, value: Any) -> Any:
        """A value as JSON: the place of each file instead of it.

        Raises:
            InvalidRequest: a file is no result.
        """
        if isinstance(value, bytes):
            if id(value) not in self._places:
                raise InvalidRequest("it holds a file that was sent with the request")
            return self._places[id(value)]
        if isinstance(value, Mapping):
            return {name: self.places(one) for name, one in value.items()}
        if isinstance(value, list):
            return [self.places(one) for one in value]
        return value

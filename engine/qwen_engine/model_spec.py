"""What a family of models declares in its `model.py`: its engine, and how requests and answers are translated.

`qwen_engine.models` has one line for each, which adds tensors and settings.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from qwen_engine.loop import Model
from qwen_engine.messages import Inputs, Outputs


@dataclass(frozen=True)
class Immediate:
    """In place of a request: what needs no place in the batch. `run` is quick and makes the one event; it is not called
    where the request was cancelled."""

    run: Callable[[], Any]


@dataclass(frozen=True)
class SequenceStep:
    """Whose sequence a request belongs to, and whether it starts it, ends it, or both."""

    sequence_id: int | str
    start: bool
    end: bool


class ModelSpec(ABC):
    """A subclass opens its engine where it is made.

    class ChartModel(ModelSpec):
        def __init__(self, settings: ChartSettings) -> None:
            self.settings = settings
            self.engine = ChartEngine(settings)
    """

    settings: Any
    engine: Model[Any]

    @abstractmethod
    def __init__(self, settings: Any) -> None: ...

    @abstractmethod
    def read(self, inputs: Inputs, *steps: SequenceStep) -> tuple[Any, Any]:
        """The engine's request (or what is `Immediate`), and what `encode` needs to know of it, such as its options.

        For a model with sequences there is a step, too. What `encode` needs to know has a field `stream` where the
        model is decoupled. Raises `InvalidRequest`.
        """

    @abstractmethod
    def encode(self, event: Any, asked: Any) -> Outputs:
        """The payloads that an event of the engine makes."""

    def join(self, events: Sequence[Any]) -> Any:
        """One event of all that there were, for an answer that comes whole."""
        return events[-1]

    def encode_end(self, closing: dict[str, Any], asked: Any) -> Outputs:
        """The payloads that come with an answer's end alone, of what the engine tells of the whole."""
        return {}

    def takes_long(self, inputs: Inputs) -> bool:
        """Whether a request is read apart, on a thread of its own: one with files."""
        return inputs.has_file

    def close(self) -> None:
        """Let go of what was opened beside the engine."""
        return None

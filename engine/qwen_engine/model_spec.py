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
        """The engine's request (or what is `Immediate`), and its context for `encode`, such as its options.

        A model with sequences gets a step, too. The context has a field `stream` where the model is decoupled. Raises
        `InvalidRequest`.
        """

    @abstractmethod
    def encode(self, event: Any, context: Any) -> Outputs:
        """The outputs for an event of the engine."""

    def join(self, events: Sequence[Any]) -> Any:
        """All events as one, for an answer that is not streamed."""
        return events[-1]

    def encode_end(self, closing: dict[str, Any], context: Any) -> Outputs:
        """Outputs of the end alone, from the engine's figures of the whole request."""
        return {}

    def takes_long(self, inputs: Inputs) -> bool:
        """Whether a request is read on a reader's thread: one with files."""
        return inputs.has_file

    def close(self) -> None:
        """Close what was opened beside the engine."""
        return None

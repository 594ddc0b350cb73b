"""What of the answers of a chain's stages is not as it should be."""

from collections.abc import Iterable, Iterator

from qwen_client.shortfalls import Shortfall, of_answer
from qwen_wire.chains import Stage, StageResult, StageSkipped


def of_stages(events: Iterable[Stage]) -> tuple[Shortfall, ...]:
    """Of the events of a chain."""
    return tuple(shortfall for event in events for shortfall in _of_stage(event))


def _of_stage(event: Stage) -> Iterator[Shortfall]:
    match event:
        case StageResult(output="EVENT" | "RESULT", value={"finish_reason": _} as outcome):
            for kind, message in of_answer(outcome):
                yield Shortfall(kind, message, event.stage, event.item)
        case StageSkipped(item=int(), reason=why):
            yield Shortfall("skipped", f"was left out: {why}", event.stage, event.item)

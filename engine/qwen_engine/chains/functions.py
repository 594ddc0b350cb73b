"""What nodes compute besides calling models: pure functions of JSON, by name; quick, since all runs wait for them."""

import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from qwen_engine.chains import lessons, minutes, scenes, transcripts
from qwen_engine.errors import EngineError, Internal, InvalidRequest

log = logging.getLogger(__name__)

RESULT = "RESULT"  # a function's one output


def join_texts(texts: Sequence[str | None], separator: str = " ") -> str:
    """The texts in a row; those that are null or empty are left out."""
    return separator.join(text for text in texts if text)


def first_of(values: Sequence[Any]) -> Any:
    """The first that is not null and not empty, as where a text may be spoken or written; null where there is none."""
    return next((value for value in values if value), None)


FUNCTIONS: dict[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        join_texts,
        first_of,
        transcripts.merge_transcripts,
        transcripts.meeting_texts,
        minutes.meeting_day,
        minutes.meeting_minutes,
        minutes.minutes_charts,
        minutes.illustration_prompt,
        scenes.shot,
        scenes.readings,
        lessons.whole_text,
        lessons.lesson_language,
        lessons.translation_requests,
        lessons.localised_lessons,
        lessons.concept_charts,
        lessons.narration,
    )
}


def check_arguments(name: str, arguments: Mapping[str, Any], where: str) -> None:
    """Raise `InvalidRequest` where there is no such function, or it does not take these arguments."""
    if name not in FUNCTIONS:
        raise InvalidRequest(f"{where}.function is {name!r}, which is unknown; known: {', '.join(sorted(FUNCTIONS))}")
    try:
        inspect.signature(FUNCTIONS[name]).bind(**arguments)
    except TypeError as error:
        raise InvalidRequest(f"{where}.arguments: {name} has {error}") from None


def call(name: str, arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The outputs of a function.

    Raises:
        InvalidRequest: as the function says.
        Internal: it failed; most often because of JSON of another shape than it reads.
    """
    try:
        return {RESULT: FUNCTIONS[name](**arguments)}
    except EngineError:
        raise
    except Exception:
        log.exception("the function %s failed", name)
        raise Internal() from None

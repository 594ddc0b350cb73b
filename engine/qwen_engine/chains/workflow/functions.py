"""What nodes compute besides calling models: pure functions of JSON, by name; quick, since all runs wait for them."""

import functools
import inspect
import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, create_model
from pydantic_core import ErrorDetails

from qwen_engine.chains.tasks import lessons, minutes, scenes, transcripts
from qwen_engine.chains.workflow.memory import text_bytes, value_bytes
from qwen_wire.errors import InvalidRequest, QwenError, ServerError
from qwen_wire.json_text import cut, first_problem, place, shown

log = logging.getLogger(__name__)

RESULT = "RESULT"  # a function's one output
ANY = 2**62  # bytes: arguments have been measured
QUICK_BYTES = 100_000  # of arguments: functions of less take milliseconds
QUICK_MADE_BYTES = 2_000  # of those that make much of them


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


# What some functions make is many times what they are given: an upper bound of it, before it is made.
MADE_BYTES: dict[str, Callable[..., int]] = {
    "join_texts": lambda texts, separator=" ": value_bytes(texts, ANY) + len(texts) * text_bytes(separator),
    "readings": lambda variants, voices: (
        max(1, len(voices)) * value_bytes([*variants], ANY) + len(variants) * value_bytes([*voices], ANY)
    ),
    "translation_requests": lambda lesson, languages, source: 3 * len(set(languages)) * value_bytes(lesson, ANY),
    "localised_lessons": lambda lesson, requests, translations, languages, source: (
        (1 + len(set(languages))) * value_bytes(lesson, ANY)
    ),
}


def is_quick(name: str, num_bytes: int) -> bool:
    """Whether a function of arguments of so many bytes is done before others would notice."""
    return num_bytes <= (QUICK_MADE_BYTES if name in MADE_BYTES else QUICK_BYTES)


def check_arguments(name: str, arguments: Mapping[str, Any], where: str) -> None:
    """Raise `InvalidRequest` where there is no such function, or it does not take these arguments."""
    if name not in FUNCTIONS:
        raise InvalidRequest(
            f"{where}.function is {cut(name)!r}, which is unknown; known: {', '.join(sorted(FUNCTIONS))}"
        )
    try:
        inspect.signature(FUNCTIONS[name]).bind(**arguments)
    except TypeError as error:
        raise InvalidRequest(f"{where}.arguments: {name} has {cut(str(error))}") from None


def call(name: str, arguments: Mapping[str, Any], max_bytes: int) -> dict[str, Any]:
    """The outputs of a function.

    Raises:
        InvalidRequest: an argument is of another type or shape than it takes, or as the function says, or what it
            makes would be more than `max_bytes`.
        ServerError: it failed.
    """
    _check_types(name, arguments)
    bound = MADE_BYTES.get(name)
    if bound is not None and (num_bytes := bound(**arguments)) > max_bytes:
        raise InvalidRequest(f"{name} would make a value of {num_bytes} bytes; the limit is {max_bytes}")
    try:
        return {RESULT: FUNCTIONS[name](**arguments)}
    except QwenError:
        raise
    except Exception:
        log.exception("the function %s failed", name)
        raise ServerError() from None


def _check_types(name: str, arguments: Mapping[str, Any]) -> None:
    try:
        schema(name).model_validate(dict(arguments))
    except ValidationError as error:
        raise InvalidRequest(first_problem(error.errors(include_url=False), partial(_explain, name))) from None


@functools.cache
def schema(name: str) -> type[BaseModel]:
    """The arguments of a function, as its signature says."""
    parameters = inspect.signature(FUNCTIONS[name]).parameters.values()
    fields: dict[str, Any] = {
        one.name: (one.annotation, ... if one.default is one.empty else one.default) for one in parameters
    }
    return create_model(name, __config__=ConfigDict(strict=True), **fields)


def _explain(name: str, problem: ErrorDetails) -> str:
    if problem["type"] == "value_error":
        return f"{name}.arguments.{place(problem)} {problem['ctx']['error']}"
    given = "missing" if problem["type"] == "missing" else f"{shown(problem['input'])}: {problem['msg']}"
    return f"{name}.arguments.{place(problem)} is {given}"

"""From what a caller sends to a request of the chat engine."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from qwen_engine.chat.checkpoint import ChatCheckpoint
from qwen_engine.chat.grammar import Grammar
from qwen_engine.chat.request import ChatRequest
from qwen_engine.errors import InvalidRequest
from qwen_engine.messages import Inputs
from qwen_engine.options import ChatOptions, Given, parse_options, parse_text
from qwen_engine.sampling import Sampling
from qwen_engine.settings import ChatSettings

MAX_SCHEMA_CHARS = 50_000
GUIDE_TYPE = "json_schema"
# Tensors of one number, and the field of OPTIONS that each of them gives.
NUMBERS = {
    "stream": "stream",
    "max_tokens": "max_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "seed": "seed",
    "random_seed": "seed",
}


def read_options(inputs: Inputs) -> ChatOptions:
    """OPTIONS, and the tensors that say the same. Raises `InvalidRequest` by the name of what is wrong."""
    given = {
        field: Given(tensor, number)
        for tensor, field in NUMBERS.items()
        if (number := inputs.number(tensor)) is not None
    }
    if words := inputs.items["stop_words"]:
        given["stop"] = Given("stop_words", [parse_text(word, "stop_words") for word in words])
    if inputs["guided_decoding_guide"]:
        given["json_schema"] = Given("guided_decoding_guide", _guide(inputs))
    return parse_options(ChatOptions, inputs["OPTIONS"] or b"{}", given)


def read_request(text: str, options: ChatOptions, settings: ChatSettings, checkpoint: ChatCheckpoint) -> ChatRequest:
    """What to write: an answer to `options.messages`, or what follows `text` as it is.

    Raises:
        InvalidRequest: too long, both or neither given, or something that the checkpoint cannot do.
    """
    _check_prompt(text, options, settings, checkpoint)
    grammar = _grammar(options.json_schema, checkpoint)
    prompt, thinking = checkpoint.tokens.ids(text), None
    if options.messages is not None:
        messages = [message.model_dump() for message in options.messages]
        prompt = checkpoint.tokens.conversation(messages, thinking=options.thinking)
        thinking = checkpoint.tokens.opens_thinking(prompt)
        if options.thinking and grammar is not None and not thinking:  # else the grammar would leave no room for it
            prompt, thinking = checkpoint.tokens.begin_thinking(prompt), True
    return ChatRequest(
        prompt=prompt,
        max_tokens=settings.max_tokens if options.max_tokens is None else options.max_tokens,
        sampling=_sampling(options, settings, checkpoint),
        seed=options.seed,
        thinking=thinking,
        stop=options.stop,
        grammar=grammar,
        stream=options.stream,
    )


def _guide(inputs: Inputs) -> Any:
    kind = parse_text(inputs["guided_decoding_guide_type"], "guided_decoding_guide_type")
    if kind != GUIDE_TYPE:
        raise InvalidRequest(f"guided_decoding_guide_type is {kind!r}; allowed: {GUIDE_TYPE}")
    try:
        return json.loads(inputs["guided_decoding_guide"])
    except ValueError as error:
        raise InvalidRequest(f"guided_decoding_guide is not JSON: {error}") from error


def _check_prompt(text: str, options: ChatOptions, settings: ChatSettings, checkpoint: ChatCheckpoint) -> None:
    if text and options.messages is not None:
        raise InvalidRequest("text_input and OPTIONS.messages are both given; leave one of them out")
    if not text and options.messages is None:
        raise InvalidRequest("text_input is empty; send a prompt, or OPTIONS.messages")
    if options.thinking and not (options.messages and checkpoint.tokens.thinks):
        raise InvalidRequest(
            "OPTIONS.thinking is true; it goes with OPTIONS.messages and a checkpoint whose chat template has thinking"
        )
    length = len(text) + sum(len(message.content) for message in options.messages or ())
    if length > settings.max_prompt_chars:
        raise InvalidRequest(f"the prompt has {length} characters; the limit is {settings.max_prompt_chars}")
    if options.messages is not None and not options.messages:
        raise InvalidRequest("OPTIONS.messages is empty; the last one must be the user's")
    if options.messages and options.messages[-1].role != "user":
        role = options.messages[-1].role
        raise InvalidRequest(f"OPTIONS.messages end with a message of the {role}; the last one must be the user's")


def _grammar(schema: Mapping[str, Any] | None, checkpoint: ChatCheckpoint) -> Grammar | None:
    if schema is None:
        return None
    if (length := len(json.dumps(schema))) > MAX_SCHEMA_CHARS:
        raise InvalidRequest(f"OPTIONS.json_schema has {length} characters; the limit is {MAX_SCHEMA_CHARS}")
    return checkpoint.grammars.compile(schema)


def _sampling(options: ChatOptions, settings: ChatSettings, checkpoint: ChatCheckpoint) -> Sampling:
    """The request's wishes before the profile's, and those before the checkpoint's."""
    asked: dict[str, Any] = {
        "temperature": settings.temperature if options.temperature is None else options.temperature,
        "top_k": options.top_k,
        "top_p": options.top_p,
    }
    return replace(
        checkpoint.config.sampling,
        **{name: value for name, value in asked.items() if value is not None},
        presence_penalty=options.presence_penalty,
        frequency_penalty=options.frequency_penalty,
    )

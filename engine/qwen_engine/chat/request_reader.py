"""Requests of the chat engine from the tensors of `qwen3_chat`."""

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from qwen_engine.chat.checkpoint import ChatCheckpoint
from qwen_engine.chat.grammar import Grammar
from qwen_engine.chat.request import ChatRequest
from qwen_engine.chat.settings import ChatSettings
from qwen_engine.chat.tensors import NO_END, PLAIN, AnswerStyle, tensor_fields
from qwen_engine.messages import Inputs
from qwen_engine.sampling import Sampling
from qwen_engine.seeds import seed_or_random
from qwen_engine.tenants import DEFAULT_TENANT
from qwen_wire.errors import InvalidRequest
from qwen_wire.options import ChatOptions, parse_options

MAX_SCHEMA_CHARS = 50_000
ALL_TOKENS = -1  # as in other servers
LONG_BYTES = 20_000


def takes_long(inputs: Inputs) -> bool:
    """Whether a request takes longer to read than others should wait: a long prompt, or a schema to be checked."""
    text, options = inputs["text_input"], inputs["OPTIONS"]
    may_have_schema = b"json_schema" in options or b"\\u" in options or bool(inputs["guided_decoding_guide_type"])
    return may_have_schema or len(text) + len(options) > LONG_BYTES


def read_options(inputs: Inputs) -> ChatOptions:
    """OPTIONS, and the tensors with the same meaning. Raises `InvalidRequest` by the name of what is wrong."""
    return parse_options(ChatOptions, inputs["OPTIONS"] or b"{}", tensor_fields(inputs))


def read_request(
    text: str,
    options: ChatOptions,
    settings: ChatSettings,
    checkpoint: ChatCheckpoint,
    asked: AnswerStyle = PLAIN,
    tenant: str = DEFAULT_TENANT,
) -> ChatRequest:
    """A request of `tenant`: the answer to `options.messages`, or the continuation of `text`.

    Raises:
        InvalidRequest: too long, both or neither given, or not supported by the checkpoint.
    """
    _check_prompt(text, options, settings, checkpoint)
    grammar = _grammar(options.json_schema, checkpoint, tenant)
    prompt, thinking = checkpoint.tokens.ids(text), None
    if options.messages is not None:
        messages = [message.model_dump() for message in options.messages]
        prompt = checkpoint.tokens.conversation(messages, thinking=options.thinking)
        thinking = checkpoint.tokens.opens_thinking(prompt)
        if options.thinking and grammar is not None and not thinking:  # else the grammar would leave no room for it
            prompt, thinking = checkpoint.tokens.begin_thinking(prompt), True
    max_tokens = settings.max_tokens if options.max_tokens is None else options.max_tokens
    return ChatRequest(
        prompt=prompt,
        max_tokens=max_tokens,
        sampling=_sampling(options, settings, checkpoint),
        seed=seed_or_random(options.seed),
        thinking=thinking,
        stop=options.stop,
        grammar=grammar,
        min_tokens=max_tokens if asked.end_id == NO_END else options.min_tokens,
        end_ids=_end_ids(asked, checkpoint),
    )


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


def _end_ids(asked: AnswerStyle, checkpoint: ChatCheckpoint) -> frozenset[int]:
    """The caller's end token, if the checkpoint has it: clients may send those of other models."""
    token = asked.end_id
    is_known = token is not None and 0 <= token < checkpoint.language_model.num_tokens
    return frozenset([token]) if is_known and token is not None else frozenset()


def _grammar(schema: Mapping[str, Any] | None, checkpoint: ChatCheckpoint, tenant: str) -> Grammar | None:
    if schema is None:
        return None
    if (length := len(json.dumps(schema))) > MAX_SCHEMA_CHARS:
        raise InvalidRequest(f"OPTIONS.json_schema has {length} characters; the limit is {MAX_SCHEMA_CHARS}")
    return checkpoint.grammars.compile(schema, tenant)


def _sampling(options: ChatOptions, settings: ChatSettings, checkpoint: ChatCheckpoint) -> Sampling:
    """The request's values before the profile's, and those before the checkpoint's."""
    asked: dict[str, Any] = {
        "temperature": settings.temperature if options.temperature is None else options.temperature,
        "top_k": 0 if options.top_k == ALL_TOKENS else options.top_k,
        "top_p": options.top_p,
    }
    return replace(
        checkpoint.config.sampling,
        **{name: value for name, value in asked.items() if value is not None},
        repetition_penalty=options.repetition_penalty,
        presence_penalty=options.presence_penalty,
        frequency_penalty=options.frequency_penalty,
    )

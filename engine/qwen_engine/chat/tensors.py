"""The tensors that clients of TensorRT-LLM's models send: docs/wire-protocol.md has the table.

Some of them stand for fields of OPTIONS. Others change the form of the answer. The rest is not supported; clients send
them all the same, with values that have no effect.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from qwen_engine.messages import Inputs
from qwen_wire.errors import InvalidRequest
from qwen_wire.json_text import cut, read_json
from qwen_wire.options import TensorValue, parse_text

GUIDES = ("json", "json_schema")
# Tensors of one number, and the field of OPTIONS that each of them sets.
FIELDS = {
    "stream": "stream",
    "max_tokens": "max_tokens",
    "min_tokens": "min_tokens",
    "min_length": "min_tokens",
    "temperature": "temperature",
    "top_p": "top_p",
    "top_k": "top_k",
    "repetition_penalty": "repetition_penalty",
    "presence_penalty": "presence_penalty",
    "frequency_penalty": "frequency_penalty",
    "seed": "seed",
    "random_seed": "seed",
}
NO_END = -1


@dataclass(frozen=True)
class Neutral:
    """The values of a tensor that have no effect, in words, too."""

    fits: Callable[[Any], bool]
    words: str


ONE = Neutral(lambda number: number == 1, "1")
FALSE = Neutral(lambda flag: not flag, "false")
EMPTY = Neutral(lambda word: not word, "empty texts")
# pad_id, length_penalty and early_stopping are not among them: without padding and beams, none of their values matters.
NEUTRAL = {
    "beam_width": ONE,
    "num_return_sequences": ONE,
    "return_log_probs": FALSE,
    "return_context_logits": FALSE,
    "return_generation_logits": FALSE,
    "return_perf_metrics": FALSE,
    "bad_words": EMPTY,
    "embedding_bias_words": EMPTY,
}


@dataclass(frozen=True)
class AnswerStyle:
    """The form of an answer, and its end besides the checkpoint's own tokens.

    `echo`: it begins with the prompt, where it comes whole. `counts`: the requested ones of the model's `counts`.
    `end_id`: a token that ends it, too; -1: it has `max_tokens` tokens, without an end.
    """

    echo: bool = False
    counts: frozenset[str] = frozenset()
    end_id: int | None = None


PLAIN = AnswerStyle()


def tensor_fields(inputs: Inputs) -> Mapping[str, TensorValue]:
    """The fields of OPTIONS that tensors set. Raises `InvalidRequest` by the name of the tensor."""
    fields: dict[str, TensorValue] = {}
    for tensor, field in FIELDS.items():
        if (number := inputs.number(tensor)) is not None:
            _add(fields, field, TensorValue(tensor, number))
    words = [parse_text(word, "stop_words") for word in inputs.several("stop_words")]
    if words := [word for word in words if word]:
        _add(fields, "stop", TensorValue("stop_words", words))
    if inputs["guided_decoding_guide_type"] or inputs["guided_decoding_guide"]:
        _add(fields, "json_schema", TensorValue("guided_decoding_guide", _guide(inputs)))
    return fields


def read_answer_style(inputs: Inputs) -> AnswerStyle:
    """The form of the answer. Raises `InvalidRequest` for what is not supported."""
    for tensor, neutral in NEUTRAL.items():
        for value in inputs.several(tensor):
            if not neutral.fits(value):
                raise InvalidRequest(
                    f"{tensor} is {_shown(value)}, which this model does not do; allowed: {neutral.words}"
                )
    end_id = inputs.number("end_id")
    if end_id is not None and end_id < NO_END:
        raise InvalidRequest(f"end_id is {end_id}; allowed: the number of a token, or {NO_END}: the answer has no end")
    return AnswerStyle(
        echo=inputs.number("exclude_input_in_output") is False,
        counts=frozenset(name for name in ("num_input_tokens", "num_output_tokens") if inputs.number(f"return_{name}")),
        end_id=None if end_id is None else int(end_id),
    )


def _add(fields: dict[str, TensorValue], field: str, value: TensorValue) -> None:
    """Two tensors for the same field must agree."""
    if field in fields and fields[field].value != value.value:
        raise InvalidRequest(
            f"{fields[field].tensor} is {fields[field].value} and {value.tensor} {value.value}: leave one of them out"
        )
    fields[field] = value


def _guide(inputs: Inputs) -> Any:
    kind = parse_text(inputs["guided_decoding_guide_type"], "guided_decoding_guide_type")
    if kind not in GUIDES:
        raise InvalidRequest(f"guided_decoding_guide_type is {cut(kind)!r}; allowed: {', '.join(GUIDES)}")
    return {} if kind == "json" else read_json(inputs["guided_decoding_guide"], "guided_decoding_guide")


def _shown(value: Any) -> str:
    return repr(cut(value.decode(errors="replace"))) if isinstance(value, bytes) else str(value).lower()

"""Answers that are JSON of a given schema: each row's next token is one that its schema allows.

llguidance turns the schema into a grammar over the checkpoint's tokens. (xgrammar does so too, but brings a compiler
for GPUs with it, 286 MB.)
"""

import json
import threading
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from llguidance import LLMatcher, LLTokenizer
from llguidance.numpy import allocate_token_bitmask, fill_next_token_bitmask

from qwen_engine.errors import InvalidRequest
from qwen_engine.graphs import sent

if TYPE_CHECKING:
    from llguidance._lib import JsonCompileOptions

# Between two parts of the JSON: nothing, a space, or a line break with its indentation. More would let a model that is
# lost write blanks for ever.
WHITE_SPACE = r"(?: |\n {0,32})?"
OPTIONS: "JsonCompileOptions" = {"lenient": False, "whitespace_flexible": False, "whitespace_pattern": WHITE_SPACE}
MAX_KEPT = 64
BITS = 32


class Guard:
    """Where one answer stands in its schema."""

    def __init__(self, matcher: LLMatcher) -> None:
        self._matcher = matcher

    @property
    def complete(self) -> bool:
        """Whether the JSON is whole, and nothing may follow."""
        stopped: bool = self._matcher.is_stopped()
        return stopped

    def allow(self, mask: np.ndarray, row: int) -> None:
        """Write what may come next into `mask` (rows, words) int32, a bit a token."""
        fill_next_token_bitmask(self._matcher, mask, row)
        self._require_alive()

    def take(self, token: int) -> None:
        """Go on by the token that was drawn."""
        self._matcher.consume_token(token)
        self._require_alive()

    def _require_alive(self) -> None:
        if self._matcher.is_error():
            raise InvalidRequest(f"OPTIONS.json_schema cannot be followed: {_first_line(self._matcher.get_error())}")


class Grammar:
    """A schema, ready to guard any number of answers."""

    def __init__(self, matcher: LLMatcher) -> None:
        self._matcher = matcher

    def begin(self) -> Guard:
        return Guard(self._matcher.deep_copy())


class Grammars:
    """Compiles schemas, and keeps the last ones: chains ask for the same again and again. Any thread."""

    def __init__(self, tokenizer: LLTokenizer) -> None:
        self._tokenizer = tokenizer
        self._kept: OrderedDict[str, Grammar] = OrderedDict()
        self._lock = threading.Lock()

    def compile(self, schema: Mapping[str, Any]) -> Grammar:
        """The grammar of a JSON schema.

        Raises:
            InvalidRequest: not a schema, or it asks for what cannot be guarded; the message says what.
        """
        key = json.dumps(schema)
        with self._lock:
            if key not in self._kept:
                self._kept[key] = self._compiled(key)
            self._kept.move_to_end(key)
            if len(self._kept) > MAX_KEPT:
                self._kept.popitem(last=False)
            return self._kept[key]

    def _compiled(self, schema: str) -> Grammar:
        grammar = LLMatcher.grammar_from_json_schema(schema, overrides=OPTIONS)
        matcher = LLMatcher(self._tokenizer, grammar, log_level=0)
        if matcher.is_error():
            raise InvalidRequest(f"OPTIONS.json_schema cannot be used: {_first_line(matcher.get_error())}")
        return Grammar(matcher)


class Masks:
    """Keeps the rows that have a guard from drawing what it forbids."""

    def __init__(self, num_tokens: int, device: torch.device) -> None:
        self._num_tokens = num_tokens
        self._device = device
        self._bits = torch.arange(BITS, dtype=torch.int32, device=device)

    def words(self, num_guards: int) -> np.ndarray:
        """(guards, words) int32 to write into, all tokens allowed."""
        words: np.ndarray = allocate_token_bitmask(num_guards, self._num_tokens)
        return words

    def apply(self, logits: torch.Tensor, rows: Sequence[int], words: np.ndarray) -> torch.Tensor:
        """`logits` (rows, tokens) where only what `words` (guards, words) allow is left in `rows`, one for each."""
        if not rows:
            return logits
        allowed = sent(torch.from_numpy(words), self._device)[..., None] >> self._bits & 1
        allowed = allowed.flatten(1)[:, : self._num_tokens].bool()
        places = sent(torch.tensor(rows), self._device)
        return logits.index_copy(0, places, logits[places].masked_fill(~allowed, -torch.inf))


def _first_line(message: str) -> str:
    return message.strip().splitlines()[0] if message.strip() else "it is too large"

"""The tokenizer of one chat checkpoint: messages to token ids, token ids to bytes."""

import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import chain
from pathlib import Path

from jinja2 import TemplateError
from transformers import AutoTokenizer

from qwen_wire.errors import InvalidRequest

THINK, END_OF_THINK = "<think>", "</think>"
PRIVATE_USE = (range(0xE000, 0xF900), range(0xF0000, 0xFFFFE), range(0x100000, 0x10FFFE))  # without a meaning


class ChatTokens:
    """Reads tokenizer.json and the chat template of a checkpoint folder.

    Example:
        tokens = ChatTokens(folder)
        ids = tokens.conversation([{"role": "user", "content": "Hello"}], thinking=False)
        tokens.bytes_of(ids[0])
    """

    def __init__(self, folder: Path) -> None:
        description = json.loads((folder / "tokenizer.json").read_bytes())
        if (description.get("decoder") or {}).get("type") != "ByteLevel":
            raise ValueError(f"the tokenizer in {folder} is not a byte-level one, as Qwen's are")
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._encoder = self._tokenizer.backend_tokenizer
        self._added = self._encoder.get_added_tokens_decoder()
        self._special = {added.content for added in self._added.values() if added.special}
        self._bytes = {number: _bytes_of(token) for token, number in description["model"]["vocab"].items()}
        self._bytes |= {
            number: b"" if added.special else added.content.encode() for number, added in self._added.items()
        }
        self.think: int | None = self._encoder.token_to_id(THINK)
        self.end_of_think: int | None = self._encoder.token_to_id(END_OF_THINK)

    @cached_property
    def thinks(self) -> bool:
        """Whether the checkpoint's template lets the model think before it answers."""
        template = self._tokenizer.chat_template or ""
        return None not in (self.think, self.end_of_think) and "enable_thinking" in template

    def conversation(self, messages: Sequence[Mapping[str, str]], *, thinking: bool) -> list[int]:
        """The ids of `messages` (role, content) in the checkpoint's template, up to where the answer begins.

        Control tokens in contents are escaped: only the template writes them.

        Raises:
            InvalidRequest: the template does not take these messages.
        """
        mark = self._unused_character(messages)
        marked = [{**message, "content": self._marked(message, mark)} for message in messages]
        try:
            text: str = self._tokenizer.apply_chat_template(
                marked, tokenize=False, add_generation_prompt=True, enable_thinking=thinking
            )
        except (TemplateError, ValueError) as error:
            raise InvalidRequest(f"OPTIONS.messages do not fit the checkpoint's chat template: {error}") from error
        return [token for part in text.split(mark) for token in self.ids(part)]

    def ids(self, text: str) -> list[int]:
        """The ids of a prompt, control tokens included."""
        # `encode` would hold the GIL, for 0.4 s with a long text
        ids: list[int] = self._encoder.encode_batch_fast([text], add_special_tokens=False)[0].ids
        return ids

    def bytes_of(self, token: int) -> bytes:
        """The UTF-8 bytes of a token; none for control tokens and numbers without a token."""
        return self._bytes.get(token, b"")

    def opens_thinking(self, prompt: Sequence[int]) -> bool:
        """Whether the answer to `prompt` begins inside the model's thinking."""
        for token in reversed(prompt):
            if token in (self.think, self.end_of_think):
                return token == self.think
        return False

    def begin_thinking(self, prompt: Sequence[int]) -> list[int]:
        """`prompt` and the mark that begins the thinking, of a checkpoint that `thinks`."""
        assert self.think is not None
        return [*prompt, self.think]

    def description(self) -> str:
        """The tokenizer.json."""
        text: str = self._encoder.to_str()
        return text

    def _marked(self, message: Mapping[str, str], mark: str) -> str:
        """The content with `mark` inside all control tokens. An assistant's may have its thinking, which the template
        removes."""
        names = self._special if message["role"] == "assistant" else {added.content for added in self._added.values()}
        content = message["content"]
        for name in names:
            content = content.replace(name, name[0] + mark + name[1:])
        return content

    def _unused_character(self, messages: Sequence[Mapping[str, str]]) -> str:
        used = {character for message in messages for character in message["content"]}
        for code in chain.from_iterable(PRIVATE_USE):
            if chr(code) not in used:
                return chr(code)
        raise InvalidRequest("OPTIONS.messages have every private-use character of Unicode; leave one of them out")


def _bytes_of(token: str) -> bytes:
    return bytes(BYTE_OF[character] for character in token)


def _byte_alphabet() -> dict[str, int]:
    """Byte-level tokenizers write each byte as a character: printable ones as themselves, the others, in order, as
    those from U+0100 on."""
    printable = {*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)}
    others = [byte for byte in range(256) if byte not in printable]
    return {chr(byte): byte for byte in printable} | {chr(256 + index): byte for index, byte in enumerate(others)}


BYTE_OF: Mapping[str, int] = _byte_alphabet()

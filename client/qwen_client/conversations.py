"""Conversations as callers write them: texts, or parts as OpenAI's API has them, with pictures among them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from qwen_client.pictures import picture_bytes
from qwen_wire.base64_text import decode_base64
from qwen_wire.errors import InvalidRequest

Message: TypeAlias = Mapping[str, Any]
"""{"role": "system", "user" or "assistant", "content": text, or parts}; a part is {"type": "text", "text": text},
{"type": "image", "image": a path, bytes, a binary file or a PIL image} or {"type": "image_url", "image_url": {"url":
"data:image/png;base64,..."}}."""
Messages: TypeAlias = str | Sequence[Message]
"""A conversation that ends with the user's words; a text alone is those."""


@dataclass(frozen=True)
class Conversation:
    """The messages to send, and the files of the pictures in them, in order. Without pictures contents are texts."""

    messages: list[dict[str, Any]]
    pictures: tuple[bytes, ...]


def read_conversation(messages: Messages, system: str | None) -> Conversation:
    """`messages` after the `system` message.

    Raises:
        InvalidRequest: no messages, or a part that is neither text nor picture.
    """
    if isinstance(messages, str):
        messages = [{"role": "user", "content": messages}]
    if isinstance(messages, Mapping) or not all(isinstance(one, Mapping) for one in messages):
        raise InvalidRequest('messages: give a text, or a list of {"role": "user", "content": "..."}')
    turns = [dict(one) for one in messages]
    if system is not None:
        turns.insert(0, {"role": "system", "content": system})
    pictures = tuple(_picture(part) for turn in turns for part in _parts(turn) if _is_picture(part))
    content = _with_places if pictures else _joined
    return Conversation([{**turn, "content": content(turn.get("content"))} for turn in turns], pictures)


def _parts(turn: Message) -> Iterator[Mapping[str, Any]]:
    """Raises `InvalidRequest` for those of other kinds."""
    content = turn.get("content")
    if not isinstance(content, list | tuple):
        return  # a text; what is none the server refuses
    for part in content:
        kind = part.get("type") if isinstance(part, Mapping) else None
        if kind not in ("text", "image", "image_url") or (kind == "text" and not isinstance(part.get("text"), str)):
            raise InvalidRequest(
                f"messages have a part of type {str(kind)[:40]}: give texts and pictures; "
                "client.asr.transcribe writes speech down"
            )
        yield part


def _is_picture(part: Mapping[str, Any]) -> bool:
    return bool(part["type"] != "text")


def _picture(part: Mapping[str, Any]) -> bytes:
    if part["type"] == "image":
        return picture_bytes(part.get("image"))  # type: ignore[arg-type]  # which refuses what is none
    url = part.get("image_url")
    url = url.get("url") if isinstance(url, Mapping) else url
    if not isinstance(url, str) or not url.startswith("data:"):
        raise InvalidRequest("messages have an image_url that is no data URI: the picture itself has to be sent")
    try:
        return decode_base64(url.encode("ascii", "replace"), "image_url")
    except InvalidRequest as error:
        raise InvalidRequest("messages have an image_url whose data URI holds no base64") from error


def _joined(content: Any) -> Any:
    return "\n".join(part["text"] for part in content) if isinstance(content, list | tuple) else content


def _with_places(content: Any) -> Any:
    """The parts as `qwen3_vl` takes them: where each picture stands."""
    if not isinstance(content, list | tuple):
        return content
    return [{"type": "image"} if _is_picture(part) else {"type": "text", "text": part["text"]} for part in content]

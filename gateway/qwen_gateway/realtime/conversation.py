"""The items of a realtime session, in their order."""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal

from qwen_gateway.errors import GatewayError, bad_request
from qwen_gateway.realtime.json_socket import new_id

ROOT = "root"  # as a previous item: before all others
MS_PER_LETTER, MS_PER_SIGN = 65.0, 220.0  # how long a letter, or a Chinese or Japanese sign, takes to say
FIRST_SIGN = "\u2e80"


@dataclass(eq=False)
class Item:
    """A message. `heard` is the text of what is said in it, which may be still to come; `audio_ms` were spoken."""

    role: Literal["system", "user", "assistant"]
    content: list[dict[str, Any]] = field(default_factory=list)
    status: Literal["in_progress", "completed", "incomplete"] = "completed"
    id: str = field(default_factory=lambda: new_id("item"))
    heard: "asyncio.Future[str] | None" = None
    audio_ms: float = 0.0

    def as_event(self) -> dict[str, Any]:
        head = {"id": self.id, "object": "realtime.item", "type": "message", "status": self.status, "role": self.role}
        return {**head, "content": [dict(part) for part in self.content]}

    @property
    def num_bytes(self) -> int:
        return sum(len(value) for part in self.content for value in part.values() if isinstance(value, str))

    async def message(self) -> dict[str, Any] | None:
        """For the chat model, once all is heard; None where it says nothing."""
        if self.heard is not None:
            await asyncio.wait((self.heard,))
        parts = [part for one in self.content if (part := _chat_part(one)) is not None]
        if not parts:
            return None
        if all(part["type"] == "text" for part in parts):
            return {"role": self.role, "content": "\n".join(part["text"] for part in parts)}
        return {"role": self.role, "content": parts}

    def truncate(self, content_index: int, end_ms: int) -> None:
        """Keep what was heard of the sound until `end_ms`.

        Raises:
            GatewayError: it has no such sound.
        """
        part = self.content[content_index] if 0 <= content_index < len(self.content) else {}
        if part.get("type") != "output_audio":
            raise bad_request("the item has no spoken content with this index", param="content_index")
        if end_ms > self.audio_ms:
            message = f"the audio has {self.audio_ms:.0f} ms, which is less than {end_ms}"
            raise bad_request(message, param="audio_end_ms", code="invalid_value")
        text = part["transcript"]
        # The text is written before it is spoken: of a reply that was cut, not all of it is in `audio_ms`.
        whole_ms = self.audio_ms if self.status == "completed" else max(self.audio_ms, _spoken_ms(text))
        part["transcript"] = _cut(text, end_ms / whole_ms if whole_ms else 0.0)
        self.audio_ms = end_ms


class Conversation:
    """Items up to a number and a size; beyond, the oldest go."""

    def __init__(self, max_items: int, max_bytes: int) -> None:
        self.id = new_id("conv")
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._items: list[Item] = []

    def __iter__(self) -> Iterator[Item]:
        return iter(tuple(self._items))

    def item(self, item_id: str) -> Item:
        """Raises `GatewayError` where there is none, or no longer."""
        for item in self._items:
            if item.id == item_id:
                return item
        raise GatewayError(404, f"there is no item {item_id[:80]!r}", param="item_id", code="item_not_found")

    def add(self, item: Item, previous_id: str | None = None) -> str | None:
        """The id of the item that it stands behind: the last one, unless told."""
        if any(one.id == item.id for one in self._items):
            raise bad_request(f"there is an item {item.id!r} already", param="item.id", code="invalid_value")
        at = len(self._items)
        if previous_id == ROOT:
            at = 0
        elif previous_id is not None:
            at = self._items.index(self.item(previous_id)) + 1
        self._items.insert(at, item)
        return self._items[at - 1].id if at else None

    def delete(self, item: Item) -> None:
        self._items.remove(item)

    def trim(self) -> list[Item]:
        """Deletes the oldest, as bounds ask for; what is in progress stays."""
        sizes = [item.num_bytes for item in self._items]
        total, num_items, gone = sum(sizes), len(sizes), []
        for item, size in zip(self._items[:-1], sizes, strict=False):
            if num_items <= self._max_items and total <= self._max_bytes:
                break
            if item.status == "in_progress":
                continue
            gone.append(item)
            num_items, total = num_items - 1, total - size
        for item in gone:
            self.delete(item)
        return gone


def _chat_part(part: dict[str, Any]) -> dict[str, Any] | None:
    if part["type"] == "input_image":
        return {"type": "image_url", "image_url": {"url": part["image_url"]}}
    text = part.get("text") or part.get("transcript")
    return {"type": "text", "text": text} if text else None


def _spoken_ms(text: str) -> float:
    return sum(MS_PER_SIGN if sign >= FIRST_SIGN else MS_PER_LETTER for sign in text)


def _cut(text: str, share: float) -> str:
    """A share of the text, in whole words where it has any."""
    kept = text[: round(len(text) * min(1.0, share))]
    if len(kept) == len(text) or " " not in text or text[len(kept)].isspace():
        return kept.rstrip()
    return kept.rpartition(" ")[0].rstrip()

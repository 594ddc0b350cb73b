"""Sound and pictures in chat completions: what is said to the model, and its answers spoken."""

import itertools
import time
import uuid
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

from qwen_gateway.context import Context
from qwen_gateway.errors import bad_request
from qwen_gateway.files import decoded
from qwen_gateway.openai.voice_names import voice_name
from qwen_gateway.remote_files import is_url
from qwen_gateway.sound_encoder import SoundFormat, encode_whole, encoded
from qwen_gateway.streaming import base64_text

KEPT_S = 3600


async def heard_messages(context: Context, messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The messages with what is said in their `input_audio` parts as text, and with pictures that lie elsewhere."""
    contents = [message["content"] for message in messages if isinstance(message["content"], list)]
    urls = filter(is_url, map(_url, itertools.chain.from_iterable(contents)))
    pictures = await context.remote_files.fetch_all(urls, "image_url")
    return [{**message, "content": await _heard(context, message["content"], pictures)} for message in messages]


async def _heard(context: Context, content: Any, pictures: Mapping[str, bytes]) -> Any:
    if not isinstance(content, list):
        return content
    return [await _heard_part(context, part, pictures) for part in content]


async def _heard_part(context: Context, part: Any, pictures: Mapping[str, bytes]) -> Any:
    kind = part.get("type") if isinstance(part, dict) else None
    if kind == "image_url" and (url := _url(part)) in pictures:
        return {"type": "image", "image": pictures[url]}
    if kind in ("text", "image_url"):
        return part
    if kind != "input_audio":  # also what the SDK knows beyond: paths of files
        raise bad_request(f"messages have a part of type {str(kind)[:40]!r}", param="messages")
    sound = part.get("input_audio")
    if not isinstance(sound, dict) or not isinstance(sound.get("data"), str):
        raise bad_request("an input_audio part holds no data", param="messages")
    audio = await decoded(sound["data"], "input_audio", context.settings.max_file_bytes)
    with context.upstream.server() as client:
        return {"type": "text", "text": (await client.asr.transcribe(audio)).text}


def _url(part: Any) -> str:
    """Of a part with a picture; empty where it has none, which the SDK refuses."""
    given = part.get("image_url") if isinstance(part, dict) else None
    url = given.get("url") if isinstance(given, dict) else given
    return url if isinstance(url, str) else ""


@dataclass(frozen=True)
class SpokenAnswer:
    """An answer as sound, in the form that OpenAI's API has for it. Streams hold samples (pcm16) only."""

    context: Context
    voice: str | dict[str, Any]
    sound_format: str
    is_stream: bool

    async def whole(self, text: str) -> dict[str, Any]:
        """`audio` of a message."""
        with self.context.upstream.server() as client:
            speech = await client.tts.synthesize(text, voice=self._voice)
        data = encode_whole(speech.samples, speech.sample_rate, self._format)
        return {**_head(), "data": base64_text(data), "transcript": text}

    async def deltas(self, text: str) -> AsyncGenerator[dict[str, Any], None]:
        """`audio` of the chunks of a stream: the transcript, then the sound."""
        head = _head()
        yield {**head, "transcript": text}
        with self.context.upstream.server() as client:
            stream = client.tts.stream(text, voice=self._voice)
            async with stream as chunks, aclosing(encoded(chunks, "pcm")) as parts:
                async for part in parts:
                    yield {"id": head["id"], "data": base64_text(part)}

    @property
    def _format(self) -> SoundFormat:
        return "pcm" if self.sound_format == "pcm16" else self.sound_format  # type: ignore[return-value]

    @property
    def _voice(self) -> str | None:
        return self.context.settings.aliases.voice(voice_name(self.voice))


def _head() -> dict[str, Any]:
    return {"id": f"audio_{uuid.uuid4().hex}", "expires_at": int(time.time()) + KEPT_S}

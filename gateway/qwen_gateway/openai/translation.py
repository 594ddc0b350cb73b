"""What was said, in English: each segment of a transcription by the chat model."""

import asyncio
from dataclasses import replace

from qwen_client import AsyncClient, Transcription
from qwen_gateway.context import Context
from qwen_wire.transcripts import Cue

ENGLISH = "English"
SYSTEM = "Translate the user's text into English. Answer with the translation only."
AT_ONCE = 4


async def in_english(context: Context, heard: Transcription) -> Transcription:
    """`heard` in English; as it is, where it was English or nothing was said."""
    if heard.language in (None, ENGLISH):
        return heard
    waiting = asyncio.Semaphore(AT_ONCE)
    with context.upstream.server() as client:
        texts = await asyncio.gather(*[_translated(client, waiting, one.text) for one in heard.segments or ()])
    segments = tuple(replace(one, text=text) for one, text in zip(heard.segments or (), texts, strict=True))
    cues = tuple(Cue(one.start_s, one.end_s, one.text) for one in segments)
    return replace(heard, text=" ".join(texts), language=ENGLISH, segments=segments, cues=cues, words=None)


async def _translated(client: AsyncClient, waiting: asyncio.Semaphore, text: str) -> str:
    async with waiting:
        return (await client.chat.complete(text, system=SYSTEM, temperature=0.0)).text

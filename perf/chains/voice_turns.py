"""One spoken question and its reply: in one call of the voice chat, or by calls for each step."""

import asyncio
import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from qwen_client import AsyncClient, ReplySound
from qwen_engine.chains.tasks.prompts import prompt

SEED = 7


@dataclass(frozen=True)
class Turn:
    """Seconds from the request to the first sound of the reply and to its end.

    `stages_s`: until each stage was reached, on the server's clock for the chain, else on the client's. `underrun_s`:
    how long a player that began with the first sound would have run dry.
    """

    first_sound_s: float
    total_s: float
    stages_s: Mapping[str, float]
    heard: str
    reply: str
    underrun_s: float = 0.0


async def in_one_call(client: AsyncClient, audio: bytes) -> Turn:
    """The voice chat."""
    sent_s = time.perf_counter()
    first_sound_s = None
    async with client.chains.voice_chat(audio, seed=SEED) as run:
        async for event in run:
            if first_sound_s is None and isinstance(event, ReplySound):
                first_sound_s = time.perf_counter() - sent_s
    total_s = time.perf_counter() - sent_s
    reply = await run.result()
    assert first_sound_s is not None
    return Turn(first_sound_s, total_s, reply.times_s, reply.heard, reply.text, reply.underrun_s)


async def step_by_step(client: AsyncClient, audio: bytes) -> Turn:
    """Recognition, chat and synthesis, each to its end: the first sound is the whole reply."""
    sent_s = time.perf_counter()
    heard = (await client.asr.transcribe(audio)).text
    heard_s = time.perf_counter() - sent_s
    reply = (await client.chat.complete(prompt("assistant").messages(heard), seed=SEED)).text
    written_s = time.perf_counter() - sent_s
    async with client.tts.stream(reply, seed=SEED) as chunks:
        arrivals_s = [time.perf_counter() - sent_s async for _ in chunks]
    total_s = time.perf_counter() - sent_s
    stages_s = {"heard_s": heard_s, "written_s": written_s, "speech_began_s": arrivals_s[0]}
    return Turn(total_s, total_s, stages_s, heard, reply)


async def by_turns(client: AsyncClient, questions: Sequence[bytes], at_once: int, turns_each: int) -> list[Turn]:
    """`at_once` callers, each of whom asks `turns_each` questions, one after another."""

    async def caller(number: int) -> list[Turn]:
        mine: Iterator[bytes] = itertools.islice(itertools.cycle(questions), number, number + turns_each)
        return [await in_one_call(client, audio) for audio in mine]

    each = await asyncio.gather(*(caller(number) for number in range(at_once)))
    return [turn for turns in each for turn in turns]


async def stopping_s(client: AsyncClient, audio: bytes) -> float:
    """Seconds from another utterance, sent as soon as the reply sounds, to that reply's last sound; 0: none came."""
    talk = client.chains.conversation(seed=SEED)
    async with talk, talk.say(audio) as run:
        interruption: asyncio.Task[object] | None = None
        sent_s = last_s = 0.0
        async for event in run:
            if not isinstance(event, ReplySound):
                continue
            if interruption is None:
                interruption = asyncio.create_task(talk.say(text="Thank you.").result())
                await asyncio.sleep(0)
                sent_s = last_s = time.perf_counter()
            else:
                last_s = time.perf_counter()
        assert interruption is not None
        await interruption
    return last_s - sent_s

"""The tools of the MCP server: what each takes, and the call of the SDK that it makes."""

import asyncio
import io
import json
import wave
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import mcp_types as types
from pydantic import Field, create_model

from qwen_client import AsyncClient, Picture, Progress
from qwen_gateway.api import AUTO, language_of
from qwen_gateway.body import Body, inlined
from qwen_gateway.errors import bad_request
from qwen_gateway.mcp_files import McpFiles
from qwen_gateway.sound_encoder import pcm16
from qwen_wire.chains import StageFailed, StageResult, StageStarted

Contents: TypeAlias = list[types.ContentBlock]
Report: TypeAlias = Callable[[float, float | None, str | None], Awaitable[None]]
FILE = (
    "base64, a data URI, a reference to a file that a tool has made, or an https URL where the server allows its host"
)
EVERY_DELTAS = 16  # of a chat's answer between two reports
MAX_FILES = 20
RESERVED = {"name", "text", "audio", "image", "deadline_s"}  # arguments of the call itself
TYPES = {b"\x89PNG": "image/png", b"RIFF": "audio/wav", b"\xff\xd8": "image/jpeg"}


@dataclass(frozen=True)
class Call:
    """One call of a tool: the server that takes it, files, and where its progress is told."""

    client: AsyncClient
    files: McpFiles
    report: Report


@dataclass(frozen=True)
class McpTool:
    """A tool; `run` takes a call and the checked arguments."""

    name: str
    description: str
    arguments: type[Body]
    run: Callable[[Call, Any], Awaitable[Contents]]

    @property
    def listed(self) -> types.Tool:
        return types.Tool(
            name=self.name, description=self.description, input_schema=inlined(self.arguments.model_json_schema())
        )


class Transcribe(Body):
    audio: str = Field(description=f"the recording: {FILE}")
    language: str = Field(default=AUTO, description="name or code; auto: detected")
    context: str = Field(default="", description="words to expect, such as names")


class Speak(Body):
    text: str = Field(min_length=1)
    voice: str | None = Field(default=None, description="a speaker or stored voice; none: the first speaker")
    instruction: str = Field(default="", description="how to speak, or a description of the voice")
    language: str = AUTO
    seed: int | None = Field(default=None, ge=0, lt=2**63)


class Draw(Body):
    prompt: str = Field(min_length=1)
    size: str | None = Field(default=None, description="WIDTHxHEIGHT or an aspect ratio such as 16:9")
    style: str | None = None
    negative_prompt: str | None = Field(default=None, description="what is not to be seen")
    steps: int | None = Field(default=None, ge=1)
    seed: int | None = Field(default=None, ge=0, lt=2**63, description="same seed, same picture")


class Edit(Draw):
    image: str = Field(description=f"the picture: {FILE}")
    mask: str | None = Field(default=None, description="white where the picture is to be drawn anew")


class Describe(Body):
    image: str = Field(description=f"the picture: {FILE}")
    question: str = ""
    language: str = AUTO


class Message(Body):
    role: Literal["system", "user", "assistant"]
    content: str


class Chat(Body):
    messages: list[Message] = Field(min_length=1, max_length=1000)
    max_tokens: int | None = Field(default=None, ge=1)
    temperature: float | None = Field(default=None, ge=0, le=2)
    json_schema: dict[str, Any] | None = Field(default=None, description="the answer is JSON of this schema")


class SpokenImage(Body):
    audio: str = Field(description=f"a recording that says what to draw: {FILE}")
    seed: int | None = Field(default=None, ge=0, lt=2**63)


async def _transcribe(call: Call, given: Transcribe) -> Contents:
    audio = await call.files.read(given.audio, "audio")
    language = language_of(given.language)
    return _text((await call.client.asr.transcribe(audio, language=language, context=given.context)).text)


async def _speak(call: Call, given: Speak) -> Contents:
    options = {"voice": given.voice, "instruction": given.instruction, "seed": given.seed}
    speech = call.client.tts.stream(given.text, language=language_of(given.language), **options)  # type: ignore[arg-type]
    samples, rate_hz = [], 0
    async with speech as chunks:
        async for chunk in chunks:
            samples.append(pcm16(chunk.samples).tobytes())
            rate_hz = chunk.sample_rate
            await call.report(sum(map(len, samples)) / 2 / rate_hz, None, "seconds of speech")
    return await call.files.content(await asyncio.to_thread(_wav, samples, rate_hz), "audio/wav")


def _wav(samples: Sequence[bytes], rate_hz: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate_hz)
        writer.writeframes(b"".join(samples))
    return file.getvalue()


async def _draw(call: Call, given: Draw, **pictures: Any) -> Contents:
    names = ("size", "style", "negative_prompt", "steps", "seed")
    options = {name: value for name in names if (value := getattr(given, name)) is not None}
    contents: Contents = []
    async with call.client.image.stream(given.prompt, **options, **pictures) as events:
        async for one in events:
            if isinstance(one, Picture):
                contents += await call.files.content(one.data, f"image/{one.format}")
            elif isinstance(one, Progress):
                await call.report(one.step, one.steps, "denoising steps")
    return contents


async def _edit(call: Call, given: Edit) -> Contents:
    mask = None if given.mask is None else await call.files.read(given.mask, "mask")
    image = await call.files.read(given.image, "image")
    return await _draw(call, given, images=image, mask=mask, task="edit" if mask is None else "inpaint")


async def _describe(call: Call, given: Describe) -> Contents:
    image = await call.files.read(given.image, "image")
    told = await call.client.vision.describe(image, given.question, language=language_of(given.language))
    return _text(told.text)


async def _chat(call: Call, given: Chat) -> Contents:
    options = {"max_tokens": given.max_tokens, "temperature": given.temperature, "json_schema": given.json_schema}
    known: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    messages = [one.model_dump() for one in given.messages]
    text, number = "", 0
    async with call.client.chat.stream(messages, **known) as deltas:
        async for delta in deltas:
            text += delta.text if delta.type == "text" else ""
            number += 1
            if number % EVERY_DELTAS == 1:
                await call.report(number, None, "parts of the answer")
    return _text(text)


async def _spoken_image(call: Call, given: SpokenImage) -> Contents:
    options: dict[str, Any] = {} if given.seed is None else {"seed": given.seed}
    made = await call.client.chains.spoken_image(await call.files.read(given.audio, "audio"), **options)
    return [*_text(made.heard), *await call.files.content(made.picture.data, f"image/{made.picture.format}")]


def _graph(name: str, description: str, **fields: Any) -> McpTool:
    """A chain that is a graph: a text, recordings or a picture, and inputs of its own."""
    inputs: Any = (dict[str, Any], Field(default_factory=dict, description="further inputs of the chain"))
    arguments = create_model(name, __base__=Body, **fields, inputs=inputs)

    async def run(call: Call, given: Any) -> Contents:
        sources = await _sources(call, given)
        if taken := sorted(RESERVED & set(given.inputs)):
            raise bad_request(f"inputs.{taken[0]}: give it beside inputs", param="inputs")
        contents: Contents = []
        number = 0
        async with call.client.chains.stages(name, **sources, **given.inputs) as stages:
            async for one in stages:
                if isinstance(one, StageResult):
                    contents += await _result(call, one)
                if isinstance(one, StageStarted | StageResult | StageFailed):
                    number += 1
                    await call.report(number, None, f"{one.stage}: {one.type.removeprefix('stage_')}")
        return contents

    return McpTool(name, description, arguments, run)


async def _sources(call: Call, given: Any) -> dict[str, Any]:
    fields = type(given).model_fields
    found: dict[str, Any] = {"text": given.text} if "text" in fields else {}
    if "audio" in fields:
        found["audio"] = [await call.files.read(one, "audio") for one in given.audio]
    if "image" in fields:
        found["image"] = await call.files.read(given.image, "image")
    return found


async def _result(call: Call, one: StageResult) -> Contents:
    media_type = next((kind for magic, kind in TYPES.items() if one.payload.startswith(magic)), None)
    if media_type is not None:
        return await call.files.content(one.payload, media_type)
    told = {key: value for key, value in one.to_dict().items() if key in ("stage", "item", "output", "value")}
    if one.payload:
        told["value"] = one.payload.decode(errors="replace")
    return _text(json.dumps(told, ensure_ascii=False))


def _text(text: str) -> Contents:
    return [types.TextContent(type="text", text=text)]


TEXT = (str, Field(min_length=1))
RECORDINGS = (list[str], Field(min_length=1, max_length=MAX_FILES, description=f"recordings, each {FILE}"))
QUESTION = (str, Field(default="", description="a question about the picture"))
PICTURE = (str, Field(description=f"the picture: {FILE}"))
TOOLS = {
    tool.name: tool
    for tool in (
        McpTool("transcribe", "Write down what is said in a recording.", Transcribe, _transcribe),
        McpTool("speak", "Speak a text; the result is a WAV file.", Speak, _speak),
        McpTool("draw", "Draw a picture from a description.", Draw, _draw),
        McpTool("edit", "Change a picture by instruction, or where a mask is white.", Edit, _edit),
        McpTool("describe", "Describe a picture, or answer a question about it.", Describe, _describe),
        McpTool("chat", "Answer a conversation with the server's own language model.", Chat, _chat),
        _graph("storyboard", "Make a storyboard of pictures and captions from a text.", text=TEXT),
        _graph("courseware", "Make an illustrated, spoken lesson from a text.", text=TEXT),
        _graph("product_ad", "Make an advertisement from the description of a product.", text=TEXT),
        _graph("meeting_minutes", "Write minutes with tasks and charts from recordings.", audio=RECORDINGS),
        _graph("describe_aloud", "Describe a picture and speak the description.", image=PICTURE, text=QUESTION),
        McpTool("spoken_image", "Draw what a recording asks for.", SpokenImage, _spoken_image),
    )
}

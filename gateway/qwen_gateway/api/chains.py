"""POST /api/v1/chains/{name}: every chain, its events as they come (server-sent events)."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from http import HTTPStatus
from typing import Any, TypeAlias

from fastapi import APIRouter
from fastapi.responses import Response
from pydantic import Field, field_validator

from qwen_gateway.api import PREFIX
from qwen_gateway.api.voice_turns import turn
from qwen_gateway.body import FORM, JSON, Body, Upload, documented, read_body
from qwen_gateway.context import Context, ContextOf
from qwen_gateway.errors import GatewayError, bad_request
from qwen_gateway.files import decoded
from qwen_gateway.leaving import unless_left
from qwen_gateway.streaming import Parts, base64_text, begun, event, event_response
from qwen_wire.chains import StageEvent

router = APIRouter(prefix=f"{PREFIX}/chains", tags=["chains"])

GRAPHS = ("courseware", "describe_aloud", "meeting_minutes", "product_ad", "storyboard")
MAX_FILES = 100
Events: TypeAlias = AsyncGenerator[dict[str, Any], None]


class ChainBody(Body):
    """What a chain works on: a text, recordings, a picture, and `inputs`, which are the chain's own."""

    text: str | None = None
    audio: list[Upload] = Field(default=[], max_length=MAX_FILES, description="recordings, in a form")
    audio_data: list[str] = Field(default=[], max_length=MAX_FILES, description="recordings in base64")
    image: Upload | None = Field(default=None, description="a picture, in a form")
    image_data: str | None = Field(default=None, description="a picture in base64")
    inputs: dict[str, Any] = Field(default_factory=dict, description="see the page on chains")
    workflow: dict[str, Any] | None = Field(default=None, description="the graph, of the chain `workflow`")
    deadline: float | None = Field(default=None, gt=0, description="seconds for the whole")

    @field_validator("audio", "audio_data", mode="before")
    @classmethod
    def _several(cls, value: Any) -> Any:
        return [value] if isinstance(value, bytes | str) else value


@router.post("/{name}", openapi_extra=documented(ChainBody, JSON, FORM), response_model=None)
async def chain(name: str, context: ContextOf) -> Response:
    """Run a chain: its events as they come, files in base64; the last one is `end`."""
    body = await read_body(context.request, ChainBody)
    events = await unless_left(context.request, begun(_sent(await _events(name, context, body))))
    return event_response(events, context.settings.keep_alive_s)


async def _sent(events: Events) -> Parts:
    async with aclosing(events):
        async for one in events:
            yield event(one, str(one["type"]))


async def _events(name: str, context: Context, body: ChainBody) -> Events:
    audio = [*body.audio, *[await _file(context, text, "audio_data") for text in body.audio_data]]
    image = body.image if body.image_data is None else await _file(context, body.image_data, "image_data")
    if name == "workflow":
        return _workflow(context, body, await _workflow_inputs(context, body))
    if name == "voice_chat":
        return turn(context, _only(audio) if audio else None, body.text, body.inputs)
    if name == "spoken_image":
        return _spoken_image(context, _only(audio), body)
    if name == "aligned_transcript":
        return _aligned(context, _only(audio), body)
    if name not in GRAPHS:
        known = ", ".join((*GRAPHS, "spoken_image", "aligned_transcript", "voice_chat", "workflow"))
        raise GatewayError(HTTPStatus.NOT_FOUND, f"there is no chain of this name; known: {known}", code="no_chain")
    return _graph(name, context, body, audio, image)


async def _graph(name: str, context: Context, body: ChainBody, audio: list[bytes], image: bytes | None) -> Events:
    with context.upstream.server() as client:
        stream = client.chains.stages(
            name, text=body.text, audio=audio, image=image, deadline_s=body.deadline, **_free(body.inputs)
        )
        async with stream as stages:
            async for one in stages:
                yield _told(one)
            ending = stages.ending()
    yield {"type": "end", **ending.details}


async def _workflow(context: Context, body: ChainBody, inputs: Mapping[str, Any]) -> Events:
    if body.workflow is None:
        raise bad_request("workflow is missing", param="workflow")
    with context.upstream.server() as client:
        stream = client.chains.stream(body.workflow, inputs, deadline_s=body.deadline)
        async with stream as stages:
            async for one in stages:
                yield _told(one)
            ending = stages.ending()
    yield {"type": "end", **ending.details}


async def _workflow_inputs(context: Context, body: ChainBody) -> dict[str, Any]:
    """The inputs with files in place of base64: where the graph says that one is a file, a text is never a path."""
    declared = (body.workflow or {}).get("inputs", {})
    kinds = {name: one.get("type") for name, one in declared.items() if isinstance(one, dict)}
    return {
        name: await _files(context, value, name) if kinds.get(name) == "bytes" else value
        for name, value in body.inputs.items()
    }


async def _files(context: Context, value: Any, name: str) -> Any:
    if isinstance(value, list):
        return [await _files(context, one, name) for one in value[:MAX_FILES]]
    if value is None:
        return None
    if not isinstance(value, str):
        raise bad_request(f"inputs.{name} is a file: give base64", param=f"inputs.{name}")
    return await _file(context, value, f"inputs.{name}")


async def _spoken_image(context: Context, audio: bytes, body: ChainBody) -> Events:
    with context.upstream.server() as client:
        made = await client.chains.spoken_image(audio, **_known(body.inputs, ("language", "steps", "seed")))
    picture = made.picture
    yield {"type": "stage_result", "stage": "heard", "output": "TEXT", "value": made.heard}
    shown = {"width": picture.width, "height": picture.height, "seed": picture.seed, "prompt": picture.prompt}
    yield {"type": "stage_result", "stage": "picture", "output": "IMAGE", "value": shown} | _payload(picture.data)
    yield {"type": "end", "finish_reason": "stop"}


async def _aligned(context: Context, audio: bytes, body: ChainBody) -> Events:
    with context.upstream.server() as client:
        made = await client.chains.aligned_transcript(audio, **_known(body.inputs, ("language",)))
    words = [{"text": word.text, "start": word.start_s, "end": word.end_s} for word in made.alignment.words]
    yield {"type": "stage_result", "stage": "heard", "output": "TEXT", "value": made.transcription.text}
    yield {"type": "stage_result", "stage": "words", "output": "RESULT", "value": words}
    yield {"type": "end", "finish_reason": "stop"}


def _told(one: StageEvent) -> dict[str, Any]:
    return one.to_dict() | _payload(one.payload)


def _payload(data: bytes) -> dict[str, Any]:
    return {"payload": base64_text(data)} if data else {}


async def _file(context: Context, text: str, param: str) -> bytes:
    return await decoded(text, param, context.settings.max_file_bytes)


def _only(audio: list[bytes]) -> bytes:
    if len(audio) != 1:
        raise bad_request("send one recording: audio in a form, or audio_data", param="audio_data")
    return audio[0]


def _known(inputs: Mapping[str, Any], names: tuple[str, ...]) -> dict[str, Any]:
    if unknown := sorted(set(inputs) - set(names)):
        raise bad_request(f"inputs.{unknown[0][:80]} is unknown; known: {', '.join(names)}", param="inputs")
    return dict(inputs)


RESERVED = ("name", "text", "audio", "image", "deadline_s")


def _free(inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs that are no parameters of the call itself."""
    if taken := sorted(set(inputs) & set(RESERVED)):
        raise bad_request(f"inputs.{taken[0]}: give it beside inputs", param="inputs")
    return dict(inputs)

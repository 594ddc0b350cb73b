"""Bodies of requests: JSON or a form with files, read within bounds and checked by one model for both."""

import asyncio
from collections import defaultdict
from http import HTTPStatus
from typing import Annotated, Any, TypeVar

from fastapi import Request
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, WithJsonSchema
from starlette.datastructures import UploadFile

from qwen_gateway.errors import GatewayError, bad_request
from qwen_gateway.settings import GatewaySettings
from qwen_wire.errors import InvalidRequest
from qwen_wire.json_text import read_json_object

BodyT = TypeVar("BodyT", bound=BaseModel)
MAX_JSON_VALUES = 50_000
MAX_FIELD_BYTES = 1 << 20  # of a form's field that is no file
LONG_BYTES = 256 << 10  # what is longer is read beside the event loop
JSON = "application/json"
FORM = "multipart/form-data"
URL_FORM = "application/x-www-form-urlencoded"


class Body(BaseModel):
    """A body that refuses fields that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


def _bytes_only(value: Any) -> Any:
    if not isinstance(value, bytes):
        raise ValueError("send a file, in a form (multipart/form-data)")
    return value


Upload = Annotated[bytes, BeforeValidator(_bytes_only), WithJsonSchema({"type": "string", "format": "binary"})]
"""The content of a file of a form."""


async def read_body(request: Request, model: type[BodyT]) -> BodyT:
    """The body of `request`, JSON or a form, as `model`.

    Raises:
        GatewayError: neither of them, too large, or not what the model has; the error names the field.
    """
    settings: GatewaySettings = request.app.state.settings
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind in (FORM, URL_FORM):
        fields = await _form_fields(request, settings)
    elif kind == JSON or kind.endswith("+json"):
        fields = await read_json_body(request)
    else:
        raise GatewayError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"content-type is {kind[:80]!r}: send {JSON} or {FORM}",
            code="content_type",
        )
    return check(model, fields)


async def read_json_body(request: Request) -> dict[str, Any]:
    """The object in a JSON body."""
    settings: GatewaySettings = request.app.state.settings
    data = await request.body()
    bounds = {"max_bytes": settings.max_json_bytes, "max_values": MAX_JSON_VALUES}
    try:
        if len(data) > LONG_BYTES:
            return await asyncio.to_thread(read_json_object, data, "the body", **bounds)
        return read_json_object(data, "the body", **bounds)
    except InvalidRequest as error:
        raise bad_request(str(error), code="invalid_json") from error


def check(model: type[BodyT], fields: dict[str, Any]) -> BodyT:
    """The fields as `model`. Raises `GatewayError` (422) for the first that is wrong, by its name."""
    try:
        return model.model_validate(fields)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_input=False)[0]
        name = ".".join(str(part) for part in problem["loc"])[:200] or None
        message = str(problem["msg"]).removeprefix("Value error, ")
        raise GatewayError(
            HTTPStatus.UNPROCESSABLE_ENTITY,
            f"{name}: {message}" if name else message,
            param=name,
            code=str(problem["type"]),
        ) from None


async def _form_fields(request: Request, settings: GatewaySettings) -> dict[str, Any]:
    """Fields of a form: those whose name ends in [], or that come more than once, are lists; objects are JSON."""
    found: dict[str, list[Any]] = defaultdict(list)
    async with request.form(
        max_files=settings.max_form_fields, max_fields=settings.max_form_fields, max_part_size=MAX_FIELD_BYTES
    ) as form:
        for name, value in form.multi_items():
            found[name].append(await _content(name, value, settings))
    return {
        name.removesuffix("[]"): values if name.endswith("[]") or len(values) > 1 else values[0]
        for name, values in found.items()
    }


async def _content(name: str, value: UploadFile | str, settings: GatewaySettings) -> Any:
    if isinstance(value, str):
        return _parsed(name, value)
    if (value.size or 0) > settings.max_file_bytes:
        raise GatewayError(
            HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
            f"{name} has {value.size} bytes; the limit is {settings.max_file_bytes}",
            param=name,
            code="too_large",
        )
    return await value.read()


def _parsed(name: str, text: str) -> Any:
    """Objects of a form are written as JSON; everything else is text, which the model reads."""
    if not text.lstrip().startswith("{"):
        return text
    try:
        return read_json_object(text, name, max_values=MAX_JSON_VALUES)
    except InvalidRequest:
        return text


def documented(model: type[BaseModel], *kinds: str) -> dict[str, Any]:
    """What OpenAPI says of an endpoint whose body `read_body` reads, in content types `kinds`."""
    schema = inlined(model.model_json_schema())
    return {"requestBody": {"required": True, "content": {kind: {"schema": schema} for kind in kinds or (JSON,)}}}


def inlined(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema without references: OpenAPI has no place for definitions inside of one."""
    parts = schema.get("$defs", {})

    def put(value: Any) -> Any:
        if isinstance(value, list):
            return [put(one) for one in value]
        if not isinstance(value, dict):
            return value
        if "$ref" in value:
            return put(parts[value["$ref"].rsplit("/", 1)[1]])
        return {key: put(one) for key, one in value.items() if key != "$defs"}

    placed: dict[str, Any] = put(schema)
    return placed

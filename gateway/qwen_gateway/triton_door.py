"""/v2: Triton's HTTP protocol for inference, health and metadata. Nothing else of Triton is reachable."""

import asyncio
import json
import re
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from http import HTTPStatus
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Request
from fastapi.responses import JSONResponse, Response
from starlette.types import Receive, Scope, Send

from qwen_client.cancel_requests import MEMBERS
from qwen_client.grpc_errors import refusal
from qwen_client.health import MODELS
from qwen_gateway.context import Context, ContextOf
from qwen_gateway.errors import RETRY_AFTER_S, GatewayError, bad_request, body_of
from qwen_gateway.leaving import unless_left
from qwen_gateway.settings import GatewaySettings
from qwen_gateway.streaming import EVENT_STREAM, PartsResponse
from qwen_gateway.triton_body import Caller, TritonBody, generate_body, infer_body
from qwen_gateway.triton_exchange import Exchange, Head, TritonHTTP, TritonServer
from qwen_wire import tensors
from qwen_wire.errors import QwenError, ServerError

router = APIRouter(prefix="/v2", tags=["Triton"])

NAMES = {*MODELS, *(wire.name for wire in tensors.RELAYS)}
MIN_ID_CHARS = 16  # shorter ones cancel nothing, as they can be guessed
LONG_BYTES = 256 << 10  # what is longer is checked beside the event loop
ANSWER_S = 5.0  # for what is answered at once
MAX_ERROR_CHARS = 2000
CONTENT_TYPES = ("application/json", "application/octet-stream")
TENANT = re.compile(r"[a-z0-9_-]{1,64}")
TRACEPARENT = re.compile(r"[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}")
STATUSES = {400: "INVALID_ARGUMENT", 404: "NOT_FOUND", 503: "UNAVAILABLE"}

Model = Annotated[str, Path(pattern=r"^[A-Za-z0-9_.-]{1,128}$")]
Version = Annotated[str, Path(pattern=r"^[0-9]{1,9}$")]
Verb = Literal["infer", "generate", "generate_stream"]


@router.get("")
@router.get("/health/live")
@router.get("/health/ready")
async def server_state(context: ContextOf) -> Response:
    """What Triton says of itself."""
    return await _told(_got(context, context.request.url.path))


@router.get("/models/{model}")
@router.get("/models/{model}/ready")
async def model_state(context: ContextOf, model: Model) -> Response:
    """A model's tensors, and whether it is ready."""
    path = _path(model, None, context.request.url.path)
    return await _told(_got(context, path))


@router.get("/models/{model}/versions/{version}")
@router.get("/models/{model}/versions/{version}/ready")
async def version_state(context: ContextOf, model: Model, version: Version) -> Response:
    """The same of one version."""
    path = _path(model, version, context.request.url.path)
    return await _told(_got(context, path))


@router.post("/models/{model}/{verb}", openapi_extra={"requestBody": {"content": {"application/json": {}}}})
async def answer(context: ContextOf, model: Model, verb: Verb) -> Response:
    """What a model makes of the tensors in the body."""
    path = _path(model, None, f"/{verb}")
    return await _told(_answered(context, model, path, verb))


@router.post(
    "/models/{model}/versions/{version}/{verb}", openapi_extra={"requestBody": {"content": {"application/json": {}}}}
)
async def version_answer(context: ContextOf, model: Model, version: Version, verb: Verb) -> Response:
    """The same of one version."""
    path = _path(model, version, f"/{verb}")
    return await _told(_answered(context, model, path, verb))


async def _told(answer: Coroutine[Any, Any, Response]) -> Response:
    """The answer, or the error in the form that clients of this protocol read: a text, with our fields beside it."""
    try:
        return await answer
    except (GatewayError, QwenError) as error:
        status, body = body_of(error)
        fields = body["error"]
        headers = {"retry-after": str(RETRY_AFTER_S)} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
        return JSONResponse({"error": fields.pop("message"), **fields}, status, headers)


async def _got(context: Context, path: str) -> Response:
    server = _triton(context).server()
    exchange = Exchange(server, server.request("GET", path, {}, b"", ANSWER_S))
    return await unless_left(context.request, _whole(context, exchange))


async def _answered(context: Context, model: str, path: str, verb: Verb) -> Response:
    body = await _checked(context, model, verb)
    server = _triton(context).server(body.sequence_id)
    caller = _caller(context.request, context.settings)
    request = server.request("POST", path, body.headers, body.content, context.settings.timeout_s)
    exchange = Exchange(server, request, _cancel(server, model, body, caller))
    if verb == "generate_stream":
        return await unless_left(context.request, _streamed(context, exchange))
    return await unless_left(context.request, _whole(context, exchange))


def _triton(context: Context) -> TritonHTTP:
    triton: TritonHTTP = context.request.app.state.triton_http
    if not triton.is_there:
        message = "this gateway passes nothing on to Triton (setting triton_http)"
        raise GatewayError(HTTPStatus.NOT_FOUND, message, code="triton_http_off")
    return triton


def _path(model: str, version: str | None, path: str) -> str:
    """The path at Triton, made of what was checked. Raises `GatewayError` (404) for models that are not ours."""
    if model not in NAMES:
        raise GatewayError(HTTPStatus.NOT_FOUND, f"there is no model {model!r}", code="model_not_found", param="model")
    named = f"/v2/models/{model}" if version is None else f"/v2/models/{model}/versions/{version}"
    verb = path.rpartition("/")[2]
    return f"{named}/{verb}" if verb in ("ready", "infer", "generate", "generate_stream") else named


async def _checked(context: Context, model: str, verb: Verb) -> TritonBody:
    """The body as it is sent on."""
    headers = context.request.headers
    kind = headers.get("content-type", "").partition(";")[0].strip().lower()
    length = headers.get("inference-header-content-length")
    if kind not in CONTENT_TYPES and (kind or length is None):
        message = f"content-type is {kind[:80]!r}: send {' or '.join(CONTENT_TYPES)}"
        raise GatewayError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, message, code="content_type")
    if length is not None and (verb != "infer" or not re.fullmatch("[0-9]{1,10}", length)):
        raise bad_request("inference-header-content-length: send it to infer, as a number", code="refused")
    data = await context.request.body()
    caller = _caller(context.request, context.settings)
    own_id = uuid.uuid4().hex

    def check() -> TritonBody:
        if verb == "infer":
            return infer_body(model, data, None if length is None else int(length), caller, own_id)
        return generate_body(model, data, caller, own_id)

    return await asyncio.to_thread(check) if len(data) > LONG_BYTES else check()


def _caller(request: Request, settings: GatewaySettings) -> Caller:
    tenant, trace = request.headers.get("qwen-tenant", ""), request.headers.get("traceparent", "")
    if not settings.trusts_tenants:
        tenant = ""
    elif tenant and not TENANT.fullmatch(tenant):
        raise bad_request("qwen-tenant has a form that no tenant has", param="qwen-tenant")
    timeout_us = int(1_000_000 * settings.timeout_s)
    return Caller(tenant, trace if TRACEPARENT.fullmatch(trace) else "", timeout_us)


def _cancel(server: TritonServer, model: str, body: TritonBody, caller: Caller) -> Callable[[], Awaitable[None]] | None:
    """What ends a request that somebody left; None for steps of sequences, and for ids that cancel nothing."""
    if body.sequence_id is not None or len(body.request_id) < MIN_ID_CHARS:
        return None
    options = json.dumps({"cancel": body.request_id})
    members: Mapping[str, tuple[str, ...]] = MEMBERS.get(model, {model: body.inputs})

    async def cancel() -> None:
        for name, inputs in members.items():
            fields = {**dict.fromkeys(inputs, ""), "OPTIONS": options, **caller.headers}
            headers = {"content-type": "application/json"}
            content = json.dumps(fields).encode()
            asked = Exchange(
                server, server.request("POST", f"/v2/models/{name}/generate_stream", headers, content, ANSWER_S)
            )
            try:
                await asked.head()
                async for _ in asked.parts():
                    pass
            except QwenError:  # the server is gone, and the request with it
                return

    return cancel


async def _whole(context: Context, exchange: Exchange) -> Response:
    """An answer that comes as one."""
    try:
        head = await exchange.head()
        content = b"".join([part async for part in exchange.parts()])
    finally:
        _triton(context).end(exchange)
    if head.status != HTTPStatus.OK:
        raise _error(head, content)
    return Response(content, head.status, _kept_headers(head), head.headers.get("content-type", "application/json"))


async def _streamed(context: Context, exchange: Exchange) -> Response:
    """An answer in parts, from its first one on."""
    try:
        head = await exchange.head()
    except BaseException:
        _triton(context).end(exchange)
        raise
    if head.status != HTTPStatus.OK:
        return await _whole(context, exchange)
    return _Stream(_triton(context), exchange, head.headers.get("content-type", EVENT_STREAM))


class _Stream(PartsResponse):
    """An answer in parts as they come; who does not read it to the end has left."""

    def __init__(self, triton: TritonHTTP, exchange: Exchange, media_type: str) -> None:
        super().__init__(exchange.parts(), media_type)
        self._triton = triton
        self._exchange = exchange

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._triton.end(self._exchange)


def _kept_headers(head: Head) -> dict[str, str]:
    name = "inference-header-content-length"
    return {name: head.headers[name]} if name in head.headers else {}


def _error(head: Head, content: bytes) -> Exception:
    """The error of an answer that is one, with our models' status or Triton's."""
    try:
        told: Any = json.loads(content)["error"] if content else ""
    except (ValueError, TypeError, KeyError):
        return ServerError()
    text = str(told)[:MAX_ERROR_CHARS]
    error = refusal(text, "")
    if type(error) is ServerError and head.status in STATUSES:
        return refusal(f"{STATUSES[head.status]}: {text or 'not ready'}", "")
    return error

"""Errors as callers see them: {"error": {"message", "type", "param", "code"}} with the right status, in all APIs."""

import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from qwen_wire.errors import Cancelled, ChainFailed, DeadlineExceeded, InvalidRequest, QwenError, Unavailable

log = logging.getLogger(__name__)

CLIENT_CLOSED_REQUEST = 499  # nginx's; nobody is left to read it
RETRY_AFTER_S = 1
INTERNAL = "internal error; the log of the gateway has the cause"
STATUSES: Mapping[type[QwenError], int] = {
    InvalidRequest: HTTPStatus.BAD_REQUEST,
    Unavailable: HTTPStatus.SERVICE_UNAVAILABLE,
    DeadlineExceeded: HTTPStatus.GATEWAY_TIMEOUT,
    Cancelled: CLIENT_CLOSED_REQUEST,
}
TYPES: Mapping[int, str] = {
    HTTPStatus.UNAUTHORIZED: "authentication_error",
    HTTPStatus.FORBIDDEN: "permission_error",
    HTTPStatus.NOT_FOUND: "not_found_error",
    HTTPStatus.TOO_MANY_REQUESTS: "rate_limit_error",
    HTTPStatus.SERVICE_UNAVAILABLE: "unavailable_error",
    HTTPStatus.GATEWAY_TIMEOUT: "timeout_error",
}
OPTION = re.compile(r"^(?:OPTIONS\.)?([A-Za-z_][\w.\[\]]*) (?:is|has|holds|are|takes?) ")


class ErrorBody(BaseModel):
    message: str
    type: str
    param: str | None = None
    code: str | None = None


class ErrorAnswer(BaseModel):
    """What every error is answered with."""

    error: ErrorBody


class GatewayError(Exception):
    """An error with its answer; `code` says which kind it is, `param` which field of the request is wrong."""

    def __init__(self, status: int, message: str, *, code: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.status = int(status)
        self.code = code
        self.param = param


def bad_request(message: str, *, param: str | None = None, code: str | None = None) -> GatewayError:
    return GatewayError(HTTPStatus.BAD_REQUEST, message, param=param, code=code)


def error_body(status: int, message: str, *, param: str | None = None, code: str | None = None) -> dict[str, Any]:
    """The JSON of an error."""
    kind = TYPES.get(status, "invalid_request_error" if status < HTTPStatus.INTERNAL_SERVER_ERROR else "server_error")
    return ErrorAnswer(error=ErrorBody(message=message, type=kind, param=param, code=code)).model_dump()


def status_of(error: QwenError) -> int:
    """The HTTP status of an error of the server."""
    if isinstance(error, ChainFailed):
        return next((STATUSES[kind] for kind in STATUSES if kind.default_status == error.status), 500)
    return next((status for kind, status in STATUSES.items() if isinstance(error, kind)), 500)


def body_of(error: Exception) -> tuple[int, dict[str, Any]]:
    """Status and JSON of any error. What is no fault of the caller is logged and tells nothing."""
    if isinstance(error, GatewayError):
        return error.status, error_body(error.status, str(error), param=error.param, code=error.code)
    if isinstance(error, QwenError) and (status := status_of(error)) != HTTPStatus.INTERNAL_SERVER_ERROR:
        found = OPTION.match(str(error)) if isinstance(error, InvalidRequest) else None
        code = "model_not_served" if error.status == "NOT_FOUND" else None
        return status, error_body(status, str(error), param=found[1] if found else None, code=code)
    log.error("a request failed", exc_info=error)
    return 500, error_body(500, INTERNAL)


def install(app: FastAPI) -> None:
    """Have `app` answer all errors in one form."""
    app.add_exception_handler(QwenError, _answer)
    app.add_exception_handler(GatewayError, _answer)
    app.add_exception_handler(Exception, _answer)
    app.add_exception_handler(RequestValidationError, _answer_invalid)
    app.add_exception_handler(HTTPException, _answer_http)


def error_response(error: Exception) -> JSONResponse:
    status, body = body_of(error)
    headers = {"retry-after": str(RETRY_AFTER_S)} if status == HTTPStatus.SERVICE_UNAVAILABLE else None
    return JSONResponse(body, status, headers)


async def _answer(_: Request, error: Exception) -> JSONResponse:
    return error_response(error)


async def _answer_invalid(_: Request, error: Exception) -> JSONResponse:
    """The first problem of a body, by the field that has it."""
    assert isinstance(error, RequestValidationError)
    problem = error.errors()[0]
    place = [str(part) for part in problem["loc"] if part not in ("body", "query", "path", "header")]
    name = ".".join(place) or None
    message = f"{name or 'the request'}: {problem['msg']}"
    status = HTTPStatus.UNPROCESSABLE_ENTITY
    return JSONResponse(error_body(status, message[:500], param=name, code=str(problem["type"])), status)


async def _answer_http(_: Request, error: Exception) -> JSONResponse:
    """404, 405 and what the framework finds wrong itself."""
    assert isinstance(error, HTTPException)
    return JSONResponse(error_body(error.status_code, str(error.detail)), error.status_code, error.headers)

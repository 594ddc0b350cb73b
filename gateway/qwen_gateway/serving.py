"""The gateway as processes of uvicorn."""

import os

import uvicorn
from fastapi import FastAPI

from qwen_gateway.app import create_app
from qwen_gateway.realtime.websocket_protocol import WebSocketProtocol
from qwen_gateway.settings import SETTINGS_VARIABLE, GatewaySettings

GRACE_S = 10  # for what is open when the gateway stops
HEADER_S = 10
MAX_HEADER_BYTES = 64 << 10
BACKLOG = 2048


def serve(settings: GatewaySettings, host: str, port: int, workers: int = 1) -> None:
    """Listen until SIGINT or SIGTERM."""
    os.environ[SETTINGS_VARIABLE] = settings.model_dump_json()
    uvicorn.run(
        "qwen_gateway.serving:worker_app",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        loop="uvloop",
        http="httptools",
        ws=WebSocketProtocol,
        ws_per_message_deflate=False,  # sound is not smaller by it
        backlog=BACKLOG,
        server_header=False,
        date_header=True,
        access_log=False,
        log_level="warning",
        timeout_graceful_shutdown=GRACE_S,
        timeout_keep_alive=HEADER_S,
    )


def worker_app() -> FastAPI:
    """The application of one worker process."""
    return create_app(GatewaySettings.model_validate_json(os.environ[SETTINGS_VARIABLE]))

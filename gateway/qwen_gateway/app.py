"""The application: `create_app(settings)`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from fastapi import FastAPI
from fastapi.responses import JSONResponse
from starlette.routing import Route

from qwen_client import __version__
from qwen_gateway import errors, file_routes, health, triton_door
from qwen_gateway.answer_cache import AnswerCache
from qwen_gateway.api import asr, captions, chains, image, tts, voices
from qwen_gateway.api import chat as own_chat
from qwen_gateway.kept_files import KeptFiles, own_folder
from qwen_gateway.mcp_files import McpFiles
from qwen_gateway.mcp_server import McpEndpoint, McpServer, mcp_sessions
from qwen_gateway.middleware import Guard, RequestIds
from qwen_gateway.openai import audio, chat, images, models, realtime_secrets
from qwen_gateway.openai import voices as openai_voices
from qwen_gateway.realtime import routes as realtime
from qwen_gateway.realtime.json_socket import OpenSockets
from qwen_gateway.remote_files import RemoteFiles
from qwen_gateway.settings import GatewaySettings
from qwen_gateway.triton_exchange import TritonHTTP
from qwen_gateway.upstream import Upstream

DESCRIPTION = "Speech recognition, speech synthesis, pictures, chat and chains of them."
OWN = (health, file_routes, asr, tts, image, captions, own_chat, voices, chains)
OPENAI = (audio, openai_voices, images, chat, models, realtime, realtime_secrets)


def create_app(settings: GatewaySettings) -> FastAPI:
    """The gateway as an ASGI application."""
    app = FastAPI(
        title="Qwen on Triton",
        version=__version__,
        description=DESCRIPTION,
        lifespan=_connected,
        default_response_class=JSONResponse,
        responses={"default": {"model": errors.ErrorAnswer, "description": "any error"}},
    )
    app.state.settings = settings
    app.add_middleware(AnswerCache, max_bytes=settings.max_cache_bytes)
    app.add_middleware(Guard, settings=settings)
    app.add_middleware(RequestIds)
    errors.install(app)
    for module in (*OWN, *OPENAI, triton_door):
        app.include_router(module.router)
    app.router.routes.append(Route("/mcp", McpEndpoint()))
    return app


@asynccontextmanager
async def _connected(app: FastAPI) -> AsyncIterator[dict[str, Any]]:
    settings: GatewaySettings = app.state.settings
    app.state.upstream = Upstream(settings.triton, settings.timeout_s)
    app.state.triton_http = TritonHTTP(settings.triton_http)
    app.state.remote_files = RemoteFiles(settings)
    app.state.kept_files = KeptFiles(Path(settings.files_folder) if settings.files_folder else own_folder())
    app.state.open_sockets = OpenSockets(settings.max_open_sockets)
    mcp_files = McpFiles(settings, app.state.kept_files, app.state.remote_files)
    try:
        async with mcp_sessions(McpServer(app.state.upstream, mcp_files), settings) as app.state.mcp:
            yield {}
    finally:
        await app.state.triton_http.close()
        await app.state.upstream.close()

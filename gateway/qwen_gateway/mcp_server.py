"""The Model Context Protocol: tools for agents, at /mcp (streamable HTTP) and on stdio (`qwen mcp`)."""

import asyncio
from collections.abc import AsyncIterator, Coroutine
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import urlsplit

import mcp_types as types
from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server
from mcp.server.streamable_http_manager import StreamableHTTPSessionManager
from mcp.shared.exceptions import MCPError
from starlette.datastructures import Headers
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from qwen_client import __version__
from qwen_gateway.body import check
from qwen_gateway.errors import GatewayError, body_of
from qwen_gateway.kept_files import KeptFiles, own_folder
from qwen_gateway.mcp_files import TEMPLATE, McpFiles
from qwen_gateway.mcp_tools import TOOLS, Call, Contents
from qwen_gateway.remote_files import RemoteFiles
from qwen_gateway.settings import GatewaySettings
from qwen_gateway.upstream import Upstream

ResultT = TypeVar("ResultT")
INSTRUCTIONS = "Speech, pictures and chat. Files that tools make are named by references, which other tools take."
LOCAL_HOSTS = ("127.0.0.1", "localhost", "::1")


@dataclass(frozen=True)
class McpServer:
    """Calls tools on the servers. A call that is cancelled ends its request in a task of its own, in peace."""

    upstream: Upstream
    files: McpFiles
    _ending: set["asyncio.Future[Any]"] = field(default_factory=set)

    def protocol(self) -> Server:
        """A server of the official package that calls these tools."""
        return Server(
            "qwen-triton",
            version=__version__,
            instructions=INSTRUCTIONS,
            on_list_tools=self._list_tools,
            on_call_tool=self._call_tool,
            on_list_resource_templates=self._list_templates,
            on_read_resource=self._read_resource,
        )

    async def _list_tools(
        self, _: ServerRequestContext, __: types.PaginatedRequestParams | None
    ) -> types.ListToolsResult:
        return types.ListToolsResult(tools=[tool.listed for tool in TOOLS.values()])

    async def _call_tool(
        self, context: ServerRequestContext, params: types.CallToolRequestParams
    ) -> types.CallToolResult:
        if params.name not in TOOLS:
            raise MCPError(types.INVALID_PARAMS, f"there is no tool {params.name[:80]!r}")
        try:
            content = await self._undisturbed(self._run(context, params))
            return types.CallToolResult(content=content)
        except Exception as error:  # noqa: BLE001  # whatever it is, the agent is told, and the log has it
            message = body_of(error)[1]["error"]["message"]
            return types.CallToolResult(content=[types.TextContent(type="text", text=message)], is_error=True)

    async def _run(self, context: ServerRequestContext, params: types.CallToolRequestParams) -> Contents:
        tool = TOOLS[params.name]
        arguments = check(tool.arguments, dict(params.arguments or {}))
        with self.upstream.server() as client:
            return await tool.run(Call(client, self.files, context.session.report_progress), arguments)

    async def _undisturbed(self, work: Coroutine[Any, Any, ResultT]) -> ResultT:
        """The result of `work`, which is cancelled once: the protocol's scopes cancel every await of a clean-up."""
        task = asyncio.ensure_future(work)
        self._ending.add(task)
        task.add_done_callback(self._ending.discard)
        try:
            return await asyncio.shield(task)
        finally:
            task.cancel()

    async def _list_templates(
        self, _: ServerRequestContext, __: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        return types.ListResourceTemplatesResult(resource_templates=[TEMPLATE])

    async def _read_resource(
        self, _: ServerRequestContext, params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        try:
            return types.ReadResourceResult(contents=[await self.files.resource(params.uri)])
        except GatewayError as error:
            raise MCPError(types.INVALID_PARAMS, str(error)) from error


@asynccontextmanager
async def mcp_sessions(server: McpServer, settings: GatewaySettings) -> AsyncIterator[StreamableHTTPSessionManager]:
    """What answers /mcp. No session outlives a request, so any process of a gateway can take the next one."""
    manager = StreamableHTTPSessionManager(
        server.protocol(), stateless=True, max_request_body_size=settings.max_json_bytes
    )
    async with manager.run():
        yield manager


class McpEndpoint:
    """/mcp as ASGI."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        state = scope["app"].state
        origin = Headers(scope=scope).get("origin")
        if origin is not None and not _is_allowed(origin, state.settings):
            raise GatewayError(HTTPStatus.FORBIDDEN, "origin is not in the setting mcp_origins", code="origin")
        if scope["method"] != "POST":  # a stream without a session would stay open, and never tell anything
            raise HTTPException(HTTPStatus.METHOD_NOT_ALLOWED, headers={"allow": "POST"})
        await state.mcp.handle_request(scope, receive, send)


def _is_allowed(origin: str, settings: GatewaySettings) -> bool:
    """Pages of others reach a local server by a name that they resolve to it; only browsers send an origin."""
    try:
        return origin in settings.mcp_origins or urlsplit(origin).hostname in LOCAL_HOSTS
    except ValueError:
        return False


async def serve_stdio(settings: GatewaySettings) -> None:
    """Serve one client on stdin and stdout until it leaves."""
    upstream = Upstream(settings.triton, settings.timeout_s)
    kept_files = KeptFiles(Path(settings.files_folder) if settings.files_folder else own_folder())
    server = McpServer(upstream, McpFiles(settings, kept_files, RemoteFiles(settings))).protocol()
    try:
        async with stdio_server() as (incoming, outgoing):
            await server.run(incoming, outgoing, server.create_initialization_options())
    finally:
        await upstream.close()

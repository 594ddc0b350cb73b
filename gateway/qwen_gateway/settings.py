"""Settings of the gateway: the section [gateway] of a profile."""

import secrets
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from qwen_gateway.aliases import Aliases

SETTINGS_VARIABLE = "QWEN_GATEWAY_SETTINGS"  # JSON, for the processes of a gateway


class GatewaySettings(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    triton: tuple[str, ...] = Field(
        default=("127.0.0.1:8001",), min_length=1, max_length=100, description="gRPC addresses"
    )
    triton_http: tuple[str, ...] = Field(
        default=(), max_length=100, description="HTTP addresses of the same servers, for /v2; none: it is not served"
    )
    trusts_tenants: bool = Field(
        default=False, description="take the header qwen-tenant on /v2 from callers: only behind a proxy that sets it"
    )
    max_body_bytes: int = Field(default=256 << 20, ge=1024, description="size of a request, files included")
    max_json_bytes: int = Field(default=32 << 20, ge=1024, description="size of a JSON request, files included")
    max_file_bytes: int = Field(default=128 << 20, ge=1024, description="size of one file")
    max_held_bytes: int = Field(
        default=2 << 30, ge=1 << 20, description="bodies of all requests in progress; more are refused (503)"
    )
    max_form_fields: int = Field(default=200, ge=1, description="fields of a form, files included")
    body_timeout_s: float = Field(default=60.0, gt=0, description="longest pause while a request is sent")
    timeout_s: float = Field(default=600.0, gt=0, description="longest time that a request may take")
    max_open_requests: int = Field(default=1000, ge=1, description="requests in progress; more are refused (503)")
    keep_alive_s: float = Field(default=15.0, gt=0, description="pause after which a stream of events sends a comment")
    send_timeout_s: float = Field(default=30.0, gt=0, description="longest pause in which a caller reads nothing")
    files_folder: str = Field(
        default="", description="where pictures lie that answers name by URL; empty: one of its own"
    )
    remote_hosts: tuple[Annotated[str, Field(pattern=r"^(\*\.)?[A-Za-z0-9_.-]+$")], ...] = Field(
        default=(),
        max_length=1000,
        description="hosts that files are fetched from (audio_url, image_url): names, or *.SUFFIX; none: not at all",
    )
    remote_ports: tuple[Annotated[int, Field(ge=1, le=65535)], ...] = Field(
        default=(443,), max_length=100, description="ports that files are fetched from"
    )
    remote_timeout_s: float = Field(default=30.0, gt=0, description="longest time that fetching a file may take")
    mcp_origins: tuple[str, ...] = Field(
        default=(), max_length=100, description="origins of pages, besides local ones, that may call /mcp"
    )
    max_inline_bytes: int = Field(
        default=1 << 20, ge=0, description="files in results of /mcp; larger ones are named by reference"
    )
    max_cache_bytes: int = Field(default=64 << 20, ge=0, description="answers kept for repeated requests; 0: none")
    max_open_sockets: int = Field(default=500, ge=1, description="WebSockets open in a process; more are refused (503)")
    max_event_bytes: int = Field(default=1 << 20, ge=1024, description="size of an event on a WebSocket")
    max_events_per_s: float = Field(
        default=200.0, gt=0, description="events on a WebSocket, ten times as many at once; more close it"
    )
    socket_idle_s: float = Field(default=600.0, gt=0, description="longest pause in which a client sends no event")
    max_turn_s: float = Field(default=900.0, gt=0, description="audio of one turn of a realtime session")
    max_conversation_items: int = Field(
        default=500, ge=2, description="items of a realtime session; the oldest are deleted"
    )
    max_conversation_bytes: int = Field(
        default=8 << 20, ge=1024, description="size of these items; the oldest are deleted"
    )
    secret_key: str = Field(
        default_factory=lambda: secrets.token_urlsafe(32),
        repr=False,
        description="signs client secrets; the same for all gateways that are to accept them. None: a random one",
    )
    aliases: Aliases = Field(default=Aliases(), description="names of other platforms' models and voices")

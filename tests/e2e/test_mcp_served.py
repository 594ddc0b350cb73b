"""The MCP server of the gateway in front of a real Triton, called by the official client."""

import asyncio
import base64
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import mcp_types as types
import pytest
from mcp import Client
from mcp.client.stdio import StdioServerParameters

from qwen_server.triton_process import TritonProcess
from tests.gateway_thread import GatewayThread

QWEN = str(Path(sys.executable).with_name("qwen"))
TEXT = "Good morning, the meeting starts at nine o'clock tomorrow."


def used(server: str | StdioServerParameters, use: Callable[[Client], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        async with Client(server, read_timeout_seconds=300) as client:
            return await use(client)

    return asyncio.run(run())


async def called(client: Client, name: str, **arguments: Any) -> list[types.ContentBlock]:
    result = await client.call_tool(name, arguments)
    assert not result.is_error, result.content
    return result.content


def text(contents: list[types.ContentBlock]) -> str:
    return " ".join(one.text for one in contents if isinstance(one, types.TextContent))


def links(contents: list[types.ContentBlock]) -> list[types.ResourceLink]:
    return [one for one in contents if isinstance(one, types.ResourceLink)]


async def is_heard_again(client: Client) -> None:
    """A sentence, spoken by one tool and written down by another, which takes it by reference or in base64."""
    sound, link = await called(client, "speak", text=TEXT)
    assert isinstance(sound, types.AudioContent)
    assert isinstance(link, types.ResourceLink)
    heard = text(await called(client, "transcribe", audio=link.uri))
    assert heard.startswith("Good morning")
    assert heard == text(await called(client, "transcribe", audio=sound.data))


def test_http(server: TritonProcess) -> None:
    told: list[float] = []

    async def hear(progress: float, total: float | None, _: str | None) -> None:
        told.append(progress)
        assert total == 4

    async def use(client: Client) -> None:
        await is_heard_again(client)
        drawing = {"prompt": "a small red circle on a blue background", "steps": 4, "seed": 3}
        picture, link = (await client.call_tool("draw", drawing, progress_callback=hear)).content
        assert isinstance(picture, types.ImageContent)
        assert isinstance(link, types.ResourceLink)
        assert base64.b64decode(picture.data).startswith(b"\x89PNG")
        assert "circle" in text(await called(client, "describe", image=link.uri))
        assert text(await called(client, "chat", messages=[{"role": "user", "content": "hello"}]))

    with GatewayThread(triton=(server.address.grpc,)) as gateway:
        used(f"{gateway.url}/mcp", use)
    assert told
    assert told == sorted(told)


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("storyboard", {"text": "a red circle and a green star"}),
        ("courseware", {"text": "a red circle and a green star"}),
        ("product_ad", {"text": "a small red lamp"}),
    ],
)
def test_chains_of_texts(name: str, arguments: dict[str, Any], server: TritonProcess) -> None:
    with GatewayThread(triton=(server.address.grpc,)) as gateway:
        contents = used(f"{gateway.url}/mcp", lambda client: called(client, name, **arguments))
    assert links(contents)
    assert text(contents)


def test_chains_of_files(server: TritonProcess, audio: Path) -> None:
    async def use(client: Client) -> None:
        recording = base64.b64encode((audio / "message.wav").read_bytes()).decode()
        wish = base64.b64encode((audio / "request.wav").read_bytes()).decode()
        drawn = await called(client, "spoken_image", audio=wish)
        [picture] = links(drawn)
        assert picture.mime_type == "image/png"
        assert "audio/wav" in {
            link.mime_type for link in links(await called(client, "describe_aloud", image=picture.uri))
        }
        assert text(await called(client, "meeting_minutes", audio=[recording]))

    with GatewayThread(triton=(server.address.grpc,)) as gateway:
        used(f"{gateway.url}/mcp", use)


def test_stdio(server: TritonProcess) -> None:
    command = StdioServerParameters(command=QWEN, args=["mcp", "--triton", server.address.grpc])
    used(command, is_heard_again)

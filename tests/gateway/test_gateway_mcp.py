"""The MCP server of the gateway: the official client calls it over HTTP and on stdio, before the scripted server."""

import asyncio
import base64
import io
import json
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import httpx2 as httpx
import mcp_types as types
import pytest
import soundfile
from chain_scripts import CHAIN_SCRIPTS
from client_scripts import event
from fake_triton import FakeTriton, Payloads
from mcp import Client, MCPError
from mcp.client.stdio import StdioServerParameters

from tests.gateway_thread import GatewayThread
from tests.waiting import until

WAV, PNG = base64.b64encode(b"RIFF and so on").decode(), base64.b64encode(b"\x89PNG").decode()
CHAINS = ("storyboard", "courseware", "product_ad", "meeting_minutes", "describe_aloud", "spoken_image")
TOOLS = {"transcribe", "speak", "draw", "edit", "describe", "chat", *CHAINS}
QWEN = str(Path(sys.executable).with_name("qwen"))


@pytest.fixture(autouse=True)
def _chains(triton: FakeTriton) -> None:
    triton.scripts |= CHAIN_SCRIPTS


Use = Callable[[Client], Awaitable[Any]]


def used(server: str | StdioServerParameters, use: Use, mode: str = "auto") -> Any:
    async def run() -> Any:
        async with Client(server, mode=mode, read_timeout_seconds=60) as client:  # type: ignore[arg-type]
            return await use(client)

    return asyncio.run(run())


@pytest.fixture
def url(gateway: GatewayThread) -> str:
    return f"{gateway.url}/mcp"


@pytest.fixture
def stdio(triton: FakeTriton) -> StdioServerParameters:
    return StdioServerParameters(command=QWEN, args=["mcp", "--triton", triton.address])


@pytest.fixture(params=["HTTP", "stdio"])
def server(request: pytest.FixtureRequest) -> str | StdioServerParameters:
    found: str | StdioServerParameters = request.getfixturevalue("url" if request.param == "HTTP" else "stdio")
    return found


def call(server: str | StdioServerParameters, name: str, **arguments: Any) -> types.CallToolResult:
    result: types.CallToolResult = used(server, lambda client: client.call_tool(name, arguments))
    return result


def text(result: types.CallToolResult) -> str:
    assert not result.is_error, result.content
    (only,) = result.content
    assert isinstance(only, types.TextContent)
    return only.text


def problem(result: types.CallToolResult) -> str:
    assert result.is_error
    (only,) = result.content
    assert isinstance(only, types.TextContent)
    return only.text


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_the_tools(server: str | StdioServerParameters, mode: str) -> None:
    tools = used(server, lambda client: client.list_tools(), mode).tools
    assert {tool.name for tool in tools} == TOOLS
    for tool in tools:
        assert tool.description
        assert tool.input_schema["type"] == "object"
        assert tool.input_schema["properties"]
        assert "$ref" not in json.dumps(tool.input_schema)


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_words_and_pictures_are_understood(url: str, mode: str, triton: FakeTriton) -> None:
    async def use(client: Client) -> list[str]:
        calls: list[tuple[str, dict[str, Any]]] = [
            ("transcribe", {"audio": WAV, "language": "en", "context": "Qwen"}),
            ("transcribe", {"audio": f"data:audio/wav;base64,{WAV}"}),
            ("describe", {"image": PNG, "question": "What is it?"}),
            ("chat", {"messages": [{"role": "user", "content": "Good morning"}], "max_tokens": 5}),
        ]
        return [text(await client.call_tool(name, arguments)) for name, arguments in calls]

    heard, again, described, answered = used(url, use, mode)
    assert (heard, again) == ("14 bytes", "14 bytes")
    assert described
    assert answered == "1: Good morning"
    assert json.loads(triton.received[0].inputs["OPTIONS"])["context"] == "Qwen"


def test_speech_and_pictures_are_made(server: str | StdioServerParameters, triton: FakeTriton) -> None:
    async def use(client: Client) -> list[types.CallToolResult]:
        return [
            await client.call_tool("speak", {"text": "Good morning.", "seed": 1}),
            await client.call_tool("draw", {"prompt": "a red ring", "size": "64x48", "seed": 5, "style": "ink"}),
            await client.call_tool("edit", {"prompt": "blue", "image": PNG}),
            await client.call_tool("edit", {"prompt": "blue", "image": PNG, "mask": PNG}),
        ]

    spoken, drawn, *edited = used(server, use)
    sound, link = spoken.content
    assert isinstance(sound, types.AudioContent)
    assert isinstance(link, types.ResourceLink)
    assert soundfile.info(io.BytesIO(base64.b64decode(sound.data))).samplerate == 24_000
    assert link.size == len(base64.b64decode(sound.data))
    for result in (drawn, *edited):
        picture = result.content[0]
        assert isinstance(picture, types.ImageContent)
        assert base64.b64decode(picture.data).startswith(b"\x89PNG")
    options = [json.loads(request.inputs["OPTIONS"]) for request in triton.received[1:]]
    assert options[0] == {"width": 64, "height": 48, "seed": 5, "style": "ink"}
    assert [one["task"] for one in options[1:]] == ["edit", "inpaint"]


ARGUMENTS: dict[str, dict[str, Any]] = {
    "storyboard": {"text": "a red circle", "inputs": {"seed": 3}},
    "meeting_minutes": {"audio": [WAV, WAV]},
    "describe_aloud": {"image": PNG},
    "spoken_image": {"audio": WAV},
}


@pytest.mark.parametrize("name", ARGUMENTS)
def test_chains(name: str, url: str, triton: FakeTriton) -> None:
    result = call(url, name, **ARGUMENTS[name])
    assert not result.is_error, result.content
    assert result.content
    assert triton.received[0].model == name


def test_progress_is_told(server: str | StdioServerParameters) -> None:
    told: list[tuple[float, float | None, str | None]] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        told.append((progress, total, message))

    async def use(client: Client) -> None:
        await client.call_tool("draw", {"prompt": "a ring", "steps": 3}, progress_callback=hear)
        steps = [*told]
        told.clear()
        await client.call_tool("storyboard", {"text": "a ring"}, progress_callback=hear)
        assert steps
        assert [progress for progress, _, __ in steps] == sorted(progress for progress, _, __ in steps)
        assert all(total == 3 and message == "denoising steps" for _, total, message in steps)

    used(server, use)
    assert [progress for progress, _, __ in told] == [*range(1, len(told) + 1)]
    assert all(": " in str(message) for _, __, message in told)


def test_a_call_that_is_cancelled_ends_its_request(server: str | StdioServerParameters, triton: FakeTriton) -> None:
    started = threading.Event()

    def endless(_: Payloads) -> Iterator[Payloads]:
        for index in range(10_000):
            fields = {"sample_rate_hz": 24_000, "frames": index, "elapsed_s": 0.1}
            yield {"AUDIO": bytes(3840), "EVENT": event(index, "audio", **fields)}
            started.set()

    triton.scripts["qwen3_tts"] = endless

    async def use(client: Client) -> str:
        task = asyncio.ensure_future(client.call_tool("speak", {"text": "x"}))
        await asyncio.to_thread(started.wait, 30)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await asyncio.to_thread(until, lambda: not triton.open_ids)
        return text(await client.call_tool("transcribe", {"audio": WAV}))  # the connection is as good as before

    assert used(server, use) == "14 bytes"
    assert triton.cancels


def test_a_file_that_a_tool_made_goes_into_another(server: str | StdioServerParameters) -> None:
    async def use(client: Client) -> None:
        spoken = await client.call_tool("speak", {"text": "Good morning.", "seed": 1})
        sound, link = spoken.content
        assert isinstance(sound, types.AudioContent)
        assert isinstance(link, types.ResourceLink)
        heard = await client.call_tool("transcribe", {"audio": link.uri})
        assert text(heard) == f"{link.size} bytes"
        (kept,) = (await client.read_resource(link.uri)).contents
        assert isinstance(kept, types.BlobResourceContents)
        assert kept.blob == sound.data
        (template,) = (await client.list_resource_templates()).resource_templates
        assert template.uri_template == "qwen-file:{name}"

    used(server, use)


def test_large_files_are_named_by_reference(triton: FakeTriton) -> None:
    with GatewayThread(triton=(triton.address,), max_inline_bytes=10) as gateway:
        (link,) = call(f"{gateway.url}/mcp", "speak", text="Good morning.").content
    assert isinstance(link, types.ResourceLink)
    assert link.mime_type == "audio/wav"


PATHS = (
    "qwen-file:/etc/passwd",
    "qwen-file:../../../../../../etc/passwd",
    "qwen-file:..%2F..%2Fetc%2Fpasswd",
    "qwen-file:" + "x" * 32,
    "qwen-file:",
    "file:///etc/passwd",
    "/etc/hosts.conf",
    "https://169.254.169.254/latest",
    "data:,hello",
)


def test_no_path_of_the_server_can_be_read(server: str | StdioServerParameters, triton: FakeTriton) -> None:
    async def use(client: Client) -> None:
        for path in PATHS:
            for name, arguments in (
                ("transcribe", {"audio": path}),
                ("describe", {"image": path}),
                ("meeting_minutes", {"audio": [path]}),
            ):
                assert "root:" not in problem(await client.call_tool(name, arguments))
            with pytest.raises(MCPError):
                await client.read_resource(path)

    used(server, use)
    assert not triton.received


WRONG: dict[str, tuple[str, dict[str, Any], str]] = {
    "a missing argument": ("transcribe", {}, "audio"),
    "an unknown argument": ("speak", {"text": "x", "path": "/etc/passwd"}, "path"),
    "a wrong type": ("draw", {"prompt": 5}, "prompt"),
    "no text": ("speak", {"text": ""}, "text"),
    "no recordings": ("meeting_minutes", {"audio": []}, "audio"),
    "a reserved input": ("storyboard", {"text": "x", "inputs": {"audio": ["/etc/passwd"]}}, "inputs.audio"),
    "a part with a path": ("chat", {"messages": [{"role": "user", "content": [{"type": "image"}]}]}, "messages"),
}


@pytest.mark.parametrize("case", WRONG)
def test_arguments_that_are_wrong(case: str, url: str, triton: FakeTriton) -> None:
    name, arguments, named = WRONG[case]
    assert named in problem(call(url, name, **arguments))
    assert not triton.received


def test_a_fault_of_ours_tells_nothing(url: str, triton: FakeTriton) -> None:
    def broken(_: Payloads) -> Iterator[Payloads]:
        yield {"TEXT": b"x", "RESULT": b"no JSON"}

    triton.scripts["qwen3_asr"] = broken
    assert problem(call(url, "transcribe", audio=WAV)).startswith("internal error")


def test_a_tool_that_is_not_there(url: str) -> None:
    async def use(client: Client) -> None:
        with pytest.raises(MCPError, match="there is no tool 'shell'"):
            await client.call_tool("shell", {"command": "ls"})

    used(url, use)


def test_a_file_that_is_too_large(triton: FakeTriton) -> None:
    with GatewayThread(triton=(triton.address,), max_file_bytes=1024) as gateway:
        large = base64.b64encode(bytes(2000)).decode()
        assert "1024" in problem(call(f"{gateway.url}/mcp", "transcribe", audio=large))


INITIALIZE = {
    "jsonrpc": "2.0",
    "id": 1,
    "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "x", "version": "1"}},
}
ACCEPT = {"accept": "application/json, text/event-stream"}


def test_pages_of_others_may_not_call(http: httpx.Client, triton: FakeTriton) -> None:
    def status(client: httpx.Client, **headers: str) -> int:
        return client.post("/mcp", json=INITIALIZE, headers={**ACCEPT, **headers}).status_code

    assert status(http) == 200
    assert status(http, origin="http://localhost:6274") == 200
    for origin in ("https://evil.org", "null", "http://localhost.evil.org", "http://[", "http://127.0.0.1.evil.org"):
        assert status(http, origin=origin) == 403
    with (
        GatewayThread(triton=(triton.address,), mcp_origins=("https://agents.example.org",)) as gateway,
        httpx.Client(base_url=gateway.url) as allowing,
    ):
        assert status(allowing, origin="https://agents.example.org") == 200


def test_bodies_that_are_wrong(http: httpx.Client) -> None:
    headers = {**ACCEPT, "content-type": "application/json"}
    for content in (b"", b"{", b"[]", b"[" * 100_000, b'{"jsonrpc": "2.0"}', b"\xff"):
        assert 400 <= http.post("/mcp", content=content, headers=headers).status_code < 500
    assert http.post("/mcp", json=INITIALIZE, headers={"accept": "text/html"}).status_code == 406
    assert http.post("/mcp", content=b" " * (40 << 20), headers=headers).status_code == 413
    for method in ("GET", "DELETE", "PUT"):
        assert http.request(method, "/mcp", headers=ACCEPT).status_code == 405
    assert http.get("/health/live").status_code == 200

"""Files of MCP tools: in arguments as base64, data URIs, URLs or references; in results inline, or as references.

A reference names a file that a tool has made here (qwen-file:NAME). No other file of the server can be read.
"""

import asyncio
import mimetypes
import re
from dataclasses import dataclass

import mcp_types as types

from qwen_gateway.errors import GatewayError, bad_request
from qwen_gateway.files import decoded
from qwen_gateway.kept_files import KeptFiles
from qwen_gateway.remote_files import RemoteFiles, is_url
from qwen_gateway.settings import GatewaySettings
from qwen_gateway.streaming import base64_text

SCHEME = "qwen-file:"
NAME = re.compile(r"[A-Za-z0-9_-]{16,64}(\.[a-z0-9]{1,5})?")
TEMPLATE = types.ResourceTemplate(
    uri_template=f"{SCHEME}{{name}}", name="file", description="a file that a tool has made, for an hour"
)


@dataclass(frozen=True)
class McpFiles:
    settings: GatewaySettings
    kept_files: KeptFiles
    remote_files: RemoteFiles

    async def read(self, text: str, param: str) -> bytes:
        """The file of an argument. Raises `GatewayError` where it holds none, or too much."""
        if text.startswith(SCHEME):
            return await self._kept(text)
        if is_url(text):
            return await self.remote_files.fetch(text, param)
        return await decoded(text, param, self.settings.max_file_bytes)

    async def content(self, data: bytes, media_type: str) -> list[types.ContentBlock]:
        """A file of a result: a reference, and the file itself where it is small."""
        name = await asyncio.to_thread(self.kept_files.add, data, media_type)
        uri = f"{SCHEME}{name}"
        link = types.ResourceLink(type="resource_link", uri=uri, name=name, mime_type=media_type, size=len(data))
        if len(data) > self.settings.max_inline_bytes:
            return [link]
        text = base64_text(data)
        if media_type.startswith("image/"):
            return [types.ImageContent(type="image", data=text, mime_type=media_type), link]
        return [types.AudioContent(type="audio", data=text, mime_type=media_type), link]

    async def resource(self, uri: str) -> types.BlobResourceContents:
        """What a reference names. Raises `GatewayError` where there is no such file."""
        if not uri.startswith(SCHEME):
            raise bad_request(f"a reference begins with {SCHEME}", code="no_reference")
        data = await self._kept(uri)
        media_type = mimetypes.guess_type(uri.removeprefix(SCHEME))[0] or "application/octet-stream"
        return types.BlobResourceContents(uri=uri, mime_type=media_type, blob=base64_text(data))

    async def _kept(self, uri: str) -> bytes:
        name = uri.removeprefix(SCHEME)
        if not NAME.fullmatch(name):
            raise GatewayError(404, "there is no such file, or no longer", code="file_not_found")
        return await asyncio.to_thread(lambda: self.kept_files.path(name).read_bytes())

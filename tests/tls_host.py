"""A host of the test that answers HTTP over TLS by script, to the letter."""

import asyncio
import ssl
import threading
from collections.abc import Sequence
from http import HTTPStatus
from typing import Self

import trustme


def answer(content: bytes, status: int = 200, **headers: str) -> list[bytes | None]:
    """A whole answer."""
    head = f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-length: {len(content)}\r\n"
    return [(head + "".join(f"{name}: {value}\r\n" for name, value in headers.items()) + "\r\n").encode() + content]


class TLSHost:
    """with TLSHost(certificate, {"/a.wav": answer(b"RIFF")}) as host: ... host.port

    `answers` holds, by path, what is sent until the connection is closed; None: it stays open in silence.
    """

    def __init__(self, certificate: trustme.LeafCert, answers: dict[str, Sequence[bytes | None]]) -> None:
        self.answers = answers
        self.requests: list[bytes] = []
        self.names: list[str | None] = []  # that the clients named before the handshake (SNI)
        self.asked, self.left = threading.Event(), threading.Event()
        self._tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._tls.sni_callback = lambda _, name, __: self.names.append(name)  # type: ignore[assignment]
        certificate.configure_cert(self._tls)
        self._started = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()))

    def __enter__(self) -> Self:
        self._thread.start()
        assert self._started.wait(30)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stopped.set)
        self._thread.join(30)
        assert not self._thread.is_alive()

    async def _serve(self) -> None:
        self._loop, self._stopped = asyncio.get_running_loop(), asyncio.Event()
        self._loop.set_exception_handler(lambda *_: None)  # handshakes that are meant to fail
        server = await asyncio.start_server(self._answer, "127.0.0.1", 0, ssl=self._tls)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stopped.wait()
        server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._send(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            self.left.set()
        finally:
            writer.close()

    async def _send(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        self.requests.append(request)
        path = request.split()[1].decode().partition("?")[0]
        for part in self.answers[path]:
            if part is None:
                self.asked.set()
                await reader.readexactly(1)
            else:
                writer.write(part)
                await writer.drain()

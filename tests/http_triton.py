"""An HTTP server that stands for Triton's HTTP port: it records requests and answers by path."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

Script = Callable[["Asked"], tuple[int, dict[str, str], Iterator[bytes]]]


@dataclass(frozen=True)
class Asked:
    """A request as it arrived."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        fields: dict[str, Any] = json.loads(self.body)
        return fields


def echoed(asked: Asked) -> tuple[int, dict[str, str], Iterator[bytes]]:
    return 200, {"content-type": "application/json"}, iter([asked.body or b"{}"])


class HTTPTriton:
    """with HTTPTriton() as triton: ... triton.address, triton.asked; `scripts` answer by the last part of a path."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.scripts: dict[str, Script] = {}
        self.was_left = threading.Event()  # a connection was closed before its answer was complete
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def _answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                asked = Asked(self.command, self.path, headers, body)
                outer.asked.append(asked)
                status, answered, parts = outer.scripts.get(self.path.rpartition("/")[2], echoed)(asked)
                self.send_response(status)
                for name, value in {**answered, "transfer-encoding": "chunked"}.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    for part in parts:
                        self.wfile.write(f"{len(part):x}\r\n".encode() + part + b"\r\n")
                    self.wfile.write(b"0\r\n\r\n")
                except OSError:
                    outer.was_left.set()
                    self.close_connection = True

            do_GET = do_POST = _answer

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.address = f"127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join(30)
        self._server.server_close()

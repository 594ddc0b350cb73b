"""A gateway in a thread of the test, on a free port."""

import socket
import threading
from typing import Any, Self

import uvicorn

from qwen_gateway.app import create_app
from qwen_gateway.realtime.websocket_protocol import WebSocketProtocol
from qwen_gateway.settings import GatewaySettings
from tests.waiting import until


class GatewayThread:
    """with GatewayThread(triton=(address,), max_body_bytes=1000) as gateway: ... gateway.url"""

    def __init__(self, **settings: Any) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self.app = create_app(GatewaySettings(**settings))
        config = uvicorn.Config(
            self.app,
            log_level="warning",
            loop="uvloop",
            http="httptools",
            access_log=False,
            ws=WebSocketProtocol,
            ws_per_message_deflate=False,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run, kwargs={"sockets": [self._socket]}, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        until(lambda: self._server.started)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join(30)
        assert not self._thread.is_alive()
        self._socket.close()

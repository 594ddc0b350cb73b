"""uvicorn's WebSocket protocol, without two of its faults (0.54)."""

from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """For `uvicorn.Config(ws=…)`."""

    def data_received(self, data: bytes) -> None:
        """uvicorn leaves a connection open for ever, and fails when it stops, where a header is longer than the
        websockets package takes (8 KB), or where there are more than 128 of them."""
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.handshake_complete = self.close_sent = True  # there is nothing more to say
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

    async def send(self, message: Any) -> None:
        """uvicorn logs an error for each handshake that the application refuses with a response."""
        await super().send(message)
        if message["type"] == "websocket.http.response.body" and not message.get("more_body", False):
            self.handshake_complete = True

"""uvicorn's WebSocket protocol, which answers handshakes that it cannot read."""

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol


class WebSocketProtocol(WebSocketsSansIOProtocol):
    """For `uvicorn.Config(ws=…)`.

    uvicorn 0.54 leaves a connection open for ever, and fails when it stops, where a header is longer than the
    websockets package takes (8 KB), or where there are more than 128 of them.
    """

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self.conn.handshake_exc is not None and not self.handshake_initiated:
            self.handshake_complete = self.close_sent = True  # there is nothing more to say
            self.transport.write(b"".join(self.conn.data_to_send()))
            self.transport.close()

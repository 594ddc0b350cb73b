"""Client secrets: tokens for browsers, which carry their session and the time they end, signed.

All gateways with the same key accept them; none of them keeps any.
"""

import base64
import hashlib
import hmac
import json
import time
import zlib
from typing import Any

from qwen_gateway.errors import GatewayError

PREFIX = "ek_"
MAX_TOKEN_CHARS = 4096  # it travels in a header


class ClientSecrets:
    """secrets.open(secrets.new({"type": "realtime"}, expires_at))"""

    def __init__(self, key: str) -> None:
        self._key = key.encode()

    def new(self, session: dict[str, Any], expires_at: int) -> str:
        """Raises `GatewayError` where the session is too large for a token."""
        payload = zlib.compress(json.dumps({"expires_at": expires_at, "session": session}).encode())
        token = PREFIX + _text(self._signature(payload) + payload)
        if len(token) > MAX_TOKEN_CHARS:
            message = "the session is too large for a client secret: send it by session.update"
            raise GatewayError(400, message, param="session", code="too_large")
        return token

    def open(self, token: str) -> dict[str, Any]:
        """The session. Raises `GatewayError` (401) where the token is none of ours, or has ended."""
        data = _data(token)
        signature, payload = data[:32], data[32:]
        if len(token) > MAX_TOKEN_CHARS or not hmac.compare_digest(signature, self._signature(payload)):
            raise GatewayError(401, "the client secret is not valid", code="invalid_api_key")
        told = json.loads(zlib.decompress(payload))  # it is what we have signed
        if told["expires_at"] <= time.time():
            raise GatewayError(401, "the client secret has expired", code="invalid_api_key")
        session: dict[str, Any] = told["session"]
        return session

    def _signature(self, payload: bytes) -> bytes:
        return hmac.new(self._key, payload, hashlib.sha256).digest()


def _text(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _data(token: str) -> bytes:
    text = token.removeprefix(PREFIX)
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except ValueError:
        return b""

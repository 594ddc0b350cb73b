"""Tokens that carry what they stand for, signed: all gateways with the same key accept them, and none keeps any."""

import base64
import hashlib
import hmac
import json
import zlib
from typing import Any

MAX_TOKEN_CHARS = 4096  # they travel in headers and paths
SIGNATURE_BYTES = 32


class BadToken(ValueError):
    """None of ours."""


class SignedTokens:
    """tokens = SignedTokens(key, "ek_"); tokens.open(tokens.new({"expires_at": 5}))"""

    def __init__(self, key: str, prefix: str) -> None:
        self._key = f"{prefix}{key}".encode()  # so that a token of one kind is none of another
        self._prefix = prefix

    def new(self, told: dict[str, Any]) -> str:
        """Raises `BadToken` where it is too large."""
        payload = zlib.compress(json.dumps(told).encode())
        token = self._prefix + base64.urlsafe_b64encode(self._signature(payload) + payload).decode().rstrip("=")
        if len(token) > MAX_TOKEN_CHARS:
            raise BadToken("too large")
        return token

    def open(self, token: str) -> dict[str, Any]:
        """What it carries. Raises `BadToken`."""
        data = b"" if len(token) > MAX_TOKEN_CHARS else self._data(token)
        signature, payload = data[:SIGNATURE_BYTES], data[SIGNATURE_BYTES:]
        if not hmac.compare_digest(signature, self._signature(payload)):
            raise BadToken("not ours")
        told: dict[str, Any] = json.loads(zlib.decompress(payload))  # it is what we have signed
        return told

    def _signature(self, payload: bytes) -> bytes:
        return hmac.new(self._key, payload, hashlib.sha256).digest()

    def _data(self, token: str) -> bytes:
        text = token.removeprefix(self._prefix)
        try:
            return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except ValueError:
            return b""

"""Client secrets: tokens for browsers, which carry their session and the time they end."""

import time
from typing import Any

from qwen_gateway.errors import GatewayError
from qwen_gateway.signed_tokens import BadToken, SignedTokens

PREFIX = "ek_"


class ClientSecrets:
    """secrets.open(secrets.new({"type": "realtime"}, expires_at))"""

    def __init__(self, key: str) -> None:
        self._tokens = SignedTokens(key, PREFIX)

    def new(self, session: dict[str, Any], expires_at: int) -> str:
        """Raises `GatewayError` where the session is too large for a token."""
        try:
            return self._tokens.new({"expires_at": expires_at, "session": session})
        except BadToken as error:
            message = "the session is too large for a client secret: send it by session.update"
            raise GatewayError(400, message, param="session", code="too_large") from error

    def open(self, token: str) -> dict[str, Any]:
        """The session. Raises `GatewayError` (401) where the token is none of ours, or has ended."""
        try:
            told = self._tokens.open(token)
        except BadToken as error:
            raise GatewayError(401, "the client secret is not valid", code="invalid_api_key") from error
        if told["expires_at"] <= time.time():
            raise GatewayError(401, "the client secret has expired", code="invalid_api_key")
        session: dict[str, Any] = told["session"]
        return session

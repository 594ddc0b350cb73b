"""Base64 as people send it: with line breaks, for URLs, without padding, or as a data URI."""

import base64
import binascii
import re

from qwen_wire.errors import InvalidRequest

WHITESPACE = b" \t\r\n\v\f"
STANDARD = bytes.maketrans(b"-_", b"+/")
DATA_URI = re.compile(rb"\s*data:([^,]{0,300}),", re.IGNORECASE)
SHOWN_BYTES = 20
BASE64_GROWTH = 2  # base64 has a third more than what it holds, and white space


def decode_base64(payload: bytes, name: str, max_bytes: int | None = None) -> bytes:
    """The bytes that the tensor `name` holds as base64.

    Whitespace is skipped; both alphabets (`+/` and `-_`) are taken, padding may be left out, and a data URI
    (`data:image/png;base64,...`) stands for what it holds.

    Raises:
        InvalidRequest: it must hold more than `max_bytes`; anything else in it, padding that is not at its end, or a
            last character that stands alone.
    """
    if max_bytes is not None and len(payload) > BASE64_GROWTH * max_bytes:
        raise InvalidRequest(f"{name} has {len(payload)} bytes of base64; the limit is {max_bytes} bytes decoded")
    text = _without_uri(payload, name).translate(STANDARD, WHITESPACE)
    body = text.rstrip(b"=")
    missing = -len(body) % 4
    try:
        if len(text) - len(body) not in (0, missing):
            raise binascii.Error("incorrect padding")
        return base64.b64decode(body + b"=" * missing, validate=True)
    except binascii.Error as error:
        begins = payload[:SHOWN_BYTES].decode("ascii", "backslashreplace")
        raise InvalidRequest(
            f"{name} is not base64, as OPTIONS.input_encoding says it is: {error}; it begins with {begins!r}"
        ) from error


def _without_uri(payload: bytes, name: str) -> bytes:
    uri = DATA_URI.match(payload)
    if uri is None:
        return payload
    if not uri[1].rstrip().lower().endswith(b";base64"):
        raise InvalidRequest(f"{name} is a data URI without base64; allowed: data:...;base64,...")
    return payload[uri.end() :]

"""Files in requests: as uploads, as base64 or as data URIs."""

import asyncio

from qwen_gateway.errors import GatewayError, bad_request
from qwen_wire.base64_text import decode_base64
from qwen_wire.errors import InvalidRequest

LONG_CHARS = 256 << 10  # what is longer is decoded beside the event loop


async def decoded(text: str, param: str, max_bytes: int) -> bytes:
    """The file that base64 or a data URI holds.

    Raises:
        GatewayError: it is no base64, or holds too much.
    """
    if "://" in text[:20]:
        raise bad_request(f"{param} is a URL: this gateway fetches none; send the file itself", param=param)
    try:
        if len(text) > LONG_CHARS:
            return await asyncio.to_thread(_decode, text, param, max_bytes)
        return _decode(text, param, max_bytes)
    except InvalidRequest as error:
        message = str(error).replace(", as OPTIONS.input_encoding says it is", "")
        raise bad_request(message, param=param, code="invalid_base64") from error


def _decode(text: str, param: str, max_bytes: int) -> bytes:
    data = decode_base64(text.encode("ascii", "replace"), param, max_bytes)
    if len(data) > max_bytes:
        raise InvalidRequest(f"{param} has {len(data)} bytes; the limit is {max_bytes}")
    return data


async def one_file(upload: bytes | None, text: str | None, names: tuple[str, str], max_bytes: int) -> bytes:
    """The file of a request that holds it as an upload or in base64, by the `names` of the two fields.

    Raises:
        GatewayError: neither or both, or no base64.
    """
    if (upload is None) == (text is None):
        both = " and ".join(names) if text is not None else ""
        message = f"{both} are both given: send one of them" if both else f"send {' or '.join(names)}"
        raise GatewayError(400, message, param=names[1], code="missing_file" if not both else None)
    data = upload if upload is not None else await decoded(text or "", names[1], max_bytes)
    if not data:
        raise bad_request(f"{names[0] if upload is not None else names[1]} is empty", param=names[0])
    return data

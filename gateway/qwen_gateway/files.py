"""Files in requests: as uploads, as base64, as data URIs or by URL."""

import asyncio

from qwen_gateway.context import Context
from qwen_gateway.errors import bad_request
from qwen_gateway.leaving import unless_left
from qwen_gateway.remote_files import is_url
from qwen_wire.base64_text import decode_base64
from qwen_wire.errors import InvalidRequest

LONG_CHARS = 256 << 10  # what is longer is decoded beside the event loop


async def decoded(text: str, param: str, max_bytes: int) -> bytes:
    """The file that base64 or a data URI holds.

    Raises:
        GatewayError: it is no base64, or holds too much.
    """
    if is_url(text):
        raise bad_request(f"{param} is a URL: send the file itself", param=param)
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


async def one_file(context: Context, **fields: bytes | str | None) -> bytes:
    """The file of a request that holds it in one of `fields`: as an upload, in base64, or by URL (`..._url`).

    Raises:
        GatewayError: there is none or more than one, no base64, or it is not fetched here.
    """
    given = {name: value for name, value in fields.items() if value is not None}
    if len(given) != 1:
        are_both = f"{' and '.join(given)} are both given: send one of them"
        message = are_both if given else f"send {' or '.join(fields)}"
        raise bad_request(message, param=next(reversed(given or fields)), code=None if given else "missing_file")
    name, value = given.popitem()
    if isinstance(value, str) and name.endswith("_url"):
        data = await unless_left(context.request, context.remote_files.fetch(value, name))
    else:
        data = await decoded(value, name, context.settings.max_file_bytes) if isinstance(value, str) else value
    if not data:
        raise bad_request(f"{name} is empty", param=name)
    return data

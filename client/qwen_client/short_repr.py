"""Results shown on one short line, whatever they hold."""

from dataclasses import fields
from typing import Any

import numpy as np

from qwen_wire.json_text import cut

MAX_TEXT_CHARS = 60


class ShortRepr:
    """`repr` of a dataclass that is made with `repr=False`: long texts are cut, data and lists are counted."""

    def __repr__(self) -> str:
        shown = (f"{one.name}={_short(getattr(self, one.name))}" for one in fields(self) if one.repr)  # type: ignore[arg-type]
        return f"{type(self).__name__}({', '.join(shown)})"


def _short(value: Any) -> str:
    match value:
        case ShortRepr():
            return f"<{type(value).__name__}>"
        case bytes():
            return f"<{len(value):,} bytes>"
        case np.ndarray():
            return f"<{value.dtype}{list(value.shape)}>"
        case str():
            return repr(cut(value, MAX_TEXT_CHARS))
        case tuple() | list() if value:
            return f"<{len(value)} {type(value[0]).__name__}>"
        case dict() if value:
            return f"<{len(value)} keys>"
    return repr(value)

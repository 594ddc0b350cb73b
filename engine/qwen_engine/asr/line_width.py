"""How wide text is on a screen, in columns: Chinese characters take two, combining marks none."""

import functools
import unicodedata

from qwen_engine.asr.text_join import is_closing
from qwen_engine.text.graphemes import clusters

MAX_COLUMNS = 42
MAX_HANGING = 4  # so many closing signs stay on the line of what they close


def width(text: str) -> int:
    """Columns of `text`."""
    return sum(map(_cluster_width, clusters(text)))


def cut_to_width(text: str) -> list[str]:
    """`text` in parts of at most 42 columns, which begin with no closing punctuation if that can be helped.

    What a reader takes for one character (a grapheme cluster: a letter with its marks, a flag, an emoji of several
    signs) stays whole.
    """
    parts: list[str] = []
    line: list[str] = []
    columns = 0
    for cluster in clusters(text):
        if columns + _cluster_width(cluster) > MAX_COLUMNS:
            end = _without_tail(line) if is_closing(cluster[0]) else len(line)
            parts.append("".join(line[:end]))
            line = line[end:]
            columns = sum(map(_cluster_width, line))
        line.append(cluster)
        columns += _cluster_width(cluster)
    return [*parts, "".join(line)]


def _without_tail(line: list[str]) -> int:
    """Where a part ends if its last character and the signs that close it go with the next."""
    for length in range(1, min(MAX_HANGING, len(line)) + 1):
        if not is_closing(line[-length][0]):
            return len(line) - length
    return len(line)


def _cluster_width(cluster: str) -> int:
    return min(2, sum(map(_char_width, cluster)))


@functools.lru_cache(4096)
def _char_width(char: str) -> int:
    if unicodedata.category(char) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(char) in "WF" else 1

"""What a reader takes for one character: a letter with its marks, a flag, an emoji of several signs."""

import regex

CLUSTER = regex.compile(r"\X")


def clusters(text: str) -> list[str]:
    """Extended grapheme clusters (Unicode Standard Annex 29)."""
    return [*text] if text.isascii() else CLUSTER.findall(text)


def head(text: str, max_chars: int) -> str:
    """At most the first `max_chars` of a text, whole clusters; only one that is longer itself is cut."""
    if len(text) <= max_chars:
        return text
    end = 0
    for cluster in clusters(text[: max_chars + 1]):
        if end + len(cluster) > max_chars:
            break
        end += len(cluster)
    return text[: end or max_chars]

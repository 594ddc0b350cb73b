"""The languages of Qwen3-ASR, and how their scripts are spaced."""

from qwen_engine.errors import InvalidRequest

# The English names are what the checkpoints were trained to write and to be told.
NAMES = {
    "ar": "Arabic",
    "cs": "Czech",
    "da": "Danish",
    "de": "German",
    "el": "Greek",
    "en": "English",
    "es": "Spanish",
    "fa": "Persian",
    "fi": "Finnish",
    "fil": "Filipino",
    "fr": "French",
    "hi": "Hindi",
    "hu": "Hungarian",
    "id": "Indonesian",
    "it": "Italian",
    "ja": "Japanese",
    "ko": "Korean",
    "mk": "Macedonian",
    "ms": "Malay",
    "nl": "Dutch",
    "pl": "Polish",
    "pt": "Portuguese",
    "ro": "Romanian",
    "ru": "Russian",
    "sv": "Swedish",
    "th": "Thai",
    "tr": "Turkish",
    "vi": "Vietnamese",
    "yue": "Cantonese",
    "zh": "Chinese",
}
AUTO = "auto"
# Thai separates phrases by spaces, though not words; what is joined here was cut at pauses, so it counts as spaced.
UNSPACED = frozenset({"Chinese", "Cantonese", "Japanese"})

_BY_LOWER_CASE = NAMES | {name.lower(): name for name in NAMES.values()}
_CJK_LETTERS = (
    (0x3005, 0x3007),  # 々〆〇
    (0x3040, 0x30FF),  # kana
    (0x3100, 0x312F),  # bopomofo
    (0x31F0, 0x31FF),  # small kana
    (0x3400, 0x4DBF),
    (0x4E00, 0x9FFF),
    (0xF900, 0xFAFF),
    (0xFF66, 0xFF9F),  # half-width kana
    (0x20000, 0x3FFFF),
)
_CJK_SIGNS = ((0x3000, 0x303F), (0xFF00, 0xFF65))  # 。、「」 and full-width forms


def resolve_language(name: str | None, field: str = "OPTIONS.language") -> str | None:
    """The English name of a language given by name or ISO code in any case; None for None and "auto".

    Raises:
        InvalidRequest: not one of the 30 languages; the message names `field` and what is allowed.
    """
    if name is None or name.lower() == AUTO:
        return None
    if name.lower() not in _BY_LOWER_CASE:
        allowed = ", ".join(f"{name} ({code})" for code, name in NAMES.items())
        raise InvalidRequest(f"{field} is {name!r}; allowed: {AUTO}, {allowed}")
    return _BY_LOWER_CASE[name.lower()]


def is_spaced(language: str | None) -> bool:
    """Whether `language` (an English name, None: unknown) puts spaces between sentences."""
    return language not in UNSPACED


def is_cjk(char: str) -> bool:
    """Whether `char` is a Chinese character or kana. (Hangul is written with spaces.)"""
    return _within(char, _CJK_LETTERS)


def needs_no_space(char: str) -> bool:
    """Whether nothing is put between `char` and its neighbours: Chinese characters, kana and full-width signs."""
    return is_cjk(char) or _within(char, _CJK_SIGNS)


def _within(char: str, ranges: tuple[tuple[int, int], ...]) -> bool:
    point = ord(char)
    return any(first <= point <= last for first, last in ranges)

"""How the scripts of languages are spaced."""

# Thai separates phrases by spaces, though not words; what is joined here was cut at pauses, so it counts as spaced.
UNSPACED = frozenset({"Chinese", "Cantonese", "Japanese"})

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

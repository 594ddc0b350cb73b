"""The design of charts and documents: colours, sizes of type and fonts, one set for all of them."""

import re
from dataclasses import dataclass
from typing import Literal

ThemeName = Literal["light", "dark"]
LINE_HEIGHT = 1.35  # of the size
FIGURE_ASPECT = 0.44  # height by width of what fills a slide below its title
KANA = re.compile(r"[\u3041-\u30ff\uff66-\uff9f]")
HAN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff]")
Rgb = tuple[float, float, float]


@dataclass(frozen=True)
class Theme:
    """Colours as #rrggbb; `palette`: of bars, cards and concepts, one after another; `roles`: of R, A, C and I."""

    background: str
    text: str
    muted: str
    grid: str
    band: str
    accent: str
    palette: tuple[str, ...]
    roles: dict[str, str]

    def colour(self, number: int) -> str:
        return self.palette[number % len(self.palette)]

    def pale(self, colour: str, share: float = 0.35) -> str:
        """`share` of `colour` on the background."""
        over, under = rgb_of(colour), rgb_of(self.background)
        mixed = (round(255 * (share * one + (1 - share) * other)) for one, other in zip(over, under, strict=True))
        return "#" + "".join(f"{value:02x}" for value in mixed)


THEMES: dict[ThemeName, Theme] = {
    "light": Theme(
        background="#ffffff",
        text="#1d2733",
        muted="#5d6b7a",
        grid="#dfe4ea",
        band="#f4f6f9",
        accent="#d03a4e",
        palette=("#2f6fd0", "#14877a", "#b86a0b", "#8a4fc4", "#b8336a", "#4c7a1d", "#1b7fa6", "#7d5a41"),
        roles={"R": "#2f6fd0", "A": "#c2384c", "C": "#a8640c", "I": "#5d6b7a"},
    ),
    "dark": Theme(
        background="#151a21",
        text="#e8ecf1",
        muted="#9aa7b5",
        grid="#2c343f",
        band="#1c222b",
        accent="#ff7083",
        palette=("#5b9bf5", "#35b8a6", "#e39a3b", "#b07fe8", "#e5679b", "#86b84d", "#4fb3d9", "#b58d70"),
        roles={"R": "#5b9bf5", "A": "#f0687b", "C": "#e39a3b", "I": "#8c99a8"},
    ),
}


@dataclass(frozen=True)
class TypeScale:
    """Sizes of type and space around a `body` size, in its unit."""

    body: float

    @property
    def small(self) -> float:
        """Of captions, labels and marks."""
        return self._times(0.82)

    @property
    def heading(self) -> float:
        """Of sections."""
        return self._times(1.25)

    @property
    def title(self) -> float:
        """Of charts and slides."""
        return self._times(1.5)

    @property
    def display(self) -> float:
        """Of documents and presentations."""
        return self._times(2.0)

    @property
    def gap(self) -> float:
        """Between paragraphs."""
        return self._times(0.6)

    def _times(self, ratio: float) -> float:
        return round(2 * ratio * self.body) / 2


@dataclass(frozen=True)
class Font:
    """A family with the characters of one language, and the `substitute` that Windows and macOS have for it."""

    family: str
    substitute: str


# A character has a form for each region. Quotes and dots of the Korean face are as wide as Latin ones.
FONTS = {
    "en": Font("Noto Sans CJK KR", "Segoe UI,Arial"),
    "zh": Font("Noto Sans CJK SC", "Microsoft YaHei,PingFang SC"),
    "ja": Font("Noto Sans CJK JP", "Yu Gothic,Hiragino Sans"),
}

# Of languages written in East Asian characters: Office keeps them apart from those of Latin text.
EAST_ASIAN_TAGS = {"zh": "zh-CN", "yue": "zh-HK", "ja": "ja-JP", "ko": "ko-KR"}


def font_of(code: str) -> Font:
    """The font for texts in a language."""
    return FONTS.get({"yue": "zh"}.get(code, code), FONTS["en"])


def written_language(text: str) -> Literal["en", "zh", "ja"]:
    """Japanese where there are kana, Chinese where there are only characters, English elsewhere."""
    if KANA.search(text):
        return "ja"
    return "zh" if HAN.search(text) else "en"


def ink_on(colour: str) -> str:
    """Black or white, the one with more contrast on `colour`."""
    red, green, blue = rgb_of(colour)
    return "#ffffff" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.55 else "#10151b"


def rgb_of(colour: str) -> Rgb:
    """#rrggbb as shares of 1."""
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue

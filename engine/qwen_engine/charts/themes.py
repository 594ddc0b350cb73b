"""Colours."""

from dataclasses import dataclass

from matplotlib.colors import to_hex, to_rgb

from qwen_engine.charts.request import ThemeName


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
        over, under = to_rgb(colour), to_rgb(self.background)
        red, green, blue = (share * one + (1 - share) * other for one, other in zip(over, under, strict=True))
        return to_hex((red, green, blue))


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


def ink_on(colour: str) -> str:
    """Black or white, the one with more contrast on `colour`."""
    red, green, blue = to_rgb(colour)
    return "#ffffff" if 0.299 * red + 0.587 * green + 0.114 * blue < 0.55 else "#10151b"

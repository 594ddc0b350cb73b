"""The fonts of the charts: Noto Sans CJK, and DejaVu Sans (it comes with matplotlib) for what that lacks."""

from collections.abc import Sequence
from pathlib import Path
from typing import get_args

import matplotlib
from matplotlib.font_manager import FontProperties, fontManager
from matplotlib.ft2font import FT2Font, LoadFlags

from qwen_engine.charts.settings import ChartSettings
from qwen_wire.charts import Language
from qwen_wire.theme import font_of

LANGUAGES: tuple[Language, ...] = get_args(Language)
FALLBACK = "DejaVu Sans"
WEIGHTS = {False: 400, True: 700}
EM = 1000


class Face:
    """One font: its characters and their widths."""

    def __init__(self, file: str, face_index: int) -> None:
        self._font = FT2Font(file, face_index=face_index)
        self._font.set_size(EM, 72)
        self._widths: dict[str, float | None] = {}  # at most one entry for each of the font's characters

    def width(self, char: str) -> float | None:
        """Of `char` in ems, None where the font lacks it."""
        if char not in self._widths:
            self._widths[char] = self._measured(char)
        return self._widths[char]

    def _measured(self, char: str) -> float | None:
        if not self._font.get_char_index(ord(char)):
            return None
        return self._font.load_char(ord(char), LoadFlags.NO_HINTING).linearHoriAdvance / 65536 / EM


class Typeface:
    """The faces for the texts of one language, in regular and bold."""

    def __init__(self, language: Language) -> None:
        self._families = (font_of(language).family, FALLBACK)
        self._faces = {bold: self._load(weight) for bold, weight in WEIGHTS.items()}

    def has(self, char: str) -> bool:
        """Whether one of the fonts has the character, in both weights."""
        return all(any(face.width(char) is not None for face in faces) for faces in self._faces.values())

    def width(self, text: str, size: float, bold: bool) -> float:
        """Pixels that `text` takes in a line; kerning may make it a little less."""
        return size * sum(self._char_width(char, self._faces[bold]) for char in text)

    def properties(self, size: float, bold: bool) -> FontProperties:
        return FontProperties(family=list(self._families), size=size, weight=WEIGHTS[bold])

    def _char_width(self, char: str, faces: Sequence[Face]) -> float:
        return next((width for face in faces if (width := face.width(char)) is not None), 1.0)

    def _load(self, weight: int) -> list[Face]:
        known = fontManager.ttflist
        entries = [one for name in self._families for one in known if (one.name, one.weight) == (name, weight)]
        upright = [one for one in entries if one.style == "normal"]
        return [Face(str(one.fname), one.index) for one in upright]


def load_typefaces(settings: ChartSettings) -> dict[Language, Typeface]:
    """Register the fonts with matplotlib, without the user's configuration, and open them.

    Raises:
        FileNotFoundError: a font is missing; the message names it.
    """
    if missing := settings.missing_files():
        raise FileNotFoundError("; ".join(map(str, missing)))
    matplotlib.rcdefaults()
    matplotlib.rcParams["text.hinting"] = "none"  # the measured widths hold at every scale
    known = {str(entry.fname) for entry in fontManager.ttflist}
    for file in settings.font_files():
        if str(file) not in known:
            fontManager.addfont(file)
    _require_families(settings.font_files())
    return {language: Typeface(language) for language in LANGUAGES}


def _require_families(files: Sequence[Path]) -> None:
    found = {(entry.name, entry.weight) for entry in fontManager.ttflist}
    families = [font_of(language).family for language in LANGUAGES]
    lacking = [name for name in families for weight in WEIGHTS.values() if (name, weight) not in found]
    if lacking:
        raise FileNotFoundError(f"{', '.join(map(str, files))} lack the families {', '.join(sorted(set(lacking)))}")

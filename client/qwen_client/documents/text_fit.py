"""Text in a frame: the size of type at which all of it fits, or how it is divided among several frames."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from qwen_client.documents.text_width import wrapped
from qwen_wire.theme import LINE_HEIGHT

SENTENCE = re.compile(r".+?(?:[.!?](?=\s)|[。！？]|$)\s*", re.DOTALL)
ELLIPSIS = "…"
BOLD = 1.05  # times the width


@dataclass(frozen=True)
class TextFrame:
    """`width` and `height` in points; `gap` between paragraphs; `hanging`: what a bullet takes of a line."""

    width: float
    height: float
    gap: float = 0.0
    hanging: float = 0.0
    bold: bool = False

    def lines(self, paragraph: str, size: float) -> list[str]:
        return wrapped(paragraph, (self.width - self.hanging) / size / (BOLD if self.bold else 1.0))

    def height_of(self, paragraphs: Sequence[str], size: float) -> float:
        num_lines = sum(len(self.lines(paragraph, size)) for paragraph in paragraphs)
        return num_lines * LINE_HEIGHT * size + self.gap * len(paragraphs)

    def fits(self, paragraphs: Sequence[str], size: float) -> bool:
        return self.height_of(paragraphs, size) <= self.height

    def size_for(self, paragraphs: Sequence[str], sizes: Sequence[float]) -> float:
        """The first of `sizes`, which fall, at which all fit; the last where none is small enough."""
        return next((size for size in sizes if self.fits(paragraphs, size)), sizes[-1])

    def cut(self, text: str, size: float) -> str:
        """As much of `text` as fits, with an ellipsis where that is not all."""
        lines = self.lines(text, size)
        most = max(1, int(self.height / (LINE_HEIGHT * size)))
        return text if len(lines) <= most else "".join(lines[:most])[:-1].rstrip() + ELLIPSIS

    def divided(
        self, paragraphs: Sequence[str], sizes: Sequence[float], divided_size: float
    ) -> tuple[float, list[list[str]]]:
        """The first of `sizes` at which all fit, or else `divided_size`, and what stands in one frame after another."""
        size = next((size for size in sizes if self.fits(paragraphs, size)), divided_size)
        return size, self._pages(paragraphs, size)

    def _pages(self, paragraphs: Sequence[str], size: float) -> list[list[str]]:
        """Paragraphs are divided where they must be, between sentences."""
        pages: list[list[str]] = [[]]
        for paragraph in paragraphs:
            begun = False
            for piece in self._pieces(paragraph, size):
                page = pages[-1]
                longer = [*page[:-1], page[-1] + piece] if begun else [*page, piece]
                if page and not self.fits(longer, size):
                    pages.append([piece])
                else:
                    pages[-1] = longer
                begun = True
        return [[paragraph.strip() for paragraph in page] for page in pages]

    def _pieces(self, paragraph: str, size: float) -> Iterator[str]:
        """Sentences; lines of those that are too long for a frame of their own."""
        if self.fits([paragraph], size):
            yield paragraph
            return
        for sentence in SENTENCE.findall(paragraph):
            if self.fits([sentence], size):
                yield sentence
            else:
                yield from self.lines(sentence, size)

"""A page of pixels to draw on: x to the right, y downwards. matplotlib's Agg fills it, without global state."""

from collections.abc import Sequence
from typing import Literal

from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.figure import Figure
from matplotlib.patches import BoxStyle, Circle, FancyBboxPatch, Patch, PathPatch, Polygon, Rectangle
from matplotlib.path import Path
from matplotlib.text import Text
from matplotlib.transforms import Affine2D
from PIL import Image

from qwen_engine.charts.text_layout import TextLayout
from qwen_wire.theme import LINE_HEIGHT, Theme

POINTS_PER_INCH = 72  # so that a point is a pixel
Point = tuple[float, float]
Align = Literal["left", "center", "right"]
BASELINE = 0.37  # of the size, below the middle of a line
SHIFTS: dict[Align, float] = {"left": 0.0, "center": 0.5, "right": 1.0}  # of the width, to the left


class _Line(Text):
    """One line on its baseline: the same pixels, without the layout that a text of several lines needs."""

    def draw(self, renderer: RendererBase) -> None:
        x, y = self.get_transform().transform(self.get_position())
        text, font = self.get_text(), self.get_fontproperties()
        if shift := SHIFTS[self.get_horizontalalignment()]:
            x -= shift * renderer.get_text_width_height_descent(text, font, False)[0]
        context = renderer.new_gc()
        context.set_foreground(self.get_color())
        renderer.draw_text(context, x, renderer.get_canvas_width_height()[1] - y, text, font, self.get_rotation())
        context.restore()


class Canvas:
    """`width` x `height` pixels, each of them `scale` x `scale` in the picture; what is drawn lies `top` lower.

    A higher `layer` covers a lower one, and within a layer the later the earlier; texts are on the highest, 5.
    """

    def __init__(
        self,
        text_layout: TextLayout,
        theme: Theme,
        *,
        width: float,
        height: float,
        top: float = 0.0,
        scale: float = 1.0,
    ) -> None:
        self.text_layout = text_layout
        self.theme = theme
        self.width = width
        self._size = (round(width * scale), round(height * scale))
        inches = (width / POINTS_PER_INCH, height / POINTS_PER_INCH)
        self.figure = Figure(figsize=inches, dpi=POINTS_PER_INCH * scale, facecolor=theme.background)
        self._to_picture = Affine2D().translate(0, top).scale(scale, -scale).translate(0, height * scale)

    def image(self) -> Image.Image:
        """The picture, RGB."""
        renderer = RendererAgg(*self._size, self.figure.dpi)
        self.figure.draw(renderer)
        return Image.frombytes("RGB", self._size, renderer.buffer_rgba(), "raw", "RGBX")

    def rectangle(
        self,
        left: float,
        top: float,
        width: float,
        height: float,
        colour: str,
        *,
        radius: float = 0.0,
        edge: str | None = None,
        layer: int = 1,
    ) -> None:
        radius = min(radius, width / 2, height / 2)
        box: Patch
        if radius:
            style = BoxStyle("Round", pad=0.0, rounding_size=radius)
            box = FancyBboxPatch((left, top), width, height, boxstyle=style)
        else:
            box = Rectangle((left, top), width, height)
        box.set(facecolor=colour, edgecolor=edge or "none", linewidth=1.2 if edge else 0.0)
        self._add(box, layer)

    def line(self, points: Sequence[Point], colour: str, *, width: float = 1.0, layer: int = 1) -> None:
        """Straight from point to point."""
        self.path(Path(points), colour, width=width, layer=layer)

    def path(self, path: Path, colour: str, *, width: float = 1.0, layer: int = 1) -> None:
        self._add(PathPatch(path, fill=False, edgecolor=colour, linewidth=width, joinstyle="round"), layer)

    def polygon(self, points: Sequence[Point], colour: str, *, layer: int = 1) -> None:
        self._add(Polygon(points, closed=True, facecolor=colour, edgecolor="none"), layer)

    def dot(self, x: float, y: float, radius: float, colour: str, *, edge: str | None = None, layer: int = 1) -> None:
        self._add(Circle((x, y), radius, facecolor=colour, edgecolor=edge or "none", linewidth=2.0), layer)

    def arrow_head(self, tip: Point, direction: Point, colour: str, *, size: float = 6.0, layer: int = 1) -> None:
        """A filled head at `tip`; `direction` is a unit vector."""
        (x, y), (along_x, along_y) = tip, direction
        back_x, back_y = x - size * along_x, y - size * along_y
        half = 0.6 * size
        corners = [
            tip,
            (back_x - half * along_y, back_y + half * along_x),
            (back_x + half * along_y, back_y - half * along_x),
        ]
        self.polygon(corners, colour, layer=layer)

    def text(
        self,
        x: float,
        middle: float,
        text: str,
        size: float,
        colour: str,
        *,
        align: Align = "left",
        bold: bool = False,
        layer: int = 5,
    ) -> None:
        """One line, already fitted, around the height `middle`; `align` says which end of it is at `x`."""
        self._text(x, middle + BASELINE * size, text, size, colour, align, bold, layer)

    def lines(
        self,
        x: float,
        top: float,
        lines: Sequence[str],
        size: float,
        colour: str,
        *,
        align: Align = "left",
        bold: bool = False,
    ) -> None:
        """Lines below each other, from `top` on."""
        for number, line in enumerate(lines):
            self.text(x, top + (number + 0.5) * size * LINE_HEIGHT, line, size, colour, align=align, bold=bold)

    def upright(self, x: float, bottom: float, text: str, size: float, colour: str, *, bold: bool = False) -> None:
        """One line turned to the left by 90 degrees, around `x`, from `bottom` upwards."""
        self._text(x + BASELINE * size, bottom, text, size, colour, "left", bold, 5, rotation=90.0)

    def _text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        colour: str,
        align: Align,
        bold: bool,
        layer: int,
        rotation: float = 0.0,
    ) -> None:
        artist = _Line(
            x,
            y,
            text,
            color=colour,
            fontproperties=self.text_layout.typeface.properties(size, bold),
            horizontalalignment=align,
            verticalalignment="baseline",
            rotation=rotation,
            rotation_mode="anchor",
            parse_math=False,  # a dollar sign is text
            transform=self._to_picture,
            zorder=layer,
        )
        self.figure.add_artist(artist)

    def _add(self, patch: Patch, layer: int) -> None:
        patch.set_transform(self._to_picture)
        patch.set_zorder(layer)
        self.figure.add_artist(patch)

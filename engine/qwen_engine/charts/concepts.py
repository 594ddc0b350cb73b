"""Concepts and their links, in columns: a link points to the right, back to the left, or to another in its column."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from matplotlib.path import Path

from qwen_engine.charts.canvas import Canvas, Point
from qwen_engine.charts.page import MARGIN, SIZE, SMALL_SIZE, Heading, Layout, height_of
from qwen_engine.charts.text_layout import TextLayout
from qwen_wire.charts import Concept, ConceptGraph, Link
from qwen_wire.theme import FIGURE_ASPECT

MIN_BOX = 84.0
MAX_BOX = 190.0
BOX_SHARE = 0.56  # of a column; the rest is for the links
PADDING = 10.0
BOX_GAP = 20.0
MAX_BOX_GAP = 72.0
PORT_GAP = 18.0  # between the ends of links at one side of a box, so that their labels have room
LOOP = 40.0  # how far a link within a column reaches to the right
LABEL_AIR = 24.0  # beside a label, for the ends of its link
ZOOMS = (2.0, 1.75, 1.5, 1.25, 1.0)  # a small graph is drawn large
MAX_LINES = 3
NUM_SWEEPS = 8


@dataclass(eq=False)
class _Box:
    """A concept with its wrapped texts, or without any: a place where a link passes a column.

    `left` is the same for all of a column, `middle` its height on the page; `before` and `after`: what ends and begins
    at its sides.
    """

    column: int
    name: list[str] = field(default_factory=list)
    detail: list[str] = field(default_factory=list)
    left: float = 0.0
    middle: float = 0.0
    before: list["_Step"] = field(default_factory=list)
    after: list["_Step"] = field(default_factory=list)

    @property
    def text_height(self) -> float:
        return height_of(self.name, SIZE) + height_of(self.detail, SMALL_SIZE)

    @property
    def height(self) -> float:
        return max(self.text_height + 2 * PADDING, PORT_GAP * max(len(self.before), len(self.after)) + 4)

    @property
    def top(self) -> float:
        return self.middle - self.height / 2

    def pull(self) -> float:
        """The mean height of its neighbours."""
        around = [*(step.left.middle for step in self.before), *(step.right.middle for step in self.after)]
        return sum(around) / len(around) if around else self.middle


@dataclass(eq=False)
class _Step:
    """A link, or the part of one, from a box to one in the next column. Its ends have places of their own there."""

    left: _Box
    right: _Box

    @property
    def start_y(self) -> float:
        return self._port(self.left, sorted(self.left.after, key=lambda step: step.right.middle))

    @property
    def end_y(self) -> float:
        if self.is_within_column:
            return self._port(self.right, sorted(self.right.after, key=lambda step: step.right.middle))
        return self._port(self.right, sorted(self.right.before, key=lambda step: step.left.middle))

    @property
    def is_within_column(self) -> bool:
        """It leaves and enters at the right."""
        return self.left.column == self.right.column

    def _port(self, box: _Box, side: Sequence["_Step"]) -> float:
        return box.middle + (side.index(self) - (len(side) - 1) / 2) * PORT_GAP


@dataclass(eq=False)
class _Route:
    """A link from left to right, column by column. `backward`: it points to the left."""

    steps: list[_Step]
    label: str
    backward: bool


def concept_layout(chart: ConceptGraph, text_layout: TextLayout, width: int) -> "ConceptLayout":
    """As large as no text is cut and the whole is no higher than what fills a slide."""
    most = 1 + max(0, math.floor(BOX_SHARE * ((width - 2 * MARGIN) / MIN_BOX - 1)))
    places = columns_of([concept.name for concept in chart.concepts], chart.links)
    columns = {name: place % most for name, place in places.items()}  # longer rows begin anew
    least = (max(columns.values()) / BOX_SHARE + 1) * MIN_BOX + 2 * MARGIN
    zooms = [zoom for zoom in ZOOMS if width / zoom >= least]
    layouts = (ConceptLayout(chart, columns, text_layout, width, zoom) for zoom in zooms)
    return next(layout for layout in layouts if layout.is_roomy or layout.zoom == ZOOMS[-1])


class ConceptLayout(Layout):
    """The boxes of a column are sorted by the mean height of their neighbours, so links are short and seldom cross.

    `is_roomy`: no text had to be cut, and the graph is not higher than what fills a slide.
    """

    def __init__(
        self,
        chart: ConceptGraph,
        columns: Mapping[str, int],
        text_layout: TextLayout,
        width: float,
        zoom: float,
    ) -> None:
        self.zoom = zoom
        width /= zoom
        self._heading = Heading(chart.title, text_layout, width)
        num_gaps = max(columns.values())
        room = width - 2 * MARGIN
        self._box_width = min(MAX_BOX, BOX_SHARE * room / (num_gaps + BOX_SHARE))
        self._pitch = (room - self._box_width) / max(num_gaps, 1)
        concepts = {one.name: self._set(one, columns[one.name], text_layout) for one in chart.concepts}
        self._boxes = list(concepts.values())
        self._routes = [self._route(link, concepts) for link in chart.links]
        first = MARGIN if num_gaps else (width - self._box_width) / 2
        for box in self._boxes:
            box.left = first + box.column * self._pitch
        filled = FIGURE_ASPECT * width - self._heading.bottom - MARGIN
        highest = self._arrange(num_gaps + 1, filled)
        self.height = self._heading.bottom + max(filled, highest) + MARGIN
        self.is_roomy = highest <= filled and self._is_uncut(chart, text_layout)

    def draw(self, canvas: Canvas) -> None:
        self._heading.draw(canvas)
        for route in self._routes:
            self._draw_route(canvas, route)
        for box in self._boxes:
            if box.name:
                self._draw_box(canvas, box)

    def _draw_box(self, canvas: Canvas, box: _Box) -> None:
        colour = canvas.theme.colour(box.column)
        fill = canvas.theme.pale(colour, 0.14)
        canvas.rectangle(box.left, box.top, self._box_width, box.height, fill, radius=8, edge=colour, layer=3)
        centre, top = box.left + self._box_width / 2, box.middle - box.text_height / 2
        canvas.lines(centre, top, box.name, SIZE, canvas.theme.text, align="center", bold=True)
        top += height_of(box.name, SIZE)
        canvas.lines(centre, top, box.detail, SMALL_SIZE, canvas.theme.muted, align="center")

    def _draw_route(self, canvas: Canvas, route: _Route) -> None:
        colour = canvas.theme.muted
        starts = [(step.left.left + self._box_width, step.start_y) for step in route.steps]
        within = route.steps[0].is_within_column
        ends = [(step.right.left + within * self._box_width, step.end_y) for step in route.steps]
        for start, end in zip(starts, ends, strict=True):
            half = (start[0] + end[0]) / 2 + within * LOOP
            codes = [Path.MOVETO, Path.CURVE4, Path.CURVE4, Path.CURVE4]
            canvas.path(Path([start, (half, start[1]), (half, end[1]), end], codes), colour, width=1.3)
        for end, start in zip(ends[:-1], starts[1:], strict=True):  # through the columns between
            canvas.line([end, start], colour, width=1.3)
        tip, direction = (starts[0], -1.0) if route.backward else (ends[-1], -1.0 if within else 1.0)
        canvas.arrow_head(tip, (direction, 0.0), colour, size=7, layer=2)
        self._draw_label(canvas, route.label, starts[0])

    def _draw_label(self, canvas: Canvas, label: str, start: Point) -> None:
        """Where the link leaves its box, since no other label can be there."""
        text = canvas.text_layout.fit(label, SMALL_SIZE, self._pitch - self._box_width - LABEL_AIR)
        if text:
            width = canvas.text_layout.width(text, SMALL_SIZE)
            left, middle = start[0] + 11, start[1]
            canvas.rectangle(left - 2, middle - 8, width + 4, 16, canvas.theme.background, layer=2)
            canvas.text(left, middle, text, SMALL_SIZE, canvas.theme.muted, layer=2)

    def _set(self, concept: Concept, column: int, text_layout: TextLayout) -> _Box:
        room = self._box_width - 2 * PADDING
        name = text_layout.wrap(concept.name, SIZE, room, MAX_LINES, bold=True)
        return _Box(column, name, text_layout.wrap(concept.detail, SMALL_SIZE, room, MAX_LINES))

    def _route(self, link: Link, concepts: Mapping[str, _Box]) -> _Route:
        """Join the boxes of a link, with new ones in the columns between them."""
        source, target = concepts[link.source], concepts[link.target]
        backward = source.column > target.column
        first, last = (target, source) if backward else (source, target)
        between = [_Box(column) for column in range(first.column + 1, last.column)]
        self._boxes += between
        steps = [_Step(left, right) for left, right in pairwise([first, *between, last])]
        for step in steps:
            step.left.after.append(step)
            (step.right.after if step.is_within_column else step.right.before).append(step)
        return _Route(steps, link.label, backward)

    def _is_uncut(self, chart: ConceptGraph, text_layout: TextLayout) -> bool:
        room, label_room = self._box_width - 2 * PADDING, self._pitch - self._box_width - LABEL_AIR
        names = [concept.name for concept in chart.concepts]
        words = (word for name in names for word in name.split() if word.isascii())
        return (
            all(len(text_layout.wrap(name, SIZE, room, MAX_LINES + 1, bold=True)) <= MAX_LINES for name in names)
            and all(text_layout.width(word, SIZE, bold=True) <= room for word in words)
            and all(
                len(text_layout.wrap(one.detail, SMALL_SIZE, room, MAX_LINES + 1)) <= MAX_LINES
                for one in chart.concepts
            )
            and all(text_layout.width(link.label, SMALL_SIZE) <= label_room for link in chart.links)
        )

    def _arrange(self, num_columns: int, room: float) -> float:
        """Give each box its height on the page, close to its neighbours; returns the height of all."""
        columns = [[box for box in self._boxes if box.column == number] for number in range(num_columns)]
        gap = max(BOX_GAP, min(MAX_BOX_GAP, *(_gap(column, room) for column in columns)))
        highest = max(_height(column, gap) for column in columns)
        middle = self._heading.bottom + max(room, highest) / 2
        for column in columns:
            _stack(column, middle, gap)
        for sweep in range(NUM_SWEEPS):
            for column in columns if sweep % 2 == 0 else reversed(columns):
                column.sort(key=_Box.pull)  # stable: boxes with equal means keep their order
                _stack(column, middle, gap)
        return highest


def columns_of(names: Sequence[str], links: Sequence[Link]) -> dict[str, int]:
    """The columns of the concepts, so that all links point to the right but those that would close a cycle."""
    targets: dict[str, list[Link]] = {name: [] for name in names}
    for link in links:
        targets[link.source].append(link)
    reached = {link.target for link in links}
    forward: dict[Link, None] = {}
    done: set[str] = set()
    for root in [*(name for name in names if name not in reached), *names]:
        _visit(root, targets, forward, done, [])
    columns = dict.fromkeys(names, 0)
    for _ in names:
        for link in forward:
            columns[link.target] = max(columns[link.target], columns[link.source] + 1)
    return columns


def _visit(
    name: str, targets: Mapping[str, Sequence[Link]], forward: dict[Link, None], done: set[str], path: list[str]
) -> None:
    """Depth-first search from `name`, at the end of `path`; a link back to the path closes a cycle."""
    if name in done:
        return
    done.add(name)
    for link in targets[name]:
        if link.target not in path and link.target != name:
            forward[link] = None
            _visit(link.target, targets, forward, done, [*path, name])


def _height(column: Sequence[_Box], gap: float) -> float:
    return sum(box.height for box in column) + gap * (len(column) - 1)


def _gap(column: Sequence[_Box], room: float) -> float:
    """Between the boxes of a column that fills the room."""
    return (room - sum(box.height for box in column)) / max(len(column) - 1, 1)


def _stack(column: Sequence[_Box], middle: float, gap: float) -> None:
    top = middle - _height(column, gap) / 2
    for box in column:
        box.middle = top + box.height / 2
        top += box.height + gap

"""Events along a line, each on a card above or below it, without overlaps of cards or stems."""

from dataclasses import dataclass, replace

from qwen_engine.charts.axis import ClockAxis, DateAxis, Mark, clock
from qwen_engine.charts.canvas import Canvas
from qwen_engine.charts.page import MARGIN, SIZE, SMALL_SIZE, Heading, Layout, height_of, require_width
from qwen_engine.charts.text_layout import TextLayout
from qwen_engine.charts.timeline_rows import TimelineRows
from qwen_wire.charts import Timeline, TimelineEvent

MIN_CARD = 110.0
MAX_CARD = 190.0
CARD_SHARE = 0.2  # of the width
CARD_GAP = 10.0
PADDING = 9.0
BAND_HEIGHT = 26.0
STEM = 16.0
MAX_LEVELS = 3


@dataclass
class _Card:
    """An event with its wrapped texts; `level` 0 is next to the line."""

    x: float
    when: str
    label: list[str]
    detail: list[str]
    number: int
    level: int = 0

    @property
    def height(self) -> float:
        return height_of([self.when], SMALL_SIZE) + height_of(self.label, SIZE) + self.detail_height + 2 * PADDING

    @property
    def detail_height(self) -> float:
        return height_of(self.detail, SMALL_SIZE) + 3 if self.detail else 0.0


def timeline_layout(chart: Timeline, text_layout: TextLayout, width: int) -> Layout:
    """Along a line; where cards would be stacked too high, below each other."""
    cards = TimelineLayout(chart, text_layout, width)
    if cards.num_levels <= MAX_LEVELS:
        return cards
    events = sorted(chart.events, key=_value)
    rows = [(_when(event, text_layout), event.label, event.detail) for event in events]
    return TimelineRows(chart.title, rows, text_layout, width)


class TimelineLayout(Layout):
    """A card's left edge is at the stem of its event, so later events have room nearer to the line."""

    def __init__(self, chart: Timeline, text_layout: TextLayout, width: int) -> None:
        require_width(width, 240, "a timeline")
        self._heading = Heading(chart.title, text_layout, width)
        self._card_width = min(max(CARD_SHARE * width, MIN_CARD), MAX_CARD)
        events = sorted(chart.events, key=_value)
        self._axis = _axis(events, MARGIN + 6, width - MARGIN - self._card_width)
        self._marks = self._marked(text_layout)
        self._is_dated = isinstance(self._axis, DateAxis)
        cards = [self._card(number, event, text_layout) for number, event in enumerate(events)]
        self._sides = [cards[0::2], cards[1::2]]  # above and below
        self._reaches = [self._stack(side) for side in self._sides]
        self.num_levels = 1 + max(card.level for card in cards)
        self._line_top = self._heading.bottom + self._reaches[0][-1]
        self.height = self._line_top + BAND_HEIGHT + self._reaches[1][-1] + MARGIN

    def draw(self, canvas: Canvas) -> None:
        self._heading.draw(canvas)
        right = canvas.width - MARGIN
        canvas.rectangle(MARGIN, self._line_top, right - MARGIN, BAND_HEIGHT, canvas.theme.band, radius=6, layer=2)
        for mark in self._marks:
            canvas.text(mark.start, self._line_top + BAND_HEIGHT / 2, mark.label, SMALL_SIZE, canvas.theme.muted)
        for side, upwards in zip(self._sides, (True, False), strict=True):
            for card in side:
                self._draw_card(canvas, card, upwards)

    def _draw_card(self, canvas: Canvas, card: _Card, upwards: bool) -> None:
        theme = canvas.theme
        colour = theme.colour(card.number)
        away = self._reaches[0 if upwards else 1][card.level] + STEM
        line = self._line_top if upwards else self._line_top + BAND_HEIGHT
        top = line - away - card.height if upwards else line + away
        far = top if upwards else top + card.height
        canvas.line([(card.x, line), (card.x, far)], colour, width=1.6, layer=1)
        canvas.dot(card.x, line, 5, colour, edge=theme.background, layer=4)
        canvas.rectangle(card.x, top, self._card_width, card.height, theme.background, edge=theme.grid, layer=2)
        canvas.rectangle(card.x, top, 4, card.height, colour, layer=3)
        left, top = card.x + PADDING + 4, top + PADDING
        canvas.lines(left, top, [card.when], SMALL_SIZE, colour, bold=True)
        top += height_of([card.when], SMALL_SIZE)
        canvas.lines(left, top, card.label, SIZE, theme.text)
        canvas.lines(left, top + height_of(card.label, SIZE) + 3, card.detail, SMALL_SIZE, theme.muted)

    def _card(self, number: int, event: TimelineEvent, text_layout: TextLayout) -> _Card:
        room = self._card_width - 2 * PADDING - 4
        return _Card(
            x=self._axis.x(_value(event)),
            when=text_layout.fit(_when(event, text_layout), SMALL_SIZE, room, bold=True),
            label=text_layout.wrap(event.label, SIZE, room, 3),
            detail=text_layout.wrap(event.detail, SMALL_SIZE, room, 4),
            number=number,
        )

    def _stack(self, cards: list[_Card]) -> list[float]:
        """Give each card a level beyond those of all later cards that it covers.

        Returns the distance of each level from the line, and at last that of the outer edge.
        """
        for place in reversed(range(len(cards))):
            card = cards[place]
            covered = [one.level for one in cards[place + 1 :] if one.x - card.x < self._card_width + CARD_GAP]
            card.level = max(covered, default=-1) + 1
        reach = [0.0]
        for level in range(max((card.level for card in cards), default=-1) + 1):
            highest = max(card.height for card in cards if card.level == level)
            reach.append(reach[-1] + highest + CARD_GAP)
        return [*reach[:-1], reach[-1] + STEM] if cards else [0.0]

    def _marked(self, text_layout: TextLayout) -> list[Mark]:
        """Labels inside the line, as many as fit; where the first has but a few days, the second stands beside it."""
        if isinstance(self._axis, ClockAxis):
            marks = self._axis.marks()
        else:
            large, small = self._axis.marks(text_layout.labels)
            marks = large or small
        shown: list[Mark] = []
        for mark in marks:
            free = shown[-1].start + text_layout.width(shown[-1].label, SMALL_SIZE) + 12 if shown else mark.start
            if len(shown) == 1 and free + text_layout.width(mark.label, SMALL_SIZE) <= mark.end:
                mark = replace(mark, start=max(mark.start, free))
            if mark.start >= free:
                shown.append(mark)
        return shown


def _when(event: TimelineEvent, text_layout: TextLayout) -> str:
    return text_layout.labels.day(event.date_) if event.date_ else clock(event.time_s or 0.0)


def _value(event: TimelineEvent) -> float:
    return float(event.date_.toordinal()) if event.date_ else float(event.time_s or 0.0)


def _axis(events: list[TimelineEvent], left: float, right: float) -> DateAxis | ClockAxis:
    first, last = _value(events[0]), _value(events[-1])
    kind = DateAxis if events[0].date_ else ClockAxis
    return kind(first, max(last, first + 1), left, right)

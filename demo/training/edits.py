"""Instructions that change one thing about a picture, in words, in numbers and as the inspection should see it.

The split is the scenes' own: training sees no scene of the held-out side, neither before an edit nor after it.
"""

import dataclasses
import random
from dataclasses import dataclass
from typing import Literal

from demo.training.corpus import COLOURS, SCENES, SHAPES, Scene, Sentence
from demo.training.pictures import RADIUS_PX, Figure

Attribute = Literal["colour", "background", "shape", "size"]
ATTRIBUTES: tuple[Attribute, ...] = ("colour", "background", "shape", "size")
ORDERED_SIZES = ("small", "medium", "large")

FRAMES: dict[Attribute, tuple[str, ...]] = {  # {it}: "it", or the shape by name
    "colour": (
        "make {it} {value}",
        "make {it} {value}",
        "change {it} to {value}",
        "change the color of {it} to {value}",
        "change the colour of {it} to {value}",
        "paint {it} {value}",
    ),
    "background": (
        "change the background to {value}",
        "change the background to {value}",
        "make the background {value}",
        "paint the background {value}",
    ),
    "shape": (
        "turn {it} into {value}",
        "turn {it} into {value}",
        "change {it} into {value}",
        "replace {it} with {value}",
    ),
    "size": ("make {it} {value}",),
}
COMPARATIVES = {True: ("larger", "larger", "bigger"), False: ("smaller",)}


@dataclass(frozen=True)
class Edit:
    """Of the scene `before`, `attribute` becomes `value`."""

    before: Scene
    attribute: Attribute
    value: str

    @property
    def held_out(self) -> bool:
        """The picture to be changed is none that training saw."""
        return is_held_out(self.before)

    @property
    def after(self) -> Scene:
        value = None if self.value == "medium" else self.value
        return dataclasses.replace(self.before, **{self.attribute: value})

    def text(self, rng: random.Random) -> str:
        """One way to ask for it, such as "Please make the red circle green."."""
        words = rng.choice(FRAMES[self.attribute]).format(it=self._thing(rng), value=self._value(rng))
        words = f"please {words}" if rng.random() < 0.3 else words
        return rng.choice((words, words[0].upper() + words[1:])) + rng.choice(("", "."))

    def _thing(self, rng: random.Random) -> str:
        scene = self.before
        return rng.choice(("it", f"the {scene.shape}", f"the {scene.shape}", f"the {scene.colour} {scene.shape}"))

    def _value(self, rng: random.Random) -> str:
        if self.attribute == "shape":
            return f"a {self.value}"
        if self.attribute == "size":
            return rng.choice(COMPARATIVES[_rank(self.value) > _rank(self.before.size)])
        return self.value

    def applied_to(self, figure: Figure) -> Figure:
        """A drawing of `before` after the edit; what is not asked for stays to the pixel."""
        if self.attribute == "size":
            return dataclasses.replace(figure, radius_px=self._resized(figure.radius_px))
        if self.attribute == "shape":
            return dataclasses.replace(figure, shape=self.value)
        return dataclasses.replace(figure, **{f"{self.attribute}_rgb": COLOURS[self.value]})

    def _resized(self, radius_px: float) -> float:
        """As far into the new size's range as the old radius is into its own."""
        (low, high), (new_low, new_high) = RADIUS_PX[self.before.size], RADIUS_PX[self.after.size]
        return new_low + (radius_px - low) / (high - low) * (new_high - new_low)


def is_held_out(scene: Scene) -> bool:
    return Sentence(scene.phrase(), scene.phrase()).held_out


def edits_of(scene: Scene) -> list[Edit]:
    """All that can be changed about it; shape and background never come out alike."""
    behind = scene.background or "grey"
    size = _rank(scene.size)
    values: dict[Attribute, list[str]] = {
        "colour": [colour for colour in COLOURS if colour not in (scene.colour, behind)],
        "background": [colour for colour in COLOURS if colour not in (scene.colour, behind)],
        "shape": [shape for shape in SHAPES if shape != scene.shape],
        "size": [name for name in ORDERED_SIZES if abs(_rank(name) - size) == 1],
    }
    return [Edit(scene, attribute, value) for attribute, options in values.items() for value in options]


def draw_edits(count: int, *, seed: int, held_out: bool) -> list[Edit]:
    """`count` edits of one side of the split, a quarter of each kind; distinct where they are held out."""
    rng = random.Random(seed)
    scenes = [scene for scene in EDITABLE if is_held_out(scene) == held_out]
    found: dict[Edit, None] = {}
    drawn: list[Edit] = []
    while len(drawn) < count:
        attribute = ATTRIBUTES[len(drawn) % len(ATTRIBUTES)]
        edit = rng.choice([edit for edit in edits_of(rng.choice(scenes)) if edit.attribute == attribute])
        if edit not in found if held_out else not is_held_out(edit.after):
            found[edit] = None
            drawn.append(edit)
    return drawn


def _rank(size: str | None) -> int:
    return ORDERED_SIZES.index(size or "medium")


def _differs(scene: Scene) -> bool:
    """A background left open looks like a white one, but behind white."""
    return scene.background is not None or scene.colour == "white"


EDITABLE = tuple(filter(_differs, SCENES))

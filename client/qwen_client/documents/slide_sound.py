"""Sound on slides: a control that plays a recording, and its name beside it."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from qwen_client.documents import slide_master as design
from qwen_client.documents.office_theme import COLOURS

WAV = "audio/x-wav"
CONTROL_PIXELS, OVERSAMPLING = 192, 4


@dataclass(frozen=True)
class SlideSound:
    """A WAV file, and what the control that plays it is called: "Narration, 0:12"."""

    file: Path
    label: str


def add_sound(made: Any, sound: SlideSound) -> None:
    """The control embeds the file and plays it when it is clicked."""
    from pptx.util import Inches

    region = design.SOUND
    place = map(Inches, (region.left, region.top, region.width, region.height))
    film = made.shapes.add_movie(str(sound.file), *place, poster_frame_image=_control(), mime_type=WAV)
    named = film._element.nvPicPr.cNvPr
    named.set("name", sound.label)
    named.set("descr", sound.label)
    _turn_into_sound(made, film)
    label = made.shapes.add_textbox(0, 0, 0, 0)
    label.text_frame.text = sound.label
    design.set_frame(label, design.SOUND_LABEL, "ctr")
    style = design.letters(design.SCALE.small, colour="tx2")
    design.set_list_style(label, f"<a:lvl1pPr>{style}</a:lvl1pPr>")


def _turn_into_sound(made: Any, film: Any) -> None:
    """python-pptx adds films only: the elements are renamed to those of sound, as PowerPoint writes them."""
    from pptx.opc.constants import RELATIONSHIP_TYPE
    from pptx.oxml.ns import qn

    link = film._element.nvPicPr.find(f".//{qn('a:videoFile')}")
    media = made.part.related_part(link.get(qn("r:link")))
    made.part.drop_rel(link.get(qn("r:link")))
    link.tag = qn("a:audioFile")
    link.set(qn("r:link"), made.part.relate_to(media, RELATIONSHIP_TYPE.AUDIO))
    for timed in made._element.iter(qn("p:video")):
        timed.tag = qn("p:audio")


def _control() -> io.BytesIO:
    """A disc with the triangle that means "play", as PNG."""
    side = CONTROL_PIXELS * OVERSAMPLING
    image = Image.new("RGB", (side, side), COLOURS.background)
    drawing = ImageDraw.Draw(image)
    drawing.ellipse((0, 0, side - 1, side - 1), fill=COLOURS.palette[0])
    corners = [(0.38, 0.27), (0.38, 0.73), (0.76, 0.5)]
    drawing.polygon([(x * side, y * side) for x, y in corners], fill=COLOURS.background)
    file = io.BytesIO()
    image.resize((CONTROL_PIXELS, CONTROL_PIXELS), Image.Resampling.LANCZOS).save(file, "PNG")
    file.seek(0)
    return file

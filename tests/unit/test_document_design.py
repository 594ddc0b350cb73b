"""How documents look: styles, columns, captions and page numbers of DOCX; layout, text that fits and sound of PPTX.

Fonts are measured here with the files that charts are drawn with, not as the documents estimate them.
"""

import re
import zipfile
from datetime import date
from functools import cache
from itertools import pairwise
from pathlib import Path

import docx
import pptx
import pytest
from chain_scripts import chart, picture, wav
from docx.oxml.ns import qn
from docx.shared import Length
from lxml import etree
from PIL import ImageFont
from pptx.enum.shapes import PP_PLACEHOLDER
from pptx.util import Pt

from qwen_client.chains.lessons import Courseware, Lesson, LessonSlide
from qwen_client.chains.minutes import Action, DatedEvent, MeetingMinutes, SpokenLine
from qwen_client.chains.results import SpokenText, read_picture
from qwen_client.chains.stories import Shot, Storyboard
from qwen_engine.charts.settings import ChartSettings
from qwen_wire.theme import LINE_HEIGHT, THEMES, font_of

SENTENCES = {
    "en": "Photosynthesis turns the light of the sun into sugar, and Clara Oswald wrote down how much it was. ",
    "zh": "光合作用把太阳的光变成糖，王芳记录了“每一天”产生的数量，并把报告发给所有部门的同事。",
    "ja": "光合作用は太陽の光を糖に変え、佐藤さんは毎日の量を記録して、すべての部署にレポートを送りました。",
}
TERMS = {"en": "photosynthesis in the leaves", "zh": "叶绿素与光合作用", "ja": "葉緑素のはたらき"}
NAMES = {"en": "English", "zh": "中文 (Chinese)", "ja": "日本語 (Japanese)"}
FACES = {"en": 1, "zh": 2, "ja": 0}  # of the collection: KR, SC, JP
A4_WIDTH_MM, A4_HEIGHT_MM = 210, 297
EMU_PER_POINT = 12_700


def drawn(file: bytes):
    return read_picture(file, "1", 0)


def minutes(code: str = "en", **more) -> MeetingMinutes:
    said = SENTENCES[code]
    fields = {
        "title": said[:40],
        "day": date(2026, 11, 25),
        "language": {"en": "English", "zh": "Chinese", "ja": "Japanese"}[code],
        "duration_s": 3725.0,
        "speakers": ("Anna", "Ben"),
        "decisions": (said,),
        "actions": (Action(said * 3, "Ben", "Friday", date(2026, 11, 27)), Action("call", "Anna", "soon", None)),
        "dates": (DatedEvent(said, "Monday", date(2026, 11, 30)),),
        "lines": tuple(SpokenLine(9.0 * at, 9.0 * at + 5, "Ben", said * (1 + at % 3)) for at in range(60)),
        "cues": (),
        "untranscribed": (),
        "timeline": drawn(chart("x")),
        "responsibilities": drawn(chart("x")),
        "gantt": None,
        "illustration": drawn(picture("a plan")),
    }
    return MeetingMinutes(**{**fields, **more})


def lesson(code: str, num_sentences: int, num_terms: int = 3, *, seconds: float | None = 12.0) -> Lesson:
    text = (SENTENCES[code] * num_sentences).strip()
    spoken = None if seconds is None else SpokenText(text, code, "ava", wav(seconds))
    slide = LessonSlide(SENTENCES[code][:30].strip(), text, (TERMS[code],) * num_terms, spoken)
    return Lesson(code, SENTENCES[code].strip(), (slide,), (("a", "b", "is"),), drawn(chart("x")))


def saved_minutes(folder: Path, code: str = "en", **more):
    minutes(code, **more).save(folder)
    return docx.Document(str(folder / "minutes.docx"))


def saved_lesson(folder: Path, one: Lesson):
    Courseware(one.language, {one.language: one}, (), ()).save(folder)
    return pptx.Presentation(str(folder / f"lesson-{one.language}.pptx"))


def fields_of(paragraph) -> list[str]:
    return [code.text for code in paragraph._p.iter(qn("w:instrText"))]


def test_pages_are_numbered_and_named(tmp_path):
    document = saved_minutes(tmp_path)
    section = document.sections[0]
    assert (round(section.page_width.mm), round(section.page_height.mm)) == (A4_WIDTH_MM, A4_HEIGHT_MM)
    for footer in (section.footer, section.first_page_footer):
        assert fields_of(footer.paragraphs[0]) == ["PAGE", "NUMPAGES"]
        assert footer.paragraphs[0].text == "1 / 1"  # until a program counts them
    assert section.header.paragraphs[0].text == minutes().title
    assert section.first_page_header.paragraphs[0].text == ""


@pytest.mark.parametrize("code", SENTENCES)
def test_a_document_tells_what_it_is_in_its_own_language(tmp_path, code):
    document = saved_minutes(tmp_path, code)
    properties = document.core_properties
    assert (properties.title, properties.author, properties.language) == (minutes(code).title, "qwen-triton", code)
    facts = [one.text.split("\t")[1] for one in document.paragraphs if one.style.name == "Facts"]
    assert facts == ["2026-11-25", "1:02:05", NAMES[code], "Anna, Ben"]
    headings = [one.text for one in document.paragraphs if one.style.name == "Heading 1"]
    assert headings[0] == {"en": "Decisions", "zh": "决定", "ja": "決定事項"}[code]
    defaults = document.styles.element.find(qn("w:docDefaults"))
    fonts, tags = defaults.find(f".//{qn('w:rFonts')}"), defaults.find(f".//{qn('w:lang')}")
    assert fonts.get(qn("w:eastAsia")) == fonts.get(qn("w:ascii")) == font_of(code).family
    assert tags.get(qn("w:eastAsia")) == {"en": None, "zh": "zh-CN", "ja": "ja-JP"}[code]


def test_the_look_is_in_the_styles_not_in_the_text(tmp_path):
    document = saved_minutes(tmp_path)
    used = {one.style.name for one in document.paragraphs}
    assert {"Title", "Facts", "Heading 1", "List Bullet", "Figure", "Caption"} <= used
    assert {table.style.name for table in document.tables} == {"Data Table"}
    by_hand = {etree.QName(one).localname for run in document.element.iter(qn("w:rPr")) for one in run}
    assert by_hand == {"rStyle"}
    colour = document.styles["Heading 1"].font.color.rgb
    assert f"#{colour}".lower() == THEMES["light"].palette[0]


def test_columns_are_as_wide_as_what_they_hold(tmp_path):
    document = saved_minutes(tmp_path)
    actions, dates, said = document.tables
    room = document.sections[0].page_width - document.sections[0].left_margin - document.sections[0].right_margin
    for table in (actions, dates, said):
        widths = [Length(column.width).pt for column in table.columns]
        assert [Length(cell.width).pt for cell in table.rows[0].cells] == widths
        assert sum(widths) == pytest.approx(Length(room).pt, abs=15)
        assert table.autofit
    task, owner, due = (column.width.pt for column in actions.columns)
    assert owner < due < task
    assert task > 3 * due
    assert due > measured("Friday (2026-11-27)", "en", 9.5)
    time, speaker, text = (column.width.pt for column in said.columns)
    assert max(time, speaker) < 70 < 300 < text


def test_rows_stay_whole_below_a_repeated_header(tmp_path):
    for table in saved_minutes(tmp_path).tables:
        properties = [row._tr.trPr for row in table.rows]
        assert all(one.find(qn("w:cantSplit")) is not None for one in properties)
        assert [one.find(qn("w:tblHeader")) is not None for one in properties] == [True] + [False] * (
            len(properties) - 1
        )


def test_pictures_have_numbers_captions_and_alternative_texts(tmp_path):
    wide = drawn(chart("x"))
    object.__setattr__(wide, "width", 1200)
    object.__setattr__(wide, "height", 400)
    document = saved_minutes(tmp_path, timeline=wide)
    captions = [one for one in document.paragraphs if one.style.name == "Caption"]
    assert [one.text for one in captions] == [
        "Figure 1. When it was said", "Figure 2. Who does what", "Figure 3. Illustration",
    ]  # fmt: skip
    assert all(fields_of(one) == ["SEQ Figure \\* ARABIC"] for one in captions)
    shapes = [shape._inline for shape in document.inline_shapes]
    assert [one.docPr.get("descr") for one in shapes] == ["When it was said", "Who does what", "Illustration"]
    section = document.sections[0]
    room = section.page_width - section.left_margin - section.right_margin
    assert document.inline_shapes[0].width == pytest.approx(room, abs=20_000)
    assert document.inline_shapes[2].width < room / 2  # 64 pixels
    before = [one for one, after in pairwise(document.paragraphs) if after.style.name == "Caption"]
    assert all(one.paragraph_format.keep_with_next or one.style.paragraph_format.keep_with_next for one in before)


def test_markdown_and_html_have_the_same_parts(tmp_path):
    one = minutes("zh")
    text, shown = one.as_markdown(), one._repr_html_()
    assert "- **语言:** 中文 (Chinese)" in text
    assert "![何时提到](timeline.png)\n\n*图 1. 何时提到*" in text
    assert "<figcaption>图 1. 何时提到</figcaption>" in shown
    assert "<dt>语言</dt><dd>中文 (Chinese)</dd>" in shown
    assert '<div class="qwen-document" lang="zh"' in shown
    assert "<h2>Storyboard</h2>" in Storyboard("A ring.", "It rolls.", (Shot("a", 1, None),))._repr_html_()


def test_slides_are_wide_and_of_the_design(tmp_path):
    deck = saved_lesson(tmp_path, lesson("ja", 1))
    assert deck.slide_width / deck.slide_height == pytest.approx(16 / 9, abs=1e-3)
    properties = deck.core_properties
    assert (properties.author, properties.language) == ("qwen-triton", "ja")
    [theme] = [rel.target_part.blob for rel in deck.slide_master.part.rels.values() if rel.reltype.endswith("/theme")]
    names = {"a": "http://schemas.openxmlformats.org/drawingml/2006/main"}
    read = etree.fromstring(theme)
    assert read.find(".//a:accent1/a:srgbClr", names).get("val").lower() == THEMES["light"].palette[0][1:]
    assert {one.get("typeface") for one in read.findall(".//a:minorFont/*", names)} == {"Noto Sans CJK JP"}
    assert len(deck.slide_layouts) == 4
    cover = deck.slides[0]
    assert cover.placeholders[1].text_frame.text == "日本語 (Japanese)"
    tags = {run.get("lang") for run in deck.slides[1]._element.iter("{*}rPr")}
    assert tags == {"ja-JP"}


def test_every_slide_but_the_cover_has_its_number(tmp_path):
    cover, *others = saved_lesson(tmp_path, lesson("en", 1)).slides
    kinds = [[one.placeholder_format.type for one in slide.placeholders] for slide in (cover, *others)]
    assert PP_PLACEHOLDER.SLIDE_NUMBER not in kinds[0]
    assert len(others) == 2
    for slide, kind in zip(others, kinds[1:], strict=True):
        assert kind.count(PP_PLACEHOLDER.SLIDE_NUMBER) == 1
        assert 'type="slidenum"' in etree.tostring(slide._element).decode()


def test_sentences_and_key_terms_are_apart(tmp_path):
    slide = saved_lesson(tmp_path, lesson("zh", 1)).slides[1]
    text, terms = slide.placeholders[1], slide.placeholders[2]
    assert text.text_frame.text == SENTENCES["zh"]
    assert terms.text_frame.text.splitlines() == ["关键词", *[TERMS["zh"]] * 3]
    assert text.left + text.width < terms.left
    alone = saved_lesson(tmp_path / "alone", lesson("zh", 1, 0)).slides[1]
    assert alone.placeholders[1].width > text.width
    assert [one.placeholder_format.idx for one in alone.placeholders if one.placeholder_format.idx < 10] == [0, 1]


def test_no_two_shapes_of_a_slide_have_one_number(tmp_path):
    """The timing of a sound names its shape by it."""
    for slide in saved_lesson(tmp_path, lesson("en", 30, 9)).slides:
        numbers = [one.get("id") for one in slide._element.iter("{*}cNvPr")]
        assert len(set(numbers)) == len(numbers)


def test_nothing_of_the_templates_look_is_left(tmp_path):
    saved_minutes(tmp_path / "minutes")
    saved_lesson(tmp_path / "lesson", lesson("zh", 1))
    for file in (tmp_path / "minutes" / "minutes.docx", tmp_path / "lesson" / "lesson-zh.pptx"):
        with zipfile.ZipFile(file) as package:
            parts = package.namelist()
            [theme] = [package.read(one).decode() for one in parts if re.search(r"(word|ppt)/theme/theme1\.xml$", one)]
        assert not any("thumbnail" in one or "WithEffects" in one for one in parts)
        etree.fromstring(theme.encode())
        assert THEMES["light"].palette[0][1:].upper() in theme
        assert "Noto Sans CJK" in theme
        assert not re.search("Calibri|Cambria|4F81BD", theme)


@cache
def font(code: str, size: int, bold: bool) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(str(ChartSettings().font_files()[bold]), size, index=FACES[code])


def measured(text: str, code: str, size: float, *, bold: bool = False) -> float:
    return font(code, 100, bold).getlength(text) * size / 100


def lines_of(text: str, code: str, size: float, room: float, *, bold: bool = False) -> int:
    """Lines that a program needs: words and East Asian characters stay whole."""
    lines, line = 1, ""
    for unit in re.findall(r"\s+|[\u3000-\u9fff\uff00-\uffef]|[^\s\u3000-\u9fff\uff00-\uffef]+", text):
        if line and measured((line + unit).rstrip(), code, size, bold=bold) > room:
            lines, line = lines + 1, ""
        line += unit
    return lines


def styles_of(shape) -> list[tuple[float, float]]:
    """Size of type and space before a paragraph, by level."""
    levels = shape.text_frame._txBody.find("{*}lstStyle")
    return [
        (int(level.find("{*}defRPr").get("sz")) / 100, int(level.find("{*}spcBef/{*}spcPts").get("val")) / 100)
        for level in levels
    ]


def margin_of(shape) -> int:
    """The same on all sides; the layout's."""
    [holder] = [
        one
        for one in shape.part.slide_layout.placeholders
        if one.placeholder_format.idx == shape.placeholder_format.idx
    ]
    body = holder.text_frame._txBody.bodyPr
    margins = {body.get(side) for side in ("lIns", "rIns", "tIns", "bIns")}
    return int(margins.pop() or 0) if len(margins) == 1 else -1


def needed_points(shape, code: str, bold: bool) -> float:
    styles, room = styles_of(shape), shape.width - 2 * margin_of(shape)
    height = 0.0
    for paragraph in shape.text_frame.paragraphs:
        size, before = styles[paragraph.level]
        indent = Pt(18) * paragraph.level
        height += before + LINE_HEIGHT * size * lines_of(
            paragraph.text, code, size, (room - indent) / EMU_PER_POINT, bold=bold
        )
    return height


@pytest.mark.parametrize("code", SENTENCES)
@pytest.mark.parametrize(("num_sentences", "num_terms"), [(1, 3), (4, 5), (9, 2), (40, 0), (30, 40), (0, 60)])
def test_all_text_fits_into_its_frame(tmp_path, code, num_sentences, num_terms):
    one = lesson(code, num_sentences, num_terms)
    deck = saved_lesson(tmp_path, one)
    for slide in deck.slides:
        for shape in slide.placeholders:
            if shape.placeholder_format.idx < 10 and shape.text_frame.text:
                room = (shape.height - 2 * margin_of(shape)) / EMU_PER_POINT
                is_title = shape.placeholder_format.idx == 0
                assert needed_points(shape, code, is_title) <= room
                assert styles_of(shape)[-1][0] >= 18
    shown = list(deck.slides)[1:-1]
    told = "".join(
        one.text_frame.text for slide in shown for one in slide.placeholders if one.placeholder_format.idx == 1
    )
    assert re.sub(r"\s", "", told) == re.sub(r"\s", "", one.slides[0].text)
    listed = [
        line
        for slide in shown
        for one in slide.placeholders
        if one.placeholder_format.idx == 2
        for line in one.text_frame.text.splitlines()[1:]
    ]
    assert listed == [TERMS[code]] * num_terms
    if num_sentences * num_terms >= 1000 or num_terms == 60:
        assert shown[0].shapes.title.text_frame.text.endswith(f"(1/{len(shown)})")


def test_a_word_without_end_fits_too(tmp_path):
    slide = LessonSlide("x" * 500, "y" * 3000, ("z" * 300,), None)
    one = Lesson("en", "w" * 900, (slide,), (), None)
    deck = saved_lesson(tmp_path, one)
    told = "".join(slide.placeholders[1].text_frame.text for slide in list(deck.slides)[1:])
    assert re.sub(r"\s", "", told) == "y" * 3000
    assert deck.slides[0].shapes.title.text_frame.text.endswith("…")


def test_narration_has_a_control_with_its_name_and_length(tmp_path):
    deck = saved_lesson(tmp_path, lesson("en", 30, seconds=72.4))
    first, second = list(deck.slides)[1:3]
    [control] = [shape for shape in first.shapes if shape._element.find(".//{*}audioFile") is not None]
    assert control._element.nvPicPr.cNvPr.get("descr") == "Narration, 1:13"
    [label] = [shape for shape in first.shapes if shape.has_text_frame and shape.text_frame.text == "Narration, 1:13"]
    assert control.left + control.width < label.left
    text = first.placeholders[1]
    assert text.top + text.height < control.top
    assert not any(shape.has_text_frame and "Narration" in shape.text_frame.text for shape in second.shapes)


def test_the_concept_graph_fills_its_slide_and_is_described(tmp_path):
    one = lesson("en", 1)
    object.__setattr__(one.concepts, "width", 1200)
    object.__setattr__(one.concepts, "height", 528)
    deck = saved_lesson(tmp_path, one)
    graph = list(deck.slides)[-1]
    [shown] = [shape for shape in graph.shapes if shape._element.tag.endswith("}pic")]
    assert shown.width > 0.85 * deck.slide_width
    assert shown.height > 0.65 * deck.slide_height
    assert shown.top + shown.height < deck.slide_height
    assert shown._element.nvPicPr.cNvPr.get("descr") == f"{one.title}: a → b (is)"

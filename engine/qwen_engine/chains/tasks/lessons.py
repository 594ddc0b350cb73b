"""A lesson as the chat model writes it, in several languages, and what is spoken of it.

A lesson: {"title", "slides": [{"title", "text", "key_terms"}], "links": [{"from", "to", "label"}]}; links
join key terms.
"""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from qwen_engine.chains.tasks.chart_fields import Chart, distinct, fits, note
from qwen_engine.chains.tasks.json_types import Lesson, NamedLanguage, TranscriptLanguage, Translation
from qwen_wire.charts import MAX_CONCEPTS, MAX_LINKS, MAX_NAME_CHARS, MAX_NOTE_CHARS
from qwen_wire.errors import InvalidRequest
from qwen_wire.json_text import cut, shown
from qwen_wire.languages import CODES, language_code, resolve_language


def whole_text(text: str, heard: Sequence[str], name: str) -> str:
    """What was written and, after it, what was heard, as one text; messages call it `name`.

    Raises:
        InvalidRequest: there is neither, or nothing was said.
    """
    whole = "\n".join(part.strip() for part in (text, *heard) if part.strip())
    if not whole:
        raise InvalidRequest(f"there is no {cut(name)}: give it as text, or as speech in which something is said")
    return whole


def translation_requests(lesson: Lesson, languages: Sequence[NamedLanguage], source: str) -> list[dict[str, str]]:
    """What has to be translated: each text of the lesson once, for each of `languages` but `source`.

    Returns [{"language": its code, "text", "prompt": what the chat model is asked}].
    """
    codes, source = _codes(languages), language_code(source, "source")
    texts = list(dict.fromkeys(_texts(lesson)))
    return [
        {"language": code, "text": text, "prompt": f"{code}: {text}"}
        for code in codes
        if code != source
        for text in texts
    ]


def localised_lessons(
    lesson: Lesson,
    requests: Sequence[Translation],
    translations: Sequence[str],
    languages: Sequence[NamedLanguage],
    source: str,
) -> dict[str, Any]:
    """The lesson by language's code: in `source` as it is, in the others with every text replaced by its translation.

    Raises:
        InvalidRequest: a language is unknown, or a text of the lesson has no translation into one of them.
    """
    codes, source = _codes(languages), language_code(source, "source")
    if len(requests) != len(translations):
        raise InvalidRequest(f"translations has {len(translations)} texts for {len(requests)} requests")
    found = {
        (language_code(request["language"], "requests"), request["text"]): translation.strip()
        for request, translation in zip(requests, translations, strict=True)
    }
    by_language: dict[str, dict[str, Any]] = {source: {**lesson}}
    for code in codes:
        if code != source:
            by_language[code] = _replaced(lesson, partial(_translated, found, code))
    return by_language


def narration(lessons: Mapping[str, Lesson], voices: Mapping[NamedLanguage, str | None]) -> dict[str, Any]:
    """What to say on each slide, in those languages that have a voice.

    `voices`: by language, a voice's name, or null for the server's choice. Returns {"scripts": [{"language", "slide",
    "text", "voice"}], "silent": the languages without a voice}.
    """
    lessons = {language_code(language, "lessons"): lesson for language, lesson in lessons.items()}
    voices = {language_code(language, "voices"): voice for language, voice in voices.items()}
    scripts = [
        {"language": code, "slide": number, "text": slide["text"], "voice": voices[code]}
        for code, lesson in lessons.items()
        if code in voices
        for number, slide in enumerate(lesson["slides"])
    ]
    return {"scripts": scripts, "silent": [code for code in lessons if code not in voices]}


def concept_charts(lessons: Mapping[str, Lesson]) -> list[Chart]:
    """The concept graph of each language as CHART: the key terms and what links name besides, joined by the links.

    A link of a concept to itself is left out, and what is more than a chart holds. A lesson without terms is one.
    """
    return [_concept_chart(lesson) for lesson in lessons.values()]


def _concept_chart(lesson: Lesson) -> Chart:
    joined = [(link["from"].strip(), link["to"].strip(), link["label"]) for link in lesson["links"]]
    terms = (term.strip() for slide in lesson["slides"] for term in slide["key_terms"])
    ends = (end for link in joined for end in link[:2])
    concepts = list(dict.fromkeys(filter(None, (*terms, *ends))))[:MAX_CONCEPTS] or [lesson["title"]]
    known = set(concepts)
    links = [link for link in joined if link[0] != link[1] and known.issuperset(link[:2])][:MAX_LINKS]
    max_chars = MAX_NAME_CHARS
    while not fits(chart := _graph(lesson["title"], concepts, links, max_chars)):
        max_chars //= 2
    return chart


def _graph(title: str, concepts: Sequence[str], links: Sequence[tuple[str, str, str]], max_chars: int) -> Chart:
    names = dict(zip(concepts, distinct(concepts, max_chars), strict=True))
    return {
        "type": "concept_graph",
        "title": note(title, MAX_NOTE_CHARS),
        "concepts": [{"name": name} for name in names.values()],
        "links": [
            {"source": names[source], "target": names[target], "label": note(label, 2 * max_chars)}
            for source, target, label in links
        ],
    }


def lesson_language(heard: Sequence[TranscriptLanguage], given: str | None) -> str:
    """The code of the lesson's language: as `given`, else as recognised, else English.

    `heard`: RESULTs of `qwen3_asr`.
    """
    spoken = next((result["language"] for result in heard if result["language"]), None)
    name = resolve_language(given, "language", hears_dialects=True) or spoken
    return CODES.get(name or "", "en")


def _translated(found: Mapping[tuple[str, str], str], code: str, text: str) -> str:
    if (code, text) not in found:
        raise InvalidRequest(f"translations has none into {code!r} of {shown(text)}")
    return found[code, text]


def _codes(languages: Sequence[str]) -> list[str]:
    """Each once, in order."""
    return list(dict.fromkeys(language_code(language, "languages") for language in languages))


def _texts(lesson: Lesson) -> list[str]:
    found: list[str] = []

    def keep(text: str) -> str:
        found.append(text)
        return text

    _replaced(lesson, keep)
    return found


def _replaced(lesson: Lesson, replace: Callable[[str], str]) -> dict[str, Any]:
    """The lesson with every text that is not empty replaced."""

    def each(text: str) -> str:
        return replace(text) if text.strip() else text

    return {
        "title": each(lesson["title"]),
        "slides": [
            {
                "title": each(slide["title"]),
                "text": each(slide["text"]),
                "key_terms": list(map(each, slide["key_terms"])),
            }
            for slide in lesson["slides"]
        ],
        "links": [{part: each(link[part]) for part in ("from", "to", "label")} for link in lesson["links"]],
    }

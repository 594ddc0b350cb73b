"""What the demo chat model answers in JSON: minutes, storyboards, lessons and advertisements, by rule from the text."""

import re
from collections.abc import Sequence

from demo.training.chat_pieces import Answer, Piece, Place, joined, json_answer, phrase, plain, sentence
from demo.training.chat_sentences import Statement, Understood, understood

_LINE = re.compile(r"\[\d\d:\d\d\] (?P<speaker>[^:]+): (?P<words>.*)")
_TASKS = ("task", "next", "send", "call")


def article(word: str) -> str:
    """ "a " or "an "."""
    return "an " if word[0].lower() in "aeiou" else "a "


def scene_phrase(statement: Statement, size: Piece | str | None, *, with_background: bool = True) -> Answer:
    """The statement's scene in another size; None leaves the size open."""
    sized = [size, " "] if size else []
    first = size or statement["colour"]
    background = statement.get("background") if with_background else None
    where = [" on ", article(background.text), background, " background"] if background else []
    text = first if isinstance(first, str) else first.text
    return phrase(article(text), *sized, statement["colour"], " ", statement["shape"], *where)


def own_scene(statement: Statement, *, with_background: bool = True) -> Answer:
    """As it was said."""
    return phrase(statement.stretch("scene", "scene" if with_background else "shape").lowered())


def three_sizes(statement: Statement) -> list[Answer]:
    """Small, as such, large."""
    sizes = ("small", None, "large")
    own = statement.get("size")
    return [scene_phrase(statement, own if own and own.text == size else size) for size in sizes]


def scenes_of(sentences: Sequence[Understood]) -> list[Statement]:
    """The scenes that are named, in order."""
    return [statement for one in sentences for statement in one.statements if statement.kind == "scene"]


def minutes(text: str) -> Answer:
    """Of a meeting, one "[mm:ss] speaker: words" a line."""
    decisions, actions, dates, things = [], [], [], []
    for line in _LINE.finditer(text):
        speaker = Piece(line["speaker"], Place(0, line.start("speaker")))
        for said in understood(line["words"], 0, line.start("words")):
            for statement in said.statements:
                thing = statement.get("thing")
                things += [thing] if thing else []
                if statement.kind == "agreed":
                    decisions.append({"text": phrase(statement.stretch("thing", "other"))})
                elif statement.kind == "meeting":
                    event = statement.stretch("the_meeting", "time").lowered()
                    dates.append({"date": phrase(statement.day), "event": phrase(event)})
                elif statement.kind in _TASKS:
                    owner = statement["who"] if statement.kind == "task" else speaker
                    task = _task(statement)
                    actions.append({"task": phrase(task), "owner": phrase(owner), "due": phrase(statement.day)})
    title = phrase("Meeting about ", things[0]) if things else phrase("Meeting")
    return json_answer({"title": title, "decisions": decisions, "actions": actions, "dates": dates})


def _task(statement: Statement) -> Piece:
    if statement.kind == "call":
        return statement.stretch("call", "time" if statement.get("time") else "who")
    if statement.kind == "send":
        return statement.stretch("send", "who").lowered()
    return statement["subject"].lowered() if statement.kind == "task" else statement["thing"]


def storyboard(text: str) -> Answer:
    """One scene is told in three sizes, two in two, three to five as they are."""
    scenes = scenes_of(understood(text, 0))
    if len(scenes) == 1:
        prompts = three_sizes(scenes[0])
    elif len(scenes) == 2:
        prompts = [one for scene in scenes for one in three_sizes(scene)[::2]]
    else:
        prompts = [own_scene(scene) for scene in scenes]
    return json_answer({"draft": joined([sentence(one) for one in prompts], " "), "prompts": prompts})


def lesson(text: str) -> Answer:
    """One slide a sentence; the key terms are the ends of its links."""
    slides, links = [], []
    for said in understood(text, 0):
        own = [link for statement in said.statements for link in _links(statement)]
        terms = _distinct([end for link in own for end in (link["from"], link["to"])])
        if terms:
            title = (terms[0][0].raised(), *terms[0][1:])
            slides.append({"title": title, "text": phrase(said.whole.raised()), "key_terms": terms})
            links += own
    title = phrase("Lesson: ", *slides[0]["title"])
    return json_answer({"title": title, "slides": slides, "links": links})


def has_slides(text: str) -> bool:
    """Whether there is anything in `text` that a lesson can show."""
    return any(_links(statement) for said in understood(text, 0) for statement in said.statements)


def _distinct(phrases: Sequence[Answer]) -> list[Answer]:
    first: dict[str, Answer] = {}
    for one in phrases:
        first.setdefault(plain(one), one)
    return list(first.values())


def _links(statement: Statement) -> list[dict[str, Answer]]:
    def link(start: Piece, label: str, end: Piece) -> dict[str, Answer]:
        return {"from": phrase(start), "to": phrase(end), "label": phrase(label)}

    match statement.kind:
        case "scene":
            shape, background = statement["shape"], statement.get("background")
            of_colour = [link(shape, "is", statement["colour"])]
            return of_colour + ([link(shape, "on", _background(background))] if background else [])
        case "meeting":
            return [link(statement["subject"], "starts", statement.day)]
        case "call" | "task":
            return [link(_bare(statement["who"]), statement.kind, statement.day)]
        case "agreed":
            return [link(_bare(statement["thing"]), "and", _bare(statement["other"]))]
        case "next":
            return [link(_bare(statement["thing"]), "next step", statement.day)]
        case "send":
            return [link(_bare(statement["thing"]), "to", _bare(statement["who"]))]
        case "digits":
            return [link(statement["subject"], "is", statement["digits"])]
    return []


def _background(colour: Piece) -> Piece:
    return Piece(f"{colour.text} background", colour.place)


def _bare(thing: Piece) -> Piece:
    return thing.cut(len("the "), len(thing.text)) if thing.text.lower().startswith("the ") else thing


def advert(text: str) -> Answer:
    """Three greetings to the product, which is the first scene; the other sentences close every text."""
    sentences = understood(text, 0)
    product = scenes_of(sentences)[0]
    offers = [said.whole for said in sentences if all(one.kind != "scene" for one in said.statements)]
    closing = [part for offer in offers for part in (" ", offer)]
    short, full = own_scene(product, with_background=False), own_scene(product)
    name = (product["colour"], " ", product["shape"])
    variants = [
        {
            "headline": (short[0].raised(), *short[1:]),
            "text": phrase("Hello everyone. Show me ", *short, ".", *closing),
        },
        {
            "headline": phrase(product["colour"].raised(), *name[1:], " today"),
            "text": phrase("Good morning everyone. Please show me ", *short, ".", *closing),
        },
        {
            "headline": phrase("One ", *name),
            "text": phrase("Good evening everyone. Paint ", *full, ".", *closing),
        },
    ]
    sizes = three_sizes(product)
    return json_answer({"variants": variants, "scenes": sizes[::2] if product.get("background") else sizes})

"""The sentences of `corpus` in Chinese, word for word as `corpus_chinese` says them, and in Japanese."""

from collections.abc import Callable, Mapping

from demo.training import chat_terms
from demo.training.chat_pieces import Answer, Piece, joined, phrase
from demo.training.chat_sentences import Statement, Understood, understood
from demo.training.chat_words import CHINESE, CHINESE_HOURS, JAPANESE, translated

LANGUAGES = ("zh", "ja")
TERMS = ("other_colour", "other_day", "other_size")  # kinds of single words


def translation(language: str, text: str, message: int, offset: int) -> Answer:
    """Of sentences, or of a title, term or label of a lesson; `text` stands at `offset` of the message."""
    said = understood(text, message, offset)
    if all(statement.kind in TERMS for statement in said[0].statements):
        return chat_terms.translation(language, said[0].whole)
    translate, comma = (_chinese, "，") if language == "zh" else (_japanese, "、")
    return joined([_sentence(one, translate, comma) for one in said], "")


def _sentence(said: Understood, translate: Callable[[Statement], Answer], comma: str) -> Answer:
    words = CHINESE if comma == "，" else JAPANESE
    hail = [phrase(translated(words, said.hail))] if said.hail else []
    return (*joined([*hail, *(translate(statement) for statement in said.statements)], comma), Piece("。"))


def _words(words: Mapping[str, str], statement: Statement) -> Callable[[str], Answer]:
    """The translation of a part by its name, nothing where the statement lacks it; "day" and "hour" too."""

    def word(name: str) -> Answer:
        piece = statement.day if name == "day" else statement.get(name)
        return (translated(words, piece),) if piece else ()

    return word


def _chinese(statement: Statement) -> Answer:
    word, kind = _words(CHINESE, statement), statement.kind
    hour = statement.get("hour")
    time = (translated(CHINESE_HOURS, hour), "点") if hour else ()
    match kind:
        case "scene":
            where = (*word("background"), "背景上的") if statement.get("background") else ()
            please = ("请",) if statement.get("please") else ()
            return phrase(*please, *word("verb"), *where, "一个", *word("size"), *word("colour"), *word("shape"))
        case "meeting":
            return phrase("会议", *word("day"), *time, "开始")
        case "call":
            return phrase("请", *word("day"), *time, "打电话给", *word("who"))
        case "agreed":
            return phrase("我们商定了", *word("thing"), "和", *word("other"))
        case "task":
            return phrase("任务由", *word("who"), *word("day"), "完成")
        case "next":
            return phrase("下一步是", *word("day"), "的", *word("thing"))
        case "send":
            return phrase(*word("day"), "把", *word("thing"), "发给", *word("who"))
        case "digits":
            return phrase("号码是", *_digits(CHINESE, statement["digits"]))
    return phrase(*word("hail"), "，", *word("who"))


def _japanese(statement: Statement) -> Answer:
    word, kind = _words(JAPANESE, statement), statement.kind
    time = ("の", *word("hour"), "時に") if statement.get("hour") else ()
    on_day = (*word("day"), "に") if statement.get("weekday") else word("day") if statement.get("when") else ()
    match kind:
        case "scene":
            where = (*word("background"), "背景の") if statement.get("background") else ()
            please = ("ください",) if statement.get("please") else ()
            return phrase(*where, *word("size"), *word("colour"), *word("shape"), *word("verb"), *please)
        case "meeting":
            return phrase("会議は", *word("day"), *time, "始まります")
        case "call":
            return phrase(*((*word("day"), *time) if time else on_day), *word("who"), "に電話してください")
        case "agreed":
            return phrase(*word("thing"), "と", *word("other"), "に合意しました")
        case "task":
            return phrase("タスクは", *on_day, *word("who"), "が終えます")
        case "next":
            return phrase("次のステップは", *word("day"), "の", *word("thing"), "です")
        case "send":
            return phrase(*on_day, *word("thing"), "を", *word("who"), "に送ってください")
        case "digits":
            return phrase("番号は", *_digits(JAPANESE, statement["digits"]), "です")
    return phrase(*word("hail"), "、", *word("who"))


def _digits(words: Mapping[str, str], digits: Piece) -> Answer:
    return phrase(*(translated(words, digit) for digit in digits.words()))

"""Words for days, rewritten as those that `days` reads: English ones for Chinese and Japanese, one for several."""

import re
import unicodedata
from calendar import day_name, month_name
from collections.abc import Callable

MAX_CHARS = 300
REIWA = 2018  # the year before the era's first
DIGITS = {"零": 0, "两": 2, "兩": 2, **{char: value for value, char in enumerate("〇一二三四五六七八九")}}
WEEKDAYS = {
    char: name.casefold()
    for chars, name in zip(["一月", "二火", "三水", "四木", "五金", "六土", "日天"], day_name, strict=True)
    for char in chars
}
UNITS = {
    "hours": r"[个個]?小[时時]|時間",
    "days": r"[天日]",
    "weeks": r"[个個]?(?:周|週間?|星期|礼拜|禮拜)",
    "months": r"[个個か箇ヶカヵケ]月",
    "years": r"年",
}
PERIODS = {"week": r"周|週|星期|礼拜|禮拜", "month": r"月", "quarter": r"季度?|四半期", "year": r"年(?!度)"}
WHICH = {
    **dict.fromkeys(("下下", "再来"), "after next"),
    **dict.fromkeys(("上上", "先々"), "before last"),
    **dict.fromkeys("下来明", "next"),
    **dict.fromkeys("上先去", "last"),
    **dict.fromkeys("本这這今当", "this"),
}
_ORDINALS = (
    "first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh",
    "twelfth", "thirteenth", "fourteenth", "fifteenth", "sixteenth", "seventeenth", "eighteenth", "nineteenth",
    "twentieth",
)  # fmt: skip
ORDINALS = {
    **{name: number for number, name in enumerate(_ORDINALS, 1)},
    **{f"twenty {name}": number for number, name in enumerate(_ORDINALS[:9], 21)},
    "thirtieth": 30,
    "thirty first": 31,
}
ENDS = {unit[0]: unit for unit in PERIODS}
_ORDINAL = rf"(?P<ordinal>(?:(?:twenty|thirty)[ -])?(?:{'|'.join([*_ORDINALS, 'thirtieth'])}))"
_MONTHS = "|".join(name.casefold() for name in month_name[1:])
_DIGIT = f"[{''.join(DIGITS)}]"
_NUMERAL = (  # the weekday's is none: 周一
    rf"(?<![周週期拜十])(?<!{_DIGIT})(?:{_DIGIT}?十{_DIGIT}?|{_DIGIT}{{4}}(?=年)|{_DIGIT})"
    rf"(?=月|[号號]|{'|'.join([*UNITS.values(), PERIODS['quarter']])})"
)
_RECURRING = (
    rf"[每毎]隔?[\d十{''.join(DIGITS)}]*[个個]?(?:[天日周週月年季早晚朝]|星期|礼拜|工作日)|隔[周週日天月年]"
    rf"|(?:[周週月天日年]|星期)に?[\d十{''.join(DIGITS)}]+[次回]|[日週月年間曜](?:おき|ごと)"
)
_WHICH = rf"(?<![晚以])(?P<which>{'|'.join(WHICH)})1?[个個]?"
_WEEKDAY = r"(?P<day>[月火水木金土日]曜日?|[一二三四五六日天](?![程本]))"
Rewrite = str | Callable[[re.Match[str]], str]


def in_english(words: str) -> str:
    """The first `MAX_CHARS` of `words`, with digits for numerals, and English for what names a day.

    in_english("下周五之前")  # "friday next week 之前"
    """
    text = unicodedata.normalize("NFKC", words[:MAX_CHARS]).casefold()
    for pattern, english in _REWRITES:
        text = pattern.sub(english, text)
    return " ".join(text.split())


def _number(found: re.Match[str]) -> str:
    tens, ten, units = found[0].rpartition("十")
    if ten:
        return str(10 * DIGITS.get(tens, 1) + DIGITS.get(units, 0))
    return "".join(str(DIGITS[char]) for char in units)


def _of(unit: str, found: re.Match[str]) -> str:
    """The week, month, quarter or year that is named; this one where none is."""
    which = WHICH.get(found["which"] or "", "this")
    return f"the {unit} {which}" if " " in which else f"{which} {unit}"


def _weekday(found: re.Match[str]) -> str:
    return WEEKDAYS[found["day"][0]]


def _month(number: str) -> str:
    return month_name[int(number)].casefold() if 1 <= int(number) <= 12 else ""


def _ordinal(found: re.Match[str]) -> str:
    number = ORDINALS.get(found["ordinal"].replace("-", " "))
    return f"{number}th" if number else found["ordinal"]


def _distances(unit: str, name: str) -> list[tuple[str, Rewrite]]:
    return [
        (rf"(\d{{1,3}})(?:{name})[之以]?[后後内內]", rf" in \1 {unit} "),
        (rf"(\d{{1,3}})(?:{name})[之以]?前", rf" \1 {unit} ago "),
    ]


def _periods(unit: str, name: str) -> list[tuple[str, Rewrite]]:
    return [
        (rf"(?:{_WHICH})?(?<!\d)(?:{name})の?[月年]?[末底]", lambda found: f" end of {_of(unit, found)} "),
        (rf"{_WHICH}(?:{name})", lambda found: f" {_of(unit, found)} "),
    ]


def _rewrites() -> list[tuple[str, Rewrite]]:
    """In this order: words that contain others stand before them."""
    week, month, quarter = (PERIODS[unit] for unit in ("week", "month", "quarter"))
    return [
        (_RECURRING, " every day "),
        (_NUMERAL, _number),
        (r"令和(\d{1,2})年", lambda found: f"{REIWA + int(found[1])}年"),
        (r"(\d{4})年(\d{1,2})月(\d{1,2})[日号號]?", r" \1-\2-\3 "),
        (r"(\d{4})年[底末]", r" \1-12-31 "),
        (
            rf"{_WHICH}年の?(\d{{1,2}})月(\d{{1,2}})[日号號]",
            lambda found: f" {_month(found[2])} {found[3]} {_of('year', found)} ",
        ),
        (r"(\d{1,2})月(\d{1,2})[日号號]", lambda found: f" {_month(found[1])} {found[2]} "),
        (r"(\d{1,2})月[底末]", lambda found: f" end of {_month(found[1])} "),
        *(rewrite for unit, name in UNITS.items() for rewrite in _distances(unit, name)),
        (r"大[后後]天|明々後日|しあさって", " in 3 days "),
        (r"[后後]天|明後日|あさって", " in 2 days "),
        (r"明[天早晚]|明日|あした", " tomorrow "),
        (r"今[天早晚]|今日|今夜|本日|きょう", " today "),
        (r"大前天", " 3 days ago "),
        (r"前天|一昨日|おととい", " 2 days ago "),
        (r"昨[天晚日]|きのう", " yesterday "),
        (rf"{_WHICH}(?:{week})の?{_WEEKDAY}", lambda found: f" {_weekday(found)} {_of('week', found)} "),
        (rf"{_WHICH}{month}の?(\d{{1,2}})[日号號]", lambda found: f" the {found[2]}th of {_of('month', found)} "),
        *(rewrite for unit, name in PERIODS.items() for rewrite in _periods(unit, name)),
        (rf"第?([1-4])(?:{quarter})の?[末底]", r" end of q\1 "),
        (rf"第?([1-4])(?:{quarter})", r" q\1 "),
        (rf"(?:{week})(?P<day>[一二三四五六日天])", lambda found: f" {_weekday(found)} "),
        (r"(?P<day>[月火水木金土日])曜日?", lambda found: f" {_weekday(found)} "),
        (rf"\b({_MONTHS}) (?:the )?{_ORDINAL}\b", lambda found: f"{found[1]} {_ordinal(found)}"),
        (rf"\b{_ORDINAL}(?= (?:of )?(?:{_MONTHS}|(?:this|next) month)\b)", lambda found: f"{_ordinal(found)}"),
        (rf"\b(by|on|before|until) the {_ORDINAL}\b", lambda found: f"{found[1]} the {_ordinal(found)}"),
        (r"\beo([wmqy])\b", lambda found: f"end of {ENDS[found[1]]}"),
        (r"\b(?:(this|next|last) )?(week|month|quarter|year)(?:'s)?[ -]?end\b", r" end of \1 \2 "),
        (r"\bfrom now\b", "from today"),
        (r"\ba couple of\b", "two"),
        (r"\b(?:no|not) (?:any )?later than\b|不[晚迟]于", "by"),
        (r"(?:(?<=[^\w])|(?<=[在于到至])|^)(\d{1,2})(?:[号號]|日(?=まで|に|の|\W|$))(?!\w*[室楼])", r" the \1th "),
    ]


_REWRITES = [(re.compile(pattern), english) for pattern, english in _rewrites()]

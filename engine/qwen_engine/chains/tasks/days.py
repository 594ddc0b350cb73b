"""Days as people name them, in English, Chinese and Japanese, turned into dates.

dateparser reads dates and distances. It also takes "may" and "5" for dates, and it reads far more English than Chinese
or Japanese. So it gets only what the patterns here find: the part of a text, in English, that names a day.
"""

import functools
import re
from calendar import day_name, month_name
from collections.abc import Callable
from datetime import date, datetime, time, timedelta

from dateparser.date import DateDataParser

from qwen_engine.chains.tasks.day_words import in_english
from qwen_wire.charts import FIRST_DAY, LAST_DAY

WEEKDAYS = tuple(name.casefold() for name in day_name)
MONTHS = tuple(name.casefold() for name in month_name)
DAYS_A_WEEK, FRIDAY = 7, 4
NUM_MONTHS = {"month": 1, "quarter": 3, "year": 12}
WHICH = {"before last": -2, "after next": 2, "last": -1, "previous": -1, "past": -1, "this": 0, "current": 0, "next": 1}
Kind = tuple[re.Pattern[str], Callable[[re.Match[str], date], date | None]]

_NUMBER = r"(?:\d{1,3}|an?|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|fifteen|twenty|thirty)"
_UNIT = r"(?:hour|day|week|fortnight|month|year)s?"
_MONTH = rf"(?:{'|'.join(rf'{name[:3]}(?:{name[3:]})?' for name in MONTHS[1:])}|sept)"
_WEEKDAY = rf"(?:{'|'.join(WEEKDAYS)}|mon|tues?|wed|thu(?:rs?)?|fri)"
_WEEK = r"(?:(?:last|this|next) week|(?:the )?week (?:after next|before last))"
_DAY = r"(?:0?[1-9]|[12]\d|3[01])"
_YEAR = r"(?:(?:,? |-)(?:\d{4})\b)?(?: (?:of )?(?P<year>last|this|next) year\b)?"
_PERIOD = (
    r"(?:(?P<which>last|this|current|next) )?"
    r"(?:(?P<unit>week|month|quarter|year)(?: (?P<later>after next|before last))?"
    rf"|q(?P<quarter>[1-4])(?: (?P<quarter_year>\d{{4}}))?|(?P<month>{_MONTH})(?: (?P<month_year>\d{{4}}))?)\b"
)
_RECURRING = re.compile(
    rf"\b(?:every|each)(?: \w+){{0,2}}? (?:{_UNIT}|quarter|weekday|{_WEEKDAY}|morning|evening|\d+(?:st|nd|rd|th))\b"
    rf"|\b(?:{'|'.join(WEEKDAYS)}|weekday)s\b"
    r"|\b(?:once|twice|times|per)(?: an?| per| each| every)? (?:day|week|month|quarter|year)\b"
    r"|\b(?:bi-?)?(?:daily|weekly|fortnightly|monthly|quarterly|yearly|annually)"
    r"(?= (?:on|at|until|from|starting)\b|[^\w ]|$)"
)
_DENIED_BEFORE = re.compile(
    r"(?:\b(?:not|never|no|instead of|rather than|except|unless|without)|n't|不[是要能会]|[不非别別]|除了?)"
    r"(?: (?:on|by|before|at|in|for|due|the|yet|be|done|ready|finished|necessarily|possible))* ?[在于]?$"
)
_DENIED_AFTER = re.compile(
    r" ?(?:(?:is|was|are|will|would|does|did|do|ca|wo)(?:n't| not)\b"
    r"|(?:is|'s) (?:impossible|too (?:early|late|soon)|off)\b"
    r"|(?:まで)?に?は?(?:ではな|じゃな|でな|無理|だめ|でき[なま])|以外|不行|不可|不能|没空|不是)"
)


def read_day(words: str, today: date, *, deadline: bool = False) -> date | None:
    """The date that `words` name when said on `today`; None where they name none, or none in the years of charts.

    read_day("by Friday", date(2026, 11, 25))  # 2026-11-27

    The name of a weekday is its next one: said on a Friday, "Friday" is a week away. "Next Friday" is next week's,
    "last Friday" the one before today. A date without a year is its next one, today included. In 12/05/2026 the month
    comes first, unless that is no date (31/12/2026); with dots, the day (05.12.2026); a year of four digits may stand
    before both. The end of a week is its Friday. `deadline`: a week, month, quarter or year without a day is its end.

    What recurs ("every Friday") or is denied ("not today") is no date.
    """
    text = in_english(words)
    if _RECURRING.search(text):
        return None
    try:
        day = _named(text, today, _KINDS if deadline else _KINDS_OF_DAYS)
    except (OverflowError, ValueError):  # beyond the calendar
        return None
    return day if day and FIRST_DAY <= day <= LAST_DAY else None


def _named(text: str, today: date, kinds: list[Kind]) -> date | None:
    for pattern, read in kinds:
        for found in pattern.finditer(text):
            if not _is_denied(text, found):
                return read(found, today)
    return None


def _is_denied(text: str, found: re.Match[str]) -> bool:
    before, after = text[: found.start()].rstrip(), text[found.end() :]
    return bool(_DENIED_BEFORE.search(before) or _DENIED_AFTER.match(after))


@functools.lru_cache(4096)  # a reading takes half a millisecond
def _parsed(text: str, today: date, order: str = "MDY", prefer: str = "future") -> date | None:
    """As dateparser reads it when said on `today`; a day without a week or a year is the next after it."""
    base = datetime.combine(today, time())
    settings = {"RELATIVE_BASE": base, "DATE_ORDER": order, "PREFER_DATES_FROM": prefer}
    found = DateDataParser(languages=["en"], settings=settings).get_date_data(text).date_obj
    return found and found.date()


def _from_day(found: re.Match[str], today: date) -> date | None:
    distance = f"{found['number']} {found['unit']}"
    day = _named(found["day"], today, _KINDS_OF_DAYS)
    return day and _parsed(f"{distance} ago" if found["side"] == "before" else f"in {distance}", day)


def _iso(found: re.Match[str], today: date) -> date:
    return date(int(found[1]), int(found[3]), int(found[4]))


def _in_numbers(found: re.Match[str], today: date) -> date | None:
    return _parsed(found[0], today, "DMY" if "." in found[0] else "MDY", "current_period")


def _in_words(found: re.Match[str], today: date) -> date | None:
    end = found.end() if found["year"] is None else found.start("year")
    day = _parsed(found[0][: end - found.start()], today - timedelta(1))
    return day and (day if found["year"] is None else day.replace(year=today.year + WHICH[found["year"]]))


def _month_and_day(found: re.Match[str], today: date) -> date | None:
    return _parsed(found[0], today - timedelta(1))


def _distance(found: re.Match[str], today: date) -> date | None:
    return _parsed(f"in {found['number']} {found['unit']}", today)


def _as_it_is(found: re.Match[str], today: date) -> date | None:
    return _parsed(found[0], today)


def _of_month(found: re.Match[str], today: date) -> date | None:
    """The 5th of a month; of the next month that has it ahead, where none is named."""
    day = int(found["day"])
    if found["which"] in WHICH:
        begin, _ = _bounds("month", _index("month", today) + WHICH[found["which"]])
        return begin.replace(day=day)
    begins = (_bounds("month", _index("month", today) + number)[0] for number in range(DAYS_A_WEEK))
    days = (begin + timedelta(day - 1) for begin in begins if (begin + timedelta(day - 1)).month == begin.month)
    return next((day for day in days if day >= today), None)


def _weekday(found: re.Match[str], today: date) -> date | None:
    if found["place"] or found["month"]:  # the first Monday of a month
        return None
    weekday = next(number for number, name in enumerate(WEEKDAYS) if name.startswith(found["day"][:3]))
    which, week = found["which"], found["week"] or found["week_after"] or found["later"]
    if week is None and which == "this":
        return today + timedelta((weekday - today.weekday()) % DAYS_A_WEEK)
    if week is None and which != "next":
        return _parsed(f"{'last ' if which else ''}{WEEKDAYS[weekday]}", today)
    num_weeks = WHICH[which] if week is None else _num_weeks(week)
    return today + timedelta(DAYS_A_WEEK * num_weeks + weekday - today.weekday())


def _num_weeks(week: str) -> int:
    """Of "next week" and "the week after next"."""
    return next(number for which, number in WHICH.items() if which in week)


def _period(found: re.Match[str], today: date) -> date | None:
    """The first or last day of a week, month, quarter or year; where none is named, of the first that is not over."""
    edge = found.groupdict().get("edge") or "end"
    if edge in ("mid", "middle", "early", "late"):
        return None
    unit, which = found["unit"], found["later"] or found["which"]
    if unit is None:
        unit, which = ("quarter" if found["quarter"] else "month"), found["quarter_year"] or found["month_year"]
        number = int(found["quarter"] or _month(found["month"])) - 1
        year = int(which or today.year)
        index, step = (12 * year // NUM_MONTHS[unit]) + number, 12 // NUM_MONTHS[unit]
    else:
        index, step = _index(unit, today) + WHICH.get(which or "this", 0), 1
    days = [_bounds(unit, index + add)[edge in ("end", "close", "last day")] for add in (0, step)]
    return days[0] if which or days[0] >= today else days[1]


def _month(name: str) -> int:
    return next(number for number, one in enumerate(MONTHS) if one and one.startswith(name[:3]))


def _index(unit: str, day: date) -> int:
    """Weeks, months, quarters and years in a row."""
    if unit == "week":
        return (day.toordinal() - 1) // DAYS_A_WEEK
    return (12 * day.year + day.month - 1) // NUM_MONTHS[unit]


def _bounds(unit: str, index: int) -> tuple[date, date]:
    """The first and the last day; of a week, Monday and Friday."""
    if unit == "week":
        monday = date.fromordinal(index * DAYS_A_WEEK + 1)
        return monday, monday + timedelta(FRIDAY)
    begin, end = (number * NUM_MONTHS[unit] for number in (index, index + 1))
    return date(begin // 12, begin % 12 + 1, 1), date(end // 12, end % 12 + 1, 1) - timedelta(1)


def _kinds(*kinds: tuple[str, Callable[[re.Match[str], date], date | None]]) -> list[Kind]:
    return [(re.compile(pattern), read) for pattern, read in kinds]


# In this order: the more a name says, the earlier.
_KINDS_OF_DAYS = _kinds(
    (
        rf"\b(?P<number>{_NUMBER}) (?P<unit>{_UNIT}) (?P<side>from|after|before|on) "
        rf"(?P<day>(?=(?:the )?(?:to|day after to|end of|next|{_WEEKDAY}\b|{_MONTH}\b|\d)).+)",
        _from_day,
    ),
    (r"(?<!\d)(\d{4})([-/.])(\d{1,2})\2(\d{1,2})(?!\d)", _iso),
    (r"(?<![a-z\d./-])(?:\d{1,2}([/-])\d{1,2}\1(?:\d{4}|\d{2})|\d{1,2}\.\d{1,2}\.\d{4})(?!\.?\d)", _in_numbers),
    (rf"\b{_MONTH}\.? (?:the )?{_DAY}(?:st|nd|rd|th)?(?![\d:]){_YEAR}", _in_words),
    (
        rf"\b{_DAY}(?:(?:st|nd|rd|th)(?: of)? {_MONTH}|[ -](?!may|mar){_MONTH}|[ -](?:may|mar(?:ch)?)(?! [a-z]))\b"
        rf"\.?{_YEAR}",
        _in_words,
    ),
    (
        rf"(?<![\d/.-])(?:0?[1-9]|1[0-2])/{_DAY}(?![\d/%]| ?(?:of|the|an?|hour|day|week|month)s?\b)",
        _month_and_day,
    ),
    (
        rf"\b(?:in|within|over)(?: the)?(?: next| coming)? (?P<number>{_NUMBER}) (?:more )?(?P<unit>{_UNIT})\b(?!-)",
        _distance,
    ),
    (rf"\b{_NUMBER} {_UNIT} ago\b", _as_it_is),
    (r"\b(?:the )?day (?:after tomorrow|before yesterday)\b|\b(?:tomorrow|today|tonight|yesterday)\b", _as_it_is),
    (
        r"\bthe (?P<day>\d{1,2})(?:st|nd|rd|th)(?: of (?P<which>the|last|this|next) month)?"
        r"(?= ?(?:$|[^a-z \d]|(?:at|or|and|to)\b))",
        _of_month,
    ),
    (
        rf"\b(?:(?P<place>first|second|third|fourth|fifth|\d(?:st|nd|rd|th)) )?(?:(?P<week>{_WEEK})(?:'s|,| on)* )?"
        rf"(?:(?P<which>last|previous|past|this|next) )?(?P<day>{_WEEKDAY})\b"
        rf"(?P<month> (?:of|in) (?:(?:the|last|this|next) )?(?:month|quarter|year|{_MONTH})\b)?"
        rf"(?:(?:,? of|,? in|,)? (?P<week_after>{_WEEK})\b| (?P<later>after next)\b)?",
        _weekday,
    ),
    (
        rf"\b(?P<edge>end|close|last day|start|beginning|first day|middle|mid|early|late)(?: of|[ -]in)?"
        rf"[ -](?:the )?{_PERIOD}",
        _period,
    ),
    (
        r"\b(?:end of (?:the |this )?(?:business |working |work )?day|eod|cob|close of business)\b",
        lambda _, today: today,
    ),
    (r"\bthis (?:morning|afternoon|evening)\b", lambda _, today: today),
)
_KINDS = [
    *_KINDS_OF_DAYS,
    *_kinds(
        (
            rf"(?<!before )(?<!until )(?<!till )(?<!of )\b(?:(?:in|by|during) (?={_MONTH}\b|q[1-4])"
            rf"|(?=this|current|next|q[1-4]|the \w+ after next))(?:the )?{_PERIOD}"
            r"(?! ?(?:[之以]?前|早々|初|[上中下]旬))",
            _period,
        )
    ),
]

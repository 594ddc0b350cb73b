"""Days as people name them, in English, Chinese and Japanese, turned into dates."""

import re
from datetime import date, timedelta

from qwen_wire.charts import FIRST_DAY, LAST_DAY

WEEKDAYS = ("monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday")
NUMBERS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
DAYS_A_WEEK = 7

_ISO = re.compile(r"\d{4}-\d{2}-\d{2}")
_NEAR = (  # the longer words first: "tomorrow" is in "the day after tomorrow"
    (re.compile(r"\bday after tomorrow\b|后天|後天|明後日|あさって"), 2),
    (re.compile(r"\btomorrow\b|明天|明日|あした"), 1),
    (re.compile(r"\btoday\b|\btonight\b|今天|今晚|今日|きょう"), 0),
)
_DISTANCE = re.compile(rf"\bin (\d{{1,3}}|an?|{'|'.join(NUMBERS)}) (day|week)s?\b")
_ENGLISH = re.compile(rf"\b({'|'.join(WEEKDAYS)})\b")
_CHINESE = re.compile(r"(?:星期|礼拜|周)([一二三四五六日天])")
_JAPANESE = re.compile(r"([月火水木金土日])曜")
_NEXT_WEEK = re.compile(r"\bnext\b|下周|下星期|下个星期|下礼拜|来週")
_END_OF_WEEK = re.compile(r"\bend of (the|this|next) week\b|周末|週末")


def read_day(words: str, today: date) -> date | None:
    """The date that `words` name when said on `today`; None where they name none, or none in the years of charts.

    read_day("by Friday", date(2026, 11, 25))  # 2026-11-27

    The name of a weekday is its next one: said on a Friday, "Friday" is a week away. "Next Friday" is next week's.
    """
    try:
        day = _named(words.casefold(), today)
    except OverflowError:  # beyond the calendar
        return None
    return day if day and FIRST_DAY <= day <= LAST_DAY else None


def _named(text: str, today: date) -> date | None:
    if found := _ISO.search(text):
        return _valid(found[0])
    if found := _DISTANCE.search(text):
        return today + timedelta(_amount(found[1]) * (DAYS_A_WEEK if found[2] == "week" else 1))
    for pattern, num_days in _NEAR:
        if pattern.search(text):
            return today + timedelta(num_days)
    weekday = _weekday(text)
    if weekday is None:
        return None
    if _NEXT_WEEK.search(text):
        return today + timedelta(DAYS_A_WEEK - today.weekday() + weekday)
    return today + timedelta((weekday - today.weekday() - 1) % DAYS_A_WEEK + 1)


def _valid(iso: str) -> date | None:
    try:
        return date.fromisoformat(iso)
    except ValueError:  # such as February 30
        return None


def _amount(word: str) -> int:
    if word.isdigit():
        return int(word)
    return NUMBERS.index(word) if word in NUMBERS else 1


def _weekday(text: str) -> int | None:
    """0 for Monday."""
    if found := _ENGLISH.search(text):
        return WEEKDAYS.index(found[1])
    if found := _CHINESE.search(text):
        return "一二三四五六日".index(found[1].replace("天", "日"))
    if found := _JAPANESE.search(text):
        return "月火水木金土日".index(found[1])
    return WEEKDAYS.index("friday") if _END_OF_WEEK.search(text) else None

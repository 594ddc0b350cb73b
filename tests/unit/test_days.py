"""The dates that people's words for days name, in English, Chinese and Japanese."""

import itertools
from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_engine.chains.tasks.days import WEEKDAYS, read_day
from qwen_wire.charts import FIRST_DAY, LAST_DAY

WEDNESDAY = date(2026, 11, 25)
DAYS = {
    "2026-10-31": ["end of last month", "上个月底", "先月末"],
    "2026-11-09": ["先々週の月曜日"],
    "2026-11-11": ["2 weeks ago", "两周前", "2週間前"],
    "2026-11-15": ["本月15日"],
    "2026-11-20": ["last Friday", "previous Friday", "Friday last week", "上周五", "先週の金曜日"],
    "2026-11-22": ["three days ago", "大前天", "三天前", "3日前"],
    "2026-11-23": ["the day before yesterday", "last Monday", "前天", "一昨日"],
    "2026-11-24": ["yesterday", "three days... no, a day before today", "昨天", "昨日"],
    "2026-11-25": [
        "today", "tonight", "this Wednesday", "EOD", "by the end of the day", "今天", "今晚八点", "今日中に",
    ],
    "2026-11-26": [
        "tomorrow", "by tomorrow at five", "in a day", "tomorrow (Thursday)", "not today but tomorrow",
        "end of day tomorrow", "within 24 hours", "today is not possible, tomorrow", "明天", "明天下午三点",
        "不是今天，是明天", "明日", "あした", "今日ではなく明日",
    ],
    "2026-11-27": [
        "Friday", "by friday", "this Friday", "this coming Friday", "no later than Friday", "end of the week",
        "EOW", "EOD Friday", "the day after tomorrow", "the weekly report by Friday", "everyone by Friday",
        "1/2 of the team by Friday", "星期五之前", "周五", "本周五", "不晚于周五", "后天", "周末", "两天后",
        "每个人周五前", "金曜日まで", "今週の金曜日", "明後日", "あさって", "資料を送っておきます、金曜日まで",
    ],
    "2026-11-28": ["two days before the end of the month", "in three days", "大后天", "三日後"],
    "2026-11-29": ["Sunday", "周日", "这个星期天"],
    "2026-11-30": [
        "Monday", "Monday, not Friday", "Monday at 5", "Monday to Friday", "end of month", "end of the month",
        "EOM", "month-end", "the last day of the month", "the 30th", "start of next week", "下周一", "下周一周会",
        "月底", "本月底", "三十号", "来週の月曜日", "月末", "月曜",
    ],
    "2026-12-01": ["Tuesday", "1 Dec", "first day of next month", "beginning of December", "火曜日の会議"],
    "2026-12-02": ["on WEDNESDAY", "in a week", "a week from today", "within a week", "Wed", "一周后", "1週間以内"],
    "2026-12-04": [
        "next Friday", "Friday next week", "next week Friday", "a week from Friday", "Friday, December 4",
        "Friday the 4th", "end of next week", "until next Friday", "下周五", "下个星期五", "下周末",
        "来週の金曜日", "来週末",
    ],
    "2026-12-05": [
        "December 5", "5 December", "Dec. 5", "the 5th of December", "December the 5th", "December fifth",
        "the fifth of December", "by the fifth", "December 5, 10:00",
        "5-Dec-2026", "12/05/2026", "12/5/26", "12-05-2026", "05.12.2026", "2026/12/05", "2026-12-05T10:00",
        "12/5", "by the 5th", "in 10 days", "ten days from now", "the 5th of next month", "12月5日", "12月5号",
        "十二月五日", "12月5日，周六", "2026年12月5日", "二零二六年十二月五号", "2026-12-05前", "十天之内", "5号",
        "下个月5号", "12月5日まで", "12月5日(土)", "令和8年12月5日", "来月5日", "5日まで",
    ],
    "2026-12-06": ["下星期天"],
    "2026-12-09": [
        "in two weeks", "two weeks from now", "in a fortnight", "within the next two weeks",
        "in a couple of weeks", "两周后", "两个星期之内", "二週間後",
    ],
    "2026-12-11": ["two weeks from Friday", "Friday after next", "下下周五", "再来週の金曜日"],
    "2026-12-25": [
        "December twenty-fifth", "the twenty fifth of December", "12/25", "a month from now", "1个月后", "一か月後",
    ],
    "2026-12-31": [
        "end of the quarter", "end of Q4", "end of the year", "year-end", "by year's end",
        "end of next month", "31/12/2026",
        "end of December", "季度末", "第四季度末", "年底", "今年年底", "12月底", "下月底", "四半期末", "年末",
        "来月末",
    ],
    "2027-01-10": ["明年一月十日", "来年1月10日", "January 10", "1月10日"],
    "2027-01-31": ["2027-01-31"],
    "2027-02-25": ["three months from today", "3个月内", "3ヶ月以内"],
    "2027-02-28": ["end of February", "February 28", "2月末"],
    "2027-03-31": ["end of next quarter", "end of Q1", "下季度末", "来四半期末"],
    "2027-05-05": ["May 5", "5th May", "5月5日"],
    "2027-12-05": ["Dec 5 next year"],
    "2028-02-29": ["February 29", "2月29日"],
}  # fmt: skip
NO_DAYS = [
    "", "soon", "ASAP", "now", "noon", "Christmas", "when the mondayish mood is over", "a month of Sundays", "5",
    "five", "5pm", "at 5", "room 5", "2026", "3.14", "24/7", "50/50", "v1.2.2026.3", "10.0.0.1", "20261205", "may",
    "you may", "5 may be enough", "march", "second", "the second point",
    "the second", "by the second week", "the 5th floor", "sun", "the sun", "sat",
    "2027-02-30", "February 30", "December 32", "13/13/2026", "9999-01-01", "in 999 years, or 9000-01-01",
    "not today", "not before Friday", "won't be done by Friday", "Friday won't work", "except Monday",
    "every Friday", "each Monday", "every other week", "on Fridays", "weekly", "weekly on Monday", "daily",
    "once a week", "three times a month", "per day", "first Monday in December", "last Friday of the month",
    "mid-December", "early next week", "before next week", "last week", "two weeks after the launch",
    "in 5 business days", "五", "第二", "五个人", "5号会议室", "会议室5号", "三四天后", "13月5日", "2月30日",
    "3个工作日", "一周一次", "两周一次", "一天三次", "每天", "每周五", "每两周", "每月5号", "隔周周五", "不是今天",
    "今天不行", "周五以外", "除了周五", "下周前", "来週早々", "来月上旬",
    "一月", "火", "月", "日本", "毎日", "毎週金曜日", "隔週",
    "週1回", "月に2回", "金曜日ごとに", "2日おきに", "今日ではない", "金曜日まではできない", "5営業日以内",
]  # fmt: skip
DEADLINES = {
    "2026-11-27": ["this week", "本周内", "今週中"],
    "2026-11-30": ["this month", "本月", "今月中"],
    "2026-12-04": ["next week", "下周", "来週中に"],
    "2026-12-11": ["the week after next", "下下周", "再来週"],
    "2026-12-31": ["next month", "this quarter", "this year", "in December", "Q4", "下个月", "下月", "来月", "今年"],
    "2027-03-31": ["next quarter", "by Q1", "下季度", "第一季度", "来四半期"],
    "2027-12-31": ["next year", "明年", "来年"],
}


@pytest.mark.parametrize(("day", "words"), [(day, one) for day, words in DAYS.items() for one in words])
def test_days_as_people_name_them(day: str, words: str) -> None:
    for deadline in (False, True):
        assert read_day(words, WEDNESDAY, deadline=deadline) == date.fromisoformat(day)


@pytest.mark.parametrize("words", NO_DAYS)
def test_what_recurs_is_denied_or_names_no_day_is_no_date(words: str) -> None:
    for deadline in (False, True):
        assert read_day(words, WEDNESDAY, deadline=deadline) is None


@pytest.mark.parametrize(("day", "words"), [(day, one) for day, words in DEADLINES.items() for one in words])
def test_what_is_due_in_a_week_or_month_is_due_at_its_end(day: str, words: str) -> None:
    assert read_day(words, WEDNESDAY, deadline=True) == date.fromisoformat(day)
    assert read_day(words, WEDNESDAY) is None


def test_a_weekday_is_always_its_next_one() -> None:
    for today, weekday in itertools.product((WEDNESDAY + timedelta(n) for n in range(7)), range(7)):
        found = read_day(WEEKDAYS[weekday], today)
        last, following = (read_day(f"{which} {WEEKDAYS[weekday]}", today) for which in ("last", "next"))
        assert found is not None
        assert last is not None
        assert following is not None
        assert found.weekday() == last.weekday() == following.weekday() == weekday
        assert 1 <= (found - today).days <= 7
        assert 1 <= (today - last).days <= 7
        assert following.toordinal() - weekday == today.toordinal() - today.weekday() + 7


@pytest.mark.parametrize("today", [date(2026, 11, 27), date(2026, 11, 28), date(2026, 11, 30), date(2026, 12, 31)])
def test_an_end_or_a_date_is_never_over(today: date) -> None:
    for words in ("end of the week", "end of the month", "year end", "end of Q4", "December 31", "月末", "the 31st"):
        found = read_day(words, today)
        assert found is not None
        assert found >= today


def test_a_day_of_the_meeting_itself_is_no_year_away() -> None:
    assert read_day("November 25", WEDNESDAY) == read_day("11月25日", WEDNESDAY) == WEDNESDAY
    assert read_day("November 24", WEDNESDAY) == date(2027, 11, 24)


PARTS = [words for days in (DAYS, DEADLINES) for several in days.values() for words in several] + NO_DAYS


@given(
    st.one_of(st.text(), st.lists(st.sampled_from(PARTS), max_size=8).map(" ".join), st.text("0123456789/-.日月年 th")),
    st.dates(FIRST_DAY, LAST_DAY),
    st.booleans(),
)
def test_any_words_on_any_day_are_a_date_of_charts_or_none(words: str, today: date, deadline: bool) -> None:
    found = read_day(words, today, deadline=deadline)
    assert found is None or FIRST_DAY <= found <= LAST_DAY
    assert read_day(words, today, deadline=deadline) == found

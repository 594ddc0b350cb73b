"""The words added to a chart, by language."""

from dataclasses import dataclass
from datetime import date

from pydantic import BaseModel

from qwen_wire.charts import Language
from qwen_wire.theme import written_language

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


@dataclass(frozen=True)
class Labels:
    language: Language
    today: str
    roles: dict[str, str]
    ellipsis: str

    def day(self, day: date) -> str:
        """The full date."""
        return day.isoformat() if self.language == "en" else f"{day.year}年{day.month}月{day.day}日"

    def month(self, day: date) -> str:
        return MONTHS[day.month - 1] if self.language == "en" else f"{day.month}月"

    def year_and_month(self, day: date) -> str:
        return f"{self.month(day)} {day.year}" if self.language == "en" else f"{day.year}年{day.month}月"


LABELS: dict[Language, Labels] = {
    "en": Labels("en", "Today", {"R": "Responsible", "A": "Accountable", "C": "Consulted", "I": "Informed"}, "…"),
    "zh": Labels("zh", "今天", {"R": "负责执行", "A": "最终负责", "C": "征询意见", "I": "知会"}, "…"),
    "ja": Labels("ja", "今日", {"R": "実行責任", "A": "説明責任", "C": "協議先", "I": "報告先"}, "…"),
}


def language_of(chart: BaseModel) -> Language:
    """As its texts are written."""
    return written_language(chart.model_dump_json())

"""A chart of every type in each language whose words we add."""

import json
from typing import Any

Fields = dict[str, Any]


def _gantt(title: str, tasks: list[Fields], **more: Any) -> Fields:
    return {"type": "gantt", "title": title, "tasks": tasks, **more}


def _matrix(title: str, people: list[str], tasks: dict[str, list[str]]) -> Fields:
    rows = [{"name": name, "roles": dict(zip(people, roles, strict=False))} for name, roles in tasks.items()]
    return {"type": "responsibility_matrix", "title": title, "people": people, "tasks": rows}


def _bars(title: str, unit: str, categories: list[str], series: dict[str, list[float | None]]) -> Fields:
    told = [{"name": name, "values": values} for name, values in series.items()]
    return {"type": "bar", "title": title, "unit": unit, "categories": categories, "series": told}


def _graph(title: str, details: dict[str, str], links: list[tuple[str, str, str]]) -> Fields:
    concepts = [{"name": name, "detail": detail} for name, detail in details.items()]
    joined = [{"source": source, "target": target, "label": label} for source, target, label in links]
    return {"type": "concept_graph", "title": title, "concepts": concepts, "links": joined}


def _timeline(title: str, events: list[Fields]) -> Fields:
    return {"type": "timeline", "title": title, "events": events}


EXAMPLES: dict[str, dict[str, Fields]] = {
    "en": {
        "gantt": _gantt(
            "Website relaunch",
            [
                {"name": "Kick-off", "start": "2026-11-02"},
                {"name": "Collect what all departments need and summarise it", "owner": "Anna", "start": "2026-11-02",
                 "end": "2026-11-06", "progress": 1.0, "after": ["Kick-off"]},
                {"name": "Design", "owner": "Ben", "start": "2026-11-09", "end": "2026-11-20", "progress": 0.6},
                {"name": "Test with $5 and $6 users", "owner": "Ben", "start": "2026-12-07", "end": "2026-12-11",
                 "after": ["Design"]},
                {"name": "Launch", "owner": "Clara", "start": "2026-12-14", "after": ["Test with $5 and $6 users"]},
            ],
            today="2026-11-18",
        ),
        "responsibility_matrix": _matrix(
            "Who does what",
            ["Anna", "Ben", "Clara Oswald"],
            {"Send the report on Monday": ["RA", "C"], "Call the customer and agree on the date": ["I", "R", "A"]},
        ),
        "timeline": _timeline(
            "Decisions",
            [
                {"date": "2026-11-02", "label": "Kick-off", "detail": "With all departments"},
                {"date": "2026-11-05", "label": "We agreed on the price"},
                {"date": "2026-11-09", "label": "Design starts", "detail": "Ben takes over, Anna writes the texts"},
                {"date": "2026-12-20", "label": "Launch of the new site"},
            ],
        ),
        "bar": _bars("Hours", "hours", ["Week 45", "Week 46"], {"Anna": [31.5, 40], "Ben": [None, -12.25]}),
        "concept_graph": _graph(
            "Photosynthesis",
            {"Light": "from the sun", "Water": "", "Photosynthesis": "in the leaf", "Glucose": "", "Growth": ""},
            [("Light", "Photosynthesis", "drives"), ("Water", "Photosynthesis", "needed"),
             ("Photosynthesis", "Glucose", "makes"), ("Glucose", "Growth", "feeds"), ("Growth", "Water", "takes up")],
        ),
    },
    "zh": {
        "gantt": _gantt(
            "官网改版计划",
            [
                {"name": "项目启动会", "start": "2026-11-02"},
                {"name": "收集各部门需求并整理成文档，提交评审委员会确认", "owner": "王芳", "start": "2026-11-02",
                 "end": "2026-11-06", "progress": 1.0, "after": ["项目启动会"]},
                {"name": "视觉设计", "owner": "李雷", "start": "2026-11-09", "end": "2026-11-20", "progress": 0.6},
            ],
            today="2026-11-18",
        ),
        "responsibility_matrix": _matrix(
            "责任分配矩阵",
            ["王芳", "李雷", "市场部全体同事"],
            {"周一提交报告": ["RA", "C"], "预订会议室": ["A", "R", "I"]},
        ),
        "timeline": _timeline(
            "会议纪要时间线",
            [
                {"time_s": 0.0, "label": "开场与介绍"},
                {"time_s": 95.0, "label": "讨论预算", "detail": "各部门说明明年的预算需求，财务部提出意见"},
                {"time_s": 400.0, "label": "决定：报告周五前提交"},
                {"time_s": 1250.0, "label": "散会"},
            ],
        ),
        "bar": _bars(
            "各部门支出", "万元", ["市场部", "研发中心（北京）"], {"2025年": [1200, 3400.5], "2026年": [1500, 4100]}
        ),
        "concept_graph": _graph(
            "光合作用",
            {"光": "", "叶绿素": "吸收红光和蓝光", "光合作用": "", "氧气": ""},
            [("光", "叶绿素", "被吸收"), ("叶绿素", "光合作用", "推动"), ("光合作用", "氧气", "产生")],
        ),
    },
    "ja": {
        "gantt": _gantt(
            "ウェブサイト刷新の計画",
            [
                {"name": "要件定義", "owner": "佐藤", "start": "2026-01-05", "end": "2026-02-27", "progress": 0.5},
                {"name": "デザインとプロトタイプの作成、レビュー「一回目」", "owner": "鈴木", "start": "2026-03-02",
                 "end": "2026-06-30", "after": ["要件定義"]},
                {"name": "リリース", "owner": "高橋", "start": "2027-01-15"},
            ],
            today="2026-04-01",
        ),
        "responsibility_matrix": _matrix(
            "役割分担表",
            ["佐藤", "鈴木", "高橋"],
            {"月曜日にレポートを送る": ["R", "A"], "会議室を予約する": ["C", "I", "R"]},
        ),
        "timeline": _timeline(
            "プロジェクトの年表",
            [
                {"date": "2024-04-01", "label": "開始"},
                {"date": "2025-10-12", "label": "第一版の公開", "detail": "利用者は千人を超えた"},
                {"date": "2026-11-25", "label": "現在"},
            ],
        ),
        "bar": _bars("月別の売上", "百万円", ["一月", "二月", "三月"], {"売上": [120, 98, 143]}),
        "concept_graph": _graph(
            "光合成",
            {"光": "", "葉緑素": "", "光合成": "酸素をつくる"},
            [("光", "葉緑素", "吸収"), ("葉緑素", "光合成", "促す"), ("光合成", "光", "")],
        ),
    },
}  # fmt: skip
CASES = [(language, kind) for language, charts in EXAMPLES.items() for kind in charts]


def payload(fields: Fields) -> bytes:
    """A CHART tensor's item."""
    return json.dumps(fields, ensure_ascii=False).encode()

"""The Mandarin half of the demo vocabulary: the scenes, numbers and phrases of `corpus`, in simplified characters.

The split is the same: a scene is held out in both languages or in neither, any other sentence by a hash of its words.
"""

import random
from collections.abc import Callable

from demo.training.corpus import SCENES, Scene, Sentence

COLOURS = {
    "red": "红色",
    "green": "绿色",
    "blue": "蓝色",
    "yellow": "黄色",
    "white": "白色",
    "black": "黑色",
    "orange": "橙色",
    "purple": "紫色",
}
SHAPES = {
    "circle": "圆形",
    "square": "正方形",
    "triangle": "三角形",
    "star": "星形",
    "ring": "圆环",
    "cross": "十字",
}
SIZES = {"small": "小", "large": "大"}
NUMBERS = ("零", "一", "二", "三", "四", "五", "六", "七", "八", "九", "十")
HOURS = ("一", "两", "三", "四", "五", "六", "七", "八", "九", "十")
NAMES = ("安娜", "本", "克拉拉", "大卫", "艾玛", "弗兰克", "格蕾丝", "亨利")
DAYS = ("星期一", "星期二", "星期三", "星期四", "星期五")
GREETINGS = ("你好", "早上好", "晚上好", "谢谢")
ADDRESSEES = ("大家", "团队", *NAMES)
THINGS = ("计划", "预算", "设计", "日期", "报告", "价格", "图片")
VERBS = ("画", "涂", "给我看")
OTHER_WORDS = (
    "请", "背景", "上的", "一个", "会议", "点", "开始", "打电话给", "我们", "商定了", "和", "任务", "由", "完成",
    "下一步", "是", "的", "把", "发给", "号码", "今天", "明天", "，", "。",
)  # fmt: skip
WORDS = (
    *COLOURS.values(), *SHAPES.values(), *SIZES.values(), *NUMBERS, *HOURS, *NAMES, *DAYS, *GREETINGS, *ADDRESSEES,
    *THINGS, *VERBS, *OTHER_WORDS,
)  # fmt: skip


def scene_phrase(scene: Scene) -> str:
    """For example "蓝色背景上的一个小红色圆形"."""
    where = f"{COLOURS[scene.background]}背景上的" if scene.background else ""
    return f"{where}一个{SIZES[scene.size] if scene.size else ''}{COLOURS[scene.colour]}{SHAPES[scene.shape]}"


def _when(rng: random.Random) -> str:
    return rng.choice((rng.choice(DAYS), "今天", "明天"))


def _time(rng: random.Random) -> str:
    return f"{rng.choice(HOURS)}点"


def _meeting(rng: random.Random) -> str:
    return f"会议{_when(rng)}{_time(rng)}开始"


def _call(rng: random.Random) -> str:
    return f"请{rng.choice((_when(rng), _when(rng) + _time(rng)))}打电话给{rng.choice(ADDRESSEES)}"


def _agreed(rng: random.Random) -> str:
    return f"我们商定了{rng.choice(THINGS)}和{rng.choice(THINGS)}"


def _task(rng: random.Random) -> str:
    return f"任务由{rng.choice(NAMES)}{_when(rng)}完成"


def _next(rng: random.Random) -> str:
    return f"下一步是{_when(rng)}的{rng.choice(THINGS)}"


def _send(rng: random.Random) -> str:
    return f"{_when(rng)}把{rng.choice(THINGS)}发给{rng.choice(ADDRESSEES)}"


def _digits(rng: random.Random) -> str:
    return "号码是" + "".join(rng.choice(NUMBERS) for _ in range(rng.randint(1, 5)))


def _greeting(rng: random.Random) -> str:
    return f"{rng.choice(GREETINGS)}，{rng.choice(ADDRESSEES)}"


STATEMENTS: tuple[Callable[[random.Random], str], ...] = (
    _meeting, _call, _agreed, _task, _next, _send, _digits, _greeting,
)  # fmt: skip


def scene_sentence(rng: random.Random) -> Sentence:
    """A request for a picture, or a bare description of one; held out where its scene is."""
    scene = rng.choice(SCENES)
    verb = rng.choice(("", *VERBS))
    please = "请" if verb and rng.random() < 0.5 else ""
    return Sentence(f"{please}{verb}{scene_phrase(scene)}。", scene.phrase(), scene)


def plain_sentence(rng: random.Random) -> Sentence:
    """An everyday sentence; one in five opens with a greeting."""
    words = rng.choice(STATEMENTS)(rng)
    if rng.random() < 0.2:
        words = f"{rng.choice(GREETINGS)}，{words}"
    return Sentence(f"{words}。", words)


def word_list(rng: random.Random) -> Sentence:
    """Three to seven words in no order. For training only."""
    words = "".join(rng.choice(WORDS[:-2]) for _ in range(rng.randint(3, 7)))
    return Sentence(f"{words}。", words)


def sentence(rng: random.Random) -> Sentence:
    """A scene in four of ten cases, an everyday sentence otherwise."""
    return scene_sentence(rng) if rng.random() < 0.4 else plain_sentence(rng)

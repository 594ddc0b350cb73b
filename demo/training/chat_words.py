"""The words of `corpus` in Chinese, as `corpus_chinese` has them, and in Japanese."""

from collections.abc import Mapping

from demo.training import corpus, corpus_chinese
from demo.training.chat_pieces import Piece

CHINESE: Mapping[str, str] = {
    **corpus_chinese.COLOURS,
    **corpus_chinese.SHAPES,
    **corpus_chinese.SIZES,
    **dict(zip(corpus.NUMBERS, corpus_chinese.NUMBERS, strict=True)),
    **dict(zip(corpus.DAYS, corpus_chinese.DAYS, strict=True)),
    **dict(zip(corpus.GREETINGS, corpus_chinese.GREETINGS, strict=True)),
    **dict(zip(corpus.ADDRESSEES, corpus_chinese.ADDRESSEES, strict=True)),
    **dict(zip(corpus.THINGS, corpus_chinese.THINGS, strict=True)),
    **dict(zip(corpus.VERBS, corpus_chinese.VERBS, strict=True)),
    "today": "今天",
    "tomorrow": "明天",
}
CHINESE_HOURS = dict(zip(corpus.NUMBERS[1:], corpus_chinese.HOURS, strict=True))
JAPANESE: Mapping[str, str] = {
    **dict(zip(corpus.COLOURS, ("赤い", "緑の", "青い", "黄色い", "白い", "黒い", "オレンジの", "紫の"), strict=True)),
    **dict(zip(corpus.SHAPES, ("円", "正方形", "三角形", "星", "輪", "十字"), strict=True)),
    **dict(zip(corpus.SIZES, ("小さな", "大きな"), strict=True)),
    **dict(zip(corpus.NUMBERS, ("零", "一", "二", "三", "四", "五", "六", "七", "八", "九", "十"), strict=True)),
    **dict(zip(corpus.DAYS, ("月曜日", "火曜日", "水曜日", "木曜日", "金曜日"), strict=True)),
    **dict(zip(corpus.GREETINGS, ("こんにちは", "おはようございます", "こんばんは", "ありがとう"), strict=True)),
    "everyone": "皆さん",
    "the team": "チーム",
    **dict(
        zip(
            corpus.NAMES,
            ("アンナ", "ベン", "クララ", "デイビッド", "エマ", "フランク", "グレース", "ヘンリー"),
            strict=True,
        )
    ),
    **dict(zip(corpus.THINGS, ("計画", "予算", "デザイン", "日付", "報告書", "価格", "絵"), strict=True)),
    **dict(zip(corpus.VERBS, ("を描いて", "を塗って", "を見せて"), strict=True)),
    "today": "今日",
    "tomorrow": "明日",
}  # fmt: skip
JAPANESE_GRAMMAR = (
    "ください", "背景", "の", "会議", "は", "時", "に", "始まります", "電話して", "と", "合意しました", "タスク", "が",
    "終えます", "次のステップ", "です", "を", "送って", "番号", "、", "。",
)  # fmt: skip
WORDS = (*corpus_chinese.WORDS, *JAPANESE.values(), *JAPANESE_GRAMMAR)


def translated(words: Mapping[str, str], piece: Piece) -> Piece:
    """A word of `corpus`, whatever its capital, in the language of `words`.

    Its place is the last word's, which tells "the plan" from "the price" and "good morning" from "good evening".
    """
    return Piece(words[piece.text if piece.text in words else piece.text.lower()], piece.words()[-1].place)

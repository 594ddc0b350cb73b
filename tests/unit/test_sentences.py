"""Long text is cut where a speaker would breathe, in ten languages, and nothing of it is lost."""

import random
import re

import pytest

from qwen_engine.text.sentences import pieces, pronounceable, sentences, speaking_weight

SENTENCES = [
    ["The plan is good.", "We start on Monday!", "Any questions?"],
    ["Dr. Smith paid $3.50 for it.", "Mr. Jones did not."],
    ["It costs 3.5 euros, e.g. at noon.", "Fine."],
    ["He said “stop.”", "Then he left."],
    ["今天天气很好。", "我们去公园吧！", "好吗？"],
    ["今日はいい天気です。", "「行こう。」", "はい！"],
    ["안녕하세요.", "오늘 회의는 세 시에 시작합니다.", "감사합니다!"],
    ["Das ist gut, z. B. am Montag.", "Herr Nr. 5 kommt.", "Schön!"],
    ["Élodie arrive à dix heures.", "Ça va ?", "Oui…"],
    ["¿Cómo está usted?", "¡Muy bien!", "La Sra. López llama mañana."],
    ["Tudo bem?", "A reunião é às 9.", "Obrigado."],
    ["Il Dott. Rossi è qui.", "Perché?"],
    ["Привет!", "Совещание начнётся в пять.", "Ёлка готова."],
    ["This happened in 2024.", "Next year is different."],
]
CJK = re.compile(r"[\u3040-\u9fff]")


@pytest.mark.parametrize("parts", SENTENCES, ids=lambda parts: parts[0])
def test_sentences_of_ten_languages(parts):
    glue = "" if CJK.match(parts[0]) else " "
    assert sentences(glue.join(parts)) == parts


def test_lines_end_sentences_and_empty_ones_are_left_out():
    assert sentences("First line\n\n...\nSecond line") == ["First line", "Second line"]


def test_a_short_text_is_one_piece_as_it_is():
    assert pieces("  One. Two. Three. ", 300) == ["One. Two. Three."]


def test_sentences_are_packed_and_never_too_long():
    text = " ".join(f"This is sentence number {index}." for index in range(40))
    cut = pieces(text, 100)
    assert all(speaking_weight(piece) <= 100 for piece in cut)
    assert all(piece.endswith(".") for piece in cut)
    assert len(cut) <= 16
    assert " ".join(cut) == text


@pytest.mark.parametrize("seed", range(20))
def test_nothing_is_lost_whatever_the_text(seed):
    rng = random.Random(seed)
    alphabet = rng.choice(["abc ,.", "天气好，。", "aé ñ;:!?", "word " * 3 + "。x"])
    text = "".join(rng.choice(alphabet) for _ in range(500))
    limit = rng.choice([20, 50, 200])
    cut = pieces(text, limit)
    assert all(speaking_weight(piece) <= limit for piece in cut)

    def letters(words: str) -> str:
        return "".join(char for char in words if char.isalnum())

    assert letters("".join(cut)) == letters(text)


@pytest.mark.parametrize(
    ("text", "spoken"), [("hello", True), ("5", True), ("好", True), ("...!?", False), ("  ", False), ("🙂🙂", False)]
)
def test_what_can_be_pronounced(text, spoken):
    assert pronounceable(text) == spoken

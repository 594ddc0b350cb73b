"""What is shown of an answer: whole characters, nothing of a stop word, thinking apart from the text."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qwen_engine.chat.detokenizer import Characters, Delta, Detokenizer, StopWords
from qwen_engine.chat.tokens import ChatTokens
from tests.chat_checkpoints import write_random_chat

SMALL_TEXT = st.text("ab\n", max_size=30)
STOPS = st.lists(st.text("ab\n", min_size=1, max_size=4), max_size=3)


def passed(pieces: list[str], stops: list[str]) -> tuple[str, bool]:
    """What is shown of the text in `pieces`, and whether a stop word ended it."""
    words = StopWords(stops)
    shown = "".join(words.feed(piece) for piece in pieces)
    return shown + words.flush(), words.found


def cut(text: str, stops: list[str]) -> tuple[str, bool]:
    """The text before the stop word that is complete first, of those the longest."""
    for end in range(1, len(text) + 1):
        if matching := [word for word in stops if text[:end].endswith(word)]:
            return text[: end - max(map(len, matching))], True
    return text, False


@given(SMALL_TEXT, STOPS, st.lists(st.integers(0, 30), max_size=10))
def test_stop_words_cut_the_same_place_however_the_text_comes(text, stops, cuts):
    edges = sorted({0, len(text), *(edge for edge in cuts if edge < len(text))})
    pieces = [text[start:end] for start, end in pairwise(edges)]
    assert passed(pieces, stops) == passed(list(text), stops) == cut(text, stops)


@given(SMALL_TEXT, STOPS)
def test_only_what_may_begin_a_stop_word_is_held_back(text, stops):
    words = StopWords(stops)
    shown = ""
    for number, character in enumerate(text, 1):
        shown += words.feed(character)
        if words.found:
            break
        held = text[len(shown) : number]
        assert not held or any(word.startswith(held) for word in stops)
    assert not any(word in shown for word in stops)


@given(st.text(max_size=20), st.integers(1, 5))
def test_characters_are_whole(text, size):
    raw = text.encode("utf-8", "ignore")
    characters = Characters()
    pieces = [characters.add(raw[start : start + size]) for start in range(0, len(raw), size)]
    assert "".join(pieces) == raw.decode()
    assert all("\ufffd" not in piece for piece in pieces) or "\ufffd" in text


def test_half_a_character_at_the_end_is_not_shown():
    characters = Characters()
    assert characters.add("早".encode()[:2]) == ""
    assert characters.add("早".encode()[2:] + "上".encode()[:1]) == "早"


@pytest.fixture(scope="module")
def tokens(tmp_path_factory) -> ChatTokens:
    return ChatTokens(write_random_chat(tmp_path_factory.mktemp("chat")))


def written(tokens: ChatTokens, text: str, thinking: bool | None, stop: list[str] = ()) -> list[Delta]:
    writing = Detokenizer(tokens, stop, thinking)
    deltas = []
    for token in tokens.ids(text):
        if not writing.stopped:
            deltas.append(writing.add(token))
    return [delta for delta in [*deltas, writing.flush()] if delta is not None]


def parts(deltas: list[Delta]) -> tuple[str, str]:
    return tuple("".join(delta.text for delta in deltas if delta.kind == kind) for kind in ("thinking", "text"))


THOUGHT = "The user says hello.\n\nI greet."


@pytest.mark.parametrize(
    ("text", "thinking", "expected"),
    [
        (f"<think>\n{THOUGHT}\n</think>\n\nGood morning.\n", False, (THOUGHT, "Good morning.\n")),
        (f"\n{THOUGHT}\n</think>\n\nGood morning.", True, (THOUGHT, "Good morning.")),
        ("\nGood <think> morning.</think>", False, ("", "\nGood <think> morning.</think>")),
        (f"<think>\n{THOUGHT}", False, (THOUGHT, "")),
        ("<think>\n\n</think>\n\nGood morning.", False, ("", "Good morning.")),
        (f"<think>\n{THOUGHT}\n</think>\n\nGood", None, ("", f"<think>\n{THOUGHT}\n</think>\n\nGood")),
    ],
)
def test_thinking_is_told_apart(tokens, text, thinking, expected):
    assert parts(written(tokens, text, thinking)) == expected


def test_stop_words_do_not_end_the_thinking(tokens):
    text = "<think>\nHello or good morning.\n</think>\n\nGood morning. Hello, everyone."
    assert parts(written(tokens, text, False, ["Hello"])) == ("Hello or good morning.", "Good morning. ")


def test_half_a_character_never_shows(tokens):
    deltas = written(tokens, "早上好 🙂 é", None)
    assert "".join(delta.text for delta in deltas) == "早上好 🙂 é"
    assert not any("\ufffd" in delta.text for delta in deltas)

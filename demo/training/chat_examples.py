"""Dialogues as token ids, with the positions that the attention losses have as targets."""

import bisect
from collections.abc import Sequence
from dataclasses import dataclass

from transformers.models.qwen2 import Qwen2Tokenizer

from demo.training.chat_dialogues import Dialogue
from demo.training.chat_pieces import Answer, Piece, plain

Pairs = list[tuple[int, int]]


@dataclass(frozen=True)
class Example:
    """`ids` with the answer from `answer_start` on.

    `following`: (position, place) pairs, where what stands at place is to be repeated right after position.
    `reached`: (position, place) pairs, how far the repeating has come: of positions in the answer the place that was
    repeated last, of places the one to be repeated before them.
    """

    ids: list[int]
    answer_start: int
    following: Pairs
    reached: Pairs


def prompt_text(tokenizer: Qwen2Tokenizer, dialogue: Dialogue) -> str:
    """What the model goes on from; with thinking on where the dialogue has a thought."""
    text = tokenizer.apply_chat_template(
        dialogue.messages, tokenize=False, add_generation_prompt=True, enable_thinking=bool(dialogue.thought)
    )
    assert isinstance(text, str)
    return text


def whole_answer(dialogue: Dialogue) -> Answer:
    """With the thought before it."""
    if not dialogue.thought:
        return dialogue.answer
    return (Piece("<think>\n"), *dialogue.thought, Piece("\n</think>\n\n"), *dialogue.answer)


def make_example(tokenizer: Qwen2Tokenizer, dialogue: Dialogue) -> Example:
    """The dialogue in ids, the end of the answer's turn included."""
    prompt, answer = prompt_text(tokenizer, dialogue), whole_answer(dialogue)
    before = tokenizer(prompt, return_offsets_mapping=True)
    after = tokenizer(plain(answer) + "<|im_end|>", return_offsets_mapping=True)
    starts = [start for start, _ in before.offset_mapping]
    end = bisect.bisect_right(starts, prompt.rindex("<|im_end|>")) - 1  # of the user's turn
    places = [
        bisect.bisect_right(starts, at) - 1 if at is not None else None
        for at in _characters(prompt, dialogue.turns, answer, after.offset_mapping)
    ]
    first = len(before.input_ids)
    return Example(
        before.input_ids + after.input_ids, first, list(_following(places, first, end)), _reached(places, first)
    )


def _characters(
    prompt: str, turns: Sequence[str], answer: Answer, offsets: Sequence[tuple[int, int]]
) -> list[int | None]:
    """For each token of the answer the character of the prompt where what it repeats begins, if it repeats any."""
    contents, position = [], 0
    for turn in turns:
        contents.append(prompt.index(turn, position))
        position = contents[-1] + len(turn)
    sources: list[int | None] = []
    for piece in answer:
        if piece.place is None:
            sources += [None] * len(piece.text)
        else:
            begin = contents[piece.place.message] + piece.place.offset
            same = prompt[begin : begin + len(piece.text)].lower() == piece.text.lower()
            sources += [begin + number if same else begin for number in range(len(piece.text))]
    text = plain(answer)
    found: list[int | None] = []
    for start, end in offsets:
        start += text[start:end].startswith(" ")
        found.append(sources[start] if start < len(sources) else None)
    return found


def _following(places: Sequence[int | None], first: int, end: int) -> Pairs:
    """Marks between repeated words look, where they begin, at the word that comes after them."""
    pairs: Pairs = []
    upcoming = end
    for number in reversed(range(len(places))):
        place = places[number]
        if place is not None:
            upcoming = place
            pairs.append((first + number - 1, place))
        elif number and places[number - 1] is not None:
            pairs.append((first + number - 1, upcoming))
    return pairs


def _reached(places: Sequence[int | None], first: int) -> Pairs:
    pairs: Pairs = []
    before: dict[int, int] = {}
    last: int | None = None
    for number, place in enumerate(places):
        if place is not None:
            if last is not None and last < place:
                before.setdefault(place, last)
            last = place
        if last is not None:
            pairs.append((first + number, last))
    return pairs + list(before.items())

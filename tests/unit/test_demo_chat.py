"""The demo chat checkpoint answers what it never heard, and lays its turns out as Qwen3 does."""

import pytest
import torch
from transformers.models.qwen2 import Qwen2Tokenizer

from demo.training.chat import CHECKPOINT
from demo.training.chat_dialogues import TASKS
from demo.training.evaluate_chat import Chat, right, unseen

SEED = 44
CASES_A_TASK = 4
ASKED = [{"role": "system", "content": "Help."}, {"role": "user", "content": "Hello Anna."}]
ANSWERED = [*ASKED, {"role": "assistant", "content": "<think>\nA greeting.\n</think>\n\nHello everyone."}]
AGAIN = [*ANSWERED, {"role": "user", "content": "Draw a red ring."}]
OPENING = "<|im_start|>system\nHelp.<|im_end|>\n<|im_start|>user\nHello Anna.<|im_end|>\n"


@pytest.fixture(scope="module")
def tokenizer():
    return Qwen2Tokenizer.from_pretrained(CHECKPOINT)


@pytest.fixture(scope="module")
def chat():
    torch.set_num_threads(1)
    return Chat(CHECKPOINT)


def test_unseen_questions_are_answered_to_the_character(chat):
    marks = {task: right(chat, unseen(task, CASES_A_TASK, SEED)) for task in TASKS}
    num_right = sum(map(sum, marks.values()))
    assert num_right >= 0.9 * CASES_A_TASK * len(TASKS), marks


@pytest.mark.parametrize(
    ("messages", "options", "text"),
    [
        (ASKED, {}, OPENING),
        (ASKED, {"add_generation_prompt": True}, OPENING + "<|im_start|>assistant\n"),
        (
            ASKED,
            {"add_generation_prompt": True, "enable_thinking": False},
            OPENING + "<|im_start|>assistant\n<think>\n\n</think>\n\n",
        ),
        (
            ANSWERED,
            {},
            OPENING + "<|im_start|>assistant\n<think>\nA greeting.\n</think>\n\nHello everyone.<|im_end|>\n",
        ),
        (
            AGAIN,
            {"add_generation_prompt": True},
            OPENING + "<|im_start|>assistant\nHello everyone.<|im_end|>\n"
            "<|im_start|>user\nDraw a red ring.<|im_end|>\n<|im_start|>assistant\n",
        ),
    ],
    ids=["asked", "to answer", "without thinking", "answered", "earlier thoughts are left out"],
)
def test_turns_are_laid_out_as_qwen3_does(tokenizer, messages, options, text):
    assert tokenizer.apply_chat_template(messages, tokenize=False, **options) == text


def test_a_word_is_a_token(tokenizer):
    for text in (
        " Wednesday",
        "Anna",
        " triangle",
        '":[{"',
        '"},{"',
        "星期三",
        "水曜日",
        "\n",
        "<|im_end|>",
        "</think>",
    ):
        assert len(tokenizer(text).input_ids) == 1, text

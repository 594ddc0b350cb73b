"""The data that the demo recogniser and the demo aligner are trained and measured on."""

import random
import re

import numpy as np
import pytest
from transformers.models.qwen3_asr import Qwen3ASRProcessor

from demo.training import corpus, corpus_chinese, corpus_free, corpus_names
from demo.training.asr_audio_attention import frames_of
from demo.training.asr_data import CHINESE, ENGLISH, SAMPLE_RATE_HZ, Utterance
from demo.training.asr_requests import (
    FRAME_S,
    FRAMES_PER_S,
    Example,
    collate,
    make_example,
    naming_context,
    replace_tokens,
)
from demo.training.asr_unsaid import names_and_numbers, unsaid
from demo.training.clips import quiet_clip, span_of, speech_clip
from demo.training.manifest import CHECKPOINTS
from demo.training.tokenizer import train_tokenizer, with_characters
from demo.training.word_times import WORD, timed_words

TONE_S = 0.3


def said(text, language, *, pause_after=None):
    """Every word a tone of TONE_S; after word `pause_after` as much silence."""
    tone = (np.sin(np.arange(int(TONE_S * SAMPLE_RATE_HZ))) * 10_000).astype(np.int16)
    parts, starts = [], []
    for index, match in enumerate(WORD.finditer(text)):
        starts.append((match.start(), sum(map(len, parts)) / SAMPLE_RATE_HZ))
        parts += [tone] + [np.zeros_like(tone)] * (index == pause_after)
    return Utterance(np.concatenate(parts), text, language, tuple(starts))


def test_characters_change_no_other_text():
    texts = [sentence.text for sentence in corpus.sentences(300, seed=1, held_out=False)]
    before = train_tokenizer(texts, 400, ["<|end|>"])
    after = with_characters(before, "你好，")
    for text in (*texts, "façade 한국 😀"):
        assert after.encode(text).tokens == before.encode(text).tokens
    assert len(after.encode("你好，你").ids) == 4
    assert after.decode(after.encode("你好，hello").ids) == "你好，hello"
    assert after.token_to_id("<|end|>") == after.get_vocab_size() - 1


@pytest.mark.parametrize(
    "draw",
    [
        corpus.sentence,
        corpus_chinese.sentence,
        corpus_names.sentence,
        corpus_free.sentence,
        corpus_free.chinese_sentence,
        corpus_free.homophone_sentence,
    ],
)
def test_words_are_those_that_the_aligner_is_asked_for(draw):
    processor = Qwen3ASRProcessor.from_pretrained(CHECKPOINTS / "asr")
    for sentence in corpus.sentences(200, seed=2, held_out=False, draw=draw):
        assert WORD.findall(sentence.text) == processor.split_words_for_alignment(sentence.text)


def test_a_sentence_is_held_out_in_both_spellings_of_its_name():
    for sentence in corpus.sentences(100, seed=3, held_out=True, draw=corpus_names.sentence):
        name = corpus_names.name_in(sentence.text)
        assert corpus.written(sentence.key) == sentence.text.replace(name, corpus_names.USUAL[name])


@pytest.mark.parametrize("draw", [corpus_free.sentence, corpus_free.chinese_sentence])
def test_no_free_sentence_is_on_both_sides_of_the_split(draw):
    trained = corpus.sentences(3000, seed=4, held_out=False, draw=draw)
    held_out = corpus.sentences(200, seed=5, held_out=True, draw=draw)
    assert {one.text for one in held_out}.isdisjoint(one.text for one in trained)
    for sides in ([one.scene for one in trained], [one.scene for one in held_out]):
        assert any(sides)
    assert {one.scene for one in held_out if one.scene}.isdisjoint(one.scene for one in trained)


def test_free_digits_stand_alone_in_every_number_up_to_eight():
    rng = random.Random(8)
    english = [corpus_free.sentence(rng).text.rstrip(".").lower().split() for _ in range(1000)]
    chinese = [corpus_free.chinese_sentence(rng).text.rstrip("。") for _ in range(1000)]
    for texts, numbers in ((english, corpus.NUMBERS), (chinese, corpus_chinese.NUMBERS)):
        assert {len(text) for text in texts if set(text) <= set(numbers)} == set(range(1, 9))


def test_words_that_differ_in_their_tone_stand_at_any_place_in_a_sentence():
    texts = [corpus_free.homophone_sentence(random.Random(seed)).text.rstrip("。") for seed in range(300)]
    assert all(any(word in text for word in corpus_free.HOMOPHONES) for text in texts)
    for word in corpus_free.HOMOPHONES:
        assert any(text.startswith(word) for text in texts)
        assert any(text.endswith(word) for text in texts)


def test_words_that_sound_like_others_stand_in_phrases_only():
    texts = [sentence.text for sentence in corpus.sentences(2000, seed=8, held_out=False, draw=corpus_free.sentence)]
    following = {word for text in texts for word in re.findall(r"\bto (\w+)", text.lower())}
    assert following == {addressee.split()[0].lower() for addressee in corpus.ADDRESSEES}
    assert not any(
        re.search(r"\ban?\b(?! (small|large|\w+ (circle|square|triangle|star|ring|cross|background)))", text)
        for text in texts
    )


def test_a_word_ends_where_the_next_one_starts_or_where_the_sound_stops():
    words = list(timed_words(span_of(said("Red, a circle.", ENGLISH, pause_after=0), SAMPLE_RATE_HZ)))
    assert [word.text for word in words] == ["Red", "a", "circle"]
    expected = [(1.0, 1.3), (1.6, 1.9), (1.9, 2.2)]
    for word, (start_s, end_s) in zip(words, expected, strict=True):
        assert (word.start_s, word.end_s) == pytest.approx((start_s, end_s), abs=2e-3)


def test_clips_keep_the_times_of_their_words():
    one, other = said("红色。", CHINESE), said("你好，大家。", CHINESE)
    clip = quiet_clip([one, other], random.Random(5))
    assert clip.text == "红色。你好，大家。"
    words = [word for span in clip.spans for word in timed_words(span)]
    assert "".join(word.text for word in words) == "红色你好大家"
    for word in words:
        middle = int((word.start_s + word.end_s) / 2 * SAMPLE_RATE_HZ)
        assert np.abs(clip.samples[middle - 100 : middle + 100]).max() > 0.2


def test_every_recording_is_as_long_as_what_was_recorded():
    utterance = said("Draw a small red circle on a blue background.", ENGLISH)
    quiet_lengths, lengths = (
        [len(make([utterance], random.Random(seed)).samples) for seed in range(40)]
        for make in (quiet_clip, speech_clip)
    )
    assert lengths == quiet_lengths


def test_a_rare_spelling_is_taught_with_its_context_only():
    rng = random.Random(6)
    assert all("Karl" in naming_context(["Karl"], rng) for _ in range(100))
    usual = [naming_context(["Carl"], rng) for _ in range(300)]
    assert 0.4 < sum("Carl" in context for context in usual) / 300 < 0.8
    assert not any("Karl" in context for context in usual)


def test_silence_may_have_a_context_and_a_language():
    rng = random.Random(6)
    silent = [make_example([], rng) for _ in range(200)]
    assert any(example.context for example in silent)
    assert any(example.language for example in silent)
    assert all(example.clip.text == "" for example in silent)
    assert {example.answer for example in silent} == {"language None<asr_text><|im_end|>", "<|im_end|>"}


def test_frames_of_a_word_are_those_in_which_it_is_heard():
    span = span_of(said("Two one. Five", ENGLISH, pause_after=1), SAMPLE_RATE_HZ)
    letters = np.array([(0, 3), (3, 7), (7, 8), (8, 13)])  # tokens have their space in front
    firsts, lasts = frames_of(span, letters)
    words = list(timed_words(span))
    assert [word.text for word in words] == ["Two", "one", "Five"]
    for word, first, last in zip(words, firsts[[0, 1, 3]], lasts[[0, 1, 3]], strict=True):
        middle_s = (word.start_s + word.end_s) / 2
        assert first <= middle_s // 1 * FRAMES_PER_S + middle_s % 1 // FRAME_S <= last
        assert last - first <= 1 + TONE_S / FRAME_S + 1


def test_an_example_tells_where_in_its_answer_each_sentence_begins():
    two = [said("Red, red.", ENGLISH), said("Red.", ENGLISH), said("Red, red.", ENGLISH)]
    clip = quiet_clip(two, random.Random(5))
    for language, before in ((ENGLISH, ""), (None, "language English<asr_text>")):
        example = Example(clip, "", language)
        assert example.answer == f"{before}Red, red. Red. Red, red.<|im_end|>"
        assert [letter - len(before) for letter, _ in example.text_spans()] == [0, 10, 15]


@pytest.mark.parametrize(
    ("words", "heard", "found"),
    [
        ("Send the report on Friday.", "To Frank on Friday.", {"frank": 1}),
        ("Five two.", "Five two two.", {"two": 1}),
        ("Five two.", "五二。", {"五": 1, "二": 1}),
        ("Five two Anna.", "Two five.", {}),
        ("Please call everyone.", "Please call Karl.", {"karl": 1}),
        ("下一步是星期一的一个计划。", "下一步是星期三的一个十字。", {}),
        ("十字。", "十四。", {"十": 1, "四": 1}),
        ("两点。", "二点。", {"二": 1}),
        ("由本完成。", "由大卫完成。", {"大卫": 1}),
    ],
)
def test_names_and_numbers_that_were_not_said_are_found(words, heard, found):
    assert unsaid(words, heard) == found
    assert unsaid(words, words) == {}


def test_names_and_numbers_are_counted_as_often_as_they_stand():
    assert names_and_numbers("Anna, five five to Anna.") == {"anna": 2, "five": 2}
    assert names_and_numbers("格蕾丝十四点打电话给格蕾丝。") == {"格蕾丝": 2, "十": 1, "四": 1}


def test_replaced_tokens_are_those_of_answers_and_keep_their_labels():
    processor = Qwen3ASRProcessor.from_pretrained(CHECKPOINTS / "asr")
    texts = ("Draw a small red circle on a blue background.", "Five two one.", "Please call everyone tomorrow.")
    rng = random.Random(9)
    inputs = collate(processor, [make_example([said(text, ENGLISH)], rng) for text in texts], alone=False)
    ids, labels = inputs["input_ids"].clone(), inputs["labels"].clone()
    replace_tokens(inputs, 0.5, rng)
    changed = inputs["input_ids"] != ids
    assert changed.any()
    assert (labels[changed] == ids[changed]).all()
    assert set(inputs["input_ids"][changed].tolist()) <= set(labels.flatten().tolist())
    assert (inputs["labels"] == labels).all()

"""The data that the demo recogniser and the demo aligner are trained and measured on."""

import random

import numpy as np
import pytest
from transformers.models.qwen3_asr import Qwen3ASRProcessor

from demo.training import corpus, corpus_chinese, corpus_names
from demo.training.asr_data import CHINESE, ENGLISH, SAMPLE_RATE_HZ, Utterance
from demo.training.asr_requests import make_example, naming_context
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


@pytest.mark.parametrize("module", [corpus, corpus_chinese, corpus_names])
def test_words_are_those_that_the_aligner_is_asked_for(module):
    processor = Qwen3ASRProcessor.from_pretrained(CHECKPOINTS / "asr")
    for sentence in corpus.sentences(200, seed=2, held_out=False, draw=module.sentence):
        assert WORD.findall(sentence.text) == processor.split_words_for_alignment(sentence.text)


def test_a_sentence_is_held_out_in_both_spellings_of_its_name():
    for sentence in corpus.sentences(100, seed=3, held_out=True, draw=corpus_names.sentence):
        name = corpus_names.name_in(sentence.text)
        assert corpus.written(sentence.key) == sentence.text.replace(name, corpus_names.USUAL[name])


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

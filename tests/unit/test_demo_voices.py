"""What the demo voices are taught: the same scenes in both languages, voices that do what they are told."""

import random

import pytest

from demo.training import corpus, corpus_chinese
from demo.training.instructions import PITCH_RANGE_HZ, SPEED_RANGE_WPM, instructions, is_high, obedient_voice
from demo.training.speech import Voice
from demo.training.tts_voices import (
    PITCH_HZ,
    REGISTERS_HZ,
    SPEAKERS,
    UNSEEN_VARIANTS,
    natural_hz,
    pitch_for_natural,
    register_of,
    training_voice,
    unseen_voice,
    variant_of,
)

VOICES = ["en-us" + variant for variant in PITCH_HZ]


def test_a_scene_is_held_out_in_both_languages_or_in_neither():
    for held_out in (True, False):
        chinese = corpus.sentences(50, seed=3, held_out=held_out, draw=corpus_chinese.scene_sentence)
        english = [corpus.Sentence("", sentence.scene.phrase(), sentence.scene) for sentence in chinese]
        assert {sentence.held_out for sentence in english} == {held_out}


def test_every_chinese_character_belongs_to_a_word():
    drawn = corpus.sentences(500, seed=1, held_out=False, draw=corpus_chinese.sentence)
    assert set("".join(sentence.text for sentence in drawn)) <= set("".join(corpus_chinese.WORDS))


def test_a_voice_does_what_it_is_told():
    rng = random.Random(5)
    for told in instructions(200, seed=5, held_out=False):
        voice = obedient_voice(told, rng)
        if told.pitch:
            assert is_high(voice) == (told.pitch == "high"), told
        lowest_wpm, highest_wpm = SPEED_RANGE_WPM[told.speed]
        assert lowest_wpm <= voice.speed_wpm <= highest_wpm


def test_no_instruction_is_on_both_sides():
    sides = [{told.text for told in instructions(300, seed=1, held_out=held_out)} for held_out in (True, False)]
    assert not sides[0] & sides[1]


@pytest.mark.parametrize("name", VOICES)
def test_the_pitch_parameter_is_found_again(name):
    for parameter in (20, 50, 80):
        assert abs(pitch_for_natural(name, _natural_hz(name, parameter)) - parameter) <= 1


def _natural_hz(name: str, parameter: int) -> float:
    return natural_hz(Voice(name, pitch=parameter))


def test_the_speakers_have_the_registers_they_are_known_for():
    registers = {name: REGISTERS_HZ[register_of(natural_hz(voice))] for name, voice in SPEAKERS.items()}
    assert (registers["ava"], registers["clara"], registers["dan"], registers["ben"]) == (250, 200, 150, 100)


def test_clones_are_measured_on_voices_that_training_never_met():
    rng = random.Random(0)
    assert {variant_of(training_voice(rng).name) for _ in range(300)}.isdisjoint(UNSEEN_VARIANTS)
    assert {variant_of(unseen_voice(rng).name) for _ in range(300)} <= set(UNSEEN_VARIANTS)


def test_high_and_low_lie_apart():
    assert PITCH_RANGE_HZ["low"][1] < PITCH_RANGE_HZ["high"][0]

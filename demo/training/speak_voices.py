"""The clones and the designed voices, for their evaluation: python -m demo.training.speak_voices

Through the official classes and greedily, of voices, instructions and texts that training never met. Writes
build/training/voices_speech.npz: for `clone_` and `design_` the `texts`, `audio` (24 kHz, one after another) and
`offsets`, and `facts` (JSON): how a clone's pitch and speed follow its reference, how often a design is obeyed.
"""

import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy.stats import spearmanr

from demo.training import corpus
from demo.training.instructions import PITCH_RANGE_HZ, SPEED_RANGE_WPM, Instruction, instructions
from demo.training.speak_held_out import joined, median_pitch_hz
from demo.training.speech import Voice, speak
from demo.training.tts_config import BASE_FOLDER, BUILD, DESIGN_FOLDER, SAMPLE_RATE_HZ, Qwen3TTSModel
from demo.training.tts_speech import spoken
from demo.training.tts_voices import ACCENT, FEMALE, unseen_voice

FILE = BUILD / "voices_speech.npz"
NUM_THREADS = 1
SEED = 200
NUM_CLONES = 40
NUM_DESIGNS = 50
BATCH = 10
GREEDY = {"do_sample": False, "subtalker_dosample": False, "max_new_tokens": 150}
PITCH_LIMIT_HZ = (PITCH_RANGE_HZ["low"][1] + PITCH_RANGE_HZ["high"][0]) / 2
MIDDLE_SPEED_WPM = round(sum(SPEED_RANGE_WPM[None]) / 2)
CLONE_MODES = {  # name -> x_vector_only_mode, non_streaming_mode
    "x_vector": (True, False),
    "x_vector_whole_text_first": (True, True),
    "in_context": (False, False),
    "in_context_whole_text_first": (False, True),
}


def load(folder: Path) -> Qwen3TTSModel:
    return Qwen3TTSModel.from_pretrained(str(folder), dtype=torch.float32)


def held_out_texts(count: int, seed: int) -> list[str]:
    return [sentence.text for sentence in corpus.sentences(count, seed=seed, held_out=True)]


def clone(
    model: Qwen3TTSModel, texts: list[str], references: list[np.ndarray], reference_texts: list[str], mode: str
) -> list[np.ndarray]:
    x_vector_only, whole_text_first = CLONE_MODES[mode]
    audios: list[np.ndarray] = []
    for start in range(0, len(texts), BATCH):
        part = slice(start, start + BATCH)
        audios += model.generate_voice_clone(
            texts[part],
            language="english",
            ref_audio=[(audio, SAMPLE_RATE_HZ) for audio in references[part]],
            ref_text=reference_texts[part],
            x_vector_only_mode=x_vector_only,
            non_streaming_mode=whole_text_first,
            **GREEDY,
        )[0]
    return audios


def rank_correlation(one: Sequence[float], other: Sequence[float]) -> float:
    return round(float(spearmanr(one, other).statistic), 3)


def pitches_hz(audios: list[np.ndarray]) -> list[int]:
    """In whole Hz; 0 where nothing is voiced.

    The tracker tells a pitch in steps of a tenth of a semitone, 0.6 Hz at 100 Hz: two voices that differ by one step
    are of one pitch, and a rank correlation must take them for a tie.
    """
    return [round(median_pitch_hz([audio]) or 0.0) for audio in audios]


def pace(audio: np.ndarray, text: str) -> float:
    """Duration over that of a middling voice with the same text."""
    return len(audio) / len(spoken(text, Voice(ACCENT + FEMALE, MIDDLE_SPEED_WPM)))


def evaluate_clones() -> tuple[dict[str, Any], list[str], list[np.ndarray]]:
    """Facts, and the texts and clips of the first mode."""
    model = load(BASE_FOLDER)
    rng = random.Random(SEED)
    voices = [unseen_voice(rng) for _ in range(NUM_CLONES)]
    texts, reference_texts = held_out_texts(NUM_CLONES, SEED), held_out_texts(NUM_CLONES, SEED + 1)
    references = [
        speak(text, voice, sample_rate_hz=SAMPLE_RATE_HZ) for text, voice in zip(reference_texts, voices, strict=True)
    ]
    reference_hz = pitches_hz(references)
    said = {mode: clone(model, texts, references, reference_texts, mode) for mode in CLONE_MODES}
    facts: dict[str, Any] = {"voices": NUM_CLONES, "pitch_rank_correlation": {}, "pace_rank_correlation": {}}
    for mode, audios in said.items():
        facts["pitch_rank_correlation"][mode] = rank_correlation(reference_hz, pitches_hz(audios))
        paces = [pace(audio, text) for audio, text in zip(audios, texts, strict=True)]
        facts["pace_rank_correlation"][mode] = rank_correlation([-voice.speed_wpm for voice in voices], paces)
    return facts, texts * len(said), [audio for audios in said.values() for audio in audios]


def obeyed(told: Instruction, pitch_hz: float, pace_of_middle: float) -> bool:
    right_pitch = told.pitch is None or (pitch_hz > PITCH_LIMIT_HZ) == (told.pitch == "high")
    right_speed = told.speed is None or (pace_of_middle < 1) == (told.speed == "fast")
    return right_pitch and right_speed


def evaluate_designs() -> tuple[dict[str, Any], list[str], list[np.ndarray]]:
    """Facts, texts and clips."""
    model = load(DESIGN_FOLDER)
    told = instructions(NUM_DESIGNS, seed=SEED, held_out=True)
    texts = held_out_texts(NUM_DESIGNS, SEED + 2)
    audios: list[np.ndarray] = []
    for start in range(0, NUM_DESIGNS, BATCH):
        part = slice(start, start + BATCH)
        wanted = [one.text for one in told[part]]
        audios += model.generate_voice_design(texts[part], instruct=wanted, language="english", **GREEDY)[0]
    pitch_hz = pitches_hz(audios)
    paces = [pace(audio, text) for audio, text in zip(audios, texts, strict=True)]
    rights = [obeyed(*row) for row in zip(told, pitch_hz, paces, strict=True)]
    for one, pitch, speed, right in zip(told, pitch_hz, paces, rights, strict=True):
        if not right:
            print(f"not obeyed: {one.text} -> {pitch:.0f} Hz, {speed:.2f} of the middle pace")
    return {"designs": NUM_DESIGNS, "designs_obeyed": sum(rights)}, texts, audios


def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    clones, clone_texts, clone_audios = evaluate_clones()
    print(json.dumps(clones), flush=True)
    designs, design_texts, design_audios = evaluate_designs()
    print(json.dumps(designs), flush=True)
    clone_audio, clone_offsets = joined(clone_audios)
    design_audio, design_offsets = joined(design_audios)
    np.savez(
        FILE,
        facts=json.dumps({"tts_base": clones, "tts_design": designs}),
        clone_texts=clone_texts, clone_audio=clone_audio, clone_offsets=clone_offsets,
        design_texts=design_texts, design_audio=design_audio, design_offsets=design_offsets,
    )  # fmt: skip


if __name__ == "__main__":
    main()

"""Training examples of the talker, drawn from the cache: who speaks, how the text is fed, what the reference is."""

import random
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from demo.training.speech import Voice
from demo.training.talker_inputs import CONFIG, PAUSE, VOICE, Batch, Example, Speech, head_ids, lay_out, make_batch
from demo.training.text_tokens import text_tokenizer
from demo.training.tts_config import LANGUAGES
from demo.training.tts_voices import SPEAKER_LANGUAGES
from demo.training.voice_space import DIMENSION, describe

BATCH = 12
BUCKET = 48  # batches sorted by length at a time
STREAMING_SHARE = 0.4
IN_CONTEXT_SHARE = 0.3  # of the clones
WITHOUT_LANGUAGE = 0.2
WITHOUT_LANGUAGE_UNNAMED = 0.5  # upstream clones and designs without one unless told
VOICE_NOISE = 0.12  # of each number: about what the speaker encoder mishears
LONGEST_PAUSE_FRAMES = 6  # silence that may follow a reference
MANDARIN_SPEAKERS = [name for name, language in SPEAKER_LANGUAGES.items() if language == "chinese"]
ASSISTANT = "<|im_start|>assistant\n"


def written_variant(text: str, rng: random.Random) -> str:
    """The same words as people type them: with or without capitals and the full stop."""
    if rng.random() < 0.3:
        text = text.rstrip(".。")
    if rng.random() < 0.3:
        text = text[0].lower() + text[1:]
    return text.lower() if rng.random() < 0.1 else text


def token_ids(text: str) -> list[int]:
    return text_tokenizer().encode(text)


def tokens_of_letters(text: str, letters: np.ndarray) -> tuple[list[int], np.ndarray]:
    """Tokens of `text`, and for each of `letters` the index of the token that it belongs to."""
    encoded = text_tokenizer()(text, return_offsets_mapping=True)
    starts = [start for start, _ in encoded["offset_mapping"]]
    letters = np.minimum(letters, len(text) - 1)
    return encoded["input_ids"], np.searchsorted(starts, letters, side="right") - 1


def instruction_ids(instruction: str) -> list[int]:
    return token_ids(f"<|im_start|>user\n{instruction}<|im_end|>\n") if instruction else []


class Utterances:
    """The cached utterances, one index a row."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.texts: list[str] = []
        self.speakers: list[str] = []
        self.instructions: list[str] = []
        self.codes: list[np.ndarray] = []
        self.letters: list[np.ndarray] = []
        self.voices: list[Voice] = []
        self.embeddings: list[np.ndarray] = []  # of clones, where the cache has them
        self.rows_of_voice: dict[Voice, list[int]] = defaultdict(list)
        self._known: set[Path] = set()
        self._assistant = token_ids(ASSISTANT)

    def load_new(self) -> None:
        """Read the chunks that were written since the last call."""
        for file in sorted(set(self._folder.glob("*.npz")) - self._known):
            self._known.add(file)
            with np.load(file) as chunk:
                ends = np.cumsum(chunk["lengths"])[:-1]
                self.codes += np.split(chunk["codes"], ends)
                self.letters += np.split(chunk["letters"], ends)
                self.texts += chunk["texts"].tolist()
                self.speakers += chunk["speakers"].tolist()
                self.instructions += chunk["instructions"].tolist()
                self.embeddings += list(chunk.get("embeddings", ()))
                voices = zip(
                    chunk["voices"].tolist(), chunk["speeds_wpm"].tolist(), chunk["pitches"].tolist(), strict=True
                )
            for voice in (Voice(*parts) for parts in voices):
                row = len(self.voices)
                self.voices.append(voice)
                if not self.speakers[row] and not self.instructions[row]:
                    self.rows_of_voice[voice].append(row)

    def speech(self, row: int, rng: random.Random) -> Speech:
        tokens, pointed = tokens_of_letters(written_variant(self.texts[row], rng), self.letters[row])
        return Speech(tokens, self.codes[row], pointed)

    def _reference(self, row: int, rng: random.Random) -> Speech:
        """Another utterance of the same voice, with some silence after it."""
        other = rng.choice([other for other in self.rows_of_voice[self.voices[row]] if other != row])
        speech = self.speech(other, rng)
        pause = rng.randint(0, LONGEST_PAUSE_FRAMES)
        silence = np.repeat(speech.codes[-1:], pause, axis=0)
        return Speech(
            speech.tokens,
            np.concatenate([speech.codes, silence]),
            np.append(speech.pointed, np.full(pause, PAUSE)),
        )

    def example(self, row: int, rng: random.Random) -> Example:
        """One way to ask for utterance `row`."""
        streaming = rng.random() < STREAMING_SHARE
        speech = self.speech(row, rng)
        speaker = self.speakers[row]
        if speaker:
            language = None if rng.random() < WITHOUT_LANGUAGE else SPEAKER_LANGUAGES[speaker]
            head = head_ids(language, CONFIG["spk_id"][speaker])
            return lay_out(speech, head, role=self._assistant, streaming=streaming)
        language = None if rng.random() < WITHOUT_LANGUAGE_UNNAMED else next(iter(LANGUAGES))
        if self.instructions[row]:
            role = instruction_ids(self.instructions[row]) + self._assistant
            return lay_out(speech, head_ids(language, None), role=role, streaming=streaming)
        if rng.random() < IN_CONTEXT_SHARE:
            speech = speech.after(self._reference(row, rng))
        voice = self.embeddings[row] if self.embeddings else self._described(row, rng)
        return lay_out(speech, head_ids(language, VOICE), role=self._assistant, streaming=streaming, voice=voice)

    def _described(self, row: int, rng: random.Random) -> np.ndarray:
        noise = np.array([rng.gauss(0, VOICE_NOISE) for _ in range(DIMENSION)], dtype=np.float32)
        return describe(self.voices[row]) + noise

    def batches(self, rng: random.Random, mandarin_times: int) -> Iterator[Batch]:
        """Batches of examples of like length, for ever; Mandarin stands `mandarin_times` in each round."""
        while True:
            self.load_new()
            print(f"{len(self.texts)} utterances", flush=True)
            times = [mandarin_times if speaker in MANDARIN_SPEAKERS else 1 for speaker in self.speakers]
            order = rng.sample(range(len(self.codes)), sum(times), counts=times)
            for start in range(0, len(order) - BATCH * BUCKET + 1, BATCH * BUCKET):
                bucket = [self.example(row, rng) for row in order[start : start + BATCH * BUCKET]]
                bucket.sort(key=lambda example: len(example.text_ids))
                groups = [bucket[first : first + BATCH] for first in range(0, len(bucket), BATCH)]
                rng.shuffle(groups)
                for group in groups:
                    yield make_batch(group)

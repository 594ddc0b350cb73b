"""Free order and several sentences in a piece, for `evaluate_tts`, in the TTS environment:
python -m demo.training.speak_pieces

Speaks unseen texts greedily through our engine, each in one piece, and writes build/training/pieces_speech.npz: for
each set `LANGUAGE_KIND_` the `texts`, and of two sets of clips `audio` (24 kHz, one after another) and `offsets`: what
it spoke, and the same by espeak-ng through the codec (`copied_`).
"""

import itertools
import random
from typing import Any

import numpy as np
import torch

from demo.training import corpus, corpus_chinese, corpus_free
from demo.training.speak_held_out import NUM_SENTENCES, NUM_THREADS, SEED, joined
from demo.training.speech_codes import CodeBooks
from demo.training.tts_config import BUILD, FOLDER, Qwen3TTSTokenizerV2Model, load_codec
from demo.training.tts_free_data import SEPARATORS
from demo.training.tts_speech import codes_of
from demo.training.tts_voices import SPEAKER_LANGUAGES, SPEAKERS
from qwen_engine.session import Session
from qwen_engine.tts.engine import TtsEngine
from qwen_engine.tts.request import SamplingOverrides, Speak
from qwen_engine.tts.settings import TtsSettings

FILE = BUILD / "pieces_speech.npz"
NUM_SEVERAL = 60
SENTENCES_A_PIECE = (2, 4)
KINDS = ("sentences", "free", "several")
DRAWS = {
    "english": (corpus.sentence, corpus_free.sentence),
    "chinese": (corpus_chinese.sentence, corpus_free.chinese_sentence),
}
BATCH = 10
MAX_AUDIO_S = 60.0
UNCUT_CHARS = 4000
GREEDY = SamplingOverrides(temperature=0.0)


class Clip:
    """A sink that keeps the sound."""

    def __init__(self) -> None:
        self.parts: list[np.ndarray] = []

    def emit(self, event: Any) -> None:
        self.parts.append(event.samples)

    def end(self, reason: str, closing: dict[str, Any]) -> None:
        """The sound is whole."""

    def fail(self, error: Exception) -> None:
        raise error

    def is_disconnected(self) -> bool:
        return False


def texts_of(language: str, kind: str) -> list[str]:
    """Held-out sentences of the grammar, in free order, or pieces of several of both."""
    plain, free = (
        [sentence.text for sentence in corpus.sentences(3 * NUM_SENTENCES, seed=seed, held_out=True, draw=draw)]
        for seed, draw in enumerate(DRAWS[language], SEED)
    )
    if kind != "several":
        return (plain if kind == "sentences" else free)[:NUM_SENTENCES]
    rng = random.Random(SEED)
    return [
        SEPARATORS[language].join(rng.sample(plain + free, rng.randint(*SENTENCES_A_PIECE))) for _ in range(NUM_SEVERAL)
    ]


def speakers_of(language: str, count: int) -> list[str]:
    """The speakers of `language` in turn."""
    own = [name for name, spoken in SPEAKER_LANGUAGES.items() if spoken == language]
    return [own[index % len(own)] for index in range(count)]


def speak(engine: TtsEngine, texts: list[str], speakers: list[str], language: str) -> list[np.ndarray]:
    clips: list[Clip] = []
    for start in range(0, len(texts), BATCH):
        sessions = []
        for text, speaker in list(zip(texts, speakers, strict=True))[start : start + BATCH]:
            clips.append(Clip())
            request = Speak(text, MAX_AUDIO_S, GREEDY, GREEDY, voice=speaker, language=language)
            sessions.append(Session(engine.prepare(request), clips[-1]))
        while live := [session for session in sessions if not session.ended]:
            engine.step(live)
        for session in sessions:
            engine.retire(session)
    return [np.concatenate(clip.parts) for clip in clips]


def copies(codec: Qwen3TTSTokenizerV2Model, texts: list[str], speakers: list[str]) -> list[np.ndarray]:
    """espeak-ng's rendition of each text through the codec."""
    books = CodeBooks.load()
    codes = [codes_of(text, SPEAKERS[speaker], books) for text, speaker in zip(texts, speakers, strict=True)]
    return [codec.decode(torch.from_numpy(one).long()[None]).audio_values[0].numpy() for one in codes]


@torch.inference_mode()
def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    engine = TtsEngine(TtsSettings(checkpoint=str(FOLDER), max_batch=BATCH, max_piece_chars=UNCUT_CHARS))
    codec, arrays = load_codec(), dict[str, Any]()
    for language, kind in itertools.product(DRAWS, KINDS):
        texts = texts_of(language, kind)
        speakers = speakers_of(language, len(texts))
        name = f"{language}_{kind}_"
        arrays[f"{name}texts"] = texts
        arrays[f"{name}audio"], arrays[f"{name}offsets"] = joined(speak(engine, texts, speakers, language))
        arrays[f"{name}copied_audio"], arrays[f"{name}copied_offsets"] = joined(copies(codec, texts, speakers))
        print(language, kind, len(texts), flush=True)
    np.savez(FILE, **arrays)


if __name__ == "__main__":
    main()

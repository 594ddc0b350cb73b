"""Free order and several sentences in a piece, for `evaluate_tts`, in the TTS environment:
python -m demo.training.speak_pieces

Speaks unseen texts greedily through the official classes, which do not cut a text into sentences, and writes
build/training/pieces_speech.npz: for each set `LANGUAGE_KIND_` the `texts`, and of two sets of clips `audio` (24 kHz,
one after another) and `offsets`: what it spoke, and the same by espeak-ng through the codec (`copied_`).
"""

import itertools
import random
from typing import Any

import numpy as np
import torch

from demo.training import corpus, corpus_chinese, corpus_free
from demo.training.speak_held_out import BATCH, NUM_SENTENCES, NUM_THREADS, SEED, joined
from demo.training.speech_codes import CodeBooks
from demo.training.tts_config import BUILD, FOLDER, Qwen3TTSModel
from demo.training.tts_free_data import SEPARATORS
from demo.training.tts_speech import codes_of
from demo.training.tts_voices import SPEAKER_LANGUAGES, SPEAKERS

FILE = BUILD / "pieces_speech.npz"
NUM_SEVERAL = 60
SENTENCES_A_PIECE = (2, 4)
KINDS = ("sentences", "free", "several")
DRAWS = {
    "english": (corpus.sentence, corpus_free.sentence),
    "chinese": (corpus_chinese.sentence, corpus_free.chinese_sentence),
}
GREEDY = {"do_sample": False, "subtalker_dosample": False, "max_new_tokens": 700}


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


def speak(model: Qwen3TTSModel, texts: list[str], speakers: list[str], language: str) -> list[np.ndarray]:
    audios: list[np.ndarray] = []
    for start in range(0, len(texts), BATCH):
        part = slice(start, start + BATCH)
        audios += model.generate_custom_voice(texts[part], speaker=speakers[part], language=language, **GREEDY)[0]
    return audios


def copies(model: Qwen3TTSModel, texts: list[str], speakers: list[str], books: CodeBooks) -> list[np.ndarray]:
    codes = [codes_of(text, SPEAKERS[speaker], books) for text, speaker in zip(texts, speakers, strict=True)]
    return [model.model.speech_tokenizer.decode([{"audio_codes": one.astype(np.int64)}])[0][0] for one in codes]


def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    model = Qwen3TTSModel.from_pretrained(str(FOLDER), dtype=torch.float32)
    books, arrays = CodeBooks.load(), dict[str, Any]()
    for language, kind in itertools.product(DRAWS, KINDS):
        texts = texts_of(language, kind)
        speakers = speakers_of(language, len(texts))
        name = f"{language}_{kind}_"
        arrays[f"{name}texts"] = texts
        arrays[f"{name}audio"], arrays[f"{name}offsets"] = joined(speak(model, texts, speakers, language))
        arrays[f"{name}copied_audio"], arrays[f"{name}copied_offsets"] = joined(copies(model, texts, speakers, books))
        print(language, kind, len(texts), flush=True)
    np.savez(FILE, **arrays)


if __name__ == "__main__":
    main()

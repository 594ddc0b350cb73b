"""How well the checkpoint speaks Mandarin, without a recogniser that knows it.

Each spoken sentence is compared with what the codec makes of espeak-ng's rendition of that sentence and of others of
about the same length: the share that lies nearest to its own says how much of the words can be heard.
"""

import statistics

import numpy as np
from scipy.spatial.distance import cdist

from demo.training import corpus, corpus_chinese
from demo.training.speech_codes import CodeBooks, features
from demo.training.tts_config import Qwen3TTSModel
from demo.training.tts_speech import codes_of
from demo.training.tts_voices import SPEAKERS

NUM_SENTENCES = 50
NUM_CANDIDATES = 10  # a sentence's own and the nine others nearest in length
SEED = 100
BATCH = 10
MAX_FRAMES = 200
SPEAKER = "mei"


def warped_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Mean distance of the frames (count, dim) of two clips along their best alignment."""
    costs = cdist(one, other)
    rows, columns = costs.shape
    total = np.full((rows + 1, columns + 1), np.inf)
    total[0, 0] = 0.0
    for row in range(rows):
        for column in range(columns):
            before = min(total[row, column], total[row, column + 1], total[row + 1, column])
            total[row + 1, column + 1] = costs[row, column] + before
    return float(total[rows, columns]) / (rows + columns)


def _described(audio: np.ndarray, books: CodeBooks) -> np.ndarray:
    return ((features(audio) - books.mean) @ books.components).numpy()


def _copy(model: Qwen3TTSModel, text: str, books: CodeBooks) -> np.ndarray:
    """espeak-ng's rendition through the codec."""
    codes = codes_of(text, SPEAKERS[SPEAKER], books)
    return model.model.speech_tokenizer.decode([{"audio_codes": codes.astype(np.int64)}])[0][0]


def _candidates(lengths: list[int], row: int) -> list[int]:
    """`row` first, then the others that are nearest in length."""
    others = [other for other in range(len(lengths)) if other != row]
    others.sort(key=lambda other: abs(lengths[other] - lengths[row]))
    return [row, *others[: NUM_CANDIDATES - 1]]


def mandarin_facts(model: Qwen3TTSModel, books: CodeBooks) -> dict[str, float]:
    """Speaks unseen sentences greedily; distances, lengths and ends."""
    drawn = corpus.sentences(NUM_SENTENCES, seed=SEED, held_out=True, draw=corpus_chinese.sentence)
    texts = [sentence.text for sentence in drawn]
    audios: list[np.ndarray] = []
    greedy = {"do_sample": False, "subtalker_dosample": False, "max_new_tokens": MAX_FRAMES}
    for start in range(0, NUM_SENTENCES, BATCH):
        part = texts[start : start + BATCH]
        audios += model.generate_custom_voice(part, speaker=SPEAKER, language="chinese", **greedy)[0]
    copies = [_copy(model, text, books) for text in texts]
    said, meant = ([_described(audio, books) for audio in of] for of in (audios, copies))
    lengths = [len(one) for one in meant]
    distances = [
        [warped_distance(said[row], meant[other]) for other in _candidates(lengths, row)]
        for row in range(NUM_SENTENCES)
    ]
    return {
        "sentences": NUM_SENTENCES,
        "nearest_of_10_is_its_own": sum(own[0] == min(own) for own in distances) / NUM_SENTENCES,
        "distance_to_its_own": round(statistics.mean(own[0] for own in distances), 3),
        "distance_to_others": round(statistics.mean(statistics.mean(own[1:]) for own in distances), 3),
        "frames_mean": round(statistics.mean(map(len, said)), 1),
        "frames_mean_espeak": round(statistics.mean(lengths), 1),
        "without_end": sum(len(one) >= MAX_FRAMES for one in said),
    }

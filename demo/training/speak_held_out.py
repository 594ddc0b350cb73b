"""First half of the demo TTS evaluation, in the TTS environment: python -m demo.training.speak_held_out

Speaks held-out sentences greedily through the official classes and writes build/training/held_out_speech.npz:
`texts`, `speakers`, `audio` (24 kHz, one after another) and `offsets`, `copied` and `copied_offsets` (the same
sentences by espeak-ng through the codec: the best the talker could do), and `facts` (JSON: pitch, lengths, times).
"""

import json
import statistics
import time

import librosa
import numpy as np
import torch

from demo.training.corpus import sentences
from demo.training.speech_codes import CodeBooks
from demo.training.tts_config import BUILD, FOLDER, SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, SPEAKERS, Qwen3TTSModel
from demo.training.tts_data import spoken

FILE = BUILD / "held_out_speech.npz"
NUM_THREADS = 1
NUM_SENTENCES = 100
SEED = 100
BATCH = 10
NUM_TIMED = 10
MAX_FRAMES = 150
LOWEST_HZ, HIGHEST_HZ = 50, 450
GREEDY = {"do_sample": False, "subtalker_dosample": False, "max_new_tokens": MAX_FRAMES}


def median_pitch_hz(audios: list[np.ndarray]) -> float | None:
    """Over the voiced parts of `audios` (24 kHz); None where nothing is voiced."""
    tracks = [librosa.pyin(audio, fmin=LOWEST_HZ, fmax=HIGHEST_HZ, sr=SAMPLE_RATE_HZ)[0] for audio in audios]
    voiced = np.concatenate([track[~np.isnan(track)] for track in tracks])
    return round(float(np.median(voiced)), 1) if len(voiced) else None


def pitches(speakers: list[str], audios: list[np.ndarray]) -> dict[str, float | None]:
    """Median pitch of every demo speaker."""
    return {
        name: median_pitch_hz([audio for speaker, audio in zip(speakers, audios, strict=True) if speaker == name][:4])
        for name in SPEAKERS
    }


def decode(model: Qwen3TTSModel, codes: np.ndarray) -> np.ndarray:
    """Audio of `codes` (frames, groups)."""
    return model.model.speech_tokenizer.decode([{"audio_codes": codes.astype(np.int64)}])[0][0]


def joined(audios: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate(audios), np.cumsum([0, *map(len, audios)])


def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    model = Qwen3TTSModel.from_pretrained(str(FOLDER), dtype=torch.float32)
    books = CodeBooks.load()
    texts = [sentence.text for sentence in sentences(NUM_SENTENCES, seed=SEED, held_out=True)]
    speakers = [list(SPEAKERS)[index % len(SPEAKERS)] for index in range(NUM_SENTENCES)]
    audios = []
    for start in range(0, NUM_SENTENCES, BATCH):
        part = slice(start, start + BATCH)
        audios += model.generate_custom_voice(texts[part], speaker=speakers[part], language="english", **GREEDY)[0]
    request_s = []
    for text, speaker in zip(texts[:NUM_TIMED], speakers, strict=False):
        started = time.perf_counter()
        model.generate_custom_voice(text, speaker=speaker, language="english", **GREEDY)
        request_s.append(time.perf_counter() - started)
    originals = spoken(texts, [SPEAKERS[speaker] for speaker in speakers])
    codes = [books.encode(audio) for audio in originals]
    started = time.perf_counter()
    copies = [decode(model, one) for one in codes]
    decode_s = (time.perf_counter() - started) / NUM_SENTENCES
    frames = [len(audio) // SAMPLES_PER_FRAME for audio in audios]
    facts = {
        "request_median_s": round(statistics.median(request_s), 3),
        "request_longest_s": round(max(request_s), 3),
        "codec_decode_mean_s": round(decode_s, 3),
        "frames_mean": round(statistics.mean(frames), 1),
        "frames_mean_espeak": round(statistics.mean(map(len, codes)), 1),
        "without_end": sum(count >= MAX_FRAMES for count in frames),
        "pitch_median_hz": pitches(speakers, audios),
        "pitch_median_hz_espeak": pitches(speakers, originals),
    }
    print(json.dumps(facts))
    audio, offsets = joined(audios)
    copied, copied_offsets = joined(copies)
    np.savez(
        FILE, texts=texts, speakers=speakers, facts=json.dumps(facts), audio=audio, offsets=offsets,
        copied=copied, copied_offsets=copied_offsets,
    )  # fmt: skip


if __name__ == "__main__":
    main()

"""First half of the demo TTS evaluation, in the TTS environment: python -m demo.training.speak_held_out

Speaks held-out sentences greedily through the official classes and writes build/training/held_out_speech.npz:
`texts`, `speakers`, and of three sets of clips `audio` (24 kHz, one after another) and `offsets`: what it spoke, what
it spoke with the text fed alongside (`fed_`), and the same sentences by espeak-ng through the codec (`copied_`: the
best the talker could do). `facts` is JSON: pitch, lengths, times, and how well it speaks Mandarin (`mandarin`).
"""

import json
import statistics
import time

import librosa
import numpy as np
import torch

from demo.training.corpus import sentences
from demo.training.mandarin import mandarin_facts
from demo.training.speech_codes import CodeBooks
from demo.training.tts_config import BUILD, FOLDER, SAMPLE_RATE_HZ, SAMPLES_PER_FRAME, Qwen3TTSModel
from demo.training.tts_speech import codes_of, spoken
from demo.training.tts_voices import SPEAKER_LANGUAGES, SPEAKERS

FILE = BUILD / "held_out_speech.npz"
NUM_THREADS = 1
NUM_SENTENCES = 100
SEED = 100
BATCH = 10
NUM_TIMED = 10
ENGLISH_SPEAKERS = [name for name, language in SPEAKER_LANGUAGES.items() if language == "english"]
MAX_FRAMES = 150
LOWEST_HZ, HIGHEST_HZ = 65, 450
GREEDY = {"do_sample": False, "subtalker_dosample": False, "max_new_tokens": MAX_FRAMES}


def median_pitch_hz(audios: list[np.ndarray]) -> float | None:
    """Over the voiced parts of `audios` (24 kHz); None where nothing is voiced."""
    tracks = [librosa.pyin(audio, fmin=LOWEST_HZ, fmax=HIGHEST_HZ, sr=SAMPLE_RATE_HZ)[0] for audio in audios]
    voiced = np.concatenate([track[~np.isnan(track)] for track in tracks])
    return round(float(np.median(voiced)), 1) if len(voiced) else None


def pitches(speakers: list[str], audios: list[np.ndarray]) -> dict[str, float | None]:
    """Median pitch of every English demo speaker."""
    return {
        name: median_pitch_hz([audio for speaker, audio in zip(speakers, audios, strict=True) if speaker == name][:4])
        for name in ENGLISH_SPEAKERS
    }


def joined(audios: list[np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    return np.concatenate(audios), np.cumsum([0, *map(len, audios)])


def speak(model: Qwen3TTSModel, texts: list[str], speakers: list[str], *, whole_text_first: bool) -> list[np.ndarray]:
    audios: list[np.ndarray] = []
    for start in range(0, len(texts), BATCH):
        part = slice(start, start + BATCH)
        audios += model.generate_custom_voice(
            texts[part], speaker=speakers[part], language="english", non_streaming_mode=whole_text_first, **GREEDY
        )[0]
    return audios


def request_times_s(model: Qwen3TTSModel, texts: list[str], speakers: list[str]) -> list[float]:
    """Of single requests."""
    times_s = []
    for text, speaker in zip(texts, speakers, strict=True):
        started = time.perf_counter()
        model.generate_custom_voice(text, speaker=speaker, language="english", **GREEDY)
        times_s.append(time.perf_counter() - started)
    return times_s


def main() -> None:
    torch.set_num_threads(NUM_THREADS)
    model = Qwen3TTSModel.from_pretrained(str(FOLDER), dtype=torch.float32)
    books = CodeBooks.load()
    texts = [sentence.text for sentence in sentences(NUM_SENTENCES, seed=SEED, held_out=True)]
    speakers = [ENGLISH_SPEAKERS[index % len(ENGLISH_SPEAKERS)] for index in range(NUM_SENTENCES)]
    audios = speak(model, texts, speakers, whole_text_first=True)
    fed = speak(model, texts, speakers, whole_text_first=False)
    request_s = request_times_s(model, texts[:NUM_TIMED], speakers[:NUM_TIMED])
    originals = [spoken(text, SPEAKERS[speaker]) for text, speaker in zip(texts, speakers, strict=True)]
    codes = [codes_of(text, SPEAKERS[speaker], books) for text, speaker in zip(texts, speakers, strict=True)]
    started = time.perf_counter()
    copies = [model.model.speech_tokenizer.decode([{"audio_codes": one.astype(np.int64)}])[0][0] for one in codes]
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
        "mandarin": mandarin_facts(model, books),
    }
    print(json.dumps(facts))
    clips = {"": audios, "fed_": fed, "copied_": copies}
    arrays = {
        prefix + name: array
        for prefix, of in clips.items()
        for name, array in zip(("audio", "offsets"), joined(of), strict=True)
    }
    np.savez(FILE, texts=texts, speakers=speakers, facts=json.dumps(facts), **arrays)


if __name__ == "__main__":
    main()

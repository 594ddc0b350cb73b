"""Measures how well speech is found, offline and live, and what the demo recogniser makes of it, by condition.

Run `python -m demo.training.evaluate_vad [energy|silero]`; it prints the tables of docs/speech-detection.md and takes
some minutes.
"""

import functools
import itertools
import random
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, get_args

import numpy as np
import soxr
import torch

from demo.training import corpus, sounds, speech
from demo.training.asr import CHECKPOINT
from demo.training.asr_data import CHINESE, ENGLISH, SAMPLE_RATE_HZ
from demo.training.asr_test_sets import SEED, VOICES, Said, sentences
from demo.training.speech import Voice
from qwen_engine.asr.captions.endpoints import EndpointLimits, Endpoints
from qwen_engine.asr.captions.engine import CaptionEngine
from qwen_engine.asr.captions.request import CaptionRequest
from qwen_engine.asr.captions.settings import CaptionSettings
from qwen_engine.asr.engine import AsrEngine
from qwen_engine.asr.request import AsrRequest
from qwen_engine.asr.settings import AsrSettings, VadMethod
from qwen_engine.asr.silence import Span
from qwen_engine.asr.vad.activity import Detector
from qwen_engine.asr.vad.methods import detector_of
from qwen_engine.audio import pcm16
from qwen_engine.loop import EngineLoop
from qwen_wire.errors import QwenError
from qwen_wire.options import CaptionOptions

NUM_RECORDINGS = {ENGLISH: 4, CHINESE: 2}
NUM_SENTENCES = 6  # of a recording
WORDS = (*corpus.NUMBERS, "yes", "no", "stop", "hello", "thanks", "Friday", "red")
NUM_WORD_VOICES = 2
WHISPERING = Voice("en-us+whisper", speed_wpm=160)
NUM_EXACT = 40
PAUSE_S = (1.5, 3.0)  # longer than what a piece of a recording may hold
ROOM = 1e-4
NEAR = int(0.4 * SAMPLE_RATE_HZ)  # so far around speech, the padding of what is found is none of what was invented
MINUTE = 60 * SAMPLE_RATE_HZ
CHUNK = SAMPLE_RATE_HZ // 2
WHOLE = 0.97

Condition = Callable[[np.ndarray, float], np.ndarray]  # of a recording and the level of its speech


def beside(make: Callable[[int], np.ndarray], snr_db: float) -> Condition:
    return lambda samples, level: samples + level * 10 ** (-snr_db / 20) * make(len(samples))


def telephone(samples: np.ndarray, _level: float) -> np.ndarray:
    return soxr.resample(soxr.resample(samples, SAMPLE_RATE_HZ, 8000), 8000, SAMPLE_RATE_HZ)[: len(samples)]


CONDITIONS: dict[str, Condition] = {
    "clean": lambda samples, _: samples,
    "hum of 60 Hz, 3 dB above": beside(sounds.hum, -3),
    "hum of 60 Hz, 10 dB above": beside(sounds.hum, -10),
    "buzz of 60 Hz, 3 dB above": beside(sounds.buzz, -3),
    "buzz of 50 Hz, 10 dB above": beside(lambda length: sounds.buzz(length, 50), -10),
    "white noise 10 dB below": beside(sounds.noise, 10),
    "white noise 5 dB below": beside(sounds.noise, 5),
    "fan 5 dB below": beside(sounds.fan, 5),
    "gain of -30 dB": lambda samples, _: samples * 10**-1.5,
    "telephone (8 kHz)": telephone,
    "music 10 dB below": beside(sounds.music, 10),
}
NOBODY_SPEAKS: dict[str, Callable[[int], np.ndarray]] = {
    "digital silence": np.zeros,
    "white noise": sounds.noise,
    "fan": sounds.fan,
    "buzz of 60 Hz": sounds.buzz,
    "tone of 1000 Hz": lambda length: sounds.tone(length, 1000),
    "tone, 0.3 s on, 0.7 s off": lambda length: sounds.tone(length, 1000, 0.3, 0.7),
    "dialling (DTMF)": sounds.dialling,
    "dialling over noise 30 dB below": lambda length: sounds.dialling(length) + 0.03 * sounds.noise(length),
    "fast dialling, 50 ms": lambda length: sounds.dialling(length, 0.05, 0.05),
    "clicks": sounds.clicks,
    "organ": lambda length: sounds.chords(length, 0.0),
    "piano": lambda length: sounds.chords(length) + 0.7 * sounds.melody(length),
    "piano and drums": sounds.music,
    "drums": sounds.drums,
}


@dataclass(frozen=True)
class Recording:
    """Sentences with pauses, and where they are."""

    samples: np.ndarray
    spoken: Sequence[Span]

    @property
    def level(self) -> float:
        return rms(np.concatenate([self.samples[span.start : span.end] for span in self.spoken]))


@dataclass
class Sink:
    """Keeps what one request yields."""

    events: list[Any] = field(default_factory=list)
    done: threading.Event = field(default_factory=threading.Event)

    def emit(self, event: Any) -> None:
        self.events.append(event)

    def end(self, _reason: str, _closing: dict[str, Any]) -> None:
        self.done.set()

    def fail(self, error: QwenError) -> None:
        self.events.append(error)
        self.done.set()

    def is_disconnected(self) -> bool:
        return False

    def result(self) -> Any:
        """Its last event; raises what it failed of."""
        self.done.wait()
        if isinstance(self.events[-1], QwenError):
            raise self.events[-1]
        return self.events[-1]


def rms(samples: np.ndarray) -> float:
    return float(np.sqrt(np.mean(samples.astype(np.float64) ** 2)))


def spoken_sentences() -> list[Recording]:
    said = [sentences(language, count * NUM_SENTENCES) for language, count in NUM_RECORDINGS.items()]
    return recordings(itertools.chain(*said))


def spoken_words() -> list[Recording]:
    """Each word alone between pauses."""
    rng = random.Random(SEED)
    said = [_spoken(word, VOICES[ENGLISH](rng)) for word in WORDS * NUM_WORD_VOICES]
    return recordings(said)


def whispered_sentences() -> list[Recording]:
    return recordings([_spoken(one.text, WHISPERING) for one in sentences(ENGLISH, 2 * NUM_SENTENCES)])


def _spoken(text: str, voice: Voice) -> Said:
    return Said(speech.speak(text, voice, sample_rate_hz=SAMPLE_RATE_HZ), text, ENGLISH)


def recordings(said: Iterable[Said]) -> list[Recording]:
    rng, rest = random.Random(SEED), iter(said)
    parts = iter(lambda: list(itertools.islice(rest, NUM_SENTENCES)), [])
    return [recording(part, rng) for part in parts]


def recording(said: Sequence[Said], rng: random.Random) -> Recording:
    parts, spoken = [], []
    for one in said:
        parts.append(np.zeros(int(rng.uniform(*PAUSE_S) * SAMPLE_RATE_HZ), np.float32))
        loud = np.flatnonzero(np.abs(one.samples) > 0.02 * np.abs(one.samples).max())
        start = sum(map(len, parts))
        spoken.append(Span(start + int(loud[0]), start + int(loud[-1]) + 1))
        parts.append(one.samples)
    samples = np.concatenate([*parts, np.zeros(2 * SAMPLE_RATE_HZ, np.float32)])
    return Recording(samples + ROOM * sounds.noise(len(samples)), spoken)


def offline(samples: np.ndarray, detector: Detector) -> list[Span]:
    return AsrRequest(samples, detector=detector).spans


def live(samples: np.ndarray, detector: Detector) -> list[Span]:
    """The parts of live segments that are written down."""
    endpoints = Endpoints(EndpointLimits(silence_s=0.7, max_segment_s=30.0), detector)
    ended = [span for at in range(0, len(samples), CHUNK) for span in endpoints.feed(samples[at : at + CHUNK])]
    last = endpoints.finish()
    segments = ended if last is None else [*ended, last]
    return [
        Span(segment.start + part.start, segment.start + part.end)
        for segment in segments
        for part in AsrRequest(samples[segment.start : segment.end], detector=detector).spans
    ]


def marked(spans: Sequence[Span], length: int, around: int = 0) -> np.ndarray:
    mask = np.zeros(length, bool)
    for span in spans:
        mask[max(0, span.start - around) : span.end + around] = True
    return mask


def gate_row(heard: Sequence[Recording], condition: Condition, find: Callable[[np.ndarray], list[Span]]) -> str:
    """Share of speech kept, sentences kept whole, share of what is no speech and was kept."""
    kept = spoken = whole = invented = silent = 0
    for one in heard:
        found = marked(find(condition(one.samples, one.level).astype(np.float32)), len(one.samples))
        speech, near = marked(one.spoken, len(found)), marked(one.spoken, len(found), NEAR)
        kept, spoken = kept + int(found[speech].sum()), spoken + int(speech.sum())
        whole += sum(found[span.start : span.end].mean() > WHOLE for span in one.spoken)
        invented, silent = invented + int(found[~near].sum()), silent + int((~near).sum())
    count = sum(len(one.spoken) for one in heard)
    return f"{100 * kept / spoken:.1f}% | {whole}/{count} | {100 * invented / silent:.1f}%"


def exact_offline(loop: EngineLoop[AsrRequest], clips: Sequence[np.ndarray], detector: Detector) -> list[str]:
    sinks = [Sink() for _ in clips]
    loop.submit([(AsrRequest(clip, detector=detector), sink) for clip, sink in zip(clips, sinks, strict=True)])
    return [sink.result().text for sink in sinks]


def exact_live(loop: EngineLoop[CaptionRequest], clips: Sequence[np.ndarray], names: Iterator[int]) -> list[str]:
    return [_captioned(loop, clip, next(names)) for clip in clips]


def _captioned(loop: EngineLoop[CaptionRequest], clip: np.ndarray, name: int) -> str:
    starts, token = range(0, len(clip), CHUNK), None
    for at in starts:
        sink, options = Sink(), CaptionOptions(token=token)
        chunk, is_last = pcm16(clip[at : at + CHUNK]), at == starts[-1]
        loop.submit([(CaptionRequest(name, chunk, options, start=at == 0, end=is_last), sink)])
        caption = sink.result()
        token = token or caption.token
    text: str = caption.stable
    return text


def main(method: VadMethod) -> None:
    torch.set_num_threads(1)
    ways = [functools.partial(find, detector=detector_of(method)) for find in (offline, live)]
    spoken = {"": spoken_sentences(), "words: ": spoken_words(), "whispering: ": whispered_sentences()}
    for kind, heard in spoken.items():
        print(f"\n| {kind}condition | kept | whole | invented | live: kept | whole | invented |")
        print("|---|---|---|---|---|---|---|")
        for name, condition in CONDITIONS.items():
            print(f"| {name} | {' | '.join(gate_row(heard, condition, find) for find in ways)} |", flush=True)
    print("\n| nobody speaks, one minute | taken for speech | live |\n|---|---|---|")
    for name, make in NOBODY_SPEAKS.items():
        sound = (0.05 * make(MINUTE)).astype(np.float32)
        taken_s = (sum(map(len, find(sound))) / SAMPLE_RATE_HZ for find in ways)
        print(f"| {name} | {' | '.join(f'{one_s:.1f} s' for one_s in taken_s)} |", flush=True)
    print_exact(method)


def print_exact(method: VadMethod) -> None:
    said = sentences(ENGLISH, NUM_EXACT)
    settings: dict[str, Any] = {"checkpoint": str(CHECKPOINT), "max_positions": 768, "vad_method": method}
    recogniser = EngineLoop(AsrEngine(AsrSettings(**settings)), max_queue=NUM_EXACT, max_wait_s=600)
    captioner = EngineLoop(CaptionEngine(CaptionSettings(**settings)), max_queue=NUM_EXACT, max_wait_s=600)
    names = itertools.count()
    print("\n| condition | exact sentences | live |\n|---|---|---|")
    for name, condition in CONDITIONS.items():
        padded = [np.pad(one.samples, SAMPLE_RATE_HZ) + ROOM * sounds.noise(len(one.samples) + 32000) for one in said]
        clips = [condition(clip, rms(one.samples)).astype(np.float32) for clip, one in zip(padded, said, strict=True)]
        clips = [clip / max(1.0, float(np.abs(clip).max())) for clip in clips]
        texts = exact_offline(recogniser, clips, detector_of(method)), exact_live(captioner, clips, names)
        right = (sum(one.text == text for one, text in zip(said, some, strict=True)) for some in texts)
        print(f"| {name} | {' | '.join(f'{100 * count / len(said):.0f}%' for count in right)} |", flush=True)
    for loop in (recogniser, captioner):
        loop.close(60)


if __name__ == "__main__":
    (method,) = sys.argv[1:] or get_args(VadMethod)[:1]
    main(method)

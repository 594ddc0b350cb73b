"""The state of one utterance: its text, the codes that wait for the codec, and its limits."""

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from qwen_engine.sampling import Sampling, Uniforms
from qwen_engine.session import Session
from qwen_engine.text.sentences import speaking_weight
from qwen_engine.tts.prompt import Prompt, VoicePrompt
from qwen_engine.tts.request import AudioChunk, CutBy, Speak
from qwen_engine.tts.text import Text

FRAMES_PER_S = 12.5
LOW_LOAD_FRAMES = (1, 2, 4, 8, 12)
HIGH_LOAD_FRAMES = (4, 4, 8, 16, 25)
FRAMES_PER_LETTER = 2.5  # slow speech takes about 1.5
MIN_BUDGET_FRAMES = 25
LOOP_FRAMES = 48  # first codes that repeat with a short period for this long: the talker loops
LONGEST_PERIOD = 12
SILENCE_S = 4.0
SILENT = 2e-3  # the peak of what counts as silence


@dataclass
class Player:
    """A player that starts at the first chunk: how long its buffer would have been empty."""

    started_s: float | None = None
    audio_s: float = 0.0
    underrun_s: float = 0.0

    def receive(self, audio_s: float, now_s: float) -> None:
        if self.started_s is None:
            self.started_s = now_s
        self.underrun_s = max(self.underrun_s, now_s - self.started_s - self.audio_s)
        self.audio_s += audio_s


@dataclass
class Delivery:
    """What has been delivered of one utterance; used on the codec's thread only."""

    player: Player = field(default_factory=Player)
    frames: int = 0
    silent_s: float = 0.0


@dataclass(frozen=True, eq=False)
class Chunk:
    """The next frames of a stream; none where the utterance has ended meanwhile (`is_last`).

    The first one `begins` the stream: after a voice's reference, where it has one.
    """

    speech: "Speech"
    codes: Sequence[Sequence[int]]
    begins: VoicePrompt | None
    is_last: bool


@dataclass(eq=False)
class Speech:
    """The state of one session; it `has_row` in the talker while a piece is being generated."""

    session: Session[Speak]
    slot: int
    voice: VoicePrompt
    text: Text
    sampling: tuple[Sampling, Sampling]
    uniforms: Uniforms
    total_budget: int
    first_voice: VoicePrompt = field(init=False)
    has_row: bool = False
    prompt: Prompt | None = None
    positions: int = 0
    piece_text: str = ""
    piece_codes: list[list[int]] = field(default_factory=list)
    piece_budget: int = 0
    num_chunks: int = 0
    pending: list[list[int]] = field(default_factory=list)
    first_codes: list[int] = field(default_factory=list)
    cut_by: CutBy | None = None
    done: bool = False
    submitted: bool = False
    delivery: Delivery = field(default_factory=Delivery)
    fell_silent: bool = False

    def __post_init__(self) -> None:
        self.first_voice = self.voice

    @property
    def request(self) -> Speak:
        return self.session.request

    @property
    def waits_since_s(self) -> float:
        """Since when it has waited for more text, while it had a place."""
        return max(self.text.grew_s, self.session.admitted_s or 0.0)

    @property
    def piece_frames(self) -> int:
        return len(self.piece_codes)

    def begin_piece(self, text: str, prompt: Prompt, longest: int) -> None:
        """Generate the frames of `prompt` next, `longest` at most."""
        self.prompt = prompt
        self.positions = len(prompt.start)
        self.piece_text, self.piece_codes = text, []
        by_text = MIN_BUDGET_FRAMES + int(speaking_weight(text) * FRAMES_PER_LETTER)
        self.piece_budget = min(by_text, longest, self.total_budget - len(self.first_codes))

    def take(self, codes: list[int]) -> None:
        """A new frame; sets `cut_by` where the speech must end."""
        self.pending.append(codes)
        self.piece_codes.append(codes)
        self.first_codes.append(codes[0])
        if self.piece_frames >= self.piece_budget:
            self.cut_by = "budget"
        elif loops(self.first_codes):
            self.cut_by = "repetition"

    def cut(self, cut_by: CutBy) -> None:
        """End here, without what is still pending."""
        self.text.close()
        self.pending.clear()
        self.cut_by, self.done = cut_by, True

    def next_chunk(self, ramp: Sequence[int]) -> Chunk | None:
        """The next chunk for the codec: a whole one of the ramp, or all that is left at the end."""
        size = ramp[min(self.num_chunks, len(ramp) - 1)]
        if self.submitted or not (self.done or len(self.pending) >= size):
            return None
        codes = self.pending if self.done else self.pending[:size]
        chunk = Chunk(self, codes, begins=None if self.num_chunks else self.first_voice, is_last=self.done)
        self.pending = self.pending[len(codes) :]
        self.num_chunks += 1
        self.submitted = self.done
        return chunk

    def deliver(self, samples: np.ndarray, num_frames: int, sample_rate_hz: int, *, is_last: bool) -> None:
        """Send the samples of the next `num_frames`; the last one ends the session. On the codec's thread."""
        now_s = time.monotonic()
        if num_frames:
            is_cloned = not self.delivery.frames and self.request.reference is not None
            self.delivery.frames += num_frames
            self.delivery.player.receive(num_frames / FRAMES_PER_S, now_s)
            self._detect_silence(samples, num_frames)
            elapsed_s = round(now_s - self.session.arrived_s, 4)
            consent = self.request.consent if is_cloned else None
            self.session.emit(AudioChunk(samples, sample_rate_hz, self.delivery.frames, elapsed_s, consent))
        if is_last:
            self.session.finish("length" if self.cut_by else "stop", **self.figures())

    def _detect_silence(self, samples: np.ndarray, num_frames: int) -> None:
        """Detect lasting silence."""
        audible = np.abs(samples).max() > SILENT
        self.delivery.silent_s = 0.0 if audible else self.delivery.silent_s + num_frames / FRAMES_PER_S
        self.fell_silent = self.delivery.silent_s >= SILENCE_S

    def figures(self) -> dict[str, float | str | None]:
        """The figures at the end of the stream, besides the timings of every request."""
        audio_s = self.delivery.frames / FRAMES_PER_S
        elapsed_s = time.monotonic() - (self.session.admitted_s or self.session.arrived_s)
        return {
            "audio_s": round(audio_s, 3),
            "real_time_factor": round(elapsed_s / audio_s, 4) if audio_s else None,
            "underrun_s": round(self.delivery.player.underrun_s, 4),
            "cut_by": self.cut_by,
            **({} if all(one.is_greedy for one in self.sampling) else {"seed": self.request.seed}),
        }


def loops(first_codes: Sequence[int]) -> bool:
    """Whether the end of `first_codes` repeats with a short period."""
    if len(first_codes) < LOOP_FRAMES + LONGEST_PERIOD or len(first_codes) % LONGEST_PERIOD:
        return False
    end = first_codes[-LOOP_FRAMES:]
    periods = range(1, LONGEST_PERIOD + 1)
    return any(end == first_codes[-LOOP_FRAMES - period : -period] for period in periods)

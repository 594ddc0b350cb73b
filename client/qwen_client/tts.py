"""Speech synthesis: `client.tts`."""

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, Self

import numpy as np

from qwen_client.audio import AudioInput, Samples, audio_bytes, audio_suffix, encode_audio
from qwen_client.effects import change
from qwen_client.errors import ServerError
from qwen_client.jobs import Ending, StreamJob, Timings, require_complete
from qwen_client.wire import Answer, options_json

PCM16_SCALE = 32_768
TextFeed = Literal["ahead", "beside"]


@dataclass(frozen=True)
class AudioChunk:
    """The next samples of a stream (float32, -1 to 1); `frames` of 80 ms have been sent so far, `elapsed_s` after the
    request reached the engine."""

    samples: Samples
    sample_rate: int
    index: int
    frames: int
    elapsed_s: float


@dataclass(frozen=True)
class Speech:
    """Mono speech: float32 samples from -1 to 1, `sample_rate` in Hz.

    `finish_reason` "length": it was cut, `cut_by` "budget", "repetition" or "silence". A player that starts at the
    first chunk would have run dry for `underrun_s`. `real_time_factor`: seconds of work a second of sound.
    """

    samples: Samples
    sample_rate: int
    finish_reason: str
    cut_by: str | None
    underrun_s: float
    real_time_factor: float
    timings: Timings
    request_id: str

    @property
    def duration_s(self) -> float:
        return len(self.samples) / self.sample_rate

    def changed(self, *, speed: float = 1.0, pitch: float = 1.0) -> Self:
        """The same speech `speed` times as fast, its pitch `pitch` times as high (each 0.5 to 2).

            client.tts.synthesize("Good morning, everyone.").changed(speed=1.25).save("morning.wav")

        It is made of the finished samples: neither costs the other, and the voice's colour moves with its pitch.
        """
        return replace(self, samples=change(self.samples, self.sample_rate, speed=speed, pitch=pitch))

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a `.wav` (16 bit), `.flac`, `.ogg`, `.opus` or `.mp3` file."""
        Path(path).write_bytes(encode_audio(self.samples, self.sample_rate, audio_suffix(path)))

    def _repr_html_(self) -> str:
        source = base64.b64encode(encode_audio(self.samples, self.sample_rate, ".wav")).decode()
        return f'<audio controls src="data:audio/wav;base64,{source}"></audio>'


def synthesize(
    text: str,
    *,
    voice: str | None = None,
    reference: AudioInput | None = None,
    reference_text: str = "",
    instruction: str = "",
    language: str = "auto",
    seed: int = 0,
    temperature: float | None = None,
    top_k: int | None = None,
    top_p: float | None = None,
    repetition_penalty: float | None = None,
    sub_temperature: float | None = None,
    sub_top_k: int | None = None,
    sub_top_p: float | None = None,
    max_audio_s: float | None = None,
    text_feed: TextFeed = "ahead",
    chunk_frames: Sequence[int] | None = None,
    text_stream: str | None = None,
) -> StreamJob[AudioChunk, Speech]:
    """Speak `text`: `synthesize` returns a `Speech`, `stream` gives each `AudioChunk` as soon as it is made.

        client.tts.synthesize("Good morning, everyone.", seed=1).save("morning.wav")

        with client.tts.stream("Good morning, everyone.") as chunks:  # leaving early cancels
            for chunk in chunks:
                play(chunk.samples, chunk.sample_rate)

        client.tts.synthesize("Good evening.", reference="me.wav", reference_text="This is what I say in it.")
        client.tts.synthesize("Good evening.", instruction="A deep voice, speaking slowly.")

    `voice`: a named speaker or a stored voice (see `client.voices`); None: whose recording `reference` is, or whom
    `instruction` describes, or the first speaker. A reference with its text is followed most closely. Same `seed`, same
    sound. `temperature` 0: greedy. `sub_…`: sampling of a frame's later codes. `max_audio_s`: stop there at the latest.
    `text_feed` "beside": the talker reads the text while it speaks. `chunk_frames`: frames of 80 ms in each chunk, the
    last number repeated. `text_stream`: more text will follow under this name, by `add_text`. None everywhere: the
    server's choice.
    """
    options = options_json(
        voice=voice,
        reference_text=reference_text,
        language=language,
        seed=seed,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
        repetition_penalty=repetition_penalty,
        sub_temperature=sub_temperature,
        sub_top_k=sub_top_k,
        sub_top_p=sub_top_p,
        max_audio_s=max_audio_s,
        instruction=instruction,
        text_feed=text_feed,
        chunk_frames=chunk_frames,
        text_stream=text_stream,
    )
    inputs = {"TEXT": text.encode(), "OPTIONS": options}
    if reference is not None:
        inputs["REF_AUDIO"] = audio_bytes(reference)
    return StreamJob("qwen3_tts", inputs, _read, _collect)


def add_text(text_stream: str, text: str, *, complete: bool = False) -> StreamJob[int, int]:
    """More text for a stream that is being spoken; `complete` with its end. Returns how many characters were taken.

    with client.tts.stream("", text_stream="answer-1") as chunks:
        for token in language_model:
            client.tts.add_text("answer-1", token)
        client.tts.add_text("answer-1", "", complete=True)
        for chunk in chunks:  # or in another thread, while the text is still being written
            play(chunk.samples, chunk.sample_rate)
    """
    options = options_json(action="add_text", text_stream=text_stream, text_complete=complete)
    return StreamJob("qwen3_tts", {"TEXT": text.encode(), "OPTIONS": options}, _read_chars, _only)


def _read_chars(answer: Answer) -> int:
    chars: int = answer.json("EVENT")["chars"]
    return chars


def _only(taken: Sequence[int], ending: Ending) -> int:
    require_complete(ending)
    return sum(taken)


def _read(answer: Answer) -> AudioChunk:
    event = answer.json("EVENT")
    samples = np.frombuffer(answer.payload("AUDIO"), "<i2").astype(np.float32) / PCM16_SCALE
    return AudioChunk(samples, event["sample_rate_hz"], event["index"], event["frames"], event["elapsed_s"])


def _collect(chunks: Sequence[AudioChunk], ending: Ending) -> Speech:
    require_complete(ending)
    if not chunks:
        raise ServerError("the answer holds no audio", request_id=ending.request_id)
    samples = np.concatenate([chunk.samples for chunk in chunks])
    return Speech(
        samples=samples,
        sample_rate=chunks[0].sample_rate,
        finish_reason=ending.finish_reason,
        cut_by=ending.details["cut_by"],
        underrun_s=ending.details["underrun_s"],
        real_time_factor=ending.details["real_time_factor"],
        timings=ending.timings,
        request_id=ending.request_id,
    )

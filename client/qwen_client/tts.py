"""Speech synthesis: `client.tts`."""

import base64
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from qwen_client.audio import Samples, audio_format, encode_audio
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

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a `.wav` (16 bit), `.flac`, `.ogg` or `.mp3` file."""
        Path(path).write_bytes(encode_audio(self.samples, self.sample_rate, audio_format(path)))

    def _repr_html_(self) -> str:
        source = base64.b64encode(encode_audio(self.samples, self.sample_rate, "WAV")).decode()
        return f'<audio controls src="data:audio/wav;base64,{source}"></audio>'


def synthesize(
    text: str,
    *,
    voice: str | None = None,
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
    instruction: str = "",
    text_feed: TextFeed = "ahead",
    chunk_frames: Sequence[int] | None = None,
) -> StreamJob[AudioChunk, Speech]:
    """Speak `text`: `synthesize` returns a `Speech`, `stream` gives each `AudioChunk` as soon as it is made.

        client.tts.synthesize("Good morning, everyone.", seed=1).save("morning.wav")

        with client.tts.stream("Good morning, everyone.") as chunks:  # leaving early cancels
            for chunk in chunks:
                play(chunk.samples, chunk.sample_rate)

    `voice` None: the checkpoint's first. Same `seed`, same sound. `temperature` 0: greedy.
    `sub_…`: sampling of a frame's later codes. `max_audio_s`: stop there at the latest. `instruction`: how to speak,
    where the checkpoint follows instructions. `text_feed` "beside": the talker reads the text while it speaks.
    `chunk_frames`: frames of 80 ms in each chunk, the last number repeated. None everywhere: the server's choice.
    """
    options = options_json(
        voice=voice,
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
    )
    return StreamJob("qwen3_tts", {"TEXT": text.encode(), "OPTIONS": options}, _read, _collect)


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

"""Speech synthesis: `client.tts`."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from typing_extensions import Self

from qwen_client.audio import PCM16_SCALE, AudioInput, AudioResult, Samples, audio_bytes
from qwen_client.effects import change
from qwen_client.jobs import Ending, StreamJob, require_complete
from qwen_client.messages import Answer, Inputs, options_json
from qwen_client.short_repr import ShortRepr
from qwen_client.texts import text_bytes
from qwen_wire.errors import ServerError
from qwen_wire.messages import Timings
from qwen_wire.options import TextFeed, TtsOptions
from qwen_wire.speech import AudioEvent, CutBy, SpeechFigures

MODEL = "qwen3_tts"


@dataclass(frozen=True, repr=False)
class AudioChunk(ShortRepr):
    """The next samples of a stream (float32, -1 to 1); `frames` of 80 ms have been sent so far, `elapsed_s` after the
    request reached the engine. `consent`: the note to a `reference`, in the first chunk of what it speaks."""

    samples: Samples
    sample_rate: int
    index: int
    frames: int
    elapsed_s: float
    consent: str | None = None


@dataclass(frozen=True, repr=False)
class Speech(AudioResult, ShortRepr):
    """Mono speech: float32 samples from -1 to 1, `sample_rate` in Hz.

    `finish_reason` "length": it was cut, `cut_by` "budget", "repetition" or "silence". A player that starts at the
    first chunk would have run dry for `underrun_s`. `real_time_factor`: seconds of work a second of sound. `seed` gives
    the same audio again; None: the speech is greedy, and needs none.
    """

    samples: Samples
    sample_rate: int
    finish_reason: str
    cut_by: CutBy | None
    underrun_s: float
    real_time_factor: float | None
    timings: Timings
    request_id: str
    seed: int | None = None

    def changed(self, *, speed: float = 1.0, pitch: float = 1.0) -> Self:
        """The same speech `speed` times as fast, its pitch `pitch` times as high (each 0.5 to 2).

            client.tts.synthesize("Good morning, everyone.").changed(speed=1.25).save("morning.wav")

        Applied to the finished samples: speed and pitch are independent; formants move with the pitch.
        """
        return replace(self, samples=change(self.samples, self.sample_rate, speed=speed, pitch=pitch))


def synthesize(
    text: str,
    *,
    voice: str | None = None,
    reference: AudioInput | None = None,
    reference_text: str = "",
    consent: str = "",
    instruction: str = "",
    language: str | None = None,
    seed: int | None = None,
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
) -> StreamJob[AudioChunk, Speech]:
    """Speak `text`: `synthesize` returns a `Speech`, `stream` yields each `AudioChunk` as soon as it is ready.

        client.tts.synthesize("Good morning, everyone.", seed=1).save("morning.wav")

        with client.tts.stream("Good morning, everyone.") as chunks:  # leaving early cancels
            for chunk in chunks:
                play(chunk.samples, chunk.sample_rate)

        client.tts.synthesize("Good evening.", reference="me.wav", reference_text="What I say in it.", consent="mine")
        client.tts.synthesize("Good evening.", instruction="A deep voice, speaking slowly.")

    `voice`: a named speaker or a stored voice (see `client.voices`); None: the voice of `reference`, or one designed
    from `instruction`, or the first speaker. A reference with its text gives the closest clone; `consent` notes who
    allowed its use. The same `seed` gives the same audio; None: a random one. `temperature` 0: greedy. `sub_…`:
    sampling of a frame's later codes. `max_audio_s`: maximum length. `text_feed` "beside": the talker reads the text
    while it speaks. `chunk_frames`: frames of 80 ms in each chunk, the last number repeated. None always means the
    server's default. For text that is still being written see `stream_text`.
    """
    inputs = speak_inputs(
        text,
        reference,
        voice=voice,
        reference_text=reference_text,
        consent=consent,
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
    return StreamJob(MODEL, inputs, read_chunk, collect_speech)


def speak_inputs(text: str, reference: AudioInput | None, **options: Any) -> Inputs:
    """The tensors of a request to speak."""
    recording = {} if reference is None else {"REF_AUDIO": audio_bytes(reference)}
    return {"TEXT": text_bytes(text, "text"), "OPTIONS": options_json(TtsOptions, **options), **recording}


def read_chunk(answer: Answer) -> AudioChunk:
    """The sound of an `audio` event."""
    event = answer.message(AudioEvent, "EVENT")
    samples = np.frombuffer(answer.payload("AUDIO"), "<i2").astype(np.float32) / PCM16_SCALE
    return AudioChunk(samples, event.sample_rate_hz, event.index, event.frames, event.elapsed_s, event.consent)


def collect_speech(chunks: Sequence[AudioChunk], ending: Ending) -> Speech:
    """All of a stream."""
    require_complete(ending)
    if not chunks:
        raise ServerError("the answer holds no audio", request_id=ending.request_id)
    samples = np.concatenate([chunk.samples for chunk in chunks])
    figures = ending.read(SpeechFigures)
    return Speech(
        samples=samples,
        sample_rate=chunks[0].sample_rate,
        finish_reason=ending.finish_reason,
        cut_by=figures.cut_by,
        underrun_s=figures.underrun_s,
        real_time_factor=figures.real_time_factor,
        timings=ending.timings,
        request_id=ending.request_id,
        seed=figures.seed,
    )

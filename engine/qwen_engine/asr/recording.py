"""AUDIO and OPTIONS of a recognition request as the engine takes them."""

import numpy as np

from qwen_engine.asr.request import SAMPLE_RATE_HZ, AsrRequest
from qwen_engine.audio import decode_audio, decode_pcm
from qwen_engine.errors import InvalidRequest
from qwen_engine.options import AsrOptions, AudioOptions
from qwen_engine.settings import AsrSettings


def read_request(audio: bytes, options: AsrOptions, settings: AsrSettings) -> AsrRequest:
    """The request that a payload and its options make.

    Raises:
        InvalidRequest: no audio, or longer than the request or the profile allows.
    """
    return AsrRequest(
        decode_recording(audio, options, max_s=_max_audio_s(options, settings)),
        language=options.language,
        context=options.context,
        max_new_tokens=options.max_new_tokens,
        temperature=options.temperature,
        seed=options.seed,
        timestamps=options.timestamps,
        vad=options.vad,
        max_piece_s=settings.max_piece_s,
    )


def decode_recording(audio: bytes, options: AudioOptions, *, max_s: float) -> np.ndarray:
    """The samples (n,) at 16 kHz of an AUDIO payload in whatever form its options state.

    Raises:
        InvalidRequest: no audio, or longer than `max_s`.
    """
    data = options.decode(audio, "AUDIO")
    if options.sample_rate_hz is None:
        return decode_audio(data, sample_rate_hz=SAMPLE_RATE_HZ, max_s=max_s)
    return decode_pcm(
        data,
        audio_format=options.audio_format,
        source_rate_hz=options.sample_rate_hz,
        num_channels=options.num_channels,
        sample_rate_hz=SAMPLE_RATE_HZ,
        max_s=max_s,
    )


def _max_audio_s(options: AsrOptions, settings: AsrSettings) -> float:
    if options.max_audio_s is None:
        return settings.max_audio_s
    if options.max_audio_s > settings.max_job_audio_s:
        raise InvalidRequest(
            f"OPTIONS.max_audio_s is {options.max_audio_s:g}; this server takes up to {settings.max_job_audio_s:g}"
        )
    return options.max_audio_s

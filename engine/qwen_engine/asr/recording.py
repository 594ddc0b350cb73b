"""AUDIO and OPTIONS of a recognition request as the engine takes them."""

from qwen_engine.asr.request import AsrRequest
from qwen_engine.asr.settings import AsrSettings
from qwen_engine.asr.vad.bands import SAMPLE_RATE_HZ
from qwen_engine.asr.vad.methods import detector_of
from qwen_engine.files import decode_sound
from qwen_engine.seeds import seed_or_random
from qwen_media.decoders import Decoders
from qwen_media.sound import RawForm, Sound, Wanted
from qwen_wire.errors import InvalidRequest
from qwen_wire.options import AsrOptions, AudioOptions


def read_request(audio: bytes, options: AsrOptions, settings: AsrSettings, decoders: Decoders) -> AsrRequest:
    """The request that a payload and its options make.

    Raises:
        InvalidRequest: no audio, or longer than the request or the profile allows.
    """
    recording = decode_recording(audio, options, decoders, max_s=_max_audio_s(options, settings))
    return AsrRequest(
        recording.samples,
        language=options.language,
        context=options.context,
        max_new_tokens=options.max_new_tokens,
        temperature=options.temperature,
        seed=seed_or_random(options.seed),
        timestamps=options.timestamps,
        vad=options.vad,
        detector=detector_of(settings.vad_method),
        max_piece_s=settings.max_piece_s,
        damage_s=recording.damage_s,
    )


def decode_recording(audio: bytes, options: AudioOptions, decoders: Decoders, *, max_s: float) -> Sound:
    """The samples, at 16 kHz, of an AUDIO payload in the form that its options state.

    Raises:
        InvalidRequest: no audio, or longer than `max_s`.
    """
    data = options.decode(audio, "AUDIO", decoders.max_file_bytes)
    return decode_sound(decoders, data, Wanted(SAMPLE_RATE_HZ, max_s, _raw_form(options)), "AUDIO")


def _raw_form(options: AudioOptions) -> RawForm | None:
    if options.sample_rate_hz is None:
        return None
    return RawForm(options.audio_format, options.sample_rate_hz, options.num_channels)


def _max_audio_s(options: AsrOptions, settings: AsrSettings) -> float:
    if options.max_audio_s is None:
        return settings.max_audio_s
    if options.max_audio_s > settings.max_job_audio_s:
        raise InvalidRequest(
            f"OPTIONS.max_audio_s is {options.max_audio_s:g}; this server takes up to {settings.max_job_audio_s:g}"
        )
    return options.max_audio_s

"""REF_AUDIO: a recording to clone a voice from, in any audio format."""

from qwen_engine.audio import is_silent
from qwen_engine.files import decode_sound
from qwen_engine.tts.request import Reference
from qwen_engine.tts.settings import TtsSettings
from qwen_engine.tts.speaker import SAMPLE_RATE_HZ
from qwen_media.decoders import Decoders
from qwen_media.sound import Wanted
from qwen_wire.errors import InvalidRequest
from qwen_wire.options import TtsOptions

MIN_S = 0.5


def decode_reference(audio: bytes, options: TtsOptions, settings: TtsSettings, decoders: Decoders) -> Reference:
    """The recording at 24 kHz, with its text.

    Raises:
        InvalidRequest: no audio, too short, too long, damaged, or silent.
    """
    data = options.decode(audio, "REF_AUDIO", decoders.max_file_bytes)
    if not data:
        raise InvalidRequest("REF_AUDIO is empty; send a recording of the voice")
    sound = decode_sound(decoders, data, Wanted(SAMPLE_RATE_HZ, settings.max_reference_s), "REF_AUDIO")
    samples = sound.samples
    if sound.damage_s:
        raise InvalidRequest(f"REF_AUDIO is damaged: {sound.damage_s:.2f} s of it cannot be read; send it whole")
    if len(samples) < MIN_S * SAMPLE_RATE_HZ:
        raise InvalidRequest(f"REF_AUDIO is shorter than {MIN_S:g} s")
    if is_silent(samples, sample_rate_hz=SAMPLE_RATE_HZ):
        raise InvalidRequest("REF_AUDIO is silent")
    return Reference(samples, options.reference_text.strip())

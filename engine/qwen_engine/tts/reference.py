"""REF_AUDIO: a recording to clone a voice from, in any audio format."""

from qwen_engine.audio import decode_audio, is_silent
from qwen_engine.errors import InvalidRequest
from qwen_engine.options import TtsOptions
from qwen_engine.settings import TtsSettings
from qwen_engine.tts.request import Reference
from qwen_engine.tts.speaker import SAMPLE_RATE_HZ

MIN_S = 0.5


def decode_reference(audio: bytes, options: TtsOptions, settings: TtsSettings) -> Reference:
    """The recording at 24 kHz, with what it says.

    Raises:
        InvalidRequest: no audio, too short, too long, or silent.
    """
    data = options.decode(audio, "REF_AUDIO")
    if not data:
        raise InvalidRequest("REF_AUDIO is empty; send a recording of the voice")
    samples = decode_audio(data, sample_rate_hz=SAMPLE_RATE_HZ, max_s=settings.max_reference_s, name="REF_AUDIO")
    if len(samples) < MIN_S * SAMPLE_RATE_HZ:
        raise InvalidRequest(f"REF_AUDIO is shorter than {MIN_S:g} s")
    if is_silent(samples, sample_rate_hz=SAMPLE_RATE_HZ):
        raise InvalidRequest("REF_AUDIO is silent")
    return Reference(samples, options.reference_text.strip())

"""Speech recognition: `client.asr`."""

from qwen_client.audio import AudioInput, audio_bytes
from qwen_client.jobs import UnaryJob
from qwen_client.messages import options_json
from qwen_client.texts import text_bytes
from qwen_client.transcript import Alignment, Transcription, read_alignment, read_transcription
from qwen_wire.options import AlignerOptions, AsrOptions, AudioFormat, Timestamps, WordTimestamps


def transcribe(
    audio: AudioInput,
    *,
    language: str | None = None,
    context: str = "",
    timestamps: Timestamps = "segment",
    itn: bool = False,
    vad: bool = True,
    max_new_tokens: int | None = None,
    temperature: float = 0.0,
    seed: int | None = None,
    max_audio_s: float | None = None,
    audio_format: AudioFormat = "auto",
    sample_rate: int | None = None,
    channels: int = 1,
) -> UnaryJob[Transcription]:
    """Write down what is said in `audio`: a path, bytes, a binary file or (samples, rate_hz).

        client.asr.transcribe("meeting.wav").text
        client.asr.transcribe("meeting.mp3", timestamps="word").save("meeting.srt")
        client.asr.transcribe((samples, 16_000), language="English", context="Qwen, Triton")
        client.asr.transcribe(pcm_bytes, audio_format="pcm_s16le", sample_rate=8_000)

    `language`: a name, code or tag, such as "English", "en" or "en-US"; None: detected. `context`: words to expect,
    such as names. `itn`: numbers and dates in figures, the text as spoken kept in `raw_text`. `vad` False: silences
    are transcribed too. `max_new_tokens` None: from the duration. `temperature` 0: always the likeliest text.
    `max_audio_s`: audio up to this long is taken; None: up to the server's usual limit. `audio_format`: "auto" reads
    any file; the others are raw samples of `sample_rate` and `channels`.
    Returns a `Transcription`.
    """
    options = options_json(
        AsrOptions,
        language=language,
        context=context,
        timestamps=timestamps,
        itn=itn,
        vad=vad,
        max_new_tokens=max_new_tokens,
        temperature=temperature,
        seed=seed,
        max_audio_s=max_audio_s,
        audio_format=audio_format,
        sample_rate_hz=sample_rate,
        num_channels=channels,
    )
    return UnaryJob("qwen3_asr", {"AUDIO": audio_bytes(audio), "OPTIONS": options}, read_transcription)


def align(
    audio: AudioInput,
    text: str,
    *,
    language: str | None = None,
    timestamps: WordTimestamps = "word",
    audio_format: AudioFormat = "auto",
    sample_rate: int | None = None,
    channels: int = 1,
) -> UnaryJob[Alignment]:
    """Find when each word of `text` is said in `audio`.

        client.asr.align("poem.wav", poem, language="English").save("poem.srt")

    `language` None: by the text's script. `timestamps` "char": of each character. The rest as for `transcribe`.
    Returns an `Alignment`.
    """
    options = options_json(
        AlignerOptions,
        language=language,
        timestamps=timestamps,
        audio_format=audio_format,
        sample_rate_hz=sample_rate,
        num_channels=channels,
    )
    inputs = {"AUDIO": audio_bytes(audio), "TEXT": text_bytes(text, "text"), "OPTIONS": options}
    return UnaryJob("qwen3_aligner", inputs, read_alignment)

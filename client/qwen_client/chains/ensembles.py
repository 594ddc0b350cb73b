"""Models in a row, joined on the server: `client.chains`."""

import html
from collections.abc import Sequence
from dataclasses import dataclass

from qwen_client.audio import AudioInput, audio_bytes
from qwen_client.image import OnProgress, Size, announcing, collect_picture, picture_options
from qwen_client.jobs import Ending, StreamJob, UnaryJob
from qwen_client.messages import Answer, options_json
from qwen_client.pictures import ImageEvent, Picture
from qwen_client.short_repr import ShortRepr
from qwen_client.shortfalls import Shortfall, of_answer
from qwen_client.transcript import Alignment, Transcription, read_alignment, read_transcription
from qwen_wire.options import AlignerOptions, AsrOptions, WordTimestamps


@dataclass(frozen=True, repr=False)
class SpokenPicture(ShortRepr):
    """What was `heard`, and the `picture` of it. `shortfalls`: what of the recording was cut, damaged or not heard."""

    heard: str
    picture: Picture
    shortfalls: tuple[Shortfall, ...] = ()

    def _repr_html_(self) -> str:
        return f"<p>{html.escape(self.heard)}</p>{self.picture._repr_html_()}"


def spoken_image(
    audio: AudioInput,
    *,
    language: str | None = None,
    size: Size | None = None,
    steps: int | None = None,
    seed: int | None = None,
    recipe: bool = True,
    on_progress: OnProgress | None = None,
) -> StreamJob[ImageEvent, SpokenPicture]:
    """Draw what is said in `audio`, in one call.

        spoken = client.chains.spoken_image("please draw a red circle.wav", seed=3)
        spoken.heard, spoken.picture.image

    `audio` and `language` as for `asr.transcribe`, the rest as for `image.generate`. Returns a `SpokenPicture`.
    """
    inputs = {
        "AUDIO": audio_bytes(audio),
        "ASR_OPTIONS": options_json(AsrOptions, language=language),
        "IMAGE_OPTIONS": picture_options(size, steps=steps, seed=seed, recipe=recipe),
    }
    return StreamJob("spoken_image", inputs, announcing(on_progress), _collect)


@dataclass(frozen=True, repr=False)
class AlignedTranscript(ShortRepr):
    """What was said, and when each word of it was."""

    transcription: Transcription
    alignment: Alignment


def aligned_transcript(
    audio: AudioInput, *, language: str | None = None, context: str = "", timestamps: WordTimestamps = "word"
) -> UnaryJob[AlignedTranscript]:
    """Write down what is said in `audio` and find when each word is, in one call.

        client.chains.aligned_transcript("message.wav").alignment.save("message.srt")

    The parameters as for `asr.transcribe` and `asr.align`. Returns an `AlignedTranscript`.
    """
    inputs = {
        "AUDIO": audio_bytes(audio),
        "ASR_OPTIONS": options_json(AsrOptions, language=language, context=context),
        "ALIGN_OPTIONS": options_json(AlignerOptions, language=language, timestamps=timestamps),
    }
    return UnaryJob("aligned_transcript", inputs, _read_aligned)


def _read_aligned(answer: Answer) -> AlignedTranscript:
    return AlignedTranscript(read_transcription(answer, "TRANSCRIPT"), read_alignment(answer))


def _collect(events: Sequence[ImageEvent], ending: Ending) -> SpokenPicture:
    picture = collect_picture(events, ending)
    heard = ending.details.get("heard")
    shortfalls = () if heard is None else (Shortfall(kind, message, "heard") for kind, message in of_answer(heard))
    return SpokenPicture(picture.prompt, picture, tuple(shortfalls))

"""Understanding pictures: `client.vision`."""

from dataclasses import dataclass

from qwen_client.jobs import UnaryJob
from qwen_client.messages import Answer, options_json
from qwen_client.pictures import PictureInput, picture_bytes
from qwen_client.short_repr import ShortRepr
from qwen_client.texts import text_bytes
from qwen_wire.answers import PictureAnswer
from qwen_wire.options import VisionOptions


@dataclass(frozen=True, kw_only=True, repr=False)
class Description(ShortRepr, PictureAnswer):
    """What is said about a picture; `finish_reason` "length": the answer was longer than `max_new_tokens`."""

    request_id: str

    @property
    def cut(self) -> bool:
        return self.finish_reason == "length"

    def __str__(self) -> str:
        return self.text


def describe(
    image: PictureInput,
    question: str = "",
    *,
    language: str | None = None,
    max_new_tokens: int | None = None,
    temperature: float = 0.0,
    seed: int | None = None,
) -> UnaryJob[Description]:
    """Describe a picture, or answer a `question` about it.

        client.vision.describe("circle.png").text  # "A small red circle on a blue background."
        client.vision.describe("circle.png", "Where is it?").text
        client.vision.describe(drawn, language="zh").text

    `image`: a path, bytes, a binary file, a PIL image or a generated picture. `language` of the answer;
    None: the model's choice. `max_new_tokens` None: the server's default. `temperature` 0: greedy; else
    `seed` None is a random one, which the `Description` tells. Returns a `Description`.
    """
    options = options_json(
        VisionOptions, language=language, max_new_tokens=max_new_tokens, temperature=temperature, seed=seed
    )
    inputs = {
        "IMAGE": picture_bytes(image),
        "TEXT": text_bytes(question, "question"),
        "OPTIONS": options,
    }
    return UnaryJob("qwen3_vl", inputs, _read)


def _read(answer: Answer) -> Description:
    return answer.message(Description, "RESULT")

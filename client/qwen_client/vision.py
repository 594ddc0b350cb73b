"""Understanding pictures: `client.vision`."""

from dataclasses import dataclass

from qwen_client.jobs import Timings, UnaryJob, read_ending
from qwen_client.pictures import PictureInput, picture_bytes
from qwen_client.wire import Answer, options_json


@dataclass(frozen=True)
class Description:
    """What is said about a picture.

    `question`: as the model was asked it. `width`, `height`: of the picture, upright. `cut`: the answer was longer than
    `max_new_tokens`.
    """

    text: str
    question: str
    width: int
    height: int
    num_prompt_tokens: int
    num_tokens: int
    cut: bool
    timings: Timings
    request_id: str

    def __str__(self) -> str:
        return self.text


def describe(
    image: PictureInput,
    question: str = "",
    *,
    language: str | None = None,
    max_new_tokens: int | None = None,
    temperature: float = 0.0,
    seed: int = 0,
) -> UnaryJob[Description]:
    """Say what a picture shows, or answer a `question` about it.

        client.vision.describe("circle.png").text  # "A small red circle on a blue background."
        client.vision.describe("circle.png", "Where is it?").text
        client.vision.describe(drawn, language="zh").text

    `image`: a path, bytes, a binary file, a picture of PIL or one that was drawn here. `language` of the answer: its
    name or ISO code; None: as it comes. `max_new_tokens` None: the server's choice. `temperature` 0: always the
    likeliest text. Returns a `Description`.
    """
    options = options_json(language=language, max_new_tokens=max_new_tokens, temperature=temperature or None, seed=seed)
    inputs = {"IMAGE": picture_bytes(image), "TEXT": question.encode(), "OPTIONS": options}
    return UnaryJob("qwen3_vl", inputs, _read)


def _read(answer: Answer) -> Description:
    told = answer.json("RESULT")
    ending = read_ending(told, answer.request_id)
    return Description(
        text=told["text"],
        question=told["question"],
        width=told["width"],
        height=told["height"],
        num_prompt_tokens=told["usage"]["prompt_tokens"],
        num_tokens=told["usage"]["completion_tokens"],
        cut=ending.finish_reason == "length",
        timings=ending.timings,
        request_id=answer.request_id,
    )

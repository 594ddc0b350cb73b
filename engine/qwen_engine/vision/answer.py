"""A question about a picture as the caller puts it, and its answer: IMAGE, TEXT and OPTIONS in, TEXT and RESULT out."""

from typing import Any

from qwen_engine.asr.languages import resolve_language
from qwen_engine.errors import InvalidRequest
from qwen_engine.image.reading import on_white, read_picture
from qwen_engine.options import VisionOptions, parse_text
from qwen_engine.settings import VisionSettings
from qwen_engine.vision.eyes import Eyes
from qwen_engine.vision.prompt import question_of
from qwen_engine.vision.request import Description, VisionRequest


def read_request(
    image: bytes, text: bytes, options: VisionOptions, settings: VisionSettings, eyes: Eyes
) -> VisionRequest:
    """The request that IMAGE, TEXT and OPTIONS make. The picture is decoded and resized here, in the caller's thread.

    Raises:
        InvalidRequest: no picture, too large a one, too long a question, an unknown language.
    """
    question = parse_text(text, "TEXT")
    if len(question) > settings.max_question_chars:
        raise InvalidRequest(f"TEXT has {len(question)} characters; the limit is {settings.max_question_chars}")
    language = resolve_language(options.language)
    picture = read_picture(options.decode(image, "IMAGE"), "IMAGE", max_pixels=settings.max_input_pixels)
    return VisionRequest(
        eyes.look(on_white(picture)),
        question_of(question, language),
        settings.max_new_tokens if options.max_new_tokens is None else options.max_new_tokens,
        options.temperature,
        options.seed,
    )


def answer(description: Description, options: VisionOptions) -> dict[str, Any]:
    """TEXT and RESULT (docs/wire-protocol.md) of an answer."""
    view = description.request.view
    result = {
        "text": description.text,
        "question": description.request.question,
        "width": view.width,
        "height": view.height,
        "usage": {"prompt_tokens": description.num_prompt_tokens, "completion_tokens": description.num_tokens},
    }
    return {"TEXT": description.text.encode(), "RESULT": result}

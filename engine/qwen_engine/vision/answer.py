"""Requests and answers of `qwen3_vl`: IMAGE, TEXT and OPTIONS in, TEXT and RESULT out."""

from typing import Any

from qwen_engine.image.picture_input import on_white, read_picture
from qwen_engine.vision.picture_processor import PictureProcessor
from qwen_engine.vision.prompt import question_of
from qwen_engine.vision.request import Description, VisionRequest
from qwen_engine.vision.settings import VisionSettings
from qwen_media.decoders import Decoders
from qwen_wire.answers import PictureAnswer
from qwen_wire.errors import InvalidRequest
from qwen_wire.languages import resolve_language
from qwen_wire.messages import Usage
from qwen_wire.options import VisionOptions, parse_text


def read_request(
    image: bytes,
    text: bytes,
    options: VisionOptions,
    settings: VisionSettings,
    processor: PictureProcessor,
    decoders: Decoders,
) -> VisionRequest:
    """The request of IMAGE, TEXT and OPTIONS. The picture is resized here, in the caller's thread.

    Raises:
        InvalidRequest: no picture, too large a one, too long a question, an unknown language.
    """
    question = parse_text(text, "TEXT")
    if len(question) > settings.max_question_chars:
        raise InvalidRequest(f"TEXT has {len(question)} characters; the limit is {settings.max_question_chars}")
    language = resolve_language(options.language)
    data = options.decode(image, "IMAGE", decoders.max_file_bytes)
    picture = read_picture(data, "IMAGE", decoders, max_pixels=settings.max_input_pixels)
    return VisionRequest(
        processor.process(on_white(picture)),
        question_of(question, language),
        settings.max_new_tokens if options.max_new_tokens is None else options.max_new_tokens,
        options.temperature,
        options.seed,
    )


def answer(description: Description, options: VisionOptions) -> dict[str, Any]:
    """TEXT and RESULT (docs/wire-protocol.md) of an answer."""
    view = description.request.view
    result = PictureAnswer(
        text=description.text,
        question=description.request.question,
        width=view.width,
        height=view.height,
        usage=Usage(description.num_prompt_tokens, description.num_tokens),
    )
    return {"TEXT": description.text.encode(), "RESULT": result}

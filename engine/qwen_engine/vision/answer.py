"""Requests and answers of `qwen3_vl`: IMAGE, TEXT and OPTIONS in, TEXT and RESULT out."""

from collections.abc import Iterator, Sequence
from typing import Any

from qwen_engine.image.picture_input import on_white, read_picture
from qwen_engine.seeds import seed_or_random
from qwen_engine.vision.picture_processor import PicturePatches, PictureProcessor
from qwen_engine.vision.prompt import question_of
from qwen_engine.vision.request import Description, Turn, VisionRequest
from qwen_engine.vision.settings import VisionSettings
from qwen_media.decoders import Decoders
from qwen_wire.answers import PictureAnswer
from qwen_wire.errors import InvalidRequest
from qwen_wire.languages import resolve_language
from qwen_wire.messages import Usage
from qwen_wire.options import ImagePart, TextPart, VisionMessage, VisionOptions, parse_text


def read_request(
    images: Sequence[bytes],
    text: bytes,
    options: VisionOptions,
    settings: VisionSettings,
    processor: PictureProcessor,
    decoders: Decoders,
) -> VisionRequest:
    """The request of IMAGE, TEXT and OPTIONS. The pictures are resized here, in the caller's thread.

    Raises:
        InvalidRequest: no picture, too many, too large a one, too long a question, an unknown language.
    """
    messages = options.messages or (_message(parse_text(text, "TEXT"), resolve_language(options.language)),)
    if options.messages is not None and text.strip():
        raise InvalidRequest("TEXT and OPTIONS.messages are both given; leave one of them out")
    _check_length(messages, "TEXT has" if options.messages is None else "OPTIONS.messages have", settings)
    _check_number(messages, len(images), settings)
    views = iter([_view(image, name, options, settings, processor, decoders) for name, image in _named(images)])
    return VisionRequest(
        [_turn(message, views) for message in messages],
        settings.max_new_tokens if options.max_new_tokens is None else options.max_new_tokens,
        options.temperature,
        seed_or_random(options.seed),
    )


def _message(question: str, language: str | None) -> VisionMessage:
    parts = (ImagePart(type="image"), TextPart(type="text", text=question_of(question, language)))
    return VisionMessage(role="user", content=parts)


def _check_length(messages: Sequence[VisionMessage], what: str, settings: VisionSettings) -> None:
    length = sum(len(part.text) for message in messages for part in message.parts if isinstance(part, TextPart))
    if length > settings.max_question_chars:
        raise InvalidRequest(f"{what} {length} characters; the limit is {settings.max_question_chars}")


def _check_number(messages: Sequence[VisionMessage], num_images: int, settings: VisionSettings) -> None:
    if num_images > settings.max_pictures:
        raise InvalidRequest(f"IMAGE holds {num_images} pictures; the limit is {settings.max_pictures}")
    num_shown = sum(isinstance(part, ImagePart) for message in messages for part in message.parts)
    if num_shown != num_images or not num_images:
        raise InvalidRequest(
            f"IMAGE holds {num_images} pictures, the messages show {num_shown}: send each one, one at least"
        )


def _named(images: Sequence[bytes]) -> Iterator[tuple[str, bytes]]:
    for index, image in enumerate(images):
        yield "IMAGE" if len(images) == 1 else f"IMAGE[{index}]", image


def _view(
    image: bytes,
    name: str,
    options: VisionOptions,
    settings: VisionSettings,
    processor: PictureProcessor,
    decoders: Decoders,
) -> PicturePatches:
    data = options.decode(image, name, decoders.max_file_bytes)
    return processor.process(on_white(read_picture(data, name, decoders, max_pixels=settings.max_input_pixels)))


def _turn(message: VisionMessage, views: Iterator[PicturePatches]) -> Turn:
    return Turn(message.role, [part.text if isinstance(part, TextPart) else next(views) for part in message.parts])


def answer(description: Description, options: VisionOptions) -> dict[str, Any]:
    """TEXT and RESULT (docs/wire-protocol.md) of an answer."""
    view = description.request.views[0]
    result = PictureAnswer(
        text=description.text,
        question=description.request.question,
        width=view.width,
        height=view.height,
        usage=Usage(description.num_prompt_tokens, description.num_tokens),
        seed=description.request.seed if description.request.temperature else None,
    )
    return {"TEXT": description.text.encode(), "RESULT": result}

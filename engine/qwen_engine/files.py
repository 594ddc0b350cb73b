"""Callers' files, decoded in processes of their own; errors name the tensor."""

from collections.abc import Iterator
from contextlib import contextmanager

from qwen_engine.settings import FileSettings
from qwen_media.decoders import Decoders
from qwen_media.errors import BadMedia, DecodersBusy, MediaError
from qwen_media.sound import Sound, Wanted
from qwen_wire.errors import InvalidRequest, ServerError, Unavailable


def sound_decoders(settings: FileSettings) -> Decoders:
    """The decoder processes of a model that takes sound."""
    return _decoders("sound", settings)


def picture_decoders(settings: FileSettings) -> Decoders:
    """The decoder processes of a model that takes pictures."""
    return _decoders("picture", settings)


def _decoders(job: str, settings: FileSettings) -> Decoders:
    return Decoders(
        [job],
        num_decoders=settings.num_decoders,
        decode_s=settings.max_decode_s,
        max_file_bytes=settings.max_file_bytes,
    )


def decode_sound(decoders: Decoders, data: bytes, wanted: Wanted, name: str) -> Sound:
    """What is heard in tensor `name`, as `wanted`.

    Raises:
        QwenError: the file cannot be read, or not now.
    """
    with media_errors(name):
        return decoders.sound(data, wanted)


@contextmanager
def media_errors(name: str) -> Iterator[None]:
    """Raise what is wrong with the file in tensor `name` as a `QwenError`."""
    try:
        yield
    except BadMedia as error:
        raise InvalidRequest(f"{name} {error}") from error
    except DecodersBusy as error:
        raise Unavailable(str(error)) from error
    except MediaError as error:
        raise ServerError from error

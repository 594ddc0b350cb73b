"""What only some calls need: packages of the extra `audio`."""

from collections.abc import Iterator
from contextlib import contextmanager

from qwen_wire.errors import InvalidRequest


@contextmanager
def audio_extra(purpose: str) -> Iterator[None]:
    """Around the import of a package that reads, writes or changes sound.

    Raises:
        InvalidRequest: it is not installed; the message says how to.
    """
    try:
        yield
    except ImportError as error:
        raise InvalidRequest(
            f"{error.name}, which {purpose}, is not installed; install it with: pip install 'qwen-triton-client[audio]'"
        ) from error

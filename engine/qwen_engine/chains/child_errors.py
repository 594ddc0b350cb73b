"""The errors of the models that a chain calls."""

import logging

from qwen_wire.errors import QwenError, ServerError, kind_of

log = logging.getLogger(__name__)


def child_error(status: str, message: str) -> QwenError:
    """The error of a called model, from what it told: its kind, so that callers further up see whose fault it was."""
    kind = kind_of(status)
    if kind is ServerError:
        log.error("a called model failed: %s: %s", status, message)
        return ServerError()
    return kind(message)

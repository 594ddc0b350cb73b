"""One request's failure is its own: a batch that fails is run again request by request."""

import logging
from collections.abc import Callable, Sequence
from typing import TypeVar

from qwen_engine.errors import EngineError, Internal
from qwen_engine.loop import RequestT, Session

log = logging.getLogger(__name__)
ResultT = TypeVar("ResultT")


def run_isolated(
    run: Callable[[Sequence[RequestT]], list[ResultT]],
    sessions: Sequence[Session[RequestT]],
    deliver: Callable[[Session[RequestT], ResultT], None],
) -> None:
    """Deliver `run` of all requests to their sessions; one that cannot be run fails alone."""
    if not sessions:
        return
    try:
        results = run([session.request for session in sessions])
    except Exception as error:
        if len(sessions) > 1:
            log.warning("a batch of %d failed (%s); running its requests one by one", len(sessions), error)
            for session in sessions:
                run_isolated(run, [session], deliver)
            return
        if not isinstance(error, EngineError):
            log.exception("a request failed")
            error = Internal()
        sessions[0].fail(error)
        return
    for session, result in zip(sessions, results, strict=True):
        deliver(session, result)

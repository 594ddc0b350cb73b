"""When a request that found no server, or no room, is sent again."""

import random
import threading
import time

from qwen_wire.errors import QwenError, Unavailable

FIRST_DELAY_S = 0.1
MAX_DELAY_S = 2.0
MAX_TOKENS = 10.0
TOKENS_BACK = 0.1  # for each request that went well


class RetryBudget:
    """Of one connection: where most requests fail, few are sent again, so that retries do not add to an overload.

    A token bucket, as gRPC's own retry throttling has it (gRFC A6). Any thread.
    """

    def __init__(self) -> None:
        self._tokens = MAX_TOKENS
        self._changed = threading.Lock()

    def take(self) -> bool:
        """Whether there may be one more."""
        with self._changed:
            if self._tokens < 1:
                return False
            self._tokens -= 1
            return True

    def give_back(self) -> None:
        """A request went well."""
        with self._changed:
            self._tokens = min(MAX_TOKENS, self._tokens + TOKENS_BACK)


class Attempts:
    """Those of one request, within `timeout_s` from now.

    Example:
        attempts = Attempts(60.0, retries=2, budget=budget)
        while True:
            try:
                return send(attempts.left_s)
            except QwenError as error:
                if (delay_s := attempts.delay_s(error)) is None:
                    raise
            time.sleep(delay_s)
    """

    def __init__(self, timeout_s: float, *, retries: int, budget: RetryBudget) -> None:
        self._end_s = time.monotonic() + timeout_s
        self._num_left = retries
        self._longest_s = FIRST_DELAY_S
        self._budget = budget

    @property
    def left_s(self) -> float:
        """Until the request's time is over."""
        return max(0.001, self._end_s - time.monotonic())

    def delay_s(self, error: QwenError) -> float | None:
        """How long to wait before it is sent again; None: it is not.

        At random up to twice as long as the time before, so that clients that failed together do not come together.
        """
        delay_s = random.uniform(0, self._longest_s)
        is_passing = type(error) is Unavailable and error.status == Unavailable.default_status  # not: no such model
        if not is_passing or not self._num_left or delay_s >= self.left_s or not self._budget.take():
            return None
        self._num_left -= 1
        self._longest_s = min(2 * self._longest_s, MAX_DELAY_S)
        return delay_s

    def succeeded(self) -> None:
        self._num_left = 0
        self._budget.give_back()

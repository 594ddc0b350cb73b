"""How far the CPU may run ahead of the GPU's queue."""

import torch


class Pace:
    """One step may be launched while the one before it still runs, not more.

    So the GPU never waits for the CPU, and events and cancellations are a step late at most.
    """

    def __init__(self, device: str) -> None:
        self._device = torch.device(device)
        self._running: torch.cuda.Event | None = None

    def launched(self) -> None:
        """A step has been launched; wait for the one before it."""
        if self._device.type != "cuda":
            return
        before, self._running = self._running, torch.cuda.Event()
        self._running.record(torch.cuda.current_stream(self._device))
        if before is not None:
            before.synchronize()


def settle(device: torch.device) -> None:
    """Wait for all launched work, so that steps launched next do not queue behind it."""
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()

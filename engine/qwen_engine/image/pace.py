"""How far the CPU may run ahead of a GPU, which works off what it is given in its own time."""

import torch


class Pace:
    """Between steps: one step may be launched while the one before it still runs, not more.

    So the GPU never waits for the CPU, and what is told and cancelled is a step late at most. A CPU is never ahead.
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
    """Wait for all that was launched: steps that are launched next then wait for nothing else."""
    if device.type == "cuda":
        torch.cuda.current_stream(device).synchronize()

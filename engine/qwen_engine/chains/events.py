"""How a chain tells what happens.

A chain is a coroutine that takes an `Emit` for its events, those of `qwen_wire.chains`, and returns its `ChainEnd`.
"""

from collections.abc import Awaitable, Callable

from qwen_wire.chains import Stage

Emit = Callable[[Stage], Awaitable[None]]
"""Sends an event; returns once it is on its way, so that a chain never runs ahead of its reader."""

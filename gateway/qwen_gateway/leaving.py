"""A caller who leaves ends the work that was begun for them."""

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

from fastapi import Request

from qwen_gateway.middleware import ClientLeft

ResultT = TypeVar("ResultT")


async def unless_left(request: Request, work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """The result of `work`, which is cancelled where the caller of `request` leaves first.

    The framework tells nobody when a caller leaves. The body of `request` has been read.

    Raises:
        ClientLeft: the caller left.
    """
    task, left = asyncio.ensure_future(work), asyncio.ensure_future(_left(request))
    try:
        await asyncio.wait((task, left), return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise ClientLeft
        return task.result()
    finally:
        for one in (task, left):
            one.cancel()
        await asyncio.wait((task, left))


async def _left(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass

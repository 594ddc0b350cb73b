"""Streams left at every moment, some hundreds of them: nobody else notices. Thousands: tests/long/test_leaving.py."""

import asyncio
from concurrent.futures import ThreadPoolExecutor
from itertools import islice

import pytest

from qwen_client import AsyncClient, Client
from tests.leavers import STREAMS, Whole, cancel_at, drop_after, leave_after, leave_at, moments, places, unharmed


@pytest.fixture(scope="module")
def wholes(server):

    with Client(server.address.grpc) as client:
        return {kind: Whole.of(client, kind) for kind in STREAMS}


def test_one_caller_who_leaves_at_the_last_chunk(server, client, wholes):
    """What crashed Triton after some dozens of streams, where the RPC was cancelled."""
    with unharmed(server):
        for _ in range(40):
            leave_after(client, "speech", wholes["speech"].num_events)


@pytest.mark.parametrize("kind", ["speech", "chat", "describe_aloud"])
def test_streams_that_are_left_or_dropped(server, client, wholes, kind):
    with unharmed(server), ThreadPoolExecutor(4) as pool:
        for leave in (leave_after, drop_after):
            for place in places(wholes[kind]):
                list(pool.map(leave, [client] * 4, [kind] * 4, [place] * 4))
        list(pool.map(leave_at, [client] * 8, [kind] * 8, islice(moments(wholes[kind], seed=1), 8)))


@pytest.mark.parametrize("kind", STREAMS)
def test_tasks_that_are_cancelled(server, wholes, kind):
    async def leave() -> None:
        async with AsyncClient(server.address.grpc) as client:
            await asyncio.gather(*(cancel_at(client, kind, one) for one in islice(moments(wholes[kind], seed=2), 12)))

    with unharmed(server):
        asyncio.run(leave())

"""Whose a request is, and how tenants share: turns, slots, allowances."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from qwen_engine.chains.calls import Trace
from qwen_engine.chains.concurrency import ConcurrencyLimiter
from qwen_engine.chains.slots import FairSlots
from qwen_engine.messages import Caller
from qwen_engine.settings import ChainSettings, TenantSettings
from qwen_engine.tenants import DEFAULT_TENANT, FairQueue
from qwen_wire.errors import InvalidRequest, Unavailable

WAIT_S = 20


def request(parameters: str) -> Any:
    """An InferenceRequest, as far as its caller goes."""
    return SimpleNamespace(parameters=lambda: parameters, request_id=lambda: "7", timeout=lambda: 2_500_000)


@pytest.mark.parametrize(
    ("parameters", "tenant"),
    [
        ("", DEFAULT_TENANT),
        ("{}", DEFAULT_TENANT),
        ('{"qwen-tenant": "anna"}', "anna"),
        ('{"Qwen-Tenant": "anna"}', "anna"),
        ('{"QWEN-TENANT": "anna", "qwen-tenant": "anna"}', "anna"),
        ('{"qwen-tenant": 7}', "7"),
    ],
)
def test_a_caller_is_of_the_tenant_that_was_named(parameters, tenant):
    caller = Caller.read(request(parameters))
    assert (caller.tenant, caller.request_id, caller.timeout_s) == (tenant, "7", 2.5)
    assert Trace.read(caller.headers, caller.tenant).tenant == tenant


@pytest.mark.parametrize(
    "parameters",
    [
        '{"qwen-tenant": "anna", "qwen-tenant": "ben"}',
        '{"qwen-tenant": "ben", "qwen-tenant": "anna"}',
        '{"Qwen-Tenant": "anna", "qwen-tenant": "ben"}',
        '{"qwen-tenant": "anna", "QWEN-tenant": ""}',
    ],
)
def test_a_tenant_that_is_named_twice_is_refused(parameters):
    """A header that a gateway sets stands beside parameters that the caller sends."""
    with pytest.raises(InvalidRequest, match="qwen-tenant is given 2 times"):
        Caller.read(request(parameters))


@pytest.mark.parametrize("name", ["", "Anna", "../anna", "a" * 65, "anna/ben", "anna ", "änna", "-anna"])
def test_a_tenant_that_is_no_name_is_refused(name):
    with pytest.raises(InvalidRequest, match=r"qwen-tenant is '.*': use up to 64 of a-z, 0-9, - and _"):
        Caller.read(request(f'{{"qwen-tenant": "{name}"}}'))


def test_where_a_tenant_is_required_requests_without_are_refused():
    assert Caller.read(request('{"qwen-tenant": "anna"}'), must_name_tenant=True).tenant == "anna"
    with pytest.raises(InvalidRequest, match="the header qwen-tenant is missing"):
        Caller.read(request("{}"), must_name_tenant=True)


def test_a_tenant_holds_its_share_and_a_server_without_tenants_all():
    tenants = TenantSettings()
    assert tenants.allowance(64, DEFAULT_TENANT) == 64
    assert tenants.allowance(64, "anna") == 32
    assert tenants.allowance(1, "anna") == 1
    assert TenantSettings(required=True).allowance(64, DEFAULT_TENANT) == 32
    assert TenantSettings(max_share=0.1).allowance(64, "anna") == 6


def served(queue: FairQueue[str], held: dict[str, int]) -> list[str]:
    """The order in which all that waits is served, where nobody gives anything back."""
    order = []
    while queue:
        tenant, first = queue.firsts(lambda name: held.get(name, 0))[0]
        assert queue.pop(tenant) == first
        held[tenant] = held.get(tenant, 0) + 1
        order.append(first)
    return order


def test_who_holds_least_comes_first_and_alike_they_take_turns():
    queue: FairQueue[str] = FairQueue()
    for item in ("a1", "a2", "a3", "b1", "c1", "b2"):
        queue.push(item[0], item)
    assert (len(queue), queue.num_of("a"), queue.num_of("d")) == (6, 3, 0)
    assert served(queue, {"b": 2}) == ["a1", "c1", "a2", "b1", "a3", "b2"]


def test_one_that_leaves_the_queue_is_gone():
    queue: FairQueue[str] = FairQueue()
    for item in ("a1", "b1"):
        queue.push(item[0], item)
    queue.remove("a", "a1")
    queue.remove("a", "a1")
    assert list(queue) == ["b1"]


def test_slots_go_to_the_tenant_that_holds_fewest():
    async def run() -> list[str]:
        slots, order = FairSlots(2), []

        async def work(name: str, seconds: float = 0.0) -> None:
            async with slots.one(name[0]):
                order.append(name)
                await asyncio.sleep(seconds)

        async with asyncio.timeout(WAIT_S), asyncio.TaskGroup() as group:
            for name in ("a1", "a2", "a3", "a4", "b1", "b2"):
                group.create_task(work(name))
        return order

    assert asyncio.run(run()) == ["a1", "a2", "b1", "a3", "b2", "a4"]


def test_who_leaves_while_waiting_or_just_when_the_turn_comes_takes_no_slot():
    async def run() -> None:
        slots = FairSlots(1)
        await slots.take("a")
        waiting = [asyncio.create_task(slots.take(name)) for name in "bcd"]
        await asyncio.sleep(0)
        waiting[0].cancel()
        slots.release("a")  # to c, which is cancelled before it hears of it
        waiting[1].cancel()
        async with asyncio.timeout(WAIT_S):
            await waiting[2]
            assert slots.is_full
            slots.release("d")
            assert not slots.is_full
            await slots.take("e")

    asyncio.run(run())


def test_runs_of_one_tenant_never_fill_the_queue_of_chains():
    async def run() -> None:
        places, release = ConcurrencyLimiter(ChainSettings(max_runs=1, max_queue=2)), asyncio.Event()

        async def enter(tenant: str) -> str:
            async with places.one(0, tenant):
                await release.wait()
                return tenant

        running = [asyncio.create_task(enter("greedy")) for _ in range(2)]
        await asyncio.sleep(0)
        with pytest.raises(Unavailable, match="1 requests of this tenant are waiting"):
            await enter("greedy")
        other = asyncio.create_task(enter("other"))
        await asyncio.sleep(0)
        release.set()
        async with asyncio.timeout(WAIT_S):
            assert await asyncio.gather(*running, other) == ["greedy", "greedy", "other"]

    asyncio.run(run())

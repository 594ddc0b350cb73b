"""Kept beginnings: what is restored is what was kept, the oldest goes first, and there is never more than fits."""

import random

import pytest
import torch

from qwen_engine.chat.prefixes import BLOCK, PrefixCache
from qwen_engine.decoder import DecoderConfig, SlotCache
from qwen_engine.tenants import DEFAULT_TENANT

CONFIG = DecoderConfig(
    num_layers=2, hidden_size=8, num_heads=2, num_kv_heads=1, head_dim=4, rope_theta=1e6, norm_eps=1e-6
)
LENGTH = 12 * BLOCK


@pytest.fixture
def cache() -> SlotCache:
    return SlotCache(CONFIG, 2, LENGTH, torch.float32, "cpu")


def fill(cache: SlotCache, ids: list[int], slot: int) -> None:
    """Keys and values that tell all tokens up to them, as those of a decoder do."""
    torch.manual_seed(0)
    weights = torch.randn(LENGTH)
    told = (torch.tensor(ids, dtype=torch.float32) * weights[: len(ids)]).cumsum(0)
    for layer, tensor in enumerate((*cache.keys, *cache.values)):
        tensor[slot, : len(ids)] = (told * (layer + 1))[:, None, None]


def restored(prefixes: PrefixCache, cache: SlotCache, ids: list[int], tenant: str = DEFAULT_TENANT) -> int:
    """How many positions of `ids` are known; they are what reading them gives."""
    for tensor in (*cache.keys, *cache.values):
        tensor[1] = torch.nan
    length = prefixes.restore(prefixes.find(tenant, ids), cache, 1)
    fill(cache, ids, 0)
    for tensor in (*cache.keys, *cache.values):
        torch.testing.assert_close(tensor[1, :length], tensor[0, :length])
    return length


def keep(prefixes: PrefixCache, cache: SlotCache, ids: list[int], tenant: str = DEFAULT_TENANT) -> None:
    fill(cache, ids, 0)
    prefixes.store(tenant, ids, cache, 0)


def test_a_beginning_is_known_to_its_tenant_only(cache):
    prefixes = PrefixCache(CONFIG, cache, 8)
    ids = list(range(3 * BLOCK + 1))
    keep(prefixes, cache, ids, "one")
    assert [restored(prefixes, cache, ids, tenant) for tenant in ("one", "two", DEFAULT_TENANT)] == [3 * BLOCK, 0, 0]
    keep(prefixes, cache, ids[: BLOCK + 1], "two")
    assert [restored(prefixes, cache, ids, tenant) for tenant in ("one", "two")] == [3 * BLOCK, BLOCK]


def test_whole_blocks_are_known_but_not_the_last_token(cache):
    prefixes = PrefixCache(CONFIG, cache, 8)
    ids = list(range(3 * BLOCK))
    assert restored(prefixes, cache, ids) == 0
    keep(prefixes, cache, ids)
    assert restored(prefixes, cache, ids) == 2 * BLOCK
    assert restored(prefixes, cache, [*ids, 7]) == 3 * BLOCK
    assert restored(prefixes, cache, [*ids[:20], 99, *ids[21:]]) == BLOCK
    assert restored(prefixes, cache, [99, *ids]) == 0


def test_the_oldest_goes_first_and_beginnings_last(cache):
    prefixes = PrefixCache(CONFIG, cache, 4)
    system = list(range(2 * BLOCK))
    for number in range(10):
        keep(prefixes, cache, [*system, *[100 + number] * BLOCK])
    assert restored(prefixes, cache, [*system, *[109] * BLOCK, 0]) == 3 * BLOCK
    assert restored(prefixes, cache, [*system, *[108] * BLOCK, 0]) == 3 * BLOCK
    assert restored(prefixes, cache, [*system, *[107] * BLOCK, 0]) == 2 * BLOCK


def test_more_than_fits_is_known_as_far_as_it_fits(cache):
    prefixes = PrefixCache(CONFIG, cache, 3)
    ids = list(range(8 * BLOCK))
    keep(prefixes, cache, ids)
    assert restored(prefixes, cache, ids) == 3 * BLOCK
    keep(prefixes, cache, ids[BLOCK:])
    assert restored(prefixes, cache, ids) == 0


def test_nothing_is_kept_where_there_is_no_room(cache):
    prefixes = PrefixCache(CONFIG, cache, 0)
    keep(prefixes, cache, list(range(50)))
    assert restored(prefixes, cache, list(range(50))) == 0


@pytest.mark.parametrize("seed", range(5))
def test_any_course_of_events_restores_what_was_read(cache, seed):
    rng = random.Random(seed)
    prefixes = PrefixCache(CONFIG, cache, rng.randint(1, 20))
    hits = 0
    for _ in range(400):
        blocks = [rng.choice([1, 2]) for _ in range(rng.randint(0, 6))]
        ids = [token for block in blocks for token in [block] * BLOCK] + [3] * rng.randint(1, BLOCK)
        hits += restored(prefixes, cache, ids) > 0
        if rng.random() < 0.5:
            keep(prefixes, cache, ids)
    assert hits > 100

"""Prefix cache: keys and values of prompts' beginnings, for later prompts with the same beginning.

A block of a few tokens is keyed by its tokens and the block before it, or the tenant: a chain of blocks is a prefix of
one tenant, and prefixes share their common blocks. So response times reveal nothing of other tenants' prompts. The
least recently used block is evicted first, and a block always before the one that it follows.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import torch

from qwen_engine.decoder import DecoderConfig, SlotCache

Key: TypeAlias = tuple[int | str, tuple[int, ...]]  # the block before, or the tenant; the tokens

BLOCK = 16


class PrefixCache:
    """Room for `num_blocks` blocks of `BLOCK` tokens.

    Example:
        blocks = prefixes.find(tenant, ids)
        start = prefixes.restore(blocks, cache, slot)  # the first position to prefill
        prefixes.store(tenant, ids, cache, slot)
    """

    def __init__(self, config: DecoderConfig, cache: SlotCache, num_blocks: int) -> None:
        like = cache.keys[0]
        shape = (num_blocks, BLOCK, config.num_kv_heads, config.head_dim)
        self._pools = [
            [torch.empty(shape, dtype=like.dtype, device=like.device) for _ in range(config.num_layers)] for _ in "kv"
        ]
        self._num_blocks = num_blocks
        self._places: OrderedDict[Key, int] = OrderedDict()
        self._free = list(range(num_blocks))

    def find(self, tenant: str, ids: Sequence[int]) -> list[int]:
        """The longest cached prefix of `ids` without the last token, which must be prefilled."""
        chain: list[int] = []
        for key in self._keys(tenant, ids[:-1], chain):
            if key not in self._places:
                break
            chain.append(self._places[key])
        self._touch(tenant, ids, chain)
        return chain

    def restore(self, blocks: Sequence[int], cache: SlotCache, slot: int) -> int:
        """Copy `blocks` to the beginning of `slot`; the number of positions."""
        length = len(blocks) * BLOCK
        if blocks:
            for pool, layers in zip(self._pools, (cache.keys, cache.values), strict=True):
                index = torch.tensor(blocks, device=pool[0].device)
                for stored, layer in zip(pool, layers, strict=True):
                    layer[slot, :length] = stored[index].flatten(0, 1)
        return length

    def store(self, tenant: str, ids: Sequence[int], cache: SlotCache, slot: int) -> None:
        """Cache all whole blocks of `tenant`'s `ids` from `slot`."""
        chain: list[int] = []
        fresh: list[int] = []
        for key in self._keys(tenant, ids, chain):
            if key not in self._places:
                fresh.append(len(chain))
                self._places[key] = self._free.pop() if self._free else self._places.popitem(last=False)[1]
            self._places.move_to_end(key)
            chain.append(self._places[key])
        self._touch(tenant, ids, chain)
        if fresh:
            self._copy(slice(fresh[0] * BLOCK, len(chain) * BLOCK), chain[fresh[0] :], cache, slot)

    def _copy(self, positions: slice, blocks: Sequence[int], cache: SlotCache, slot: int) -> None:
        for pool, layers in zip(self._pools, (cache.keys, cache.values), strict=True):
            index = torch.tensor(blocks, device=pool[0].device)
            for stored, layer in zip(pool, layers, strict=True):
                stored[index] = layer[slot, positions].unflatten(0, (-1, BLOCK))

    def _keys(self, tenant: str, ids: Sequence[int], chain: Sequence[int]) -> Iterator[Key]:
        """The key of each whole block; the caller extends `chain` by that block meanwhile."""
        for number in range(min(len(ids) // BLOCK, self._num_blocks)):
            yield (chain[-1] if chain else tenant), tuple(ids[number * BLOCK : (number + 1) * BLOCK])

    def _touch(self, tenant: str, ids: Sequence[int], chain: Sequence[int]) -> None:
        """Mark as used, the first block last: so none is evicted before those that follow it."""
        for number in reversed(range(len(chain))):
            before = chain[number - 1] if number else tenant
            self._places.move_to_end((before, tuple(ids[number * BLOCK : (number + 1) * BLOCK])))

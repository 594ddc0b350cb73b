"""Seeds of random numbers. A request that names none gets a random one, which its answer tells."""

import secrets

NUM_SEEDS = 2**63
NUM_RANDOM_SEEDS = 2**32  # short enough to type, and exact in the numbers of JavaScript


def seed_or_random(seed: int | None) -> int:
    return secrets.randbelow(NUM_RANDOM_SEEDS) if seed is None else seed


def following_seed(seed: int, number: int) -> int:
    """The seed of the picture `number` (0, 1, ...) of several; after the largest one comes 0."""
    return (seed + number) % NUM_SEEDS

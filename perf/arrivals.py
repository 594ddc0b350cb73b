"""Requests that come at random, and how long they wait for a server that takes one at a time."""

import random
from collections.abc import Sequence


def poisson_arrivals_s(count: int, *, rate_per_s: float, seed: int) -> list[float]:
    """When `count` requests arrive, the first at 0."""
    rng = random.Random(seed)
    arrivals_s = [0.0]
    while len(arrivals_s) < count:
        arrivals_s.append(arrivals_s[-1] + rng.expovariate(rate_per_s))
    return arrivals_s


def first_in_first_out_s(arrivals_s: Sequence[float], services_s: Sequence[float]) -> list[float]:
    """Seconds from each arrival to the end of its service, one request being served at a time."""
    free_s = 0.0
    taken_s = []
    for arrival_s, service_s in zip(arrivals_s, services_s, strict=True):
        free_s = max(free_s, arrival_s) + service_s
        taken_s.append(free_s - arrival_s)
    return taken_s

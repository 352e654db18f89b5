"""The decision for a machine: an immutable value, made by classify.py."""

from __future__ import annotations

from typing import NamedTuple  # asyncio has loaded it already

INFERENCE, RELAYING, CACHE, BOOTSTRAP = "inference", "relay", "cache", "bootstrap"
ROLES = (INFERENCE, RELAYING, CACHE, BOOTSTRAP)


class Fitness(NamedTuple):
    """`mode`: of modes.py; `tier`: its number. `roles`: of ROLES, what the machine is fit for.

    `blocks`: the least and the most model blocks to serve. `relay_memory`, `cache_size`: bytes.
    `contribution`: the least and the most that the network's plan expects, VDA an hour.
    `reasons`: sentences, the one that decided the mode first. `_asdict()` is for JSON.
    """

    mode: str
    tier: int
    roles: tuple[str, ...]
    blocks: tuple[int, int]
    relay_memory: int
    relay_reservations: int
    relay_circuits: int
    cache_size: int
    contribution: tuple[int, int]
    reasons: tuple[str, ...]

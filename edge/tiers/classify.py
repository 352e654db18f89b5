"""From what a machine is to what it is fit for: the rules, in one table, as a pure function.

Every machine starts as `full`; each rule of RULES that applies lowers it, and says why. A fact that
is unknown never raises a machine: wasting one is better than ruining it. Then the numbers follow.
docs/tiers.md shows the table and the thresholds.
"""

from __future__ import annotations

from edge.budget import LEAST, Budget, default_limit
from edge.tiers.fitness import BOOTSTRAP, CACHE, INFERENCE, RELAYING, Fitness
from edge.tiers.modes import FULL, LIGHT, RELAY, VDA_PER_HOUR, lower
from edge.tiers.profile import (
    CUDA,
    FLASH,
    JETSON,
    NETWORK,
    OPENWRT,
    RAM,
    SD,
    USB,
    Profile,
)
from edge.units import GIB, MIB

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Protocol

    class Wishes(Protocol):
        """The section [tier], which overrides the rules; "auto", 0 and [] override nothing."""

        @property
        def memory(self) -> int: ...
        @property
        def gpu(self) -> str: ...
        @property
        def storage(self) -> str: ...
        @property
        def router(self) -> str: ...
        @property
        def roles(self) -> list[str]: ...
        @property
        def blocks(self) -> int: ...
        @property
        def block_size(self) -> int: ...
        @property
        def cache_size(self) -> int: ...

    # The relay's reservations and circuits that there is memory for.
    RelayCounts = Callable[[Budget], tuple[int, int]]

AUTO = "auto"

# A block of Llama 3.1 8B (its config.json: hidden_size 4096, intermediate_size 14336, 32 attention
# and 8 key-value heads) has 218,112,000 weights of 2 bytes.
BLOCK_SIZE = 436_224_000  # bytes of weights
BLOCK_CACHE = 32 * MIB  # keys and values of 8192 tokens: 2 * 8 heads * 128 * 2 bytes each
TOKEN_TIME = 0.5  # seconds in which a token must have passed all blocks of a machine
INFERENCE_SHARE = 0.5  # of the memory: the rest is the system's, the relay's and the household's
FREE_SHARE = 0.75  # of the memory that is free now
FULL_BLOCKS = (4, 8)
LIGHT_BLOCKS = (1, 2)
FULL_CORES = 4  # without a GPU, as blocks keep most of them busy
LIGHT_CORES = 2  # so that one is left
CACHE_SHARE = 0.25  # of the free space
CARD_SHARE = 0.1  # the same on what wears out, or is unknown
CACHE_LEAST = 64 * MIB  # less than this holds no fragment worth the trouble
CACHE_MOST = 256 * GIB
FULL_CACHE = 4 * GIB  # that a full node should offer
WORN = 80  # percent of an eMMC's life, after which it is spared
BOOTSTRAP_MEMORY = 128 * MIB  # a bootstrap keeps the tables of many peers
NODE_SIZE = 16 * MIB  # the process itself, as edge/budget.py sets aside

TIERS = {FULL: 1, LIGHT: 2, RELAY: 3}
_BLOCKS = {FULL: FULL_BLOCKS, LIGHT: LIGHT_BLOCKS, RELAY: (0, 0)}
_WEARING = (SD, USB, None)
_NO_DISK = (FLASH, RAM, NETWORK)


class Machine:
    """A profile, what the configuration makes of it, and what follows from both by arithmetic."""

    def __init__(self, profile: Profile, wishes: Wishes) -> None:
        self.profile = profile
        self.gpu = profile.gpu if wishes.gpu == AUTO else wishes.gpu
        self.disk = profile.disk if wishes.storage == AUTO else wishes.storage
        self.router = profile.system == OPENWRT if wishes.router == AUTO else wishes.router == "yes"
        limits = [each for each in (profile.memory, profile.memory_limit) if each is not None]
        self.memory = wishes.memory or min(limits, default=None)
        counts = [each for each in (profile.cores, profile.cpu_limit) if each is not None]
        self.cores = min(counts, default=None)
        self.block_size = wishes.block_size or BLOCK_SIZE
        self.computes = self.gpu in (CUDA, JETSON)  # on a GPU that inference can use
        self.cache_size = self._cache_size()

    @property
    def inference_memory(self) -> int:
        """Bytes that blocks may take; 0 where the memory is unknown."""
        share = int((self.memory or 0) * INFERENCE_SHARE)
        free = self.profile.memory_available
        return share if free is None else min(share, int(free * FREE_SHARE))

    @property
    def fit_memory(self) -> int:
        """Blocks there is memory for."""
        return self.inference_memory // (self.block_size + BLOCK_CACHE)

    @property
    def fit_speed(self) -> int | None:
        """Blocks that a token passes in TOKEN_TIME on the CPU; None: unknown, or on a GPU."""
        speed = self.profile.copy_speed
        return (
            None if self.computes or speed is None else int(speed * TOKEN_TIME) // self.block_size
        )

    @property
    def fit(self) -> int:
        """Blocks there is memory and speed for."""
        if self.computes:
            return self.fit_memory
        return min(self.fit_memory, LIGHT_BLOCKS[0] if self.fit_speed is None else self.fit_speed)

    def _cache_size(self) -> int:
        wear, free = self.profile.disk_wear, self.profile.disk_free
        if free is None or self.disk in _NO_DISK or (wear is not None and wear >= WORN):
            return 0
        share = CARD_SHARE if self.disk in _WEARING else CACHE_SHARE
        size = min(int(free * share), CACHE_MOST)
        return size if size >= CACHE_LEAST else 0


# --- words of the rules ---


def _mib(size: int) -> str:
    return f"{size // MIB} MiB"


def _memory(machine: Machine) -> str:
    """Of which `inference_memory` is the size."""
    free = machine.profile.memory_available
    now = free is not None and machine.inference_memory == int(free * FREE_SHARE)
    return f"{_mib(machine.inference_memory)} of {'free ' if now else ''}memory for inference"


def _blocks(count: int) -> str:
    return "1 block" if count == 1 else f"{count} blocks"


def _speed(machine: Machine) -> str:
    speed = machine.profile.copy_speed
    if speed is None:
        return "how fast it copies memory is unknown"
    enough = _blocks(machine.fit_speed) if machine.fit_speed else "no block"
    return f"it copies {speed // 10**6} MB/s, enough for {enough} in {TOKEN_TIME} s a token"


def _cores(machine: Machine) -> str:
    if machine.cores is None:
        return "an unknown number of cores"
    return "1 core" if machine.cores == 1 else f"{machine.cores:g} cores"


class Rule:
    """Caps the mode of a machine that it applies to. `why`: the reason, for that machine."""

    __slots__ = ("applies", "cap", "name", "why")

    def __init__(
        self, cap: str, name: str, applies: Callable[[Machine], bool], why: Callable[[Machine], str]
    ) -> None:
        self.cap = cap
        self.name = name
        self.applies = applies
        self.why = why


# fmt: off
RULES = (
    Rule(RELAY, "it is a router (OpenWrt)",
        lambda m: m.router,
        lambda m: "it is a router, and routing comes first"),
    Rule(RELAY, "its memory is unknown",
        lambda m: m.memory is None,
        lambda m: "how much memory it has is unknown"),
    Rule(RELAY, "it has no FPU, or that is unknown and it has no usable GPU",
        lambda m: not m.profile.fpu and not m.computes,
        lambda m: "it has no FPU" if m.profile.fpu is False else "it may have no FPU"),
    Rule(RELAY, "one block does not fit into `INFERENCE_SHARE` of its memory",
        lambda m: m.memory is not None and m.fit_memory < LIGHT_BLOCKS[0],
        lambda m: f"{_memory(m)}: a block has {_mib(m.block_size)}"),
    Rule(RELAY, "a token takes longer than `TOKEN_TIME` through one block",
        lambda m: m.fit_speed is not None and m.fit_speed < LIGHT_BLOCKS[0],
        _speed),
    Rule(RELAY, "it has fewer than `LIGHT_CORES` cores to itself, or an unknown number",
        lambda m: m.cores is None or m.cores < LIGHT_CORES,
        lambda m: f"it has {_cores(m)}, and one must be left"),
    Rule(LIGHT, "`FULL_BLOCKS` do not fit into `INFERENCE_SHARE` of its memory",
        lambda m: m.fit_memory < FULL_BLOCKS[0],
        lambda m: f"{_memory(m)} hold {_blocks(m.fit_memory)}"),
    Rule(LIGHT, "a token takes longer than `TOKEN_TIME` through `FULL_BLOCKS`, or that is unknown",
        lambda m: not m.computes and (m.fit_speed is None or m.fit_speed < FULL_BLOCKS[0]),
        _speed),
    Rule(LIGHT, "it has neither a usable GPU nor `FULL_CORES` cores to itself",
        lambda m: not m.computes and (m.cores is None or m.cores < FULL_CORES),
        lambda m: f"it has {_cores(m)} and no GPU for inference"),
    Rule(LIGHT, "it has no usable GPU, and its disk wears out, is unknown or lacks `FULL_CACHE`",
        lambda m: not m.computes and (m.disk in _WEARING or m.cache_size < FULL_CACHE),
        lambda m: f"its disk ({m.disk or 'of unknown kind'}) is no place for a full node's cache"),
)
# fmt: on


def classify(profile: Profile, mode: str, wishes: Wishes, relay_counts: RelayCounts) -> Fitness:
    """The fitness of a machine. `mode`: one of modes.py, or "auto" to have it decided here."""
    machine = Machine(profile, wishes)
    applying = [rule for rule in RULES if rule.applies(machine)]
    fit = FULL
    for rule in applying:
        fit = lower(fit, rule.cap)
    whys = [rule.why(machine) for rule in applying if rule.cap == fit]
    chosen = fit if mode == AUTO else mode
    blocks = (wishes.blocks, wishes.blocks) if wishes.blocks else _blocks_in(machine, chosen)
    roles = tuple(wishes.roles) or _roles(machine, chosen, blocks)
    cache_size = wishes.cache_size or machine.cache_size
    memory = default_limit(machine.memory or LEAST)
    reservations, circuits = relay_counts(Budget(memory, NODE_SIZE))
    return Fitness(
        mode=chosen,
        tier=TIERS[chosen],
        roles=roles,
        blocks=blocks if INFERENCE in roles else (0, 0),
        relay_memory=memory,
        relay_reservations=reservations,
        relay_circuits=circuits,
        cache_size=cache_size if CACHE in roles else 0,
        contribution=VDA_PER_HOUR[chosen],
        reasons=tuple(_reasons(machine, fit, chosen, whys)),
    )


def _blocks_in(machine: Machine, mode: str) -> tuple[int, int]:
    low, high = _BLOCKS[mode]
    return min(low, machine.fit), min(high, machine.fit)


def _roles(machine: Machine, mode: str, blocks: tuple[int, int]) -> tuple[str, ...]:
    roles = [RELAYING]
    if blocks[1]:
        roles.insert(0, INFERENCE)
    if machine.cache_size and not (mode == LIGHT and machine.disk in _WEARING):
        roles.append(CACHE)
    if mode == FULL or (mode == RELAY and (machine.memory or 0) >= BOOTSTRAP_MEMORY):
        roles.append(BOOTSTRAP)
    return tuple(roles)


# --- in words ---


def _reasons(machine: Machine, fit: str, mode: str, whys: list[str]) -> list[str]:
    found = [_sentence(why) for why in whys]
    if fit == FULL:
        found.append(_sentence(_strength(machine)))
    if mode != fit:
        found.insert(0, f"The configuration says {mode}; left to itself it would be {fit}.")
    profile = machine.profile
    if profile.memory and profile.memory_limit and profile.memory_limit < profile.memory:
        found.append(f"Its cgroup may use {_mib(profile.memory_limit)} of {_mib(profile.memory)}.")
    if not machine.cache_size:
        found.append(_sentence(_no_cache(machine)))
    return found


def _strength(machine: Machine) -> str:
    memory = f"{_memory(machine)} hold {_blocks(machine.fit_memory)}"
    if machine.computes:
        return f"{memory}, and its GPU ({machine.gpu}) computes them"
    return f"{memory}, and {_speed(machine)}"


def _no_cache(machine: Machine) -> str:
    wear = machine.profile.disk_wear
    if wear is not None and wear >= WORN:
        return f"no cache: its eMMC has used {wear} % of its life"
    if machine.disk in _NO_DISK:
        return f"no cache: its data directory is on {machine.disk}"
    return "no cache: how much room its disk has is unknown, or it has too little"


def _sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."

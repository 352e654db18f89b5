"""The rules: what they never do, what the configuration forces, what is said in words."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.config.errors import ConfigError
from edge.config.load import load
from edge.config.schema import Tier
from edge.relay.resources import fitting_counts
from edge.tiers import classify as rules
from edge.tiers.classify import RULES, classify
from edge.tiers.fitness import BOOTSTRAP, CACHE, INFERENCE, RELAYING, ROLES, Fitness
from edge.tiers.modes import FULL, LIGHT, RELAY
from edge.tiers.profile import Profile

MIB, GIB = 1 << 20, 1 << 30
RANK = {RELAY: 0, LIGHT: 1, FULL: 2}


def wishes(**flags: str):  # type: ignore[no-untyped-def]
    given = {f"tier-{name.replace('_', '-')}": [text] for name, text in flags.items()}
    return load(None, {"KWAAINET_CONFIG": "/dev/null"}, given)[Tier]


DEFAULTS = wishes()


def machine(**facts: object) -> Profile:
    """A mini PC that is fit for everything, but for `facts`."""
    profile = Profile()
    usual = {
        "memory": 8 * GIB,
        "cores": 4,
        "fpu": True,
        "copy_speed": 8 * 10**9,
        "gpu": "none",
        "disk": "ssd",
        "disk_free": 100 * GIB,
    }
    for name, value in {**usual, **facts}.items():
        setattr(profile, name, value)
    return profile


def decide(mode: str = "auto", **facts: object) -> Fitness:
    return classify(machine(**facts), mode, DEFAULTS, fitting_counts)


PROFILES = st.builds(
    machine,
    memory=st.none() | st.integers(0, 1 << 45),
    memory_available=st.none() | st.integers(0, 1 << 45),
    memory_limit=st.none() | st.integers(0, 1 << 45),
    cores=st.none() | st.integers(0, 4096),
    cpu_limit=st.none() | st.floats(0, 4096),
    fpu=st.none() | st.booleans(),
    copy_speed=st.none() | st.integers(0, 1 << 40),
    gpu=st.sampled_from([None, "none", "cuda", "jetson", "mali", "other"]),
    disk=st.sampled_from([None, "nvme", "hdd", "emmc", "sd", "usb", "flash", "ram", "network"]),
    disk_free=st.none() | st.integers(0, 1 << 50),
    disk_wear=st.none() | st.integers(0, 100),
    system=st.sampled_from([None, "openwrt", "debian"]),
)


@given(PROFILES, st.sampled_from(["auto", FULL, LIGHT, RELAY]))
def test_every_machine_gets_a_decision_that_fits_together(profile: Profile, mode: str) -> None:
    decision = classify(profile, mode, DEFAULTS, fitting_counts)
    low, high = decision.blocks
    assert decision.mode == mode or mode == "auto"
    assert decision.tier == {FULL: 1, LIGHT: 2, RELAY: 3}[decision.mode]
    assert 0 <= low <= high <= rules.FULL_BLOCKS[1]
    assert (INFERENCE in decision.roles) == (high > 0)
    assert (CACHE in decision.roles) == (decision.cache_size > 0)
    assert set(decision.roles) <= set(ROLES)
    assert RELAYING in decision.roles
    assert decision.relay_memory >= 24 * MIB
    assert decision.contribution[0] <= decision.contribution[1]
    assert decision.reasons
    assert all(reason.endswith(".") and reason.isprintable() for reason in decision.reasons)
    if decision.cache_size and profile.disk_free is not None:
        assert decision.cache_size <= profile.disk_free


@given(PROFILES)
def test_blocks_fit_into_the_memory_and_leave_room(profile: Profile) -> None:
    decision = classify(profile, "auto", DEFAULTS, fitting_counts)
    if decision.blocks[1]:
        assert profile.memory is not None or profile.memory_limit is not None
        least = min(each for each in (profile.memory, profile.memory_limit) if each is not None)
        assert decision.blocks[1] * rules.BLOCK_SIZE <= least * rules.INFERENCE_SHARE


@given(
    PROFILES,
    st.sampled_from(["memory", "cores", "fpu", "copy_speed", "gpu", "disk", "disk_free"]),
)
def test_what_is_unknown_never_raises_a_machine(profile: Profile, fact: str) -> None:
    if fact == "memory" and profile.memory_limit is not None:
        return  # the cgroup's limit is a memory too
    if fact == "cores" and profile.cpu_limit is not None:
        return
    known = classify(profile, "auto", DEFAULTS, fitting_counts).mode
    setattr(profile, fact, None)
    assert RANK[classify(profile, "auto", DEFAULTS, fitting_counts).mode] <= RANK[known]


@given(PROFILES, st.sampled_from(["memory", "cores", "copy_speed", "disk_free"]))
def test_more_of_it_never_lowers_a_machine(profile: Profile, fact: str) -> None:
    before = classify(profile, "auto", DEFAULTS, fitting_counts).mode
    value = getattr(profile, fact)
    if value is None:
        return
    setattr(profile, fact, value * 2)
    assert RANK[classify(profile, "auto", DEFAULTS, fitting_counts).mode] >= RANK[before]


def test_a_mini_pc_is_full() -> None:
    decision = decide()
    assert (decision.mode, decision.tier, decision.blocks) == (FULL, 1, (4, 8))
    assert decision.roles == (INFERENCE, RELAYING, CACHE, BOOTSTRAP)
    assert decision.cache_size == 25 * GIB
    assert decision.relay_memory == 2 * GIB
    assert decision.contribution == (100, 100)
    assert decision.reasons == (
        "4096 MiB of memory for inference hold 9 blocks, and it copies 8000 MB/s, enough for"
        " 9 blocks in 0.5 s a token.",
    )


@pytest.mark.parametrize(
    ("facts", "mode", "reason"),
    [
        ({"system": "openwrt"}, RELAY, "It is a router, and routing comes first."),
        ({"memory": None}, RELAY, "How much memory it has is unknown."),
        ({"fpu": False}, RELAY, "It has no FPU."),
        ({"fpu": None}, RELAY, "It may have no FPU."),
        ({"memory": 512 * MIB}, RELAY, "256 MiB of memory for inference: a block has 416 MiB."),
        (
            {"memory_limit": 512 * MIB},
            RELAY,
            "256 MiB of memory for inference: a block has 416 MiB.",
        ),
        (
            {"copy_speed": 400 * 10**6},
            RELAY,
            "It copies 400 MB/s, enough for no block in 0.5 s a token.",
        ),
        ({"cores": 1}, RELAY, "It has 1 core, and one must be left."),
        ({"cpu_limit": 0.5}, RELAY, "It has 0.5 cores, and one must be left."),
        ({"memory": 2 * GIB}, LIGHT, "1024 MiB of memory for inference hold 2 blocks."),
        ({"memory_available": GIB}, LIGHT, "768 MiB of free memory for inference hold 1 block."),
        ({"copy_speed": None}, LIGHT, "How fast it copies memory is unknown."),
        ({"cores": 2}, LIGHT, "It has 2 cores and no GPU for inference."),
        ({"disk": "sd"}, LIGHT, "Its disk (sd) is no place for a full node's cache."),
        ({"disk_free": 8 * GIB}, LIGHT, "Its disk (ssd) is no place for a full node's cache."),
    ],
)
def test_each_rule_says_why(facts: dict[str, object], mode: str, reason: str) -> None:
    decision = decide(**facts)
    assert (decision.mode, decision.reasons[0]) == (mode, reason)


def test_each_rule_is_needed() -> None:
    """Every rule is the only one that applies to some machine."""
    alone = [
        {"system": "openwrt"},
        {"memory": None},
        {"fpu": False},
        {"memory": 512 * MIB},
        {"copy_speed": 400 * 10**6},
        {"cores": 1},
        {"memory": 2 * GIB},
        {"copy_speed": 2 * 10**9},
        {"cores": 2},
        {"disk": "sd"},
    ]
    for rule, facts in zip(RULES, alone, strict=True):
        found = [each for each in RULES if each.applies(rules.Machine(machine(**facts), DEFAULTS))]
        same = [each for each in found if each.cap == rule.cap]
        assert same == [rule], facts


def test_a_gpu_makes_up_for_speed_cores_and_disk() -> None:
    decision = decide(gpu="jetson", cores=2, copy_speed=10**9, disk="sd", memory=4 * GIB)
    assert (decision.mode, decision.blocks) == (FULL, (4, 4))
    assert decide(gpu="mali", cores=2).mode == LIGHT


def test_caches_spare_what_wears_out() -> None:
    assert decide(disk="sd").cache_size == 0  # of a light node
    assert decide(disk="sd", cores=1).cache_size == 10 * GIB
    assert decide(disk="flash").cache_size == 0
    assert decide(disk="emmc", disk_wear=90).cache_size == 0
    assert "No cache: its eMMC has used 90 % of its life." in decide(disk="emmc", disk_wear=90)[-1]
    assert decide(disk="emmc", disk_wear=20).cache_size == 25 * GIB
    assert decide(disk_free=100 * MIB).cache_size == 0


def test_small_relays_are_no_bootstraps() -> None:
    assert decide(memory=64 * MIB).roles == (RELAYING, CACHE)
    assert decide(memory=256 * MIB).roles == (RELAYING, CACHE, BOOTSTRAP)


def test_limits_of_the_relay_are_those_of_the_budget() -> None:
    decision = decide(memory=64 * MIB)
    assert (decision.relay_memory, decision.relay_reservations) == (24 * MIB, 114)


def test_a_mode_that_is_asked_for_is_given_and_the_difference_said() -> None:
    decision = decide("full", memory=64 * MIB)
    assert (decision.mode, decision.tier, decision.blocks) == (FULL, 1, (0, 0))
    assert INFERENCE not in decision.roles
    assert decision.reasons[0] == ("The configuration says full; left to itself it would be relay.")
    assert decide("relay").blocks == (0, 0)


def test_each_part_can_be_forced() -> None:
    def forced(profile: Profile, **flags: str) -> Fitness:
        return classify(profile, "auto", wishes(**flags), fitting_counts)

    assert forced(machine(memory=None), memory="8G").mode == FULL
    assert forced(machine(), memory="64M").mode == RELAY
    assert forced(machine(cores=2), gpu="cuda").mode == FULL
    assert forced(machine(disk=None), storage="nvme").mode == FULL
    assert forced(machine(), router="yes").mode == RELAY
    assert forced(machine(system="openwrt"), router="no").mode == FULL
    assert forced(machine(), roles="relay,cache").roles == (RELAYING, CACHE)
    assert forced(machine(), roles="relay").blocks == (0, 0)
    assert forced(machine(), blocks="5").blocks == (5, 5)
    assert forced(machine(), block_size="1G").blocks == (1, 2)
    assert forced(machine(), cache_size="5G").cache_size == 5 * GIB
    with pytest.raises(ConfigError, match="--tier-roles: "):
        wishes(roles="relay,mining")


def test_a_block_is_what_the_model_makes_it() -> None:
    """Llama 3.1 8B by its config.json: grouped-query attention, a gated MLP, two norms."""
    hidden, intermediate, heads, key_value_heads, bytes_each = 4096, 14336, 32, 8, 2
    key_value = hidden // heads * key_value_heads
    attention = 2 * hidden * hidden + 2 * hidden * key_value
    weights = attention + 3 * hidden * intermediate + 2 * hidden
    assert weights * bytes_each == rules.BLOCK_SIZE
    assert 8192 * 2 * key_value * bytes_each == rules.BLOCK_CACHE


def test_a_decision_does_not_change() -> None:
    decision = decide()
    with pytest.raises(AttributeError):
        decision.mode = "relay"  # type: ignore[misc]

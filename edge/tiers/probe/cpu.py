"""The processor: its name, its floating point and vector units, and the share available.

Sources: arch/{x86/kernel/cpu,arm64/kernel,arm/kernel,mips/kernel,riscv/kernel} of the Linux kernel
for the lines of /proc/cpuinfo; Documentation/admin-guide/cgroup-v2.rst (cpu.max).
"""

from __future__ import annotations

import os

from edge.tiers.probe.tree import fields, number

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.tiers.probe.tree import Tree
    from edge.tiers.profile import Profile

_NAMES = ("model name", "cpu model", "Model Name", "uarch", "cpu", "Processor", "Hardware")
_VECTORS = ("avx512f", "avx2", "avx", "sse4_2", "sve", "asimd", "neon", "msa", "altivec", "vsx")
_FLOATS = frozenset(("fpu", "fp", "vfp", "vfpv3", "vfpv4", "asimd", "neon"))
_MICROSECONDS = 10**9  # upper bound of a quota; more means none


def fill(profile: Profile, tree: Tree) -> None:
    profile.machine = tree.text("proc/sys/kernel/arch") or (
        os.uname().machine if tree.live else None
    )
    info = fields(tree.text("proc/cpuinfo"), ":")
    profile.cpu = next((info[name] for name in _NAMES if info.get(name)), None)
    words = _features(info)
    if words is not None:
        profile.fpu = not _FLOATS.isdisjoint(words)
        profile.vector = tuple([word for word in _VECTORS if word in words])
    profile.cpu_limit = _limit(tree)


def _features(info: dict[str, str]) -> frozenset[str] | None:
    """The feature words of the processor, None if the kernel does not report them."""
    for name in ("flags", "Features"):  # x86; ARM
        if info.get(name):
            return frozenset(info[name].split())
    if "ASEs implemented" in info or "MIPS" in info.get("cpu model", ""):
        words = f"{info.get('ASEs implemented', '')} {info.get('Options implemented', '')}".split()
        return frozenset([*words, "fpu"] if " FPU " in info.get("cpu model", "") else words)
    if info.get("isa", "").startswith("rv"):
        letters = info["isa"].partition("_")[0][4:]
        return frozenset(["fpu"] if "d" in letters or "g" in letters else [])
    if "altivec" in info.get("cpu", ""):
        return frozenset(("fpu", "altivec"))
    return None


def _limit(tree: Tree) -> float | None:
    """The available processor time in cores, by the cgroup's quota and the CPU affinity."""
    limits = [limit for limit in (_quota_v2(tree), _quota_v1(tree), _allowed(tree)) if limit]
    return min(limits, default=None)


def _quota_v2(tree: Tree) -> float | None:
    """The lowest quota of this process' cgroup and its parents."""
    found = []
    for line in tree.text("proc/self/cgroup").splitlines():
        path = line.removeprefix("0::").rstrip("/") if line.startswith("0::") else None
        while path is not None:
            quota = _ratio(tree.text(f"sys/fs/cgroup{path}/cpu.max").split())
            found += [quota] if quota else []
            path = path.rpartition("/")[0] if path else None
    return min(found, default=None)


def _quota_v1(tree: Tree) -> float | None:
    base = "sys/fs/cgroup/cpu"
    names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
    return _ratio([tree.text(f"{base}/{name}") for name in names])


def _ratio(words: list[str]) -> float | None:
    """Quota divided by period; None if the quota is "max" or -1."""
    if len(words) != 2:
        return None
    quota, period = [number(word, 1, _MICROSECONDS) for word in words]
    return quota / period if quota and period else None


def _allowed(tree: Tree) -> float | None:
    if not tree.live:
        return None
    try:
        return float(len(os.sched_getaffinity(0)))
    except OSError:
        return None

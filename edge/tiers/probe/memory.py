"""The memory's restrictions: the cgroup's limit, and swap that is itself in RAM."""

from __future__ import annotations

from edge.machine import cgroup_files
from edge.tiers.probe.proc import MEMORY_LEAST, MEMORY_MOST

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.tiers.probe.tree import Tree
    from edge.tiers.profile import Profile


def fill(profile: Profile, tree: Tree) -> None:
    paths = cgroup_files(tree.text("proc/self/cgroup"))
    limits = [tree.number(path[1:], MEMORY_LEAST, MEMORY_MOST) for path in paths]
    profile.memory_limit = min([limit for limit in limits if limit], default=None)
    sizes = [
        tree.number(f"sys/block/{name}/disksize", 0, MEMORY_MOST)
        for name in tree.names("sys/block")
        if name.startswith("zram")
    ]
    profile.zram = sum([size for size in sizes if size])

"""The board or box, its operating system and its container, by their markers.

Sources: Documentation/devicetree/usage-model.rst and Documentation/ABI/testing/sysfs-firmware-*
of the Linux kernel; os-release(5); systemd's CONTAINER_INTERFACE; OpenWrt's base-files; balena's
documentation (variables of a service); the files that Synology's DSM and QNAP's QTS keep.
"""

from __future__ import annotations

from edge.tiers.probe.tree import fields
from edge.tiers.profile import NO_CONTAINER, OPENWRT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.tiers.probe.tree import Tree
    from edge.tiers.profile import Profile

_MAX_NAME = 120  # characters of a model
_DEVICE_TREES = ("proc/device-tree", "sys/firmware/devicetree/base")
_SYSTEMS = {  # a file that exists on this system only
    "etc/openwrt_release": OPENWRT,
    "etc/synoinfo.conf": "synology",
    "etc/config/uLinux.conf": "qnap",
    "etc/unraid-version": "unraid",
    "etc/openmediavault": "openmediavault",
}
_SYSTEM_IDS = {"balena-os": "balena", "resin-os": "balena", "immortalwrt": OPENWRT}
_CONTAINER_FILES = {".dockerenv": "docker", "run/.containerenv": "podman", "proc/vz": "openvz"}
_CONTAINER_WORDS = ("docker", "kubepods", "lxc", "libpod", "balena")
# Placeholders of firmware whose maker has not set a value.
_BLANK = (
    "o.e.m",
    "default string",
    "system product",
    "system manufacturer",
    "not specified",
    "none",
)


def fill(profile: Profile, tree: Tree) -> None:
    environment = _environment(tree)
    profile.compatible = _compatible(tree)
    profile.model = _model(tree)
    profile.system = _system(tree, environment)
    profile.container = _container(tree, environment)


def _environment(tree: Tree) -> dict[str, str]:
    """The environment of this process."""
    pairs = tree.data("proc/self/environ").decode("utf-8", "replace").replace("\0", "\n")
    return fields(pairs, "=")


def _compatible(tree: Tree) -> tuple[str, ...] | None:
    for base in _DEVICE_TREES:
        words = tree.text(f"{base}/compatible").split()
        if words:
            return tuple(words[:8])
    return None


def _model(tree: Tree) -> str | None:
    info = fields(tree.text("proc/cpuinfo"), ":")
    told = [tree.text(f"{base}/model") for base in _DEVICE_TREES]
    told += [tree.text("tmp/sysinfo/model"), tree.text("proc/sys/kernel/syno_hw_version")]
    told += [info.get("Model", ""), info.get("machine", ""), _firmware(tree)]
    return next((name[:_MAX_NAME] for name in told if _is_name(name)), None)


def _firmware(tree: Tree) -> str:
    base = "sys/class/dmi/id"
    for pair in (("sys_vendor", "product_name"), ("board_vendor", "board_name")):
        names = [tree.text(f"{base}/{name}") for name in pair]
        if _is_name(names[1]):
            return " ".join([name for name in names if _is_name(name)])
    return ""


def _is_name(text: str) -> bool:
    low = text.lower()
    return bool(text) and text.isprintable() and not any(word in low for word in _BLANK)


def _system(tree: Tree, environment: dict[str, str]) -> str | None:
    if "BALENA" in environment or "BALENA_DEVICE_TYPE" in environment:
        return "balena"
    for path, system in _SYSTEMS.items():
        if tree.has(path):
            return system
    release = fields(tree.text("etc/os-release"), "=")
    name = release.get("ID", "").lower()
    if name in _SYSTEM_IDS:
        return _SYSTEM_IDS[name]
    return name[:_MAX_NAME] if name.isprintable() and name else None


def _container(tree: Tree, environment: dict[str, str]) -> str | None:
    if environment.get("KUBERNETES_SERVICE_HOST"):
        return "kubernetes"
    told = environment.get("container") or tree.text("run/systemd/container")
    if told and told.isprintable():
        return told[:_MAX_NAME]
    for path, kind in _CONTAINER_FILES.items():
        if tree.has(path) and not (kind == "openvz" and tree.has("proc/bc")):
            return kind
    groups = tree.text("proc/self/cgroup")
    for word in _CONTAINER_WORDS:
        if f"/{word}" in groups:
            return word
    return NO_CONTAINER if groups or tree.has("proc/version") else None

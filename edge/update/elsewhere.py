"""Who else updates this program: then `kwaainet update` leaves it alone."""

from __future__ import annotations

import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

_VARIABLES = (
    ("KUBERNETES_SERVICE_HOST", "Kubernetes", "set the image's tag"),
    ("BALENA_DEVICE_UUID", "balena", "push a release to the fleet"),
    ("container", "a container", "pull the new image"),  # of podman, systemd-nspawn and LXC
)
_FILES = (
    ("run/.containerenv", "a container", "pull the new image"),  # podman's
    (".dockerenv", "a container", "pull the new image"),
    ("etc/openwrt_release", "OpenWrt", "use opkg or apk"),
)
_DPKG = "var/lib/dpkg/info/kwaainet.list"
_PACKAGED = "/usr/bin/kwaainet"


def who(environ: Mapping[str, str], program: str, root: str = "/") -> str:
    """One line: who updates `program`, how that is known, and what to do; "" if nobody else does.

    `root`: the directory that is looked into.
    """
    for name, keeper, advice in _VARIABLES:
        if environ.get(name):
            return f"this is {keeper} (the variable {name}): {advice}"
    for path, keeper, advice in _FILES:
        if os.path.exists(os.path.join(root, path)):
            return f"this is {keeper} (/{path}): {advice}"
    if program == _PACKAGED and os.path.exists(os.path.join(root, _DPKG)):
        return f"this is a Debian package (/{_DPKG}): use apt"
    return ""

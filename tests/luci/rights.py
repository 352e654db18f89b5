"""Who may ask for what: sessions with the rights of acl.d files, as rpcd and uhttpd grant them."""

import fnmatch
import json
from pathlib import Path

from openwrt.package.recipe import ROOT

APP = ROOT / "openwrt" / "luci-app-kwaainet"
GROUP = "luci-app-kwaainet"
NOBODY = "0" * 32
# What every session has, and what LuCI's own acl.d grants to whom it lets in: facts of luci-base.
_EVERYBODY = {"ubus": {"session": ["access", "login"], "luci": ["getFeatures"]}}
_BASE = {
    "read": {"ubus": {"uci": ["changes", "get"], "file": ["list"]}},
    "write": {"ubus": {"uci": ["add", "apply", "confirm", "delete", "order", "rename", "set"]}},
}


class Rights:
    """Of one session: `read` and `write` say which halves of the groups it has."""

    def __init__(self, *, read: bool = False, write: bool = False, acl: Path | None = None) -> None:
        self.read = read
        self.write = write
        file = acl or APP / "root/usr/share/rpcd/acl.d/luci-app-kwaainet.json"
        groups = [_BASE, json.loads(file.read_text())[GROUP]]
        self._granted = [(_EVERYBODY, "read")]
        self._granted += [(group["read"], "read") for group in groups if read]
        self._granted += [(group["write"], "write") for group in groups if write]

    def may(self, scope: str, name: str, function: str) -> bool:
        """As session.access: ("ubus", object, method), or ("uci", config, "read" | "write")."""
        for granted, kind in self._granted:
            found = granted.get(scope, {})
            if isinstance(found, list) and name in found and function == kind:
                return True
            if isinstance(found, dict) and _matches(found.get(name, []), function):
                return True
        return False

    @property
    def sees_the_app(self) -> bool:
        return self.read or self.write


SESSIONS = {
    "owner": ("a" * 32, Rights(read=True, write=True)),
    "reader": ("b" * 32, Rights(read=True)),
    "nobody": ("c" * 32, Rights()),
}


def rights_of(sid: object) -> Rights:
    """Those of the session `sid`; none for one that is not known."""
    for known, rights in SESSIONS.values():
        if sid == known:
            return rights
    return Rights()


def _matches(patterns: list[str], function: str) -> bool:
    return any(fnmatch.fnmatch(function, pattern) for pattern in patterns)

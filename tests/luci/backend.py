"""The rpcd plugin of our LuCI app on a router root: called as rpcd calls it, under busybox ash."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

from openwrt.package.recipe import HERE
from tests.openwrt.router_root import RouterRoot

APP = HERE / "luci-app-kwaainet"
PLUGIN = "/usr/libexec/rpcd/kwaainet"
SESSION = "0123456789abcdef0123456789abcdef"

Answer = dict[str, Any]


class Refused(Exception):
    """An object without an end, which rpcd answers with "Invalid argument"."""


def install(router: RouterRoot) -> None:
    """The app as its package installs it, and the shell that a router has."""
    shutil.copytree(APP / "root", router.path("/"), dirs_exist_ok=True)
    shutil.copytree(APP / "htdocs", router.path("/www"), dirs_exist_ok=True)
    router.path("/bin/sh").unlink()
    router.path("/bin/sh").symlink_to("/bin/busybox")


def call(router: RouterRoot, method: str, **arguments: object) -> Answer:
    """What `ubus call kwaainet METHOD` answers a session of uhttpd's. Raises Refused."""
    message = json.dumps({**arguments, "ubus_rpc_session": SESSION}, separators=(",", ":"))
    return answer(run(router, "call", method, given=message))


def run(router: RouterRoot, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return router.run("/applets/ash", PLUGIN, *words, given=given)


def answer(done: subprocess.CompletedProcess[str]) -> Answer:
    """As rpcd takes it: an object, or Refused with what was said on standard error."""
    if done.stdout == "{\n":
        raise Refused(done.stderr)
    found = json.loads(done.stdout)
    assert isinstance(found, dict)
    return found

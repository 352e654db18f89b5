"""What tests of the init script share: its files, and a process in the place of a node."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from edge.config.uci import END
from tests.openwrt.router_root import RouterRoot

OURS = 4001  # the node's user and group
CONFIG = "/etc/config/kwaainet"
COPY = "/var/etc/kwaainet/config"
RULE = "/var/run/kwaainet.nft.d/open_port.nft"
SOCKET = "/var/run/kwaainet/status.sock"
ENABLED = "config kwaainet 'main'\n\toption enabled '1'\n"
WRONG = ENABLED + "\nconfig relay\n\toption max_circuits '70000'\n"
OPEN = ENABLED + "\toption open_port '1'\n"
ELSEWHERE = "config node\n\toption data_dir '/mnt/usb'\n\toption run_dir '/var/run/there'\n"
HOOK = """#!/bin/sh
echo "hook $QOS_EVENT of $QOS_UID at $QOS_PORTS" >>/tmp/procd/events
echo "said by a hook"
"""
LISTEN = """
import socket, sys, time
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
open("/var/run/kwaainet/listening", "w").close()
time.sleep(600)
"""


@contextmanager
def listening(router: RouterRoot) -> Iterator[None]:
    """A process with what a node has as soon as it serves."""
    with router.started(sys.executable, "-c", LISTEN, SOCKET):
        until_there(router, "/var/run/kwaainet/listening")
        yield


def until_there(router: RouterRoot, path: str) -> None:
    deadline = time.monotonic() + 60
    while not router.path(path).exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def copy_of(text: str) -> str:
    return f"{text}\n{END}\n"


def assert_owner_and_mode(router: RouterRoot, path: str, owner: int, mode: int) -> None:
    found = router.path(path).lstat()
    assert (found.st_uid, oct(found.st_mode & 0o777)) == (owner, oct(mode))

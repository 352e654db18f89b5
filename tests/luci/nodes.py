"""Nodes behind the stand-in of LuCI: the real one, and one that says what a test has it say.

Both are asked by the real `kwaainet ask` through the real plugin, at the socket where the init
script has the node put it.
"""

import contextlib
import json
import os
import shlex
import socket
import threading
import time
from collections.abc import Iterator, Mapping

from tests.luci.server import Luci
from tests.openwrt.init_script import SOCKET

_SECONDS = 60
# What a test's machine must not have happen to it, and what it must not have happen.
_QUIET = ("KWAAINET_ADAPT_ENABLED=no", "KWAAINET_MDNS_ENABLED=no", "KWAAINET_PORTMAP_ENABLED=no")


def enable(luci: Luci) -> None:
    """Start the service as its owner does; procd's stand-in writes down what it would run."""
    luci.configure(luci.config.replace("option enabled '0'", "option enabled '1'"))
    done = luci.router.service("start")
    assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def running(luci: Luci) -> Iterator[None]:
    """The service runs: the command that its init script gave to procd, as root and in no jail."""
    enable(luci)
    told = luci.router.read("/tmp/procd/instance").splitlines()
    lines = [line.partition(": ")[2] for line in told if line.startswith("command")]
    words = [word for line in lines for word in shlex.split(line)]
    words.remove("--confined")  # which the router's binary takes, before Python starts
    luci.router.run("chown", "-R", "0:0", "/etc/kwaainet/data", "/var/run/kwaainet")
    with luci.router.started(*_QUIET, *words):
        deadline = time.monotonic() + _SECONDS
        while luci.rpc(_call("overview"))["result"][1]["state"] != "running":
            assert time.monotonic() < deadline, "the node does not answer"
            time.sleep(0.1)
        yield


@contextlib.contextmanager
def saying(luci: Luci, answers: Mapping[str, object]) -> Iterator[None]:
    """The service runs, and answers these verbs of its socket and no other."""
    enable(luci)
    path = luci.router.path(SOCKET)
    path.parent.mkdir(parents=True, exist_ok=True)
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"/proc/self/fd/{directory}/{path.name}")
        listener.listen(64)
        thread = threading.Thread(target=_serve, args=[listener, answers])
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join()
            os.close(directory)


def _serve(listener: socket.socket, answers: Mapping[str, object]) -> None:
    """Until the listener is shut down."""
    while True:
        try:
            connection, _ = listener.accept()
        except OSError:
            return
        with connection, connection.makefile("rwb") as lines:
            verb = json.loads(lines.readline() or b"{}").get("verb")
            unknown = {"error": f"unknown verb: {verb}"}
            lines.write(json.dumps(answers.get(verb, unknown)).encode() + b"\n")


def _call(method: str) -> dict[str, object]:
    params = ["a" * 32, "kwaainet", method, {}]
    return {"jsonrpc": "2.0", "id": 1, "method": "call", "params": params}

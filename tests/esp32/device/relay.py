"""A device's relay, driven by JSON lines (tests/counterparts/lines.py). Runs under MicroPython.

Its setup is in $SETUP, in JSON. It has ten sockets, as a device has; the heap is the
interpreter's. What it logs goes to the standard error.
"""

import gc
import json
import os
import select
import sys
import time

import standin

from edge.crypto import Ed25519Key
from edge.wire import noise
from edge.wire.upgrade import MUXERS
from kw import identify
from kw.loop import Loop
from kw.relay import Relay, Settings
from kw.wake import Waker

SOCKETS = 10
packets = 0  # that wake


def log(line):
    print(time.ticks_ms(), line, file=sys.stderr)


class Driven(Loop):
    """The loop, with the standard input as one more that may have something to say."""

    def _serve(self, sock, flags):
        if sock is not sys.stdin:
            super()._serve(sock, flags)
            return
        large = standin.large(256)  # what follows is not the relay's
        line = sys.stdin.readline()
        if not line:
            self.stopped = True
            return
        request = json.loads(line)
        does = {
            "report": self.report,
            "fail_every": self.fail_every,
            "speed": self.speed,
            "addrs": self.addrs,
        }
        answer = does[request["do"]](request)
        if request["do"] == "report":
            answer["large"] = large
        print(json.dumps({"id": request["id"], "ok": answer}))
        standin.large(256)

    def report(self, request):
        """What there is, after a collection."""
        gc.collect()
        relay = self.relay
        return {
            "free": gc.mem_free(),
            "used": gc.mem_alloc(),
            "peers": len(relay.connections),
            "held": sum([each.reserved_at is not None for each in relay.connections]),
            "circuits": relay.circuits,
            "relayed": relay.relayed,
            "packets": packets,
            "counters": relay.counters,
        }

    def fail_every(self, request):
        return standin.fail_every(request["count"])

    def speed(self, request):
        standin.speed(request["times"])

    def addrs(self, request):
        return [f"/ip4/{'.'.join(map(str, setup['ip']))}/tcp/{setup['port']}"]


def wake(mac):
    global packets
    packets += 1


def made(setup):
    address = identify.tcp(bytes(setup["ip"]), setup["port"])
    own = [bytes(peer) for peer in setup["own"]]
    settings = Settings(setup["port"], [address], own, setup["others"])
    settings.ttl = setup["ttl"]
    identity = noise.Identity(Ed25519Key(bytes(setup["seed"])), MUXERS)
    relay = Relay(identity, settings, log)
    if setup["sleepers"]:
        machines = {bytes(peer): b"mac of" for peer in setup["sleepers"]}
        relay.waker = Waker(machines, wake, relay.now, log)
    return Driven(relay)


standin.sockets(SOCKETS)
setup = json.loads(os.getenv("SETUP"))
loop = made(setup)
loop._poll.register(sys.stdin, select.POLLIN)
gc.collect()
standin.large(256)
print(json.dumps({"id": 0, "ok": {"peer_id": str(loop.relay.peer_id)}}))
loop.run()
loop.close()

"""The process of a node: its directories, its event loop, its signals. And its identity.

`kwaainet run` imports little until the configuration is known: the ciphers, the event loop and the
room for memory follow from it.
"""

import sys
from contextlib import suppress

from edge import preflight, process
from edge.commands import Command
from edge.config.schema import Node
from edge.log import escape

TYPE_CHECKING = False
if TYPE_CHECKING:
    from asyncio import AbstractEventLoop
    from collections.abc import Coroutine

    from edge.commands import Arguments
    from edge.config.load import Config
    from edge.node import Node as RunningNode
    from edge.notify import Notifier
    from edge.rooms import Fitness
    from edge.update.launch import Trial

_FAILING = "failing"  # in the run directory: as old as the first of the failed starts in a row
_LONGEST_WAIT = 600.0  # seconds


def _run(config: "Config", args: "Arguments") -> int:
    """Run a node until it is told to stop."""
    if "procd" not in args.switches:
        return _start(config)

    from edge import log

    process.end_with_parent()
    log.separate()
    status = _start(config)
    if status:
        _hold_back(config[Node].run_dir)
    return status


def _hold_back(run_dir: str) -> None:
    """Wait, for as long as starts have failed in a row, or until a signal.

    procd starts it again and again, and every time is lines in the log.
    """
    import os
    import time

    wait = _LONGEST_WAIT
    with suppress(OSError):  # without that file, the longest
        path = os.path.join(run_dir, _FAILING)
        os.close(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600))
        wait = min(max(time.time() - os.stat(path).st_mtime, 0.0), wait)
    process.wait_for_signal(wait)


def _start(config: "Config") -> int:
    import os

    from edge import rooms, slim
    from edge.notify import Notifier

    notifier = Notifier(os.environ)
    preflight.directories(config)
    uvloop = preflight.uses_uvloop(config)
    slim.trim(keep_ssl=uvloop)
    fitness = rooms.look_around(config)
    preflight.load_crypto(config)
    from edge import node  # noqa: F401 - while the child looks around

    return _main(config, uvloop, fitness(), notifier)


def _main(config: "Config", uvloop: bool, fitness: "Fitness | None", notifier: "Notifier") -> int:
    import os

    from edge import lock
    from edge.crypto.errors import CryptoError
    from edge.http.errors import HttpError
    from edge.status.errors import StatusError
    from edge.swarm.errors import SwarmError

    for path, what in (
        (config[Node].data_dir, "the data directory"),
        (config[Node].run_dir, "the directory of the status socket"),
    ):
        try:
            os.makedirs(path, mode=0o700, exist_ok=True)
        except OSError as error:
            process.complain(f"kwaainet: {path}: cannot be {what}: {error.strerror}")
            return 1
    try:
        return _on_loop(_serve(config, fitness, notifier), uvloop)
    except (SwarmError, StatusError, HttpError, CryptoError, lock.LockError) as error:
        process.complain(f"kwaainet: {error}")
        return 1


def _on_loop(work: "Coroutine[None, None, int]", uvloop: bool) -> int:
    if uvloop:
        from uvloop import run

        return int(run(work))
    import asyncio

    return asyncio.run(work)


async def _serve(config: "Config", fitness: "Fitness | None", notifier: "Notifier") -> int:
    import asyncio
    import os
    import signal
    import time

    from edge import clock, log, machine
    from edge import node as composition

    loop = asyncio.get_running_loop()
    stopping = asyncio.Event()
    machine.raise_file_limit()
    score, sizing = machine.raise_oom_score(), machine.this_sizing()
    process.forbid_dumps()  # after the score, which is then root's to write
    node = composition.Node(config, fitness)
    if clock.now_if_plausible(clock.build_time()) is None:
        log.warning("clock-wrong", year=time.gmtime().tm_year)
    _tell_of_ciphers(config)
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    loop.add_signal_handler(signal.SIGHUP, _reload, node, notifier)
    loop.add_signal_handler(signal.SIGUSR1, node.host.learn_addresses_anew)
    process.release_signals()
    try:
        async with node:
            with suppress(OSError):
                os.unlink(os.path.join(config[Node].run_dir, _FAILING))
            log.info("machine", profile=sizing.name, why=sizing.why, oom_score=score)
            _say_ready(node)
            process.is_ready()
            notifier.serving(loop, node.status.condition)
            trial = _trial(loop)
            await stopping.wait()
            if trial is not None:
                trial.stopped()
            notifier.stopping()
            log.info("stopping")
    finally:
        process.hold_signals()  # the loop, which has handled them, ends
    return 0


def _trial(loop: "AbstractEventLoop") -> "Trial | None":
    """The trial that this version is on."""
    with suppress(ModuleNotFoundError):  # a router's binary
        from edge.update import launch

        return launch.trial(loop)
    return None


def _reload(node: "RunningNode", notifier: "Notifier") -> None:
    import os

    with notifier.reloading():
        node.reload(dict(os.environ))


def _tell_of_ciphers(config: "Config") -> None:
    """Say so if they are slow, and take a time that tells of the keys, and nobody wanted that."""
    from edge import crypto, log

    if config[Node].crypto == "auto" and crypto.BACKEND == preflight.PURE:
        try:
            import edge.crypto.native  # noqa: F401 - says what is missing
        except ImportError as missing:
            log.warning("ciphers-pure", missing=missing)


def _say_ready(node: "RunningNode") -> None:
    """To whoever started it; a node whose standard output cannot be written serves all the same."""
    from edge import log

    swarm = node.host.swarm
    listen = ",".join([str(address) for address in swarm.listening])
    try:
        if sys.stdout.isatty():
            from edge.status.banner import banner

            print(banner(node.status.report()), end="")
        print(f"ready peer_id={swarm.peer_id} listen={listen}", flush=True)
    except OSError as error:
        process.discard(sys.stdout)
        log.warning("ready-line-lost", error=error.strerror)


def _id(config: "Config", args: "Arguments") -> int:
    preflight.load_crypto(config)
    import os

    from edge.crypto.errors import IdentityError
    from edge.crypto.identity import load_or_create
    from edge.wire.peerid import ED25519, PublicKey

    try:
        os.makedirs(config[Node].data_dir, mode=0o700, exist_ok=True)
        key = load_or_create(config.identity_file(), process.complain)
    except OSError as error:
        directory = escape(config[Node].data_dir)
        process.complain(f"{directory}: cannot be created: {error.strerror}")
        return 1
    except IdentityError as error:
        process.complain(error)
        return 1
    print(PublicKey(type=ED25519, data=key.public).peer_id())
    return 0


COMMANDS = (
    Command(
        "run",
        _run,
        "run the node until SIGTERM; SIGHUP reloads the configuration",
        switches=(
            (
                "procd",
                "",
                "as a service of procd: print information on standard output, end with the parent,"
                " and wait, for up to 10 minutes, before a failed start ends",
            ),
        ),
    ),
    Command("id", _id, "print the peer id of this node, creating its key if there is none"),
)

"""`kwaainet update`: fetches a version, has it tried, says what became of it."""

from __future__ import annotations

from edge import process
from edge.commands import Command

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.commands import Arguments
    from edge.config.load import Config
    from edge.update.place import Place

_WAIT = 75.0  # seconds for the node to be ready again
_NOT_NOW = 0  # exit status of a timer's call that has nothing to do


def _update(config: Config, args: Arguments) -> int:
    import asyncio
    import os

    from edge.http.errors import HttpError
    from edge.update import elsewhere, place
    from edge.update.errors import UpdateError

    keeper = elsewhere.who(os.environ, os.path.realpath("/proc/self/exe"))
    found = place.here()
    if keeper or found is None:
        why = keeper or f"there is no {place.KEY} beside the program (docs/update.md)"
        process.complain(f"kwaainet: not updated here: {why}")
        return 1
    try:
        if "timed" in args.switches and not _is_time(config):
            return _NOT_NOW
        return asyncio.run(_run(config, args, found[0]))
    except (UpdateError, HttpError) as error:
        process.complain(f"kwaainet: {error}")
    except OSError as error:
        process.complain(f"kwaainet: {error.filename or found[0].versions}: {error.strerror}")
    return 1


async def _run(config: Config, args: Arguments, where: Place) -> int:
    import os

    from edge import slim
    from edge.update import release, steps
    from edge.update.errors import UpdateError
    from edge.update.launch import target
    from edge.version import VERSION

    slim.trim(keep_ssl=False)
    steps.become_owner(where)  # what is in there is its user's
    state = where.state()
    mine = release.newest(VERSION, state.current)
    client = steps.client()
    try:
        signed, found = await steps.latest(client, where)
        why = steps.wanted(found, mine, state, "retry" in args.switches)
        if found.version == state.trial:
            on = "is on trial" if state.lock >= 0 else "is fetched, and tried at the next start"
            why = why or f"{found.version} {on}"
        if why or "check" in args.switches:
            print(why or f"{found.version} is there; this is {mine}")
            return 0
        fd = where.lock()
        if fd < 0:
            raise UpdateError("another version is on trial, or being fetched")
        try:
            state = where.state()
            steps.tidy(where, state)
            await steps.bring(client, where, signed, found, target())
            print(f"{found.version} is fetched and checked", flush=True)
            steps.ask(where, found.version, _configuration(config))
            state.refused = [each for each in state.refused if each != found.version]
            state.trial, state.lock = found.version, -1
            where.write(state)
        finally:
            os.close(fd)
    finally:
        client.close()
    return await _restart(config, where, found.version)


async def _restart(config: Config, where: Place, version: str) -> int:
    """End the node, so that what started it starts it again; whether that is ready."""
    import asyncio
    import os
    import signal
    import time

    from edge.config.schema import Node
    from edge.status.client import BRIEF, Session
    from edge.status.errors import StatusError

    try:
        with Session(config[Node].run_dir, BRIEF) as link:
            os.kill(link.process(), signal.SIGTERM)
    except StatusError as error:
        print(f"{version} is tried at the next start: {error}")
        return 0
    end = time.monotonic() + _WAIT
    while time.monotonic() < end:
        await asyncio.sleep(0.5)
        state = where.state()
        if version in state.refused:
            break
        try:
            with Session(config[Node].run_dir, BRIEF) as link:
                answer = link.ask({"verb": "status"})
        except StatusError:
            continue
        if answer.get("version") == version:
            print(f"{version} is ready; it is kept if it stays for 5 minutes")
            return 0
    process.complain(f"kwaainet: {version} did not get ready; the version before is back")
    return 1


def _configuration(config: Config) -> list[str]:
    return ["--config", config.file] if config.file else []


def _is_time(config: Config) -> bool:
    from edge import clock, rooms

    return rooms.quiet_hours(config, clock.now_if_plausible(clock.build_time()))


COMMANDS = (
    Command(
        "update",
        _update,
        "fetch the newest version, and keep it if it gets ready and stays",
        switches=(
            ("check", "", "only say whether there is one"),
            ("retry", "", "also one that was tried before and did not stay"),
            ("timed", "", "do nothing outside of the schedule's paused windows, if it has any"),
        ),
    ),
)

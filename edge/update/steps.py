"""What `kwaainet update` does, step by step; place.py says what a power cut leaves of them."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from contextlib import suppress

from edge.update import fetch, place
from edge.update.errors import UpdateError
from edge.update.release import MAX_INDEX, is_newer
from edge.url import MAX_URL, Url

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.http.client import HttpClient
    from edge.update.place import Place, State
    from edge.update.release import Release

URL = "release.url"
_PATIENCE = 60.0  # seconds for a new version's first words


def url(where: Place) -> Url:
    """Where the releases are. Raises UpdateError, OSError."""
    path = os.path.join(where.directory, URL)
    try:
        return Url.parse(place.read(path, MAX_URL).decode("ascii").strip())
    except (ValueError, UnicodeDecodeError) as error:
        raise UpdateError(f"{path}: {error}") from None


def become_owner(where: Place) -> None:
    """As root, go on as the user that the versions belong to. Raises OSError."""
    found = os.stat(where.versions)
    if os.geteuid() == 0 and found.st_uid:
        os.setgroups([])
        os.setgid(found.st_gid)
        os.setuid(found.st_uid)


async def latest(client: HttpClient, where: Place) -> tuple[bytes, Release]:
    """The index as it is now, and what it says. Raises UpdateError, OriginError, OSError."""
    signed = await fetch.index(client, url(where))
    return signed, where.release(signed)


def wanted(found: Release, version: str, state: State, retry: bool) -> str:
    """Why `found` is not taken where `version` is; "" if it is."""
    if not is_newer(found.version, version):
        return f"{version} is the newest version"
    if found.version in state.refused and not retry:
        return f"{found.version} was tried and did not stay; --retry tries it again"
    return ""


async def bring(
    client: HttpClient, where: Place, signed: bytes, found: Release, target: str
) -> None:
    """Have the version of an index beside the others, whole. Raises as `latest`."""
    size, digest = place.named(found, target)
    new, index, program = _new(where)
    if _differs(index, signed):
        shutil.rmtree(new, ignore_errors=True)
        os.makedirs(new, 0o755, exist_ok=True)
        _put(index, signed)
    name = f"{found.version}/kwaainet-{target}"
    await fetch.binary(client, url(where), name, program, size)
    try:
        place.check_file(program, size, digest)
    except UpdateError:
        os.unlink(program)  # it would not get right by going on with it
        raise
    os.chmod(program, 0o755)  # noqa: S103 - as programs have it
    _flush(program)
    _flush(new)
    done = os.path.join(where.versions, found.version)
    shutil.rmtree(done, ignore_errors=True)
    os.rename(new, done)
    _flush(where.versions)


def ask(where: Place, version: str, arguments: list[str]) -> None:
    """Have a version say who it is, and whether it takes the configuration. Raises UpdateError.

    `arguments`: of the command line, that name the configuration.
    """
    program = where.program(version)
    said = _said([program, "--version"]).splitlines()
    if not said or said[0] != f"kwaainet {version}":
        raise UpdateError(f"{version}: it says that it is another version")
    _said([program, "check-config", *arguments])


def tidy(where: Place, state: State) -> None:
    """Remove versions that nothing goes back to."""
    kept = {state.current, state.previous, state.trial, place.NEW}
    for entry in os.scandir(where.versions):
        if entry.is_dir(follow_symlinks=False) and entry.name not in kept:
            shutil.rmtree(entry.path, ignore_errors=True)


def _new(where: Place) -> tuple[str, str, str]:
    new = os.path.join(where.versions, place.NEW)
    return new, os.path.join(new, place.INDEX), os.path.join(new, place.PROGRAM)


def _differs(path: str, data: bytes) -> bool:
    try:
        return place.read(path, MAX_INDEX) != data
    except OSError:
        return True


def _put(path: str, data: bytes) -> None:
    from edge.atomic import write_atomic

    write_atomic(path, data, 0o644)


def _flush(path: str) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        with suppress(OSError):  # a file system that has no such thing
            os.fsync(fd)
    finally:
        os.close(fd)


def _said(command: list[str]) -> str:
    try:
        done = subprocess.run(  # noqa: S603 - signed, and checked
            command,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=_PATIENCE,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        raise UpdateError(f"{command[0]}: it cannot be executed here") from None
    text = done.stdout[: 1 << 16].decode("utf-8", "replace").strip()
    if done.returncode:
        last = (text.splitlines() or ["no word"])[-1]
        raise UpdateError(f"{command[0]} {command[1]} failed: {last}")
    return text


def client() -> HttpClient:
    """One that goes wherever the owner's address leads."""
    from edge.http.client import HttpClient
    from edge.http.limits import ClientLimits

    return HttpClient(asyncio.get_running_loop(), ClientLimits(), lambda *_: True)

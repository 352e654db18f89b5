"""`kwaainet selftest`: does this binary compute what it should, on the very machine it runs on?
With `--fetch URL`: can this machine fetch that?

Only the static binary has what it takes: the vectors of tests/wire/portable and tests/crypto are in
its image. Each must pass, with the binary's ciphers and with the pure ones, and every module of
the image must load. From a checkout, `make unit` runs the same vectors and more.
"""

import importlib
import sys
from functools import partial

from edge import process

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_CHECKS = "check_"


def run() -> int:
    """The exit status: 1 if something failed, 2 where there is nothing to run."""
    try:
        import _image  # type: ignore[import-not-found]  # built in there
    except ImportError:
        process.complain("selftest is for the static binary; here, use `make unit`")
        return 2
    names: list[str] = _image.names()
    checks = [name for name in names if name.startswith(_CHECKS)]
    failed = 0
    for name in [*names, *sorted(_image.COMPILED)]:
        if name not in checks:
            failed += not _passes(f"import {name}", partial(_load, name))
    for name in checks:
        failed += not _passes(f"vectors {name[len(_CHECKS) :]}", partial(__import__, name))
    failed += not _passes("time zones from TZ strings", _time_zones)
    failed += _crypto()
    print(f"{failed} failed" if failed else "all passed")
    return 1 if failed else 0


def fetch(text: str) -> int:
    """Get the URL `text` as the gateway asks an origin; the exit status. CPython can do it, too."""
    import asyncio

    from edge.http.errors import HttpError

    try:
        print(f"{text}: {asyncio.run(_fetch(text))}")
    except HttpError as error:
        process.complain(str(error))
        return 1
    except ValueError as error:
        process.complain(f"{text}: {error}")
        return 2
    return 0


def _crypto() -> int:
    """How many of the vectors fail, with either backend."""
    import crypto_vectors  # type: ignore[import-not-found]

    from edge.crypto import pure, small

    failed = 0
    for backend in (small, pure):
        for check in crypto_vectors.CHECKS:
            name = f"vectors {check.__name__[len(_CHECKS) :]} by {backend.BACKEND}"
            failed += not _passes(name, partial(check, backend))
    return failed


async def _fetch(text: str) -> str:
    """The status and how many bytes came."""
    import asyncio

    from edge.http.client import HttpClient
    from edge.http.limits import ClientLimits
    from edge.url import Url

    url, size = Url.parse(text), 0
    client = HttpClient(asyncio.get_running_loop(), ClientLimits(), lambda ip, host, port: True)
    try:
        response = await client.request("GET", url, url.path or "/")
        while part := await response.read(16384):
            size += len(part)
    finally:
        client.close()
    return f"{response.status}, {size} bytes"


def _load(name: str) -> None:
    """Import a module; asked for any name, one that is executed late is executed."""
    hasattr(importlib.import_module(name), "anything")


def _time_zones() -> None:
    """Central Europe, by POSIX's rule alone: summer time in July, none in January 2026."""
    import os
    import time

    os.environ["TZ"] = "CET-1CEST,M3.5.0,M10.5.0/3"  # musl looks at it each time
    hours = [time.localtime(noon).tm_hour for noon in (1782907200, 1768478400)]
    if hours != [14, 13]:
        raise ValueError(f"local hours {hours}, expected 14 and 13")


def _passes(name: str, call: "Callable[[], object]") -> bool:
    try:
        call()
    except Exception:  # noqa: BLE001 - whatever it is, the next check shall run
        import traceback

        print(f"FAILED {name}")
        traceback.print_exc(file=sys.stdout)
        return False
    if not name.startswith("import "):
        print(f"passed {name}")
    return True

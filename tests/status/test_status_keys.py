"""docs/status.md names exactly the keys that a running node emits."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from edge.status.client import Session
from tests.counterparts.base import Setup, asynchronous, free_port, until
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.ours_peer import OurPeer

PAGE = Path(__file__).parents[2] / "docs" / "status.md"
# Named by the page, and told only by some machines, networks or moments.
SOMETIMES = re.compile(
    r"machine\..*|qos\.wan\..*|decision\..*|memory\.profile_reason|.*\.rtt|agent|clone\..*"
    r"|port_mapping\.error|fragment\w+"
)
# Their keys are what was counted, not names of the page.
COUNTS = {
    *("autonat.answered", "refusals.cache", "refusals.connections", "refusals.relay"),
    *("cache.fragments.bytes", "cache.fragments.refused", "memory.rooms"),
}


def documented(heading: str) -> set[str]:
    """Keys in the first column of the table below `heading`; `.x` shares the parent of the last."""
    found: set[str] = set()
    for line in _table(heading):
        parent = ""
        for word in re.findall(r"`([^`]+)`", line.split(" | ")[0]):
            key = parent + word if word.startswith(".") else word
            parent = key.rpartition(".")[0]
            found.add(key)
    return found - {key.rpartition(".")[0] for key in found}


def _table(heading: str) -> list[str]:
    text = PAGE.read_text().partition(f"## `{heading}`")[2].partition("\n## ")[0]
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    assert rows
    return rows


def emitted(answer: dict[str, object], leaves: set[str], prefix: str = "") -> set[str]:
    """The keys of `answer`, those inside of it with its name in front."""
    found: set[str] = set()
    for name, value in answer.items():
        key = prefix + name
        if isinstance(value, dict) and key not in leaves:
            found |= emitted(value, leaves, f"{key}.")
        else:
            found.add(key)
    return found


def differences(named: set[str], told: set[str]) -> tuple[set[str], set[str]]:
    """(told and not named, named and not told)."""
    missing = {key for key in named - told if not SOMETIMES.fullmatch(key)}
    return told - named, missing


async def _has_cache(node: EdgeNode) -> bool:
    return "cache" in await node.status()


@asynchronous(60)
async def test_the_page_has_every_key_of_status_and_no_other(tmp_path: Path) -> None:
    file = tmp_path / "kwaainet.toml"
    listen = f"/ip4/127.0.0.1/tcp/{free_port()}"
    file.write_text(
        f'[relay]\nservice = "yes"\n[cache]\ngateway = true\ngateway_listen = ["{listen}"]\n'
    )
    async with EdgeNode(options=["--config", str(file)]) as node:
        await until(partial(_has_cache, node))
        assert differences(documented("status --json"), emitted(await node.status(), COUNTS)) == (
            set(),
            set(),
        )


@asynchronous(60)
async def test_the_page_has_every_key_of_the_overview_and_no_other(tmp_path: Path) -> None:
    file = tmp_path / "kwaainet.toml"
    listen = f"/ip4/127.0.0.1/tcp/{free_port()}"
    file.write_text(f'[cache]\ngateway = true\ngateway_listen = ["{listen}"]\n')
    async with EdgeNode(options=["--config", str(file)]) as node:
        await until(partial(_has_cache, node))
        with Session(str(node.data_dir), 10.0) as session:
            told = emitted(session.ask({"verb": "overview"}), set())
        assert differences(documented("overview"), told) == (set(), set())


@asynchronous(60)
async def test_the_page_has_every_key_of_peers_and_no_other() -> None:
    async with EdgeNode(options=["--relay-service", "yes"]) as node, OurPeer(Setup()) as peer:
        await peer.connect(await node.direct())

        async def listed() -> bool:
            return bool((await node.status("peers"))["peers"])

        await until(listed)
        (row,) = (await node.status("peers"))["peers"]
        assert differences(documented("peers --json"), emitted(row, {"refusals"})) == (set(), set())


def test_a_key_that_the_page_lacks_is_noticed() -> None:
    named = documented("status --json")
    assert {"qos.hooks.failed", "step.new_work", "bytes.to_dialers"} <= named
    assert differences(named, named | {"qos.novel"}) == ({"qos.novel"}, set())
    assert differences(named, named - {"nat"}) == (set(), {"nat"})

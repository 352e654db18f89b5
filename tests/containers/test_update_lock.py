"""balena's update lock, held while circuits are open, by balena/start under busybox's ash.

The program `kwaainet` is a stand-in there, which says of circuits what a file says; what a real
node says is looked at apart.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.counterparts.base import Setup, asynchronous, until
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.ours_peer import OurPeer

START = Path(__file__).parents[2] / "balena" / "start"
NONE, SOME = '{"circuits":{"open":0,"x":1}}', '{"circuits":{"open":12,"x":1}}'
PROGRAM = """#!/bin/sh
case $1 in
    ask) cat "$SAYS" ;;
    run) trap 'exit 7' TERM; while :; do sleep 0.05; done ;;
esac
"""


class Started:
    """The script in a folder that anybody can read; `says`: what the node answers."""

    def __init__(self, folder: Path) -> None:
        self.lock = folder / "locks" / "updates.lock"
        self.says = folder / "says"
        self.folder = folder

    def held(self) -> str:
        return self.lock.read_text() if self.lock.exists() else ""

    async def becomes(self, held: str) -> None:
        async def is_so() -> bool:
            return self.held() == held

        await until(is_so)


def laid_out(says: str) -> Started:
    folder = Path(tempfile.mkdtemp(prefix="kwaainet-balena-"))
    folder.chmod(0o755)
    found = Started(folder)
    found.lock.parent.mkdir()
    found.says.write_text(says)
    (folder / "kwaainet").write_text(PROGRAM)
    (folder / "kwaainet").chmod(0o755)
    text = START.read_text().replace("data=/data/node", f"data={folder}/data/node")
    (folder / "start").write_text(text)
    return found


@asynccontextmanager
async def started(says: str, **variables: str) -> AsyncIterator[Started]:
    found = laid_out(says)
    folder = found.folder
    environment = {
        "PATH": f"{folder}:{os.environ['PATH']}",
        "SAYS": str(found.says),
        "BALENA_APP_LOCK_PATH": str(found.lock),
        "UPDATE_LOCK_EVERY": "1",
        **variables,
    }
    process = await asyncio.create_subprocess_exec(
        "busybox", "ash", folder / "start", env=environment
    )
    try:
        yield found
    finally:
        process.terminate()
        status = await process.wait()
        left = found.held()
        shutil.rmtree(folder)
    assert status == 7  # the node's own
    assert left in {"", "another\n"}


pytestmark = pytest.mark.netns  # root: the node is another user


@asynchronous(30)
async def test_it_is_held_as_long_as_circuits_are_open() -> None:
    async with started(SOME) as found:
        await found.becomes("kwaainet\n")
        found.says.write_text(NONE)
        await found.becomes("")
        found.says.write_text(SOME)
        await found.becomes("kwaainet\n")
        found.says.write_text("")  # the node hangs
        await found.becomes("")


@asynchronous(30)
async def test_it_is_released_after_the_longest_time_and_taken_again() -> None:
    async with started(SOME, UPDATE_LOCK_LONGEST="2", UPDATE_LOCK_PAUSE="2") as found:
        for held in ("kwaainet\n", "", "kwaainet\n"):
            await found.becomes(held)


@asynchronous(30)
async def test_another_ones_is_waited_for() -> None:
    async with started(NONE) as found:
        found.lock.write_text("another\n")
        found.says.write_text(SOME)
        await asyncio.sleep(1.5)
        assert found.held() == "another\n"
        found.lock.unlink()
        await found.becomes("kwaainet\n")


@asynchronous(30)
async def test_with_nothing_open_there_is_none() -> None:
    async with started(NONE) as found:
        await asyncio.sleep(1.5)
        assert found.held() == ""


@pytest.mark.peers
@asynchronous(60)
async def test_a_node_tells_of_its_circuits_as_the_script_reads_it() -> None:
    function = START.read_text().partition("has_circuits() {")[2].partition("\n}\n")[0]
    text = f"kwaainet() {{ cat; }}; has_circuits() {{ {function}\n}}; has_circuits"

    async def tells_of_circuits(node: EdgeNode) -> bool:
        said = await node.run("ask", "overview")
        words = ("busybox", "ash", "-uc", f"data=x; {text}")
        asked = await asyncio.create_subprocess_exec(*words, stdin=asyncio.subprocess.PIPE)
        await asked.communicate(said.encode())
        return asked.returncode == 0

    async def tells_of_none(node: EdgeNode) -> bool:
        return not await tells_of_circuits(node)

    async with EdgeNode() as node, OurPeer(Setup(listen=())) as dialer:
        at = await node.direct()
        async with OurPeer(Setup(listen=(), relays=[at])) as listener:
            assert await tells_of_none(node)
            await dialer.connect(listener.circuit(at))
            await until(lambda: tells_of_circuits(node))  # it is told once a second
        await until(lambda: tells_of_none(node))

"""A node with few file descriptors: it takes as many connections as it can hold, and answers."""

import contextlib
import re
import socket

import pytest

from edge.swarm.limits import Limits
from tests.counterparts.base import Setup, asynchronous, free_port
from tests.counterparts.edge_node import EdgeNode


def within(soft: int, hard: int) -> tuple[str, ...]:
    return ("prlimit", f"--nofile={soft}:{hard}")


@pytest.mark.parametrize(
    ("files", "wanted", "most"),
    [
        (48, 4096, 6),
        (1024, 4096, 920),
        (1024, 16, 16),
        (41, 16, 1),
        (16, 16, 1),
        (4136, 4096, 4032),
        (4200, 4096, 4096),
    ],
)
def test_connections_that_there_are_descriptors_for(files: int, wanted: int, most: int) -> None:
    limits = Limits()
    limits.max_connections = wanted
    assert limits.fit_files(files) == (most == wanted)
    assert limits.max_connections == most


@asynchronous(60)
async def test_status_answers_while_all_that_can_be_had_are_in_use() -> None:
    port = free_port()
    setup = Setup(listen=[f"/ip4/127.0.0.1/tcp/{port}"], within=within(48, 48))
    async with EdgeNode(setup, ["--max-connections", "4096"]) as node:
        line = "warning few-files limit=48 max_connections=6 wanted=4096"
        assert line in node.log()
        with contextlib.ExitStack() as stack:
            for _ in range(60):
                stack.enter_context(socket.create_connection(("127.0.0.1", port), timeout=20))
            status = await node.status()
            assert status["connections"]["max"] == 6
            assert "accept-paused" not in node.log()


@asynchronous(60)
async def test_the_limit_is_raised_as_far_as_it_may_be() -> None:
    async with EdgeNode(Setup(within=within(64, 4200)), ["--max-connections", "4096"]) as node:
        assert (await node.status())["connections"]["max"] == 4096
        assert node.process is not None
        with open(f"/proc/{node.process.pid}/limits", encoding="ascii") as limits:  # noqa: ASYNC230
            assert re.search(r"^Max open files +4200 +4200 ", limits.read(), re.MULTILINE)
        assert "few-files" not in node.log()

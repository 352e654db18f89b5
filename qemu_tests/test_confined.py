"""--confined: the binary makes no system call that cross/syscalls.txt does not name.

Natively the kernel enforces it, and on the emulated router (test_router.py). The user mode of qemu
has no filters: there the calls that it sees are compared with the list.
"""

from __future__ import annotations

import asyncio
import re
import signal
import subprocess
from pathlib import Path

import pytest

from cross import contents, toolchain
from cross.targets import TARGETS, Target
from qemu_tests.emulated import BinaryNode, build, command
from tests.counterparts.base import Setup, asynchronous, until
from tests.counterparts.go_peer import P2pd

MIB = 1 << 20
FORBIDDEN = "execve execveat ptrace process_vm_readv mount unshare setns bpf keyctl io_uring_setup"


def confined(node: BinaryNode, *words: str) -> BinaryNode:
    """`node`, not started yet, as it is to be started. `words`: of qemu, before the program."""
    *qemu, program = node.program
    node.program = [*qemu, *words, program, "--confined"]
    return node


async def relay_a_mebibyte(relay: BinaryNode) -> None:
    at = await relay.direct()
    async with (
        P2pd(Setup(listen=(), relays=[at])) as listener,
        P2pd(Setup(listen=())) as dialer,
    ):
        await dialer.transfer(listener.circuit(at), MIB)
        assert await listener.served() == [MIB]


def is_confined(pid: int) -> bool:
    status = Path(f"/proc/{pid}/status").read_text()
    return "Seccomp:\t2\n" in status and "NoNewPrivs:\t1\n" in status


async def end(node: BinaryNode) -> None:
    assert node.process is not None
    node.process.send_signal(signal.SIGTERM)
    assert await asyncio.wait_for(node.process.wait(), 60) == 0


def whole_log(node: BinaryNode) -> str:
    return (node.directory / "log").read_text(errors="replace")


def hook_in(folder: Path) -> Path:
    hooks = folder / "qos.d"
    hooks.mkdir(mode=0o755)
    (hooks / "10-touch").write_text(f"#!/bin/sh\ntouch {hooks}/ran\n")
    (hooks / "10-touch").chmod(0o755)
    return hooks


@asynchronous(120)
async def test_a_node_that_the_kernel_confines_does_all_that_it_is_for(tmp_path: Path) -> None:
    target = TARGETS["x86_64"]
    config = tmp_path / "kwaainet.toml"
    config.write_text("[status]\nhttp = true\nhttp_listen = '127.0.0.1:0'\n")
    both = Setup(listen=("/ip4/127.0.0.1/tcp/0", "/ip6/::1/tcp/0"))
    async with confined(BinaryNode(target, build(target), both)) as node:
        assert node.process is not None
        assert is_confined(node.process.pid)
        await relay_a_mebibyte(node)
        node.process.send_signal(signal.SIGHUP)
        node.process.send_signal(signal.SIGUSR1)

        async def reloaded() -> bool:
            return "reloaded" in node.log()

        await until(reloaded)
        assert (await node.status())["bytes"]["to_listeners"] >= MIB
        await end(node)
        assert not [line for line in node.log().splitlines() if "Function not implemented" in line]


@pytest.mark.parametrize("is_so", [False, True])
@asynchronous(120)
async def test_a_confined_node_starts_no_program(tmp_path: Path, is_so: bool) -> None:
    target = TARGETS["x86_64"]
    hooks = hook_in(tmp_path)
    made = BinaryNode(target, build(target), options=["--qos-hooks", str(hooks)])
    async with confined(made) if is_so else made as node:

        async def tried() -> bool:
            return (hooks / "ran").exists() or "Function not implemented" in node.log()

        await until(tried)
        await end(node)
        assert (hooks / "ran").exists() != is_so
        assert ("Function not implemented" in node.log()) == is_so


@pytest.mark.slow
@asynchronous(300)
async def test_every_call_that_qemu_sees_is_named(target: Target, built: Path) -> None:
    if not target.qemu:
        pytest.skip("the kernel itself enforces it")
    async with confined(BinaryNode(target, built), "-strace") as node:
        await relay_a_mebibyte(node)
        await node.status()
        await end(node)
        log = whole_log(node)
    assert "this kernel cannot confine system calls" in log
    seen = set(re.findall(r"^\d+ (\w+)\(", log, re.M))
    assert {"recv", "recvfrom"} & seen
    assert seen - set(contents.system_calls()) == {"execve"} & seen


def test_each_call_is_one_of_linux_and_named_once(tmp_path: Path) -> None:
    names = contents.system_calls()
    assert len(names) == len(set(names))
    assert not set(FORBIDDEN.split()) & set(names)
    source = tmp_path / "calls.c"
    asked = [f"#ifdef __NR_{name}\nknown {name}\n#endif\n" for name in names]
    source.write_text("#include <asm/unistd.h>\n" + "".join(asked))
    known: set[str] = set()
    for target in TARGETS.values():
        done = subprocess.run(
            [*toolchain.compiler(target), "-E", str(source)],
            env=toolchain.environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        found = set(re.findall(r"^known (\w+)$", done.stdout, re.M))
        assert {"read", "write", "exit_group", "clone", "rt_sigreturn"} <= found
        known |= found
    assert known == set(names)


def test_the_other_commands_can_be_confined_too(target: Target, built: Path) -> None:
    """The word comes first and is taken away."""
    done = subprocess.run(
        [*command(target, built), "--confined", "--version"],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert done.stdout.startswith("kwaainet ")

"""The hooks in openwrt/, as programs: the commands they give where this kernel cannot follow.

What they do to a kernel is in test_household.py.
"""

import os
import subprocess
from pathlib import Path

import pytest

from tests.qos.household import HOOKS

RECORDER = """#!/bin/sh
case "$*" in
"qdisc show dev wan") echo "qdisc {root} root refcnt 2" ;;
"qdisc show") echo "qdisc {root} dev wan root refcnt 2" ;;
*) echo "$*" >>{log} ;;
esac
case " $* " in {refused}) exit 2 ;; esac
"""
NOTHING = "*' no such word '*"


class Recorder:
    """A `tc` that records; wan has the discipline `root`, and the kernel not what is `refused`."""

    def __init__(self, directory: Path, root: str, refused: str = NOTHING) -> None:
        self._directory = directory
        self._log = directory / "log"
        self._log.touch()
        tc = directory / "tc"
        tc.write_text(RECORDER.format(root=root, log=self._log, refused=refused))
        tc.chmod(0o755)

    def run(self, event: str, shaper: str = "auto", line_up: str = "12500000") -> str:
        """What 10-tc says; its status must be 0."""
        environment = {
            "PATH": f"{self._directory}:{os.environ['PATH']}",
            "SQM_STATE_DIR": str(self._directory),
            "QOS_WAN": "wan",
            "QOS_SHAPER": shaper,
            "QOS_LINE_UP": line_up,
        }
        command = ["sh", str(HOOKS / "10-tc"), event]
        done = subprocess.run(
            command, env=environment, text=True, stdout=subprocess.PIPE, check=True, timeout=60
        )
        return done.stdout

    @property
    def commands(self) -> list[str]:
        return self._log.read_text().splitlines()


DEFAULT = "fq_codel 0:"
OURS = "cake 6b:"
CAKE = "qdisc replace dev wan root handle 6b: cake bandwidth 11875000bps diffserv4 nat"


def test_cake_where_the_kernel_has_it(tmp_path: Path) -> None:
    tc = Recorder(tmp_path, DEFAULT)
    tc.run("start")
    assert tc.commands == [CAKE]


@pytest.mark.parametrize("shaper", ["auto", "fq_codel"])
def test_htb_with_fair_queues_where_it_has_no_cake(shaper: str, tmp_path: Path) -> None:
    tc = Recorder(tmp_path, DEFAULT, "*' cake '*")
    tc.run("start", shaper)
    commands = [command for command in tc.commands if " cake " not in command]
    assert commands == [
        "qdisc replace dev wan root handle 6b: htb default 10",
        "class add dev wan parent 6b: classid 6b:1"
        " htb rate 11875000bps ceil 11875000bps quantum 6000",
        "class add dev wan parent 6b:1 classid 6b:10"
        " htb rate 11756250bps ceil 11875000bps prio 0 quantum 6000",
        "class add dev wan parent 6b:1 classid 6b:20"
        " htb rate 118750bps ceil 11875000bps prio 7 quantum 1514",
        "qdisc add dev wan parent 6b:10 fq_codel",
        "qdisc add dev wan parent 6b:20 fq_codel",
    ]


def test_sqm_scripts_keeps_its_interface(tmp_path: Path) -> None:
    (tmp_path / "wan.state").touch()
    tc = Recorder(tmp_path, "cake 8005:")
    assert "managed by sqm-scripts" in tc.run("start")
    tc.run("stop")
    assert tc.commands == []


def test_nothing_is_shaped_unasked_or_without_a_rate(tmp_path: Path) -> None:
    tc = Recorder(tmp_path, DEFAULT)
    assert tc.run("start", "none") == ""
    assert "line_up is not set" in tc.run("start", "cake", "0")
    assert tc.commands == []


def test_what_a_killed_node_left_is_replaced_and_taken_away(tmp_path: Path) -> None:
    tc = Recorder(tmp_path, OURS)
    tc.run("stop")
    assert tc.commands == ["qdisc del dev wan root"]


@pytest.mark.parametrize("event", ["busy", "free"])
def test_other_events_change_nothing(event: str, tmp_path: Path) -> None:
    tc = Recorder(tmp_path, OURS)
    assert tc.run(event) == ""
    assert tc.commands == []

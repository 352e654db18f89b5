"""The hooks in openwrt/, as programs: the commands they give where this kernel cannot follow.

What they do to a kernel is in test_household.py.
"""

import os
import subprocess
from pathlib import Path

import pytest

from tests.qos.household import HOOKS

RECORDER = """#!/bin/sh
root=$(cat {directory}/root)
case "$*" in
"qdisc show dev wan") echo "qdisc $root root refcnt 2" ;;
"qdisc show") echo "qdisc $root dev wan root refcnt 2" ;;
*) echo "$*" >>{log} ;;
esac
case " $* " in {refused}) exit 2 ;; esac
case "$*" in
"qdisc del dev wan root") echo "fq_codel 0:" >{directory}/root ;;
"qdisc replace dev wan root handle 6b: cake "*) echo "cake 6b:" >{directory}/root ;;
esac
"""
NOTHING = "*' no such word '*"


class Recorder:
    """A `tc` that records; wan has the discipline `root`, and the kernel not what is `refused`."""

    def __init__(self, directory: Path, root: str, refused: str = NOTHING) -> None:
        self._directory = directory
        self._log = directory / "log"
        self._log.touch()
        self.root(root)
        tc = directory / "tc"
        tc.write_text(RECORDER.format(directory=directory, log=self._log, refused=refused))
        tc.chmod(0o755)

    def root(self, root: str) -> None:
        """What the kernel has at wan from now on."""
        (self._directory / "root").write_text(root)

    def run(self, event: str, shaper: str = "auto", line_up: str = "12500000") -> str:
        """What 10-tc says; its status must be 0."""
        environment = {
            "PATH": f"{self._directory}:{os.environ['PATH']}",
            "SQM_STATE_DIR": str(self._directory),
            "QOS_STATE_DIR": str(self._directory),
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


def test_nothing_is_done_where_nothing_has_changed(tmp_path: Path) -> None:
    """Whatever interface had an event: packets in the queue are not lost, and nothing is said."""
    tc = Recorder(tmp_path, DEFAULT)
    assert "shaper on wan" in tc.run("start")
    done = tc.commands
    for _ in range(3):
        assert tc.run("start") == ""
    assert tc.commands == done
    tc.root(DEFAULT)  # an interface that was made anew, or a discipline that somebody took away
    tc.run("start")
    tc.run("start", line_up="25000000")
    tc.run("start", "cake", line_up="25000000")
    again = [CAKE.replace("11875000", rate) for rate in ("11875000", "23750000", "23750000")]
    assert [each for each in tc.commands[len(done) :] if "replace" in each] == again
    tc.run("stop")
    tc.run("start", "cake", line_up="25000000")
    assert tc.commands[-1] == again[-1]


@pytest.mark.parametrize(
    ("root", "shaper", "line_up"), [(DEFAULT, "auto", "0"), ("htb 1:", "auto", "1000000")]
)
def test_why_nothing_is_shaped_is_said_once(
    root: str, shaper: str, line_up: str, tmp_path: Path
) -> None:
    tc = Recorder(tmp_path, root)
    assert tc.run("start", shaper, line_up).startswith("no shaper on wan")
    assert tc.run("start", shaper, line_up) == ""
    (tmp_path / "wan.state").touch()
    assert tc.run("start", shaper, "1000000") == (
        "no shaper on wan: managed by sqm-scripts, which reads the DSCP\n"
    )


def test_what_a_killed_node_left_is_replaced_and_taken_away(tmp_path: Path) -> None:
    tc = Recorder(tmp_path, OURS)
    tc.run("stop")
    assert tc.commands == ["qdisc del dev wan root"]


@pytest.mark.parametrize("event", ["busy", "free"])
def test_other_events_change_nothing(event: str, tmp_path: Path) -> None:
    tc = Recorder(tmp_path, OURS)
    assert tc.run(event) == ""
    assert tc.commands == []

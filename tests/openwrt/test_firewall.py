"""`open_port` with the kernel's own firewall: our include in a chain such as firewall4 makes.

A stand-in for firewall4's ruleset, loaded by nft in a network namespace; connections from the
other end of a cable.
"""

import subprocess
from pathlib import Path

import pytest

from openwrt.package.recipe import HERE
from tests.counterparts.netlab import NetLab

INCLUDE = HERE / "files/usr/share/nftables.d/chain-pre/input_wan/50-kwaainet.nft"
RULE = 'tcp dport {{ {} }} counter accept comment "!kwaainet: open_port"\n'
RULESET = """
flush ruleset
table inet fw4 {{
	chain input {{
		type filter hook input priority filter; policy drop;
		ct state established,related accept
		iifname "wan" jump input_wan
	}}
	chain input_wan {{
		include "{include}"
		meta l4proto tcp reject with tcp reset
	}}
}}
"""

pytestmark = pytest.mark.netns


def loaded(lab: NetLab, directory: Path, rule: str | None) -> None:
    """fw4 with our include, which looks below `directory` here."""
    rules = directory / "rules"
    rules.mkdir(exist_ok=True)
    (rules / "open_port.nft").unlink(missing_ok=True)
    if rule is not None:
        (rules / "open_port.nft").write_text(rule)
    text = INCLUDE.read_text()
    assert '"/var/run/kwaainet.nft.d/*.nft"' in text
    (directory / "50.nft").write_text(text.replace("/var/run/kwaainet.nft.d", str(rules)))
    (directory / "fw4.nft").write_text(RULESET.format(include=directory / "50.nft"))
    lab.run("relay", "nft", "-f", str(directory / "fw4.nft"))


def reaches(lab: NetLab, port: int) -> bool:
    command = ["python3", "-c", CONNECT, str(port)]
    return subprocess.run([*lab.within("dialer"), *command], check=False).returncode == 0


CONNECT = """
import socket, sys
try:
    socket.create_connection(("5.1.1.10", int(sys.argv[1])), 5).close()
except OSError:
    sys.exit(1)
"""
LISTEN = """
import socket, time
kept = [socket.create_server(("0.0.0.0", port)) for port in (4001, 5001, 6001)]
print("listening", flush=True)
time.sleep(600)
"""


def test_only_what_was_asked_for_is_open(tmp_path: Path) -> None:
    with NetLab() as lab:
        within = lab.within("relay")
        server = subprocess.Popen([*within, "python3", "-c", LISTEN], stdout=subprocess.PIPE)
        try:
            assert server.stdout is not None
            assert server.stdout.readline() == b"listening\n"
            loaded(lab, tmp_path, None)
            assert not reaches(lab, 4001)
            loaded(lab, tmp_path, RULE.format("4001, 5001"))
            assert [reaches(lab, port) for port in (4001, 5001, 6001)] == [True, True, False]
            loaded(lab, tmp_path, None)
            assert not reaches(lab, 4001)
        finally:
            server.kill()
            server.communicate()

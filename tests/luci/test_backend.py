"""The ubus object `kwaainet` under busybox ash: of a real node, and of one that does not answer."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from openwrt.package.recipe import HERE
from tests.luci.backend import APP, Answer, Refused, answer, call, install, run
from tests.luci.test_collectors import example
from tests.openwrt.init_script import CONFIG, COPY, ENABLED, SOCKET, WRONG
from tests.openwrt.router_root import RouterRoot

pytestmark = pytest.mark.netns

METHODS = ["status", "overview", "peers", "ledger", "log", "check", "service"]
LOCAL = ENABLED + "config node\n\tlist listen '/ip4/127.0.0.1/tcp/4001'\n"
WRONG_SENTENCE = (
    f'{CONFIG}:5: [relay] max_circuits: got "70000"; '
    'expected a whole number from 1 to 65536, or "auto"'
)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RouterRoot]:
    """For tests that change nothing, or what they need themselves."""
    with RouterRoot(tmp_path_factory.mktemp("router")) as found:
        install(found)
        yield found


@pytest.fixture
def router(tmp_path: Path) -> Iterator[RouterRoot]:
    with RouterRoot(tmp_path) as found:
        install(found)
        yield found


@contextmanager
def node(router: RouterRoot) -> Iterator[subprocess.Popen[bytes]]:
    """A real node of the started service, when it answers."""
    router.write(CONFIG, LOCAL)
    assert router.service("start").returncode == 0
    directories = ("/etc/kwaainet/data", "/var/run/kwaainet")
    router.run("/applets/chown", "root:root", *directories)  # the interpreter may be root's alone
    router.run("/applets/ip", "link", "set", "lo", "up")
    command = ("run", "--config", COPY, "--data-dir", directories[0], "--run-dir", directories[1])
    with router.started("/usr/bin/kwaainet", *command) as process:
        deadline = time.monotonic() + 60
        while call(router, "overview")["state"] != "running":
            assert time.monotonic() < deadline
            assert process.poll() is None
            time.sleep(0.1)
        yield process


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RouterRoot]:
    with RouterRoot(tmp_path_factory.mktemp("running")) as found:
        install(found)
        with node(found):
            yield found


# --- what rpcd registers, and what a session is granted ---


def test_every_method_is_granted_and_no_other() -> None:
    rights = json.loads((APP / "root/usr/share/rpcd/acl.d/luci-app-kwaainet.json").read_text())
    ours = rights["luci-app-kwaainet"]
    assert ours["write"]["ubus"]["kwaainet"] == ["service"]
    assert sorted(ours["read"]["ubus"]["kwaainet"] + ["service"]) == sorted(METHODS)
    assert set(ours["read"]) == set(ours["write"]) == {"ubus", "uci"}  # no files, no programs
    assert ours["read"]["uci"] == ours["write"]["uci"] == ["kwaainet"]


def test_list_names_the_methods_with_their_arguments(shared: RouterRoot) -> None:
    done = run(shared, "list")
    assert len(done.stdout) < 1024  # rpcd of 23.05 reads as much at once
    assert answer(done) == {
        **{method: {} for method in METHODS},
        "log": {"lines": 200},
        "service": {"action": "start"},
    }


# What LuCI's own luci-base grants to whoever may read, and to whoever may write.
LUCI_BASE = {("uci", method) for method in ("changes", "get", "apply", "confirm")}


def granted() -> set[tuple[str, str]]:
    """(object, method) of all that a session with reading and writing may call."""
    rights = json.loads((APP / "root/usr/share/rpcd/acl.d/luci-app-kwaainet.json").read_text())
    groups = [rights["luci-app-kwaainet"][name] for name in ("read", "write")]
    calls = [(name, each) for group in groups for name, each in group["ubus"].items()]
    return LUCI_BASE | {(name, method) for name, methods in calls for method in methods}


def declared() -> set[tuple[str, str]]:
    """The same of what the views declare. Where the method is a parameter, it is call()'s."""
    found = set()
    for script in (APP / "htdocs").rglob("*.js"):
        text = script.read_text()
        for declaration in re.findall(r"rpc\.declare\(\{(.*?)\}\)", text, re.DOTALL):
            (name,) = re.findall(r"\bobject: '([^']+)'", declaration)
            (method,) = re.findall(r"\bmethod: ('[^']+'|method\b)", declaration)
            methods = re.findall(r"\bcall\('(\w+)'", text) if method == "method" else [method[1:-1]]
            found |= {(name, each) for each in methods}
    return found


def test_every_call_of_the_views_is_granted() -> None:
    assert ("kwaainet", "overview") in declared()
    assert declared() <= granted()


def test_the_views_reach_for_nothing_but_declared_calls() -> None:
    """LuCI has other ways to the router, which need rights of their own."""
    for script in (APP / "htdocs").rglob("*.js"):
        for way in ("'require fs", "'require network", "'require request", "fetch(", "XMLHttp"):
            assert way not in script.read_text(), script


# --- a node that runs ---


@pytest.mark.parametrize("method", ["status", "overview", "ledger"])
def test_a_running_node_speaks_for_itself(method: str, running: RouterRoot) -> None:
    done = run(running, "call", method)
    directories = ("--run-dir", "/var/run/kwaainet")
    told = running.run("/usr/bin/kwaainet", "ask", method, *directories)
    assert done.stderr == ""
    found = answer(done)
    assert found.pop("state") == "running"
    assert set(found) == set(json.loads(told.stdout)) - {"state"}


def test_the_peers_of_a_running_node(running: RouterRoot) -> None:
    assert call(running, "peers") == {"state": "running", "total": 0, "peers": []}


def test_overview_is_small(running: RouterRoot) -> None:
    assert len(run(running, "call", "overview").stdout) <= 4096


def test_the_collectors_of_the_documents_ask_for_what_there_is(running: RouterRoot) -> None:
    found = call(running, "overview")
    paths = re.findall(r"\bnode\.([a-z_.]+)", example("lua"))
    paths += re.findall(r"=@\.([a-z_.]+)", example("sh", "PUTVAL"))
    assert len(paths) > 8
    for path in paths:
        value: object = found
        for key in path.split("."):
            assert isinstance(value, dict), path
            value = value[key]


# --- a node that does not ---


def test_a_disabled_service(router: RouterRoot) -> None:
    for method in ("status", "overview", "peers", "ledger"):
        assert call(router, method) == {"state": "disabled"}
    assert call(router, "log") == {"state": "disabled", "lines": []}
    assert call(router, "check") == {"state": "disabled", "ok": True}


def test_a_router_without_a_configuration(router: RouterRoot) -> None:
    router.path(CONFIG).unlink()
    assert call(router, "overview") == {"state": "disabled"}


def test_a_service_from_its_start_to_its_end(router: RouterRoot) -> None:
    router.write(CONFIG, LOCAL)
    assert call(router, "overview") == {"state": "stopped"}
    assert call(router, "service", action="start") == {"state": "starting", "ok": True}
    assert call(router, "peers") == {"state": "starting"}
    assert router.events() == ["started"]
    assert call(router, "service", action="stop") == {"state": "stopped", "ok": True}
    assert router.events() == ["stopped"]


def test_settings_of_a_start_that_made_no_instance_are_no_start(router: RouterRoot) -> None:
    router.write(CONFIG, ENABLED)
    router.write("/var/etc/kwaainet/hard", "node.run_dir=/var/run/kwaainet\n")
    assert call(router, "overview") == {"state": "stopped"}


def test_a_node_that_hangs_is_given_up_and_a_dead_one_starts_again(router: RouterRoot) -> None:
    with node(router) as process:
        process.send_signal(signal.SIGSTOP)
        found = call(router, "overview")
        assert (found["state"], found["error"][:25]) == ("hung", "the node did not answer w")
        found = call(router, "log")
        assert (found["state"], found["error"]) == ("hung", "no answer within 2 s")
        process.send_signal(signal.SIGCONT)
        assert call(router, "overview")["state"] == "running"
    assert router.path(SOCKET).is_socket()
    assert call(router, "overview") == {"state": "starting"}


def test_a_program_that_is_none_is_told(router: RouterRoot) -> None:
    router.write(CONFIG, LOCAL)
    router.service("start")
    router.write(
        "/usr/bin/kwaainet", "#!/bin/sh\necho 'Segmentation \"fault\"' >&2\nexit 1\n", 0o755
    )
    assert call(router, "status") == {"state": "hung", "error": 'Segmentation "fault"'}


# --- the bound of peers ---


def answering(router: RouterRoot, text: str) -> None:
    """A program that answers `text` to whatever it is asked, of a service that is started."""
    router.write("/var/etc/kwaainet/hard", "node.mode=relay\nnode.run_dir=/var/run/kwaainet\n")
    router.write("/tmp/answer", text)
    router.write("/usr/bin/kwaainet", "#!/bin/sh\ncat /tmp/answer\n", 0o755)


@pytest.mark.parametrize("separators", [(", ", ": "), (",", ":")])
def test_many_peers_are_cut_between_two(separators: tuple[str, str], router: RouterRoot) -> None:
    """Whatever their agents are called."""
    agent = '}, {"peer_id": "12D3Koo"}, {\\"peer_id\\": \\'
    peers = [{"peer_id": f"12D3KooW{n:044}", "agent": agent, "rows": [{}]} for n in range(1000)]
    answering(router, json.dumps({"total": 1000, "peers": peers}, separators=separators) + "\n")
    done = run(router, "call", "peers")
    found = answer(done)
    assert found["cut"] is True
    assert found["total"] == 1000
    shown = len(found["peers"])
    assert found["peers"] == peers[:shown]
    assert 65536 - 200 < len(done.stdout) < 65536 + 100


def test_as_many_as_fit_are_not_cut(router: RouterRoot) -> None:
    peers = [{"peer_id": "12D3Koo", "agent": "a" * 1000} for _ in range(62)]
    peers.append({"peer_id": "12D3Koo", "agent": ""})
    text = json.dumps({"total": len(peers), "peers": peers})
    peers[-1]["agent"] = "a" * (65536 - len(text))
    text = json.dumps({"total": len(peers), "peers": peers})
    assert len(text) == 65536
    answering(router, f"{text}\n")
    assert call(router, "peers") == {"state": "running", "total": 63, "peers": peers}


# --- the log ---

TIME = "Tue Dec  1 03:51:25 2026"
NODE_LINE = f"{TIME} daemon.info kwaainet[4242]: 2026-12-01T03:51:25Z info started peer_id=12D3Koo"


def logged(router: RouterRoot, content: bytes) -> None:
    router.path("/tmp/procd/logread").write_bytes(content)


def test_the_log_has_the_nodes_lines_and_the_scripts(shared: RouterRoot) -> None:
    lines = [
        NODE_LINE,
        f"{TIME} daemon.err kwaainet: /etc/config/kwaainet:5: [relay] wrong",
        f"{TIME} user.notice kwaainet-events[7]: shaper on wan: cake",
    ]
    others = [
        f"{TIME} daemon.info dnsmasq-dhcp[1]: DHCPACK(br-lan) 192.168.1.7 kwaainet[4242]: forged",
        f"{TIME} daemon.info procd: Instance kwaainet::node s in a crash loop",
        f"{TIME} kern.info kernel: [ 1.0] kwaainet[1]: forged",
        "kwaainet",
        "",
    ]
    logged(shared, "\n".join([*others, *lines, *others]).encode())
    assert call(shared, "log")["lines"] == lines


def test_the_last_lines_are_the_ones_that_are_given(shared: RouterRoot) -> None:
    lines = [f"{NODE_LINE} n={n}" for n in range(300)]
    logged(shared, "\n".join(lines).encode())
    assert call(shared, "log")["lines"] == lines[-200:]
    for n in (1, 2, 99, 200):
        assert call(shared, "log", lines=n)["lines"] == lines[-n:]


def test_a_log_with_fewer_lines(shared: RouterRoot) -> None:
    logged(shared, f"{NODE_LINE}\n".encode())
    assert call(shared, "log", lines=7)["lines"] == [NODE_LINE]
    logged(shared, b"")
    assert call(shared, "log", lines=7)["lines"] == []


def test_hostile_lines_are_texts(shared: RouterRoot) -> None:
    start = f"{TIME} daemon.info kwaainet[1]: "
    every = bytes(set(range(256)) - {10})
    given = [
        every,
        b'"], "lines": ["',
        b"\\\\\\",
        b'\\u0041 \\n \\"',
        b"<img src=x onerror=alert(1)>",
        b"$(reboot) `reboot` %s %n ${HOME} && reboot; *",
        b"\xff\xfe \xc3\x28 \xed\xa0\x80 \xf0\x9f\x98\x80 \xe2\x80\xae",
        b"\x1b[2J\x1b]0;title\x07\r",
    ]
    logged(shared, b"".join(start.encode() + text + b"\n" for text in given))
    shown = call(shared, "log")["lines"]
    printable = [bytes(b if 32 <= b < 127 else ord("?") for b in text).decode() for text in given]
    assert shown == [start + text for text in printable]


def test_a_long_line_is_cut(shared: RouterRoot) -> None:
    logged(shared, (NODE_LINE + "\\" * 100_000 + "\n").encode() * 300)
    done = run(shared, "call", "log")
    assert {len(line) for line in answer(done)["lines"]} == {1024}
    assert len(done.stdout) < 450_000


# --- the configuration ---


def test_check_says_what_the_node_would(shared: RouterRoot) -> None:
    shared.write(CONFIG, WRONG)
    found = call(shared, "check")
    assert found == {"state": "stopped", "ok": False, "error": WRONG_SENTENCE}
    shared.write(CONFIG, ENABLED)
    assert call(shared, "check") == {"state": "stopped", "ok": True}


def test_a_value_with_anything_in_it_is_told_as_a_text(shared: RouterRoot) -> None:
    shared.write(CONFIG, "config node\n\toption mode '\\\"</script>\x1b[2J'\n")
    found = call(shared, "check")
    assert found["ok"] is False
    assert "</script>" in found["error"]
    assert re.fullmatch("[ -~]+", found["error"])


# --- the service ---


def test_enable_and_disable(router: RouterRoot) -> None:
    router.write(CONFIG, LOCAL.replace("'1'", "'0'"))
    assert call(router, "service", action="start") == {
        "state": "disabled",
        "ok": False,
        "error": "the service is disabled",
    }
    assert call(router, "service", action="enable") == {"state": "starting", "ok": True}
    assert router.path("/etc/rc.d/S95kwaainet").is_symlink()
    assert router.events() == ["started"]
    assert call(router, "service", action="disable") == {"state": "disabled", "ok": True}
    assert router.events() == ["stopped"]
    assert router.read(CONFIG) == LOCAL.replace("'1'", "'0'")


def test_a_service_is_enabled_by_every_word_that_the_node_takes(router: RouterRoot) -> None:
    for word in ("1", "yes", "on", "true", "enabled"):
        router.write(CONFIG, ENABLED.replace("'1'", f"'{word}'"))
        assert call(router, "overview") == {"state": "stopped"}


@pytest.mark.parametrize("name", ["", " 'main'", " 'service'"])
def test_the_section_of_the_service_may_have_any_name(name: str, router: RouterRoot) -> None:
    router.write(CONFIG, f"config kwaainet{name}\n\toption enabled '1'\n")
    assert call(router, "overview") == {"state": "stopped"}
    assert call(router, "service", action="disable") == {"state": "disabled", "ok": True}
    assert call(router, "service", action="enable") == {"state": "starting", "ok": True}
    assert router.read(CONFIG).count("config kwaainet") == 1


def test_a_file_without_a_section_of_the_service_gets_one(router: RouterRoot) -> None:
    router.write(CONFIG, "config relay\n")
    assert call(router, "service", action="enable") == {"state": "starting", "ok": True}


@pytest.mark.parametrize("action", ["start", "restart", "reload", "enable"])
def test_an_invalid_configuration_is_refused_in_the_nodes_words(
    action: str, router: RouterRoot
) -> None:
    router.write(CONFIG, WRONG)
    found = call(router, "service", action=action)
    assert found == {"state": "stopped", "ok": False, "error": WRONG_SENTENCE}


# --- arguments ---


@pytest.mark.parametrize(
    "arguments",
    [
        {"action": "status"},
        {"action": "start; reboot"},
        {"action": "$(reboot)"},
        {"action": "../../bin/reboot"},
        {"action": "START"},
        {"action": "start\n"},
        {"action": " start"},
        {"action": ""},
        {"action": "*"},
        {"action": "-h"},
        {"action": None},
        {"action": 1},
        {"action": True},
        {"action": ["start"]},
        {"action": {"action": "start"}},
        {"action": "start", "force": True},
        {"Action": "start"},
        {},
    ],
    ids=str,
)
def test_no_other_action_is_done(arguments: Answer, shared: RouterRoot) -> None:
    shared.write(CONFIG, ENABLED)
    with pytest.raises(Refused):
        call(shared, "service", **arguments)
    assert shared.events() == []


@pytest.mark.parametrize(
    "lines", [0, -1, 201, 1000, 1 << 64, 1.5, "7", "", None, True, [7], {"lines": 7}], ids=str
)
def test_no_other_number_of_lines_is_given(lines: object, shared: RouterRoot) -> None:
    with pytest.raises(Refused, match=r"^kwaainet: lines: "):
        call(shared, "log", lines=lines)


@pytest.mark.parametrize(
    "text",
    ["[]", "7", '"start"', "null", "{", '{"lines": 7', "{'lines': 7}", "lines=7", "[" * 9999],
)
def test_what_is_no_object_is_refused(text: str, shared: RouterRoot) -> None:
    for method in ("log", "service"):
        with pytest.raises(Refused, match=r"^kwaainet: expected a JSON object\n$"):
            answer(run(shared, "call", method, given=text))


def test_an_unknown_argument_is_named(shared: RouterRoot) -> None:
    with pytest.raises(Refused, match=r"^kwaainet: since__reboot_: unknown argument\n$"):
        call(shared, "log", **{"since$(reboot)": 7})


@pytest.mark.parametrize(
    "words", [(), ("call",), ("call", "refuse"), ("call", "argument"), ("status",)]
)
def test_no_other_function_can_be_called(words: tuple[str, ...], shared: RouterRoot) -> None:
    with pytest.raises(Refused, match="expected list, or call METHOD"):
        answer(run(shared, *words))


def test_shellcheck_finds_nothing() -> None:
    script = HERE / "luci-app-kwaainet/root/usr/libexec/rpcd/kwaainet"
    done = subprocess.run(["shellcheck", script], capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("", 0)
    assert script.stat().st_mode & 0o777 == 0o755

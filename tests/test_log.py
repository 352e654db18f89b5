"""Log lines: their form, what hostile values cannot do, limits, a standard error that fails."""

import os
import re
import time
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge import log


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test with full buckets, at level info."""
    monkeypatch.setattr(log, "_state", log._State())
    yield
    log.set_level("info")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """A monotonic clock that stands still unless moved."""
    now = [1000.0]
    monkeypatch.setattr(log.time, "monotonic", lambda: now[0])
    return now


def lines(capfd: pytest.CaptureFixture[str]) -> list[str]:
    return capfd.readouterr().err.splitlines()


def test_form(capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    # 2026-11-23T10:00:00Z
    monkeypatch.setattr(
        log.time, "gmtime", lambda: time.struct_time((2026, 11, 23, 10, 0, 0, 0, 327, 0))
    )
    log.info("relay reservation", peer="12D3KooW", ttl=3600)
    assert capfd.readouterr().err == (
        "2026-11-23T10:00:00Z info relay reservation peer=12D3KooW ttl=3600\n"
    )


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("/ip4/1.2.3.4/tcp/1", "/ip4/1.2.3.4/tcp/1"),
        ("", '""'),
        ("two words", '"two words"'),
        ("a=b", '"a=b"'),
        ('say "x"', '"say \\"x\\""'),
        ("back\\slash", '"back\\\\slash"'),
        ("a\nb\r\tc", '"a\\nb\\r\\tc"'),
        ("\x1b[31m\x00\x7f\x9b", '"\\x1b[31m\\x00\\x7f\\x9b"'),
        ("\u202e\u2028é😀\udcff", '"\\u202e\\u2028\\xe9\\U0001f600\\udcff"'),
        (True, "true"),
        (None, "None"),
        (1.23456, "1.235"),
        (b"\x00\xff", "00ff"),
        (["a", 2], "a,2"),
        (ValueError("it broke"), '"it broke"'),
        (TimeoutError(), "TimeoutError"),
        ("x" * 600, '"' + "x" * 512 + '..."'),
        (b"x" * 100000, "78" * 256 + "..."),
    ],
)
def test_values(value: object, shown: str, capfd: pytest.CaptureFixture[str]) -> None:
    log.info("event", value=value)
    assert lines(capfd)[0].partition(" value=")[2] == shown


FIELD = re.compile(r' ([a-z]+)=("(?:[^"\\]|\\.)*"|[^ "=\\]+)')


# Short enough for whole lines: what is longer is cut, as the next test has it.
@given(st.dictionaries(st.sampled_from("abcdef"), st.text(max_size=64), max_size=4))
def test_no_value_forges_a_line_or_a_field(fields: dict[str, object]) -> None:
    read, write = os.pipe()
    saved = os.dup(2)
    os.dup2(write, 2)
    try:
        log._state.buckets.clear()
        log.info("event", **fields)
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(write)
    data = os.read(read, 65536)
    os.close(read)
    assert data.endswith(b"\n")
    assert all(0x20 <= byte < 0x7F for byte in data[:-1])
    rest = data.decode()[:-1].partition(" event")[2]
    assert [name for name, _ in FIELD.findall(rest)] == list(fields)
    assert FIELD.sub("", rest) == ""


def test_a_line_is_written_whole_and_short(capfd: pytest.CaptureFixture[str]) -> None:
    log.info("event", **{f"f{n}": "\n" * 512 for n in range(20)})
    out = capfd.readouterr().err
    assert len(out) == log.MAX_LINE
    assert out.endswith("...\n")


def test_levels(capfd: pytest.CaptureFixture[str]) -> None:
    seen = []
    for level in log.LEVELS:
        log.set_level(level)
        for write in (log.debug, log.info, log.warning, log.error):
            write("event")
        seen.append([line.split()[1] for line in lines(capfd)])
    assert seen == [list(log.LEVELS[n:]) for n in range(4)]
    with pytest.raises(ValueError, match="not in"):
        log.set_level("loud")


def test_each_event_has_its_own_limit_and_says_what_it_hid(
    capfd: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    for _ in range(100):
        log.info("flood")
    log.info("other")
    assert len(lines(capfd)) == log.BURST + 1
    clock[0] += 0.5 / log.PER_SECOND
    log.info("flood")
    assert lines(capfd) == []
    clock[0] += 0.5 / log.PER_SECOND
    log.info("flood", x=1)
    log.info("flood")
    assert [line.partition(" info ")[2] for line in lines(capfd)] == ["flood x=1 suppressed=81"]
    clock[0] += 1e6
    for _ in range(100):
        log.info("flood")
    written = lines(capfd)
    assert len(written) == log.BURST
    assert written[0].endswith("suppressed=1")
    assert "suppressed" not in written[1]


def test_event_names_cannot_fill_memory(
    capfd: pytest.CaptureFixture[str], clock: list[float]
) -> None:
    for n in range(log.MAX_EVENTS + 500):
        log.info(f"event{n}")
    assert len(log._state.buckets) == log.MAX_EVENTS + 1
    assert len(lines(capfd)) == log.MAX_EVENTS + log.BURST


class Stderr:
    """File descriptor 2 pointed elsewhere for a while."""

    def __init__(self, fd: int | None) -> None:
        self.fd = fd

    def __enter__(self) -> None:
        self.saved = os.dup(2)
        if self.fd is None:
            os.close(2)
        else:
            os.dup2(self.fd, 2)

    def __exit__(self, *_: object) -> None:
        os.dup2(self.saved, 2)
        os.close(self.saved)


def test_closed_stderr_is_survived_and_the_loss_is_said(
    capfd: pytest.CaptureFixture[str],
) -> None:
    with Stderr(None):
        log.info("one")
        log.info("two")
    log.info("three")
    assert lines(capfd)[0].endswith(" info three lost=2")


def test_gone_reader_is_survived(capfd: pytest.CaptureFixture[str]) -> None:
    read, write = os.pipe()
    os.close(read)
    with Stderr(write):
        log.info("one")
    os.close(write)
    log.info("two")
    assert lines(capfd)[0].endswith(" info two lost=1")


def test_full_disk_is_survived(capfd: pytest.CaptureFixture[str]) -> None:
    full = os.open("/dev/full", os.O_WRONLY)
    with Stderr(full):
        log.info("one")
    os.close(full)
    log.info("two")
    assert lines(capfd)[0].endswith(" info two lost=1")


def test_a_reader_that_has_stopped_reading_never_stalls_the_node() -> None:
    read, write = os.pipe()
    count = 0
    with Stderr(write):
        while not log._state.lost:  # nobody reads: a line that waited would wait for ever
            log.info(f"event{count % 200}", filler="x" * 500)
            count += 1
            assert count < 10000
    assert os.get_blocking(write)
    os.close(write)
    data = b"".join(iter(lambda: os.read(read, 65536), b""))
    os.close(read)
    assert data.endswith(b"\n")
    assert data.count(b"\n") == count - 1

"""What the kernel has on a socket after it was marked."""

import socket
from collections.abc import Iterator

import pytest

from edge.config.schema import CODE_POINTS as NAMES
from edge.qos.marks import CODE_POINTS, NONE, Marks

FAMILIES = (socket.AF_INET, socket.AF_INET6)


class Settings:
    dscp_relay = "le"
    dscp_control = "cs1"
    priority = 1
    mark = 0x6B000000


@pytest.fixture(params=FAMILIES)
def sock(request: pytest.FixtureRequest) -> Iterator[socket.socket]:
    with socket.socket(request.param) as sock:
        yield sock


def dscp(sock: socket.socket) -> int:
    if sock.family == socket.AF_INET6:
        return sock.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_TCLASS) >> 2
    return sock.getsockopt(socket.IPPROTO_IP, socket.IP_TOS) >> 2


def option(sock: socket.socket, name: int) -> int:
    return sock.getsockopt(socket.SOL_SOCKET, name)


def test_every_choice_of_the_configuration_has_its_number() -> None:
    assert set(NAMES) == {NONE, *CODE_POINTS}
    assert (CODE_POINTS["le"], CODE_POINTS["cs1"], CODE_POINTS["af11"]) == (1, 8, 10)


def test_control_first_then_relaying(sock: socket.socket) -> None:
    marks = Marks(Settings())
    marks.new_socket(sock)
    assert (dscp(sock), option(sock, socket.SO_PRIORITY)) == (8, 1)
    marks.carries_work(sock)
    assert (dscp(sock), option(sock, socket.SO_PRIORITY)) == (1, 1)
    marks.again(sock)
    assert dscp(sock) == 1


def test_new_settings(sock: socket.socket) -> None:
    marks = Marks(Settings())
    marks.new_socket(sock)
    marks.settings = changed = Settings()
    changed.dscp_control, changed.priority = NONE, 0
    marks.again(sock)
    assert (dscp(sock), option(sock, socket.SO_PRIORITY)) == (0, 0)


def test_what_is_not_permitted_is_left_off_and_said(
    sock: socket.socket, capfd: pytest.CaptureFixture[str]
) -> None:
    class Refusing:
        """A socket of a process without CAP_NET_ADMIN."""

        family = sock.family

        def setsockopt(self, level: int, name: int, value: int) -> None:
            if name == socket.SO_MARK and level == socket.SOL_SOCKET:
                raise PermissionError(1, "Operation not permitted")
            sock.setsockopt(level, name, value)

    marks = Marks(Settings())
    assert marks.mark == 0x6B000000
    for _ in range(2):
        marks.new_socket(Refusing())  # type: ignore[arg-type]
    assert marks.refused == {"mark"}
    assert marks.mark == 0
    assert dscp(sock) == 8
    assert capfd.readouterr().err.count("qos-mark-refused") == 1

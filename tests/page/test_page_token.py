"""The token: one file of its owner's, which is replaced when it is wrong."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from edge.page import token as token_module
from edge.page.token import NAME, Token

RIGHT = "0123456789abcdef0123456789abcdef"


def put(directory: Path, content: bytes, mode: int = 0o600) -> Path:
    path = directory / NAME
    path.write_bytes(content)
    path.chmod(mode)
    return path


def test_it_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    text = Token(str(tmp_path)).text()
    assert len(text) == 32
    assert int(text, 16) >= 0
    assert (tmp_path / NAME).stat().st_mode & 0o777 == 0o600
    assert Token(str(tmp_path)).text() == text
    assert Token(str(tmp_path)).is_right(text)
    assert [path.name for path in tmp_path.iterdir()] == [NAME]


def test_two_are_never_the_same(tmp_path: Path) -> None:
    token = Token(str(tmp_path))
    assert len({token.renew() for _ in range(20)}) == 20


@pytest.mark.parametrize(
    "text", ["", RIGHT[:-1], RIGHT + "0", RIGHT.upper(), "\xe9" * 32, "\ud800"]
)
def test_what_is_not_it(tmp_path: Path, text: str) -> None:
    put(tmp_path, RIGHT.encode() + b"\n")
    token = Token(str(tmp_path))
    assert token.is_right(RIGHT)
    assert not token.is_right(text)
    assert not token.is_session(text)
    assert not token.is_session(RIGHT)


def test_a_session_is_not_the_token_and_ends_with_it(tmp_path: Path) -> None:
    token = Token(str(tmp_path))
    session = token.session()
    assert token.is_session(session)
    assert not token.is_right(session)
    Token(str(tmp_path)).renew()  # as the command does, in a process of its own
    assert not token.is_session(session)
    assert token.is_session(token.session())


def test_one_that_is_made_while_the_old_is_read_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = token_module._content
    Token(str(tmp_path)).renew()
    token = Token(str(tmp_path))

    def slow(path: str) -> str:
        found = read(path)
        monkeypatch.setattr(token_module, "_content", read)
        Token(str(tmp_path)).renew()
        return found

    monkeypatch.setattr(token_module, "_content", slow)
    old = token.text()
    assert not token.is_right(old)
    assert token.is_right((tmp_path / NAME).read_text().strip())


@pytest.mark.parametrize(
    ("content", "mode"),
    [
        (b"", 0o600),
        (b"secret-of-somebody-else", 0o600),
        (RIGHT.encode() * 3, 0o600),
        (b"\xff" * 32, 0o600),
        (RIGHT.encode() + b"\n", 0o644),
    ],
)
def test_a_wrong_file_is_replaced_and_the_log_does_not_show_it(
    tmp_path: Path, content: bytes, mode: int, capfd: pytest.CaptureFixture[str]
) -> None:
    path = put(tmp_path, content, mode)
    token = Token(str(tmp_path))
    text = token.text()
    assert text != RIGHT
    assert path.read_text() == text + "\n"
    assert path.stat().st_mode & 0o777 == 0o600
    said = capfd.readouterr().err
    assert "page-token" in said
    for secret in (text, token.session(), RIGHT, "secret-of"):
        assert secret not in said


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.write_text(RIGHT)
    os.symlink(other, tmp_path / NAME)
    assert Token(str(tmp_path)).text() != RIGHT
    assert other.read_text() == RIGHT


def test_where_none_can_be_kept_none_is_right(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    token = Token(str(tmp_path / "nowhere"))
    with pytest.raises(FileNotFoundError):
        token.text()
    assert not token.is_right("")
    assert not token.is_session(token.session())
    assert "page-token" in capfd.readouterr().err

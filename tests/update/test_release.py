"""The index of releases: what is taken, and what is not, beside Debian's signify."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.update import release
from edge.update.errors import UpdateError
from tests.update.installed import Releases

DIGEST = "ab" * 32
TEXT = f"kwaainet 0.2.0\nx86_64 5 {DIGEST}\nmipsel_24kc 6 {DIGEST}\n".encode()


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Releases:
    return Releases(tmp_path_factory.mktemp("keys"))


def test_what_signify_has_signed_is_read(maker: Releases) -> None:
    found = release.opened(maker.signed(TEXT), maker.public.read_bytes())
    assert found.version == "0.2.0"
    assert found.files == {
        "x86_64": (5, bytes.fromhex(DIGEST)),
        "mipsel_24kc": (6, bytes.fromhex(DIGEST)),
    }


def test_every_byte_behind_the_comment_counts(maker: Releases) -> None:
    signed, key = maker.signed(TEXT), maker.public.read_bytes()
    for at in range(signed.index(b"\n"), len(signed)):
        with pytest.raises(UpdateError):
            release.opened(signed[:at] + bytes([signed[at] ^ 1]) + signed[at + 1 :], key)


def test_another_ones_signature_is_none(maker: Releases, tmp_path: Path) -> None:
    other = Releases(tmp_path, "other")
    with pytest.raises(UpdateError, match="another key"):
        release.opened(other.signed(TEXT), maker.public.read_bytes())


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"kwaainet\n",
        b"kwaainet 1.2\n",
        b"kwaainet 1.2.3.4\n",
        b"kwaainet 1.2.-3\n",
        b"kwaainet ../..\n",
        b"other 1.2.3\n",
        "kwaainet 1.2.\u0663\n".encode(),
        b"kwaainet 1.2.3\nx86_64 5\n",
        b"kwaainet 1.2.3\nx86_64 -5 " + DIGEST.encode(),
        b"kwaainet 1.2.3\nx86_64 67108865 " + DIGEST.encode(),
        b"kwaainet 1.2.3\nx86_64 5 " + DIGEST[:-1].encode(),
        b"kwaainet 1.2.3\n" + b"\n" * 100,
    ],
)
def test_what_is_no_index(text: bytes) -> None:
    with pytest.raises(UpdateError):
        release.parse(text)


@pytest.mark.parametrize(
    ("version", "other", "newer"),
    [
        ("0.2.0", "0.1.0", True),
        ("0.10.0", "0.9.9", True),
        ("1.0.0", "0.99.99", True),
        ("0.1.0", "0.1.0", False),
        ("0.1.0", "0.2.0", False),
    ],
)
def test_versions_are_compared_as_numbers(version: str, other: str, newer: bool) -> None:
    assert release.is_newer(version, other) == newer

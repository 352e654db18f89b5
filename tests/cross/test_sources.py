"""Where the build gets other people's sources: from the mirrors of this machine's apt, in turn."""

from pathlib import Path

import pytest

from cross import sources

HELPER = """#!/bin/sh
case "$4" in
    https://second.invalid/*) echo "$6" >"$5" ;;
    *) echo "E: 404 Not Found" >&2; exit 100 ;;
esac
"""


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In the place of apt's own: the second mirror has everything, the others have nothing."""
    path = tmp_path / "apt-helper"
    path.write_text(HELPER)
    path.chmod(0o755)
    monkeypatch.setattr(sources, "_HELPER", str(path))


def use(monkeypatch: pytest.MonkeyPatch, *names: str) -> None:
    monkeypatch.setattr(sources, "_listed", lambda: [f"https://{name}.invalid" for name in names])


def test_what_one_mirror_lacks_comes_from_the_next_with_its_hash(
    helper: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, "first", "second")
    sources._fetch(sources.LZMA, tmp_path / "archive")
    assert (tmp_path / "archive").read_text() == f"SHA256:{sources.LZMA.sha256}\n"


def test_what_no_mirror_has_is_told_with_what_each_said(
    helper: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, "first", "third")
    with pytest.raises(SystemExit) as raised:
        sources._fetch(sources.LZMA, tmp_path / "archive")
    first, *said = [line for line in str(raised.value).splitlines() if line]
    assert first == "lzma 25.01 cannot be fetched"
    uris = [f"https://{name}.invalid/pool/main/{sources.LZMA.pool}" for name in ("first", "third")]
    assert said == [f"{uri}: E: 404 Not Found" for uri in uris]


def test_without_a_mirror_it_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    use(monkeypatch)
    monkeypatch.setattr(sources.os, "geteuid", lambda: 1000)
    with pytest.raises(SystemExit, match="sudo apt-get update"):
        sources.mirrors()

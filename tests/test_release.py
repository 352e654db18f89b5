"""tools/sign, with which tools/release signs the checksums, against Debian's signify-openbsd."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

SIGN = Path(__file__).parents[1] / "tools" / "sign"
SIGNIFY = "signify-openbsd"


@pytest.fixture
def sums(tmp_path: Path) -> Path:
    path = tmp_path / "SHA256SUMS"
    path.write_text("0123  kwaainet-mipsel_24kc\n")
    return path


def make_key(folder: Path, name: str = "release", passphrase: str = "") -> Path:
    """The secret half, `name`.sec."""
    secret = folder / f"{name}.sec"
    command = [SIGNIFY, "-G", "-p", folder / f"{name}.pub", "-s", secret]
    command += [] if passphrase else ["-n"]
    subprocess.run(command, input=f"{passphrase}\n{passphrase}\n", text=True, check=True)
    return secret


def sign(
    *files: Path, key: Path | None = None, typed: str = ""
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [SIGN, *files],
        env={"PATH": "/usr/bin:/bin", "RELEASE_KEY": str(key or "")},
        input=typed,
        capture_output=True,
        text=True,
        check=False,
        start_new_session=True,  # no terminal to ask
    )


def is_signed(file: Path, public: Path) -> bool:
    command = [SIGNIFY, "-V", "-q", "-p", public, "-m", file]
    return subprocess.run(command, capture_output=True, check=False).returncode == 0


@pytest.mark.parametrize("passphrase", ["", "a passphrase"])
def test_signed_with_the_key_that_is_given(sums: Path, tmp_path: Path, passphrase: str) -> None:
    key = make_key(tmp_path, passphrase=passphrase)
    assert sign(sums, key=key, typed=f"{passphrase}\n").returncode == 0
    assert is_signed(sums, key.with_suffix(".pub"))
    assert not is_signed(sums, make_key(tmp_path, "other").with_suffix(".pub"))


def test_without_a_key_one_line_says_so(sums: Path) -> None:
    done = sign(sums)
    assert done.returncode == 0
    assert done.stderr == f"{sums} is not signed: RELEASE_KEY names no key\n"
    assert not sums.with_suffix(".sig").exists()


def test_nothing_is_said_before_there_is_something_to_sign(tmp_path: Path) -> None:
    assert sign().stderr == ""
    assert sign(key=make_key(tmp_path)).returncode == 0


@pytest.mark.parametrize("missing", [".sec", ".pub"])
def test_a_half_that_is_missing_is_told_before_the_build(tmp_path: Path, missing: str) -> None:
    key = make_key(tmp_path)
    key.with_suffix(missing).unlink()
    done = sign(key=key)
    assert done.returncode == 1
    assert done.stderr == f"RELEASE_KEY: {key.with_suffix(missing)} cannot be read\n"


def test_halves_that_do_not_belong_together_leave_no_signature(sums: Path, tmp_path: Path) -> None:
    key = make_key(tmp_path)
    make_key(tmp_path, "other").with_suffix(".pub").replace(key.with_suffix(".pub"))
    done = sign(sums, key=key)
    assert done.returncode == 1
    assert "is not the public half of" in done.stderr
    assert not Path(f"{sums}.sig").exists()


def test_a_wrong_passphrase_leaves_no_signature(sums: Path, tmp_path: Path) -> None:
    key = make_key(tmp_path, passphrase="right")
    assert sign(sums, key=key, typed="wrong\n").returncode != 0
    assert not Path(f"{sums}.sig").exists()

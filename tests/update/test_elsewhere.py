"""Who else updates the program."""

from __future__ import annotations

from pathlib import Path

import pytest

from edge.update.elsewhere import who


@pytest.mark.parametrize(
    ("variable", "keeper"),
    [
        ("KUBERNETES_SERVICE_HOST", "Kubernetes"),
        ("BALENA_DEVICE_UUID", "balena"),
        ("container", "a container"),
    ],
)
def test_by_a_variable(tmp_path: Path, variable: str, keeper: str) -> None:
    said = who({variable: "x"}, "/opt/kwaainet/kwaainet", str(tmp_path))
    assert said.startswith(f"this is {keeper} (the variable {variable})")


@pytest.mark.parametrize("path", ["run/.containerenv", ".dockerenv", "etc/openwrt_release"])
def test_by_a_file(tmp_path: Path, path: str) -> None:
    (tmp_path / path).parent.mkdir(exist_ok=True)
    (tmp_path / path).touch()
    assert f"(/{path})" in who({}, "/opt/kwaainet/kwaainet", str(tmp_path))


def test_by_dpkg_only_its_own_file(tmp_path: Path) -> None:
    listed = tmp_path / "var/lib/dpkg/info/kwaainet.list"
    listed.parent.mkdir(parents=True)
    listed.touch()
    assert "Debian" in who({}, "/usr/bin/kwaainet", str(tmp_path))
    assert not who({}, "/opt/kwaainet/kwaainet", str(tmp_path))


def test_otherwise_nobody(tmp_path: Path) -> None:
    assert not who({"HOME": "/root"}, "/usr/bin/kwaainet", str(tmp_path))

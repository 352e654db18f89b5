"""What ../Makefile says: the package's fields, scripts' input and files.

Reads only what our Makefile uses: `NAME:=value`, `define ... endef`, and INSTALL_BIN, _CONF or
_DATA with a source and a destination. OpenWrt's rules.mk gives them the modes 0755, 0600 and 0644.
"""

import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = ROOT / "openwrt"
SOURCE = "feeds/kwaainet/openwrt"  # where the buildroot has the package if our tree is a feed

_MODES = {"BIN": 0o755, "CONF": 0o600, "DATA": 0o644}
_BINARY = "$(PKG_BUILD_DIR)/dist/kwaainet-$(ARCH_PACKAGES)"


class RecipeError(Exception):
    """The Makefile, or a file it names, is not what this module understands."""


@dataclass(frozen=True)
class File:
    """`path`: without a leading slash."""

    path: str
    mode: int
    data: bytes


@dataclass(frozen=True)
class Recipe:
    """`version`: with the release. `kept`: what upgrades keep, files and directories, and
    `conffiles` those files of the package among it.
    """

    name: str
    version: str
    license: str
    license_files: str
    section: str
    maintainer: str
    user: str
    description: list[str]
    kept: list[str]
    conffiles: list[str]
    files: list[File]
    epoch: int


def read(binary: Path) -> Recipe:
    """The recipe with `binary` as the program. Raises RecipeError, OSError."""
    text = (HERE / "Makefile").read_text()
    kept = _section(text, "conffiles")
    files = _installed(_section(text, "install"), binary)
    paths = sorted([f"/{file.path}" for file in files])
    directories = [path for path in kept if path not in paths]
    name = _value(text, "PKG_NAME")
    files.append(File(f"lib/upgrade/keep.d/{name}", 0o644, _lines(directories)))
    return Recipe(
        name=name,
        version=f"{_value(text, 'PKG_VERSION')}-r{_value(text, 'PKG_RELEASE')}",
        license=_value(text, "PKG_LICENSE"),
        license_files=_value(text, "PKG_LICENSE_FILES"),
        section=_value(text, "SECTION"),
        maintainer=_value(text, "PKG_MAINTAINER"),
        user=_value(text, "USERID"),
        description=_section(text, "description"),
        kept=kept,
        conffiles=[path for path in paths if _is_kept(path, kept)],
        files=sorted(files, key=lambda file: file.path),
        epoch=_epoch(),
    )


def _epoch() -> int:
    """$SOURCE_DATE_EPOCH, else the time of the last commit: all there is in a package is as old."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return int(given)
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    return int(subprocess.run(command, check=True, capture_output=True).stdout)


def _value(text: str, name: str) -> str:
    found = re.search(rf"^\s*{name}:=(.*)$", text, re.MULTILINE)
    if found is None:
        raise RecipeError(f"Makefile: no {name}")
    return found[1].strip()


def _section(text: str, name: str) -> list[str]:
    found = re.search(rf"^define Package/kwaainet/{name}\n(.*?)^endef", text, re.M | re.S)
    if found is None:
        raise RecipeError(f"Makefile: no {name} of the package")
    return found[1].splitlines()


def _installed(lines: list[str], binary: Path) -> list[File]:
    files = []
    for line in "\n".join(lines).replace("\\\n", " ").splitlines():
        words = line.split()
        if not words or words[0] == "$(INSTALL_DIR)":
            continue
        kind = re.fullmatch(r"\$\(INSTALL_(BIN|CONF|DATA)\)", words[0])
        if kind is None or len(words) != 3 or not words[2].startswith("$(1)/"):
            raise RecipeError(f"Makefile: not understood: {line.strip()}")
        source = binary if words[1] == _BINARY else HERE / words[1]
        files.append(File(words[2].removeprefix("$(1)/"), _MODES[kind[1]], source.read_bytes()))
    return files


def _is_kept(path: str, kept: list[str]) -> bool:
    return path in kept or any(path.startswith(each) for each in kept if each.endswith("/"))


def _lines(lines: list[str]) -> bytes:
    return "".join([f"{line}\n" for line in lines]).encode()

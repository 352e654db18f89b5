"""What a package is made of, and what ../Makefile says of the node's.

Reads only what our Makefiles use: `NAME:=value`, `define ... endef`, and INSTALL_BIN, _CONF or
_DATA with a source and a destination. OpenWrt's rules.mk gives them the modes 0755, 0600 and 0644.
"""

import os
import re
import subprocess
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[2]
HERE = ROOT / "openwrt"
SOURCE = "feeds/kwaainet/openwrt"  # where the buildroot has the package if our tree is a feed

_MODES = {"BIN": 0o755, "CONF": 0o600, "DATA": 0o644}
_BINARY = "$(PKG_BUILD_DIR)/dist/kwaainet-$(ARCH_PACKAGES)"


class RecipeError(Exception):
    """A Makefile, or a file that a package is made of, is not as it is expected here."""


@dataclass(frozen=True)
class File:
    """`path`: without a leading slash."""

    path: str
    mode: int
    data: bytes


@dataclass(frozen=True)
class Recipe:
    """`version`: with the release. `kept`: what upgrades keep, files and directories, and
    `conffiles` those files of the package among it. `depends`: beside libc. `postinst`: run after
    what every package does when it is installed. `made_by`: the package of whose Makefile this one
    is a part. Texts that are empty are not in the package.
    """

    name: str
    version: str
    license: str
    section: str
    maintainer: str
    description: list[str]
    files: list[File]
    epoch: int
    source: str = SOURCE
    license_files: str = ""
    user: str = ""
    kept: list[str] = field(default_factory=list)
    conffiles: list[str] = field(default_factory=list)
    depends: list[str] = field(default_factory=list)
    postinst: str = ""
    made_by: str = ""


def read(binary: Path) -> Recipe:
    """The recipe with `binary` as the program. Raises RecipeError, OSError."""
    text = (HERE / "Makefile").read_text()
    kept = section(text, "kwaainet/conffiles")
    files = _installed(section(text, "kwaainet/install"), binary)
    paths = sorted([f"/{file.path}" for file in files])
    directories = [path for path in kept if path not in paths]
    name = value(text, "PKG_NAME")
    files.append(File(f"lib/upgrade/keep.d/{name}", 0o644, _lines(directories)))
    return Recipe(
        name=name,
        version=version(text),
        license=value(text, "PKG_LICENSE"),
        license_files=value(text, "PKG_LICENSE_FILES"),
        section=value(text, "SECTION"),
        maintainer=value(text, "PKG_MAINTAINER"),
        user=value(text, "USERID"),
        description=section(text, "kwaainet/description"),
        kept=kept,
        conffiles=[path for path in paths if _is_kept(path, kept)],
        files=sorted(files, key=lambda file: file.path),
        epoch=epoch(),
    )


def epoch() -> int:
    """$SOURCE_DATE_EPOCH, else the time of the last commit: all there is in a package is as old."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    if given:
        return int(given)
    command = ["git", "-C", str(ROOT), "log", "-1", "--format=%ct"]
    return int(subprocess.run(command, check=True, capture_output=True).stdout)


def version(text: str) -> str:
    return f"{value(text, 'PKG_VERSION')}-r{value(text, 'PKG_RELEASE')}"


def value(text: str, name: str) -> str:
    """What the Makefile `text` sets `name` to. Raises RecipeError."""
    found = re.search(rf"^\s*{name}:=(.*)$", text, re.MULTILINE)
    if found is None:
        raise RecipeError(f"Makefile: no {name}")
    return found[1].strip()


def section(text: str, name: str) -> list[str]:
    """The lines of `define Package/name` in the Makefile `text`. Raises RecipeError."""
    found = re.search(rf"^define Package/{name}\n(.*?)^endef", text, re.M | re.S)
    if found is None:
        raise RecipeError(f"Makefile: no Package/{name}")
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

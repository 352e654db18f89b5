"""python -m cross.audit: what is linked in, against what Debian has repaired in it since.

The advisories are those that Debian's source packages name, in the changelogs of every release
that apt's mirrors have: whatever was repaired after the version that is pinned here. What a patch
changes decides whether it concerns the binaries; where that is not enough, advisories.txt does,
with a reason. Ends with status 1 if an advisory is left.

Not seen: what Debian has not repaired, or has repaired without naming it, and the parts that no
package of Debian has. docs/audit.md says who looks at those.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cross import cache, contents, libsodium, lzma, mbedtls, packages, sources

_ASSESSED = Path(__file__).with_name("advisories.txt")
_KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
_SUITES = ("oldstable", "stable", "unstable")
_SECURITY_SUITES = ("oldstable-security", "stable-security")
_ADVISORY = re.compile(r"CVE-\d{4}-\d+")
_ENTRY = re.compile(r"^\S+ \((\S+)\) ", re.MULTILINE)
_CHANGED = re.compile(r"^\+\+\+ [^/\s]+/(\S+)", re.MULTILINE)
_NOT_SHIPPED = re.compile(r"(^|/)(tests?|Doc|Misc|docs?)/|ChangeLog|NEWS|\.rst$")


@dataclass(frozen=True)
class Part:
    """`package`: Debian's name of the source; `base`: its first version with the source we have."""

    name: str
    version: str
    package: str
    base: str


PARTS = (
    Part("CPython", sources.CPYTHON.version, "python3.13", f"{sources.CPYTHON.version}-1"),
    Part("libsodium", sources.LIBSODIUM.version, "libsodium", f"{sources.LIBSODIUM.version}-1"),
    Part(
        "BoringSSL",
        sources.BORINGSSL.version,
        "android-platform-external-boringssl",
        f"{sources.BORINGSSL.version.replace('_', '+')}-1",
    ),
    Part("mbedTLS", sources.MBEDTLS.version, "mbedtls", f"{sources.MBEDTLS.version}-1"),
    Part("LZMA-SDK", sources.LZMA.version, "7zip", f"{sources.LZMA.version}+dfsg-1"),
    Part("musl", "1.2.5", "musl", "1.2.5-1"),
)
# In the binary as well, and no package of Debian: name, version.
UNSEEN = (
    ("Nuitka's run time", packages.NUITKA[0].partition("==")[2]),
    ("Cython's utility code", packages.CYTHON[0].partition("==")[2]),
    ("msgpack", packages.MSGPACK[0].partition("==")[2]),
    ("h11", packages.H11[0].partition("==")[2]),
    ("zig's run time", packages.ZIG[0].partition("==")[2]),
)


@dataclass
class Finding:
    """What Debian has of a part. `advisories`: the files that each one's patches change."""

    newest: str = "-"
    advisories: dict[str, set[str]] = field(default_factory=dict)
    unread: list[str] = field(default_factory=list)  # versions whose packaging cannot be fetched


class Apt:
    """apt with lists of its own, of sources alone; nothing of the machine's is changed."""

    def __init__(self, folder: Path) -> None:
        (folder / "lists" / "partial").mkdir(parents=True, exist_ok=True)
        listed = folder / "sources.list"
        listed.write_text("".join(f"{line}\n" for line in _source_lines()))
        self._options = [
            f"-oDir::Etc::SourceList={listed}",
            "-oDir::Etc::SourceParts=/dev/null",
            f"-oDir::State::Lists={folder / 'lists'}",
            f"-oDir::Cache={folder}",
            "-oAPT::Sandbox::User=root",
        ]

    def update(self) -> None:
        done = subprocess.run(
            ["apt-get", *self._options, "-qq", "update"],
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise SystemExit(f"apt-get update: {done.stderr.strip()[-1000:]}")

    def versions(self, package: str) -> list[str]:
        """All that the mirrors have, the newest first."""
        command = ["apt-cache", *self._options, "showsrc", "--only-source", package]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found = re.findall(r"^Version: (\S+)", done.stdout, re.MULTILINE)
        ordered: list[str] = []
        for version in dict.fromkeys(found):
            later = [each for each in ordered if is_newer(each, version)]
            ordered.insert(len(later), version)
        return ordered

    def packaging(self, package: str, version: str) -> dict[str, str] | None:
        """Debian's own files, by name below debian/. None: the mirrors list it and lack it."""
        with tempfile.TemporaryDirectory(prefix="kwaainet-audit-") as folder:
            command = ["apt-get", *self._options, "-qq", "source", "--download-only", "--diff-only"]
            subprocess.run(
                [*command, f"{package}={version}"], cwd=folder, capture_output=True, check=False
            )
            for path in Path(folder).glob("*.debian.tar.*"):
                return dict(_texts(path))
        return None


def _source_lines() -> Iterator[str]:
    for mirror in sources.mirrors():
        for suite in _SECURITY_SUITES if sources.is_security(mirror) else _SUITES:
            yield f"deb-src [signed-by={_KEYRING}] {mirror} {suite} main"


def _texts(archive: Path) -> Iterator[tuple[str, str]]:
    with tarfile.open(archive) as tar:
        for member in tar:
            content = tar.extractfile(member) if member.isfile() else None
            if content is not None:
                text = content.read().decode(errors="replace")
                yield member.name.partition("debian/")[2], text


def is_newer(version: str, than: str) -> bool:
    command = ["dpkg", "--compare-versions", version, "gt", than]
    return subprocess.run(command, check=False).returncode == 0


def find(part: Part, apt: Apt) -> Finding:
    """What was repaired in `part` in any version of Debian after the one that we have."""
    found = Finding()
    versions = apt.versions(part.package)
    found.newest = versions[0] if versions else "-"
    for version in versions:
        if not is_newer(version, part.base):
            continue
        packaging = apt.packaging(part.package, version)
        if packaging is None:
            found.unread.append(version)
            continue
        for advisory in repaired(packaging["changelog"], part.base):
            files = found.advisories.setdefault(advisory, set())
            files |= changed(advisory, packaging)
    return found


def repaired(changelog: str, base: str) -> list[str]:
    """The advisories named in the entries of versions newer than `base`."""
    heads = list(_ENTRY.finditer(changelog))
    ends = [head.start() for head in heads[1:]] + [len(changelog)]
    found: list[str] = []
    for head, end in zip(heads, ends, strict=True):
        if not is_newer(head[1], base):
            break
        found += _ADVISORY.findall(changelog[head.end() : end])
    return list(dict.fromkeys(found))


def changed(advisory: str, packaging: dict[str, str]) -> set[str]:
    """The files, tests and documents aside, that the patches for `advisory` change."""
    patches = [
        text
        for name, text in packaging.items()
        if name.startswith("patches/") and (advisory in name or advisory in text)
    ]
    files = [file for text in patches for file in _CHANGED.findall(text)]
    return {file for file in files if not _NOT_SHIPPED.search(file)}


def is_linked(part: Part, file: str) -> bool:
    """Whether `file` of the source is in the binaries. In doubt, it is."""
    path = Path(file)
    if part.name == "CPython" and path.parts[0] == "Lib" and path.suffix == ".py":
        module = ".".join(path.with_suffix("").parts[1:]).removesuffix(".__init__")
        names = {*contents.stdlib_names(), *contents.FROZEN}
        return module in names or module.startswith("importlib._bootstrap")
    if part.name == "CPython" and re.fullmatch(r"Modules/[^/]+\.c", file):
        return bool({path.stem, path.stem.removesuffix("module")} & set(contents.BUILTINS))
    if part.name == "libsodium" and path.suffix == ".c":
        return file.removeprefix("src/libsodium/").removesuffix(".c") in libsodium.FILES
    if part.name == "mbedTLS" and path.suffix == ".c":
        return file.removeprefix("library/").removesuffix(".c") in mbedtls.FILES
    if part.name == "LZMA-SDK" and path.suffix in {".c", ".cpp"}:
        return file.removeprefix("C/").removesuffix(".c") in lzma.DECODER
    return True


def assessed() -> dict[str, str]:
    """advisories.txt: why one that is in linked code does not concern the binaries."""
    lines = [line for line in _ASSESSED.read_text().splitlines() if not line.startswith("#")]
    return dict(line.split(" ", 1) for line in lines if line)


def left(part: Part, found: Finding) -> dict[str, str]:
    """The advisories that concern the binaries, as far as is known, and the files they are in."""
    reasons = assessed()
    return {
        advisory: ", ".join(sorted(files)) or "no patch names it"
        for advisory, files in sorted(found.advisories.items())
        if advisory not in reasons and (not files or any(is_linked(part, file) for file in files))
    }


def main() -> int:
    apt = Apt(cache.apt())
    apt.update()
    form = "{:<24} {:<12} {:<26} {:>8} {:>5}"
    print(form.format("part", "pinned", "Debian's newest", "repaired", "left"))
    problems = []
    for part in PARTS:
        found = find(part, apt)
        open_ones = left(part, found)
        counts = (len(found.advisories), len(open_ones))
        print(form.format(part.name, part.version, found.newest, *counts), flush=True)
        problems += [f"{part.name}: {name}: {where}" for name, where in open_ones.items()]
        for version in found.unread:
            print(f"    {version}: listed, and not to be had from the mirrors: not read")
    for name, version in UNSEEN:
        print(form.format(name, version, "no package", "-", "-"))
    problems += _pypi()
    print("\n".join(["", *problems]) if problems else "\nnothing is known to be left")
    return 1 if problems else 0


def _pypi() -> list[str]:
    """What pip-audit finds in the build's tools, where it is installed and reaches its database."""
    program = shutil.which("pip-audit")
    if program is None:
        print("tools from PyPI: not asked, pip-audit is not installed")
        return []
    command = [program, "--disable-pip", "--requirement", str(packages.REQUIREMENTS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found = [line for line in done.stdout.splitlines() if re.search(r"(CVE|GHSA|PYSEC)-", line)]
    if done.returncode and not found:
        print(f"tools from PyPI: not asked, {done.stderr.strip().splitlines()[-1:]}")
    return found


if __name__ == "__main__":
    sys.exit(main())

"""cross.audit, over packaging as Debian has it and a stand-in for its mirrors."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cross import audit, sbom
from cross.audit import Finding, Part

PYTHON = Part("CPython", "3.13.5", "python3.13", "3.13.5-1")
MBEDTLS = Part("mbedTLS", "3.6.7", "mbedtls", "3.6.7-1")
SODIUM = Part("libsodium", "1.0.18", "libsodium", "1.0.18-1")
LZMA = Part("LZMA-SDK", "25.01", "7zip", "25.01+dfsg-1")
MUSL = Part("musl", "1.2.5", "musl", "1.2.5-1")
CHANGELOG = """\
python3.13 (3.13.5-2+deb13u2) trixie-security; urgency=medium

  * CVE-2026-0001: tarfile
  * CVE-2026-0002, CVE-2026-0003

 -- Someone <someone@example.org>  Mon, 10 Aug 2026 14:06:59 +0200

python3.13 (3.13.5-1) unstable; urgency=medium

  * New upstream version. CVE-2025-0004.

python3.13 (3.13.4-1) unstable; urgency=medium

  * CVE-2025-0005
"""
TARFILE = """\
--- a/Lib/tarfile.py
+++ b/Lib/tarfile.py
@@ -1 +1 @@
--- a/Lib/test/test_tarfile.py
+++ b/Lib/test/test_tarfile.py
--- /dev/null
+++ b/Misc/NEWS.d/next/Security/1.rst
"""
SELECT = "Subject: CVE-2026-0002\n\n+++ python3.13-3.13.5/Modules/selectmodule.c\n"


class Mirrors(audit.Apt):
    """Debian's packaging by version, the newest first; None where it cannot be fetched."""

    def __init__(self, packaging: dict[str, dict[str, str] | None]) -> None:
        self._packaging = packaging

    def versions(self, package: str) -> list[str]:
        return list(self._packaging)

    def packaging(self, package: str, version: str) -> dict[str, str] | None:
        return self._packaging[version]


def test_what_was_repaired_after_our_version_is_read_from_the_changelog() -> None:
    """What came with our version itself is in it."""
    found = audit.repaired(CHANGELOG, PYTHON.base)
    assert found == ["CVE-2026-0001", "CVE-2026-0002", "CVE-2026-0003"]


def test_the_files_come_from_the_patches_by_name_or_by_text() -> None:
    packaging = {"patches/CVE-2026-0001.patch": TARFILE, "patches/fix-select.diff": SELECT}
    assert audit.changed("CVE-2026-0001", packaging) == {"Lib/tarfile.py"}
    assert audit.changed("CVE-2026-0002", packaging) == {"Modules/selectmodule.c"}
    assert audit.changed("CVE-2026-0003", packaging) == set()


@pytest.mark.parametrize(
    ("part", "file", "linked"),
    [
        (PYTHON, "Lib/tarfile.py", False),
        (PYTHON, "Lib/email/generator.py", False),
        (PYTHON, "Lib/asyncio/base_events.py", True),
        (PYTHON, "Lib/asyncio/__init__.py", True),
        (PYTHON, "Lib/importlib/_bootstrap_external.py", True),
        (PYTHON, "Modules/_bz2module.c", False),
        (PYTHON, "Modules/zlibmodule.c", False),
        (PYTHON, "Modules/selectmodule.c", True),
        (PYTHON, "Modules/binascii.c", True),
        (PYTHON, "Modules/_io/bytesio.c", True),
        (PYTHON, "Modules/_decimal/_decimal.c", True),  # in doubt
        (PYTHON, "Objects/dictobject.c", True),
        (SODIUM, "src/libsodium/crypto_box/crypto_box.c", False),
        (SODIUM, "src/libsodium/crypto_core/ed25519/ref10/ed25519_ref10.c", True),
        (MBEDTLS, "library/ssl_tls12_server.c", False),
        (MBEDTLS, "library/x509_crt.c", True),
        (MBEDTLS, "library/ssl_misc.h", True),
        (LZMA, "C/LzmaDec.c", True),
        (LZMA, "C/LzmaDec.h", True),
        (LZMA, "C/XzDec.c", False),
        (LZMA, "CPP/7zip/Archive/NtfsHandler.cpp", False),
        (MUSL, "src/locale/iconv.c", True),
    ],
)
def test_a_file_that_may_be_linked_is(part: Part, file: str, linked: bool) -> None:
    assert audit.is_linked(part, file) == linked


def test_an_advisory_is_left_if_it_is_linked_or_has_no_patch_and_no_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    mirrors = Mirrors(
        {
            "3.13.6-1": None,
            "3.13.5-2+deb13u2": {
                "changelog": CHANGELOG,
                "patches/CVE-2026-0001.patch": TARFILE,
                "patches/fix-select.diff": SELECT,
            },
            "3.13.5-1": {"changelog": "never read"},
        }
    )
    found = audit.find(PYTHON, mirrors)
    assert found.newest == "3.13.6-1"
    assert found.unread == ["3.13.6-1"]
    assert audit.left(PYTHON, found) == {
        "CVE-2026-0002": "Modules/selectmodule.c",
        "CVE-2026-0003": "no patch names it",
    }
    monkeypatch.setattr(audit, "assessed", lambda: {"CVE-2026-0003": "a reason"})
    assert list(audit.left(PYTHON, found)) == ["CVE-2026-0002"]


def test_a_part_that_debian_has_no_more_is_shown_without_a_version() -> None:
    assert audit.find(MUSL, Mirrors({})) == Finding()


@pytest.mark.parametrize("open_one", [True, False])
def test_the_table_ends_with_what_is_left(
    open_one: bool, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def find(part: Part, apt: audit.Apt) -> Finding:
        files = {"CVE-2026-0009": {"src/stdio/vfprintf.c"}} if open_one and part == MUSL else {}
        return Finding("9-1", files)

    monkeypatch.setattr(audit, "Apt", lambda folder: Mirrors({}))
    monkeypatch.setattr(Mirrors, "update", lambda self: None)
    monkeypatch.setattr(audit, "find", find)
    monkeypatch.setattr(audit.shutil, "which", lambda name: None)
    assert audit.main() == open_one
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines[1:7]] == [part.name for part in audit.PARTS]
    assert lines[-1] == (
        "musl: CVE-2026-0009: src/stdio/vfprintf.c" if open_one else "nothing is known to be left"
    )


def test_every_advisory_that_was_looked_at_has_a_reason() -> None:
    reasons = audit.assessed()
    assert all(re.fullmatch(r"CVE-\d{4}-\d+", name) for name in reasons)
    assert all(reason.endswith(".") and len(reason) > 20 for reason in reasons.values())
    named = {part.name for part in audit.PARTS}
    assert all(reason.partition(",")[0] in named for reason in reasons.values())


def test_every_linked_part_is_looked_at_or_said_to_be_unseen() -> None:
    """By the bill of materials."""
    parts = {part.name.lower() for part in audit.PARTS}
    unseen = {"nuitka-runtime", "cython-utility-code", "zig", "msgpack", "h11"}
    for name, *_ in sbom.LINKED:
        assert name.removesuffix("-chacha20-poly1305") in parts | unseen
    assert len(audit.UNSEEN) == len(unseen)


def test_lists_are_apts_own_and_of_sources_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    mirrors = ["http://a.invalid/debian", "http://a.invalid/debian-security"]
    monkeypatch.setattr(audit.sources, "mirrors", lambda: mirrors)
    audit.Apt(tmp_path / "apt")
    lines = (tmp_path / "apt" / "sources.list").read_text().splitlines()
    assert all(line.startswith("deb-src [signed-by=") for line in lines)
    assert [line.split()[2:4] for line in lines] == [
        [mirrors[0], "oldstable"],
        [mirrors[0], "stable"],
        [mirrors[0], "unstable"],
        [mirrors[1], "oldstable-security"],
        [mirrors[1], "stable-security"],
    ]

"""python -m cross.sbom [TARGET...]: what is linked in, and under which licence (SPDX 2.3)."""

from __future__ import annotations

import hashlib
import json
import shutil
import sys
from pathlib import Path

from cross import binary, boringssl, packages, sources
from cross.contents import ROOT
from cross.targets import TARGETS
from edge.version import VERSION

LICENCES = ROOT / "docs" / "licences"
_CREATED = "2026-01-01T00:00:00Z"  # a build has no time, see cross.toolchain

_BORINGSSL = "boringssl-chacha20-poly1305"
# name, version, SPDX licence, where it comes from, and the file of its text in docs/licences
LINKED = (
    ("cpython", sources.CPYTHON.version, "PSF-2.0", "https://www.python.org", "cpython.txt"),
    ("libsodium", sources.LIBSODIUM.version, "ISC", "https://libsodium.org", "libsodium.txt"),
    (
        _BORINGSSL,
        sources.BORINGSSL.version,
        "ISC",
        "https://boringssl.googlesource.com",
        "boringssl.txt",
    ),
    (
        "mbedtls",
        sources.MBEDTLS.version,
        "Apache-2.0",
        "https://www.trustedfirmware.org/projects/mbed-tls",
        "mbedtls.txt",
    ),
    (
        "lzma-sdk",
        sources.LZMA.version,
        sources.LZMA.licence,
        "https://7-zip.org/sdk.html",
        "lzma.txt",
    ),
    ("musl", "1.2.5", "MIT", "https://musl.libc.org", "musl.txt"),
    ("zig", packages.ZIG[0].partition("==")[2], "MIT", "https://ziglang.org", "zig.txt"),
    (
        "nuitka-runtime",
        packages.NUITKA[0].partition("==")[2],
        "AGPL-3.0-only WITH LicenseRef-Nuitka-Runtime-Exception-1.0",
        "https://nuitka.net",
        "nuitka-runtime.txt",
    ),
    (
        "cython-utility-code",
        packages.CYTHON[0].partition("==")[2],
        "Apache-2.0",
        "https://cython.org",
        "cython.txt",
    ),
    (
        "msgpack",
        packages.MSGPACK[0].partition("==")[2],
        "Apache-2.0",
        "https://msgpack.org",
        "msgpack.txt",
    ),
    (
        "h11",
        packages.H11[0].partition("==")[2],
        "MIT",
        "https://h11.readthedocs.io",
        "h11.txt",
    ),
)


def document(name: str, path: Path) -> dict[str, object]:
    """The bill of materials of the binary at `path`."""
    sha256 = hashlib.sha256(path.read_bytes()).hexdigest()
    ours = {
        **_package("kwaainet", VERSION, "Apache-2.0", "NOASSERTION"),
        "checksums": [{"algorithm": "SHA256", "checksumValue": sha256}],
    }
    linked = [
        _package(*each[:4])
        for each in LINKED
        if each[0] != _BORINGSSL or boringssl.has(TARGETS[name])
    ]
    return {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": f"kwaainet-{VERSION}-{name}",
        "documentNamespace": f"https://spdx.org/spdxdocs/kwaainet-{VERSION}-{name}-{sha256[:16]}",
        "creationInfo": {"created": _CREATED, "creators": ["Tool: kwaainet-cross"]},
        "documentDescribes": [ours["SPDXID"]],
        "packages": [ours, *linked],
        "relationships": [
            {
                "spdxElementId": ours["SPDXID"],
                "relationshipType": "STATIC_LINK",
                "relatedSpdxElement": package["SPDXID"],
            }
            for package in linked
        ],
        "hasExtractedLicensingInfos": [
            {
                "licenseId": "LicenseRef-Nuitka-Runtime-Exception-1.0",
                "name": "Nuitka Runtime Library Exception, Version 1.0",
                "extractedText": (LICENCES / "nuitka-runtime.txt").read_text(),
            }
        ],
    }


def _package(name: str, version: str, licence: str, origin: str) -> dict[str, object]:
    return {
        "SPDXID": f"SPDXRef-{name}",
        "name": name,
        "versionInfo": version,
        "downloadLocation": origin,
        "filesAnalyzed": False,
        "licenseConcluded": licence,
        "licenseDeclared": licence,
        "copyrightText": "NOASSERTION",
    }


def main() -> None:
    for name in sys.argv[1:] or TARGETS:
        path = binary.DIST / f"kwaainet-{name}"
        text = json.dumps(document(name, path), indent=1) + "\n"
        path.with_name(f"{path.name}.spdx.json").write_text(text)
    shutil.copytree(LICENCES, binary.DIST / "licences", dirs_exist_ok=True)


if __name__ == "__main__":
    main()

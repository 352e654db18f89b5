"""An .ipk as OpenWrt's scripts/ipkg-build makes it, byte for byte but for the compression.

A gzipped tar of ./debian-binary, ./data.tar.gz and ./control.tar.gz, in this order; all tars in
GNU format, sorted, owned by 0:0 and as old as the source. The fields of `control` and the scripts
are those of include/package-pack.mk.
"""

import gzip
import io
import tarfile
from dataclasses import dataclass

from openwrt.package.recipe import File, Recipe

_POSTINST = b"""#!/bin/sh
[ "${IPKG_NO_SCRIPT}" = "1" ] && exit 0
[ -s ${IPKG_INSTROOT}/lib/functions.sh ] || exit 0
. ${IPKG_INSTROOT}/lib/functions.sh
default_postinst $0 $@
"""
_PRERM = b"""#!/bin/sh
[ -s ${IPKG_INSTROOT}/lib/functions.sh ] || exit 0
. ${IPKG_INSTROOT}/lib/functions.sh
default_prerm $0 $@
"""


@dataclass(frozen=True)
class Ipk:
    filename: str
    control: str
    content: bytes


def build(recipe: Recipe, arch: str) -> Ipk:
    data = tar(recipe.files, recipe.epoch)
    control = _control(recipe, arch, len(data))
    conffiles = "".join([f"{path}\n" for path in recipe.conffiles]).encode()
    members = [
        *([File("conffiles", 0o644, conffiles)] if conffiles else []),
        File("control", 0o644, control.encode()),
        File("postinst", 0o755, _POSTINST),
        *([File("postinst-pkg", 0o755, recipe.postinst.encode())] if recipe.postinst else []),
        File("prerm", 0o755, _PRERM),
    ]
    outer = [
        File("debian-binary", 0o644, b"2.0\n"),
        File("data.tar.gz", 0o644, _gzip(data)),
        File("control.tar.gz", 0o644, _gzip(tar(members, recipe.epoch))),
    ]
    content = _gzip(tar(outer, recipe.epoch, directories=False))
    return Ipk(f"{recipe.name}_{recipe.version}_{arch}.ipk", control, content)


def _control(recipe: Recipe, arch: str, installed_size: int) -> str:
    fields = {
        "Package": recipe.name,
        "Version": recipe.version,
        "Depends": ", ".join(["libc", *recipe.depends]),
        "Source": recipe.source,
        "SourceName": recipe.made_by or recipe.name,
        "License": recipe.license,
        "LicenseFiles": recipe.license_files,
        "Section": recipe.section,
        "Require-User": recipe.user,
        "SourceDateEpoch": str(recipe.epoch),
        "Maintainer": recipe.maintainer,
        "Architecture": arch,
        "Installed-Size": str(installed_size),
        "Description": "\n".join([f" {line.strip()}" for line in recipe.description]),
    }
    return "".join([f"{name}: {text}\n" for name, text in fields.items() if text])


def tar(files: list[File], mtime: int, directories: bool = True) -> bytes:
    """`files` in their order below ".", each behind its directories if those are wanted."""
    out = io.BytesIO()
    seen: set[str] = set()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for file in files:
            parents = _parents(file.path) if directories else []
            for parent in [each for each in parents if each not in seen]:
                seen.add(parent)
                _add(tar, parent, 0o755, mtime, None)
            _add(tar, f"./{file.path}", file.mode, mtime, file.data)
    return out.getvalue()


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["./"] + ["./" + "/".join(parts[: n + 1]) + "/" for n in range(len(parts))]


def _add(tar: tarfile.TarFile, name: str, mode: int, mtime: int, data: bytes | None) -> None:
    info = tarfile.TarInfo(name)
    info.mode = mode
    info.mtime = mtime
    info.type = tarfile.DIRTYPE if data is None else tarfile.REGTYPE
    info.size = len(data or b"")
    tar.addfile(info, io.BytesIO(data or b""))


def _gzip(data: bytes) -> bytes:
    return gzip.compress(data, 9, mtime=0)

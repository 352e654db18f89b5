"""A .deb as dpkg-deb makes it: an ar archive of a version, control.tar.xz and data.tar.xz.

The same bytes from the same files: sorted, owned by 0:0, as old as the source.

Source: deb(5), deb-control(5), deb-md5sums(5)
"""

import hashlib
import lzma

from openwrt.package.ipk import tar
from openwrt.package.recipe import File

_MAGIC = b"!<arch>\n"


def build(control: dict[str, str], scripts: list[File], files: list[File], epoch: int) -> bytes:
    """The package of `files`, those below /etc being the administrator's once installed.

    `control`: its fields, to which Installed-Size is added; `scripts`: of the maintainer; `epoch`:
    seconds since 1970.
    """
    files = sorted(files, key=lambda file: file.path)
    conffiles = [f"/{file.path}\n" for file in files if file.path.startswith("etc/")]
    sums = [f"{_md5(file.data)}  {file.path}\n" for file in files]
    size = sum([-(-len(file.data) // 1024) for file in files])
    fields = {**control, "Installed-Size": str(size)}
    members = [
        File("conffiles", 0o644, "".join(conffiles).encode()),
        File("control", 0o644, "".join([f"{k}: {v}\n" for k, v in fields.items()]).encode()),
        File("md5sums", 0o644, "".join(sums).encode()),
        *scripts,
    ]
    return _MAGIC + b"".join(
        [
            _member("debian-binary", b"2.0\n", epoch),
            _member("control.tar.xz", lzma.compress(tar(members, epoch)), epoch),
            _member("data.tar.xz", lzma.compress(tar(files, epoch)), epoch),
        ]
    )


def _member(name: str, data: bytes, mtime: int) -> bytes:
    header = f"{name:<16}{mtime:<12}{0:<6}{0:<6}{0o100644:<8o}{len(data):<10}`\n"
    return header.encode() + data + b"\n" * (len(data) % 2)


def _md5(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()

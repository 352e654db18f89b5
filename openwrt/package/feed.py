"""Feeds to be put on any web server: a directory for each architecture, with its index signed.

opkg's holds Packages, Packages.gz and Packages.sig beside the .ipk files, as OpenWrt's
scripts/ipkg-make-index.sh and usign make them; apk's holds packages.adb beside the .apk files.
"""

import gzip
import hashlib
from pathlib import Path

from openwrt.package import apk
from openwrt.package.ipk import Ipk
from openwrt.package.keys import ApkKey, SignifyKey


def write_opkg(directory: Path, packages: list[Ipk], key: SignifyKey) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for package in packages:
        (directory / package.filename).write_bytes(package.content)
    entries = [_entry(each) for each in sorted(packages, key=lambda each: each.filename)]
    index = "".join([f"{entry}\n" for entry in entries]).encode()
    file = directory / "Packages"
    file.write_bytes(index)
    (directory / "Packages.gz").write_bytes(gzip.compress(index, 9, mtime=0))
    key.sign(file)


def _entry(package: Ipk) -> str:
    """The control file, with what opkg needs to fetch and check the package."""
    before, mark, after = package.control.partition("\nDescription:")
    return (
        f"{before}\n"
        f"Filename: {package.filename}\n"
        f"Size: {len(package.content)}\n"
        f"SHA256sum: {hashlib.sha256(package.content).hexdigest()}"
        f"{mark}{after}"
    )


def write_apk(directory: Path, packages: list[apk.Apk], key: ApkKey) -> None:
    directory.mkdir(parents=True, exist_ok=True)
    for package in packages:
        (directory / package.filename).write_bytes(package.content)
    (directory / "packages.adb").write_bytes(apk.index(packages, key))

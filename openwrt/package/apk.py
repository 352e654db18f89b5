"""An .apk (version 3) and its index, as `apk mkpkg` and `apk mkndx` of apk-tools 3 make them.

The package has what OpenWrt's include/package-pack.mk adds for apk: lists of its files, conffiles
with their checksums and users below lib/apk/packages, and the scripts.
"""

import hashlib
import struct
from dataclasses import dataclass
from pathlib import PurePosixPath

from openwrt.package import adb
from openwrt.package.keys import ApkKey
from openwrt.package.recipe import File, Recipe

_PACKAGE, _INDEX = 0x676B6370, 0x78646E69  # "pckg", "indx"

# Field numbers, by apk-tools' names.
_DEP_NAME = 1
_PI_NAME, _PI_VERSION, _PI_HASHES, _PI_DESCRIPTION, _PI_ARCH, _PI_LICENSE = 1, 2, 3, 4, 5, 6
_PI_ORIGIN, _PI_MAINTAINER, _PI_INSTALLED_SIZE, _PI_FILE_SIZE, _PI_DEPENDS = 7, 8, 12, 13, 15
_ACL_MODE, _ACL_USER, _ACL_GROUP = 1, 2, 3
_FI_NAME, _FI_ACL, _FI_SIZE, _FI_MTIME, _FI_HASHES = 1, 2, 3, 4, 5
_DI_NAME, _DI_ACL, _DI_FILES = 1, 2, 3
_SCRIPT_POST_INSTALL, _SCRIPT_PRE_DEINSTALL, _SCRIPT_POST_UPGRADE = 3, 4, 7
_PKG_INFO, _PKG_PATHS, _PKG_SCRIPTS = 1, 2, 3
_NDX_PACKAGES = 2

_UNIQUE_ID = 20  # bytes: of the SHA-256 of the database, with zeros in their place

_FUNCTIONS = """[ -s ${IPKG_INSTROOT}/lib/functions.sh ] || exit 0
. ${IPKG_INSTROOT}/lib/functions.sh
export root="${IPKG_INSTROOT}"
export pkgname="%s"
"""
_INSTALL = f"""[ "${{IPKG_NO_SCRIPT}}" = "1" ] && exit 0
{_FUNCTIONS}add_group_and_user
default_postinst
"""


@dataclass(frozen=True)
class Info:
    """What the index says of a package. `unique_id`: as in the package itself."""

    recipe: Recipe
    arch: str
    installed_size: int


@dataclass(frozen=True)
class Apk:
    """`identity`: the SHA-256 by which the index knows the package."""

    filename: str
    info: Info
    unique_id: bytes
    identity: bytes
    content: bytes


def build(recipe: Recipe, arch: str, key: ApkKey | None = None) -> Apk:
    files = _with_lists(recipe)
    info = Info(recipe, arch, sum([len(file.data) for file in files]))
    database = adb.Database()
    fields = _info(database, info)
    paths = _paths(database, files, recipe.epoch)
    fields[_PI_INSTALLED_SIZE] = database.integer(info.installed_size)
    unique = fields[_PI_HASHES] = database.blob(bytes(_UNIQUE_ID), shared=False)
    package = {_PKG_INFO: database.object(fields), _PKG_PATHS: database.array(paths)}
    package[_PKG_SCRIPTS] = _scripts(database, recipe)
    database.root(database.object(package))
    unique_id = hashlib.sha256(database.data).digest()[:_UNIQUE_ID]
    database.patch(unique, unique_id)
    content = bytes(database.data)
    return Apk(
        filename=f"{recipe.name}-{recipe.version}.apk",
        info=info,
        unique_id=unique_id,
        identity=hashlib.sha256(content).digest(),
        content=adb.container(_PACKAGE, content, _signature(_PACKAGE, content, key), _data(files)),
    )


def index(packages: list[Apk], key: ApkKey | None = None) -> bytes:
    """An index of packages, which stand there by their names."""
    database = adb.Database()
    entries = [_entry(database, each) for each in sorted(packages, key=lambda each: each.filename)]
    database.root(database.object({_NDX_PACKAGES: database.array(entries)}))
    content = bytes(database.data)
    return adb.container(_INDEX, content, _signature(_INDEX, content, key), [])


def _entry(database: adb.Database, apk: Apk) -> int:
    fields = _info(database, apk.info, apk.unique_id)
    fields[_PI_INSTALLED_SIZE] = database.integer(apk.info.installed_size)
    fields[_PI_FILE_SIZE] = database.integer(len(apk.content))
    fields[_PI_HASHES] = database.blob(apk.identity)
    return database.object(fields)


def _signature(schema: int, content: bytes, key: ApkKey | None) -> bytes:
    return b"" if key is None else adb.sign(schema, content, key.identifier(), key.sign)


def _info(database: adb.Database, info: Info, unique_id: bytes = b"") -> dict[int, int]:
    """The fields in the order in which apk-tools writes them."""
    recipe = info.recipe
    names = sorted(["libc", *recipe.depends])
    return {
        _PI_NAME: database.text(recipe.name),
        _PI_VERSION: database.text(recipe.version),
        _PI_HASHES: database.blob(unique_id),
        _PI_DESCRIPTION: database.text(" ".join([line.strip() for line in recipe.description])),
        _PI_ARCH: database.text(info.arch),
        _PI_LICENSE: database.text(recipe.license),
        _PI_ORIGIN: database.text(recipe.source),
        _PI_MAINTAINER: database.text(recipe.maintainer),
        _PI_DEPENDS: database.array([_dependency(database, name) for name in names]),
    }


def _dependency(database: adb.Database, name: str) -> int:
    return database.object({_DEP_NAME: database.text(name)})


def _with_lists(recipe: Recipe) -> list[File]:
    prefix = f"lib/apk/packages/{recipe.name}"
    lists = []
    if recipe.user:
        lists.append(File(f"{prefix}.rusers", 0o644, f"{recipe.user}\n".encode()))
    names = sorted([f"/{file.path}" for file in (*recipe.files, *lists)])
    lists.append(File(f"{prefix}.list", 0o644, _lines(names)))
    if recipe.kept:
        checksums = {f"/{file.path}": hashlib.sha256(file.data) for file in recipe.files}
        static = [f"{at} {checksums[at].hexdigest()}" for at in recipe.kept if at in checksums]
        lists.append(File(f"{prefix}.conffiles", 0o644, _lines(recipe.kept)))
        lists.append(File(f"{prefix}.conffiles_static", 0o644, _lines(static)))
    return _by_directory([*recipe.files, *lists])


def _lines(lines: list[str]) -> bytes:
    return "".join([f"{line}\n" for line in lines]).encode()


def _by_directory(files: list[File]) -> list[File]:
    return sorted(files, key=lambda file: (_directory(file), PurePosixPath(file.path).name))


def _directory(file: File) -> str:
    """The root's is empty."""
    return file.path.rpartition("/")[0]


def _directories(files: list[File]) -> list[str]:
    """All of them, the root first."""
    found = {""}
    for file in files:
        parts = file.path.split("/")[:-1]
        found |= {"/".join(parts[: n + 1]) for n in range(len(parts))}
    return sorted(found)


def _paths(database: adb.Database, files: list[File], mtime: int) -> list[int]:
    found = []
    for directory in _directories(files):
        inside = [file for file in files if _directory(file) == directory]
        items = [_file(database, file, mtime) for file in inside]
        fields = {
            _DI_NAME: database.text(directory),
            _DI_ACL: _acl(database, 0o755),
            _DI_FILES: database.array(items),
        }
        found.append(database.object(fields))
    return found


def _file(database: adb.Database, file: File, mtime: int) -> int:
    fields = {
        _FI_NAME: database.text(PurePosixPath(file.path).name),
        _FI_HASHES: database.blob(hashlib.sha256(file.data).digest()),
        _FI_MTIME: database.integer(mtime),
        _FI_SIZE: database.integer(len(file.data)),
    }
    fields[_FI_ACL] = _acl(database, file.mode)
    return database.object(fields)


def _acl(database: adb.Database, mode: int) -> int:
    root = database.text("root")
    return database.object({_ACL_MODE: database.integer(mode), _ACL_USER: root, _ACL_GROUP: root})


def _scripts(database: adb.Database, recipe: Recipe) -> int:
    own = [line for line in recipe.postinst.splitlines() if not line.startswith("#!")]
    install = _INSTALL % recipe.name + "".join([f"{line}\n" for line in own])
    scripts = {
        _SCRIPT_POST_INSTALL: f"#!/bin/sh\n{install}",
        _SCRIPT_PRE_DEINSTALL: f"#!/bin/sh\n{_FUNCTIONS % recipe.name}default_prerm\n",
        _SCRIPT_POST_UPGRADE: f"#!/bin/sh\nexport PKG_UPGRADE=1\n{install}",
    }
    return database.object({number: database.text(text) for number, text in scripts.items()})


def _data(files: list[File]) -> list[bytes]:
    """A block for each file that is not empty, named by its place in the list of paths."""
    blocks = []
    for path, directory in enumerate(_directories(files), 1):
        inside = [file for file in files if _directory(file) == directory]
        for number, file in enumerate(inside, 1):
            if file.data:
                blocks.append(struct.pack("<II", path, number) + file.data)
    return blocks

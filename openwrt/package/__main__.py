"""python -m openwrt.package ipk|feed|apk ARCH BINARY OUT [KEYS]

ipk writes OUT/kwaainet_VERSION_ARCH.ipk; feed and apk write OUT/ARCH, signed with the keys in the
directory KEYS, which are created if they do not exist.
"""

import sys
from pathlib import Path

from openwrt.package import apk, feed, ipk, recipe
from openwrt.package.keys import ApkKey, SignifyKey
from openwrt.package.recipe import RecipeError

_USAGE = 2


def main(words: list[str]) -> int:
    if len(words) != (4 if words[:1] == ["ipk"] else 5) or words[0] not in ("ipk", "feed", "apk"):
        print(__doc__, end="", file=sys.stderr)
        return _USAGE
    what, arch, binary, out = words[0], words[1], Path(words[2]), Path(words[3])
    try:
        found = recipe.read(binary)
    except (RecipeError, OSError) as error:
        print(f"openwrt.package: {error}", file=sys.stderr)
        return 1
    out.mkdir(parents=True, exist_ok=True)
    if what == "ipk":
        package = ipk.build(found, arch)
        (out / package.filename).write_bytes(package.content)
        print(f"{out / package.filename}: {len(package.content)} bytes")
        return 0
    keys = Path(words[4])
    keys.mkdir(parents=True, exist_ok=True, mode=0o700)
    if what == "feed":
        _opkg(out / arch, ipk.build(found, arch), SignifyKey(keys))
    else:
        _apk(out / arch, found, arch, ApkKey(keys))
    return 0


def _opkg(directory: Path, package: ipk.Ipk, key: SignifyKey) -> None:
    feed.write_opkg(directory, [package], key)
    _say(directory, package.filename, key.public, f"/etc/opkg/keys/{key.fingerprint()}")


def _apk(directory: Path, found: recipe.Recipe, arch: str, key: ApkKey) -> None:
    package = apk.build(found, arch, key)
    feed.write_apk(directory, package, key)
    _say(directory, package.filename, key.public, f"/etc/apk/keys/{key.public.name}")


def _say(directory: Path, filename: str, public: Path, trusted: str) -> None:
    print(f"{directory}: {filename}; to install from it, copy {public} to {trusted}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

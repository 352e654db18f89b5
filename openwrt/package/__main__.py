"""python -m openwrt.package ipk|feed|apk ARCH BINARY OUT

ipk writes OUT/kwaainet_VERSION_ARCH.ipk; feed and apk write OUT/ARCH, signed with the keys in
$FEED_KEYS, else in ~/.local/share/kwaainet/feed-keys, which are created if they do not exist.
"""

import sys
from pathlib import Path

from openwrt.package import apk, feed, ipk, keys, recipe
from openwrt.package.keys import ApkKey, KeysError, SignifyKey
from openwrt.package.recipe import RecipeError

_USAGE = 2


def main(words: list[str]) -> int:
    if len(words) != 4 or words[0] not in ("ipk", "feed", "apk"):
        print(__doc__, end="", file=sys.stderr)
        return _USAGE
    try:
        _write(words[0], words[1], Path(words[2]), Path(words[3]))
    except (RecipeError, KeysError, OSError) as error:
        print(f"openwrt.package: {error}", file=sys.stderr)
        return 1
    return 0


def _write(what: str, arch: str, binary: Path, out: Path) -> None:
    found = recipe.read(binary)
    out.mkdir(parents=True, exist_ok=True)
    if what == "ipk":
        package = ipk.build(found, arch)
        (out / package.filename).write_bytes(package.content)
        print(f"{out / package.filename}: {len(package.content)} bytes")
    elif what == "feed":
        _opkg(out / arch, ipk.build(found, arch), SignifyKey(keys.directory()))
    else:
        _apk(out / arch, found, arch, ApkKey(keys.directory()))


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

"""python -m openwrt.package ipk|feed|apk ARCH BINARY OUT
python -m openwrt.package luci-ipk|luci-apk OUT
python -m openwrt.package luci-po

ipk writes OUT/kwaainet_VERSION_ARCH.ipk; feed and apk write OUT/ARCH with the LuCI app in it,
signed with the keys in $FEED_KEYS, else in ~/.local/share/kwaainet/feed-keys, which are created if
they do not exist. luci-ipk and luci-apk write the app and its translations to OUT, the latter
signed likewise. luci-po brings the app's po files up to date with its views.
"""

import sys
from collections.abc import Callable
from pathlib import Path

from openwrt.package import apk, feed, ipk, keys, luci, recipe, texts
from openwrt.package.keys import ApkKey, KeysError, SignifyKey
from openwrt.package.recipe import RecipeError

_USAGE = 2


def main(words: list[str]) -> int:
    calls: dict[str, tuple[Callable[..., None], int]] = {
        "ipk": (_ipk, 4),
        "feed": (_feed, 4),
        "apk": (_apk, 4),
        "luci-ipk": (_luci_ipk, 2),
        "luci-apk": (_luci_apk, 2),
        "luci-po": (_luci_po, 1),
    }
    call, count = calls.get(" ".join(words[:1]), (print, 0))
    if len(words) != count or not words:
        print(__doc__, end="", file=sys.stderr)
        return _USAGE
    try:
        call(*words[1:])
    except (RecipeError, KeysError, OSError) as error:
        print(f"openwrt.package: {error}", file=sys.stderr)
        return 1
    return 0


def _ipk(arch: str, binary: str, out: str) -> None:
    _put(out, [ipk.build(recipe.read(Path(binary)), arch)])


def _luci_ipk(out: str) -> None:
    _put(out, _luci_ipks())


def _luci_apk(out: str) -> None:
    _put(out, _luci_apks(ApkKey(keys.directory())))


def _luci_po() -> None:
    for path in texts.update():
        print(path)


def _feed(arch: str, binary: str, out: str) -> None:
    packages = [ipk.build(recipe.read(Path(binary)), arch), *_luci_ipks()]
    key = SignifyKey(keys.directory())
    feed.write_opkg(Path(out) / arch, packages, key)
    _say(Path(out) / arch, packages, key.public, f"/etc/opkg/keys/{key.fingerprint()}")


def _apk(arch: str, binary: str, out: str) -> None:
    key = ApkKey(keys.directory())
    packages = [apk.build(recipe.read(Path(binary)), arch, key), *_luci_apks(key)]
    feed.write_apk(Path(out) / arch, packages, key)
    _say(Path(out) / arch, packages, key.public, f"/etc/apk/keys/{key.public.name}")


def _luci_ipks() -> list[ipk.Ipk]:
    return [ipk.build(each, luci.ARCH) for each in luci.read()]


def _luci_apks(key: ApkKey) -> list[apk.Apk]:
    return [apk.build(each, luci.APK_ARCH, key) for each in luci.read()]


def _put(out: str, packages: list[ipk.Ipk] | list[apk.Apk]) -> None:
    Path(out).mkdir(parents=True, exist_ok=True)
    for package in packages:
        file = Path(out) / package.filename
        file.write_bytes(package.content)
        print(f"{file}: {len(package.content)} bytes")


def _say(
    directory: Path, packages: list[ipk.Ipk] | list[apk.Apk], public: Path, trusted: str
) -> None:
    names = ", ".join([package.filename for package in packages])
    print(f"{directory}: {names}; to install from it, copy {public} to {trusted}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

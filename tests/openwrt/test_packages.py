"""The .ipk, the .apk and their feeds, field by field and against real tools' own output.

GNU tar makes the archives that OpenWrt's scripts/ipkg-build would, Debian's signify-openbsd
checks the feed, and apk-tools-3.0.6/ holds what `apk mkpkg` and `apk mkndx` made of sample.py.
"""

import gzip
import hashlib
import io
import re
import struct
import subprocess
import tarfile
import zlib
from pathlib import Path

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from edge.version import VERSION
from openwrt.package import adb, apk, feed, ipk, keys, recipe
from openwrt.package.keys import ApkKey, KeysError, SignifyKey
from tests.openwrt.sample import ARCH, EPOCH, SAMPLE

GOLDEN = Path(__file__).parent / "apk-tools-3.0.6"
FILES = recipe.HERE / "files"
CONTROL = """\
Package: kwaainet
Version: 0.1.0-r1
Depends: libc
Source: feeds/kwaainet/openwrt
SourceName: kwaainet
License: Apache-2.0
LicenseFiles: LICENSE
Section: net
Require-User: kwaainet=4001:kwaainet=4001
SourceDateEpoch: 1700000000
Maintainer: Someone <someone@example.org>
Architecture: mipsel_24kc
Installed-Size: 92160
Description:  A sample
 of two lines.
"""


def members(archive: bytes) -> dict[str, tuple[tarfile.TarInfo, bytes]]:
    with tarfile.open(fileobj=io.BytesIO(archive), mode="r:gz") as tar:
        return {
            info.name: (info, tar.extractfile(info).read() if info.isreg() else b"")  # type: ignore[union-attr]
            for info in tar
        }


# --- what the Makefile says ---


@pytest.fixture
def real(tmp_path: Path) -> recipe.Recipe:
    binary = tmp_path / "kwaainet-any"
    binary.write_bytes(b"\x7fELF and so on")
    return recipe.read(binary)


def test_the_makefile_installs_every_file_and_the_binary(real: recipe.Recipe) -> None:
    shipped = {str(path.relative_to(FILES)) for path in FILES.rglob("*") if path.is_file()}
    packed = {file.path: file for file in real.files}
    assert set(packed) == shipped | {"usr/bin/kwaainet", "lib/upgrade/keep.d/kwaainet"}
    assert packed["usr/bin/kwaainet"].data == b"\x7fELF and so on"
    for path in shipped:
        assert packed[path].data == (FILES / path).read_bytes()
    modes = {path: oct(file.mode) for path, file in packed.items()}
    assert modes["usr/bin/kwaainet"] == modes["etc/init.d/kwaainet"] == "0o755"
    assert modes["etc/config/kwaainet"] == "0o600"


def test_the_configuration_and_the_identity_outlive_upgrades(real: recipe.Recipe) -> None:
    hooks = ["/etc/kwaainet/qos.d/10-tc", "/etc/kwaainet/qos.d/20-nft"]
    assert real.conffiles == ["/etc/config/kwaainet", *hooks]
    (kept,) = [file.data for file in real.files if file.path == "lib/upgrade/keep.d/kwaainet"]
    assert kept == b"/etc/kwaainet/\n"


def test_the_package_has_the_version_of_the_node(real: recipe.Recipe) -> None:
    assert real.version == f"{VERSION}-r1"


def test_the_makefile_is_as_reviewers_of_openwrts_feeds_ask() -> None:
    text = (recipe.HERE / "Makefile").read_text()
    for line in text.splitlines():
        assert line == line.rstrip()
        if re.match(r"define|\$\(eval", line):
            assert "PKG_NAME" not in line
    (conffiles,) = re.findall(r"conffiles\n(.*?)\nendef", text, re.S)
    assert all(path.startswith("/") for path in conffiles.splitlines())
    init = (FILES / "etc/init.d/kwaainet").read_text()
    assert init.startswith("#!/bin/sh /etc/rc.common\n")
    assert "USE_PROCD=1" in init
    assert "grep -q" not in (recipe.HERE / "test.sh").read_text()


@pytest.mark.parametrize(
    "script",
    [
        "files/etc/hotplug.d/mount/50-kwaainet",
        "files/etc/init.d/kwaainet",
        "files/etc/uci-defaults/kwaainet",
        "files/usr/libexec/kwaainet-events",
        "test.sh",
    ],
)
def test_shellcheck_finds_nothing(script: str) -> None:
    done = subprocess.run(["shellcheck", recipe.HERE / script], capture_output=True, text=True)
    assert done.stdout == ""
    assert done.returncode == 0


# --- ipk ---


def test_an_ipk_holds_its_three_members_in_order() -> None:
    package = ipk.build(SAMPLE, ARCH)
    assert package.filename == "kwaainet_0.1.0-r1_mipsel_24kc.ipk"
    outer = members(package.content)
    assert list(outer) == ["./debian-binary", "./data.tar.gz", "./control.tar.gz"]
    assert outer["./debian-binary"][1] == b"2.0\n"
    for info, _ in outer.values():
        assert (info.uid, info.gid, info.uname, info.gname) == (0, 0, "", "")
        assert (info.mode, info.mtime) == (0o644, EPOCH)


def test_the_control_fields_stand_in_openwrts_order() -> None:
    outer = members(ipk.build(SAMPLE, ARCH).content)
    control = members(outer["./control.tar.gz"][1])
    assert list(control) == [".", "./conffiles", "./control", "./postinst", "./prerm"]
    assert control["./control"][1].decode() == CONTROL
    assert len(gzip.decompress(outer["./data.tar.gz"][1])) == 92160
    assert control["./conffiles"][1] == b"/etc/config/kwaainet\n"
    for script, call in (("./postinst", "default_postinst $0 $@"), ("./prerm", "default_prerm")):
        info, text = control[script]
        assert info.mode == 0o755
        assert text.startswith(b"#!/bin/sh\n")
        assert ". ${IPKG_INSTROOT}/lib/functions.sh\n" in text.decode()
        assert text.decode().splitlines()[-1].startswith(call)


def test_the_data_is_what_gnu_tar_makes_of_the_files(tmp_path: Path) -> None:
    data = members(ipk.build(SAMPLE, ARCH).content)["./data.tar.gz"][1]
    ours = gzip.decompress(data)
    subprocess.run(["tar", "-xpf", "-", "-C", tmp_path], input=ours, check=True)
    tar = "tar --format=gnu --numeric-owner --owner=0 --group=0 --sort=name -cpf -"
    command = [*tar.split(), f"--mtime=@{EPOCH}", "-C", str(tmp_path), "."]
    theirs = subprocess.run(command, capture_output=True, check=True).stdout
    assert ours == theirs


def test_the_same_source_makes_the_same_package(tmp_path: Path) -> None:
    one, other = ipk.build(SAMPLE, ARCH), ipk.build(SAMPLE, ARCH)
    assert one.content == other.content
    assert apk.build(SAMPLE, ARCH).content == apk.build(SAMPLE, ARCH).content


# --- a feed for opkg ---


def test_a_feed_lists_what_it_holds_and_signify_accepts_it(tmp_path: Path) -> None:
    package = ipk.build(SAMPLE, ARCH)
    key = SignifyKey(tmp_path)
    feed.write_opkg(tmp_path / "feed", [package], key)
    index = (tmp_path / "feed/Packages").read_text()
    assert gzip.decompress((tmp_path / "feed/Packages.gz").read_bytes()).decode() == index
    lines = index.splitlines()
    where = lines.index("Filename: kwaainet_0.1.0-r1_mipsel_24kc.ipk")
    assert lines[where + 1] == f"Size: {len(package.content)}"
    assert lines[where + 2] == f"SHA256sum: {hashlib.sha256(package.content).hexdigest()}"
    assert lines[where + 3] == "Description:  A sample"
    assert index.endswith("\n\n")
    assert key.check(tmp_path / "feed/Packages")
    assert re.fullmatch("[0-9a-f]{16}", key.fingerprint())
    comment, signature = (tmp_path / "feed/Packages.sig").read_text().splitlines()
    assert comment.startswith("untrusted comment: ")
    assert len(signature) == 100  # base64 of algorithm, key number and signature


def test_a_tampered_feed_and_a_foreign_key_are_refused(tmp_path: Path) -> None:
    key = SignifyKey(tmp_path)
    feed.write_opkg(tmp_path / "feed", [ipk.build(SAMPLE, ARCH)], key)
    index = tmp_path / "feed/Packages"
    (tmp_path / "other").mkdir()
    assert not SignifyKey(tmp_path / "other").check(index)
    index.write_text(index.read_text().replace("SHA256sum: ", "SHA256sum: 0"))
    assert not key.check(index)


def test_keys_are_kept(tmp_path: Path) -> None:
    assert SignifyKey(tmp_path).fingerprint() == SignifyKey(tmp_path).fingerprint()
    assert ApkKey(tmp_path).identifier() == ApkKey(tmp_path).identifier()
    for secret in ("kwaainet.sec", "kwaainet.key.pem"):
        assert (tmp_path / secret).stat().st_mode & 0o077 == 0


def saying(passphrase: str) -> keys.Ask:
    return lambda file, new: passphrase


def test_keys_with_a_passphrase_sign_with_that_one_alone(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("what is signed")
    signify = SignifyKey(tmp_path, saying("right"))
    signify.sign(file)
    assert SignifyKey(tmp_path, saying("never asked")).check(file)
    key = ApkKey(tmp_path, saying("right"))
    assert ApkKey(tmp_path, saying("right")).identifier() == key.identifier()
    for wrong in ("wrong", ""):
        with pytest.raises(KeysError):
            SignifyKey(tmp_path, saying(wrong)).sign(file)
        with pytest.raises(KeysError):
            ApkKey(tmp_path, saying(wrong))


def test_a_key_that_is_none_is_told(tmp_path: Path) -> None:
    (tmp_path / "kwaainet.key.pem").write_text("-----BEGIN PRIVATE KEY-----\n")
    with pytest.raises(KeysError, match=r"kwaainet\.key\.pem"):
        ApkKey(tmp_path)


# --- where the keys are ---


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.delenv("FEED_KEYS", raising=False)
    monkeypatch.delenv("XDG_DATA_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    return tmp_path / "home"


def test_keys_are_outside_the_checkout_for_their_owner_alone(home: Path) -> None:
    place = keys.directory(before=home / "none")
    assert place == home / ".local/share/kwaainet/feed-keys"
    assert place.stat().st_mode & 0o777 == 0o700
    place.chmod(0o755)
    assert keys.directory(before=home / "none").stat().st_mode & 0o777 == 0o700


def test_the_data_directory_is_the_users_unless_it_is_relative(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    assert keys.directory(before=home / "none") == home / "data/kwaainet/feed-keys"
    monkeypatch.setenv("XDG_DATA_HOME", "data")
    assert keys.directory(before=home / "none") == home / ".local/share/kwaainet/feed-keys"


def test_feed_keys_names_another_place(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And what is in the old one stays there."""
    old = home / "build/feed-keys"
    old.mkdir(parents=True)
    monkeypatch.setenv("FEED_KEYS", str(home / "mine"))
    assert keys.directory(old) == home / "mine"
    assert old.is_dir()


def test_keys_in_the_old_place_are_moved_and_kept(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = home / "build/feed-keys"
    old.mkdir(parents=True)
    before = SignifyKey(old).fingerprint()
    capsys.readouterr()
    place = keys.directory(old)
    assert not old.exists()
    assert SignifyKey(place).fingerprint() == before
    assert (place / "kwaainet.sec").stat().st_mode & 0o777 == 0o600
    assert capsys.readouterr().err.splitlines() == [
        f"moved the feed's keys from {old} to {place}: back them up there"
    ]


def test_keys_in_both_places_are_told_and_left(home: Path) -> None:
    old = home / "build/feed-keys"
    for place in (old, home / ".local/share/kwaainet/feed-keys"):
        place.mkdir(parents=True)
        SignifyKey(place)
    with pytest.raises(KeysError, match="both hold keys"):
        keys.directory(old)
    assert (old / "kwaainet.sec").exists()


# --- apk ---


def blocks(content: bytes) -> tuple[int, list[tuple[int, bytes]]]:
    """(schema, [(type, payload)]) of a file."""
    assert content[:4] == b"ADBd"
    raw = zlib.decompressobj(-15).decompress(content[4:])
    magic, schema = struct.unpack_from("<4sI", raw)
    assert magic == b"ADB."
    found = []
    at = 8
    while at < len(raw):
        (word,) = struct.unpack_from("<I", raw, at)
        size = word & 0x3FFFFFFF
        found.append((word >> 30, raw[at + 4 : at + size]))
        at += size + -size % 8
    return schema, found


def test_an_apk_is_what_apk_tools_makes_of_the_same_files() -> None:
    theirs = (GOLDEN / "kwaainet-0.1.0-r1.apk").read_bytes()
    ours = apk.build(SAMPLE, ARCH)
    assert ours.filename == "kwaainet-0.1.0-r1.apk"
    assert blocks(ours.content) == blocks(theirs)


def test_an_index_is_what_apk_tools_makes_of_the_same_package() -> None:
    """But for the size of the compressed file, which is another deflate's."""
    theirs = (GOLDEN / "packages.adb").read_bytes()
    golden_size = (GOLDEN / "kwaainet-0.1.0-r1.apk").stat().st_size
    package = apk.build(SAMPLE, ARCH)
    ours = blocks(apk.index([package]))
    assert ours[0] == blocks(theirs)[0]
    words = {0x10000000 | len(package.content): 0x10000000 | golden_size}
    ((kind, content),) = ours[1]
    for mine, golden in words.items():
        content = content.replace(struct.pack("<I", mine), struct.pack("<I", golden))
    assert [(kind, content)] == blocks(theirs)[1]


def signed_part(content: bytes) -> tuple[bytes, bytes]:
    """(what was signed, the signature) of a file."""
    schema, found = blocks(content)
    inside = found[0][1]
    kind, block = found[1]
    assert kind == adb.BLOCK_SIGNATURE
    header, signature = block[:18], block[18:]
    return struct.pack("<I", schema) + header + hashlib.sha512(inside).digest(), signature


def test_packages_and_index_are_signed(tmp_path: Path) -> None:
    key = ApkKey(tmp_path)
    feed.write_apk(tmp_path / "feed", [apk.build(SAMPLE, ARCH, key)], key)
    public = serialization.load_pem_public_key(key.public.read_bytes())
    assert isinstance(public, ec.EllipticCurvePublicKey)
    for name in ("kwaainet-0.1.0-r1.apk", "packages.adb"):
        signed, signature = signed_part((tmp_path / "feed" / name).read_bytes())
        public.verify(signature, signed, ec.ECDSA(hashes.SHA512()))
        with pytest.raises(InvalidSignature):
            public.verify(signature, signed[:-1] + b"?", ec.ECDSA(hashes.SHA512()))
        assert signed[4:6] == bytes([0, 4])  # version 0, SHA-512
        assert signed[6:22] == key.identifier()[:16]


def test_values_of_every_size() -> None:
    database = adb.Database()
    assert database.integer(7) == 0x10000007
    assert database.integer(1 << 28) == 0x20000008
    assert database.integer(1 << 32) == 0x3000000C
    assert database.blob(b"") == adb.NULL
    assert database.blob(b"a") == 0x80000014
    assert database.blob(b"a") == 0x80000014  # stored once
    assert database.blob(bytes(256)) == 0x90000016
    assert database.blob(bytes(1 << 16)) >> 28 == 0xA
    assert database.array([adb.NULL]) == adb.NULL


@pytest.mark.parametrize("target", ["ipk", "feed", "apk"])
def test_a_package_needs_no_test_environment(target: str) -> None:
    done = subprocess.run(
        ["make", "-n", target], capture_output=True, text=True, cwd=recipe.ROOT, check=True
    )
    assert "tools/venv\n" in done.stdout
    assert "tools/venv test" not in done.stdout

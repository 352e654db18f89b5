"""What is in the package."""

import gzip
from pathlib import Path

from cross.sbom import LICENCES, LINKED
from debian.package import deb, manual
from openwrt.package.recipe import File, epoch

FILES = Path(__file__).parents[1] / "files"
# Debian's architectures by the targets of cross/targets.py.
ARCHITECTURES = {
    "x86_64": "amd64",
    "aarch64_cortex-a53": "arm64",
    "arm_cortex-a7_neon-vfpv4": "armhf",
}
NAME = "kwaainet"
_CONTROL = {
    "Section": "net",
    "Priority": "optional",
    "Maintainer": "The kwaainet-edge maintainers <maintainers@kwaainet.example>",
    "Depends": "systemd | systemd-standalone-sysusers | systemd-sysusers",
    "Recommends": "ca-certificates",
    "Description": "relay node of the KwaaiNet peer-to-peer network\n"
    " KwaaiNet is a network for AI inference on the machines of its members. Most of\n"
    " them are behind home NATs; this node relays for them (libp2p's circuit relay v2\n"
    " over TCP, Noise and Yamux), within limits of memory and rate. It is also a node\n"
    " of the network's DHT, and a cache of model files for the local network.",
}
_COMMON = "/usr/share/common-licenses/Apache-2.0"
_SCRIPTS = ("postinst", "postrm", "prerm")


def build(target: str, binary: Path, version: str) -> tuple[str, bytes]:
    """The name of the file with the `binary` of a target, and what is in it. Raises OSError."""
    arch = ARCHITECTURES[target]
    control = {"Package": NAME, "Version": version, "Architecture": arch, **_CONTROL}
    scripts = [File(name, 0o755, (FILES / name).read_bytes()) for name in _SCRIPTS]
    content = deb.build(control, scripts, _files(binary), epoch())
    return f"{NAME}_{version}_{arch}.deb", content


def _files(binary: Path) -> list[File]:
    texts = {
        "etc/kwaainet/kwaainet.toml": _read("kwaainet.toml"),
        "usr/lib/systemd/system/kwaainet.service": _read("kwaainet.service"),
        "usr/lib/sysusers.d/kwaainet.conf": _read("kwaainet.sysusers"),
        "usr/share/bash-completion/completions/kwaainet": manual.completion(),
        "usr/share/doc/kwaainet/copyright": _copyright(),
        "usr/share/lintian/overrides/kwaainet": _read("lintian-overrides"),
    }
    packed = {
        "usr/share/doc/kwaainet/changelog.gz": _read("changelog"),
        "usr/share/man/man1/kwaainet.1.gz": manual.page(),
    }
    return [
        File("usr/bin/kwaainet", 0o755, binary.read_bytes()),
        *[File(path, 0o644, text.encode()) for path, text in texts.items()],
        *[File(p, 0o644, gzip.compress(t.encode(), 9, mtime=0)) for p, t in packed.items()],
    ]


def _copyright() -> str:
    """Ours, and that of all that is linked in; what Debian has itself is named."""
    parts = [_read("copyright")]
    for name, version, licence, origin, file in LINKED:
        text = f"On Debian systems, its text is in {_COMMON}."
        if licence != "Apache-2.0":
            text = (LICENCES / file).read_text().strip()
        parts.append(f"--- {name} {version}, {origin} ({licence})\n\n{text}\n")
    return "\n".join(parts)


def _read(name: str) -> str:
    return (FILES / name).read_text()

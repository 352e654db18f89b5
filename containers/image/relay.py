"""What is in the relay's image, and how it is run.

The image has no shell, no libc and no certificates: the node's binary is static, and a relay asks
nobody by https. It runs as a user that has a number alone, and writes below /data alone.
"""

import json
from pathlib import Path

from containers.image.oci import Entry, Image, Platform
from cross import sbom
from edge.version import VERSION

ROOT = Path(__file__).parents[2]
NAME = "kwaainet-relay"
USER = 4001  # as on OpenWrt
VOLUME = "/data"
# Below it, so that the node makes the directory for itself alone, whoever made the volume: a folder
# of a NAS is often open to others, and Kubernetes opens a volume to a group.
DATA = f"{VOLUME}/node"
PROGRAM = "/usr/bin/kwaainet"

# The platforms by the targets of cross/targets.py.
PLATFORMS = {
    "x86_64": Platform("amd64"),
    "aarch64_cortex-a53": Platform("arm64"),
    "arm_cortex-a7_neon-vfpv4": Platform("arm", "v7"),
}

_SECOND = 1_000_000_000  # in nanoseconds
_DOCUMENTS = "usr/share/doc/kwaainet"

# The command is one that cross/image/ask.c answers without starting Python: it takes a millisecond.
# image-spec reserves "Healthcheck" for Docker, which reads it; podman does in archives alone.
HEALTH = [PROGRAM, "health", "--run-dir", DATA]
RUN: dict[str, object] = {
    "User": f"{USER}:{USER}",
    "Env": ["PATH=/usr/bin", f"KWAAINET_DATA_DIR={DATA}"],
    "Entrypoint": [PROGRAM],
    "Cmd": ["run"],
    "WorkingDir": VOLUME,
    "Volumes": {VOLUME: {}},
    "ExposedPorts": {"4001/tcp": {}},
    "StopSignal": "SIGTERM",
    "Healthcheck": {
        "Test": ["CMD", *HEALTH],
        "Interval": 30 * _SECOND,
        "Timeout": 10 * _SECOND,
        "StartPeriod": 60 * _SECOND,
        "Retries": 3,
    },
}
ANNOTATIONS = {
    "org.opencontainers.image.title": NAME,
    "org.opencontainers.image.description": "A small, bounded libp2p circuit relay of KwaaiNet",
    "org.opencontainers.image.licenses": "Apache-2.0",
    "org.opencontainers.image.vendor": "The kwaainet-edge maintainers",
    "org.opencontainers.image.version": VERSION,
}


def image(target: str, binary: Path, epoch: int) -> Image:
    """Of the `binary` of a target; all in it is as old as `epoch`. Raises OSError."""
    run = {**RUN, "Labels": ANNOTATIONS}
    return Image(PLATFORMS[target], _entries(target, binary), run, ANNOTATIONS, epoch)


def _entries(target: str, binary: Path) -> list[Entry]:
    """Scanners of images read the bill of materials where a file ends in .spdx.json."""
    bill = json.dumps(sbom.document(target, binary), indent=1) + "\n"
    licences = sorted(path for path in sbom.LICENCES.iterdir() if path.is_file())
    return [
        Entry(VOLUME.lstrip("/"), 0o700, owner=USER),
        Entry("etc/group", 0o644, f"root:x:0:\nkwaainet:x:{USER}:\n".encode()),
        Entry("etc/passwd", 0o644, _passwd().encode()),
        Entry(PROGRAM.lstrip("/"), 0o755, binary.read_bytes()),
        Entry(f"{_DOCUMENTS}/LICENSE", 0o644, (ROOT / "LICENSE").read_bytes()),
        Entry(f"{_DOCUMENTS}/kwaainet.spdx.json", 0o644, bill.encode()),
        *[Entry(f"{_DOCUMENTS}/licences/{p.name}", 0o644, p.read_bytes()) for p in licences],
    ]


def _passwd() -> str:
    return f"root:x:0:0:root:/:/sbin/nologin\nkwaainet:x:{USER}:{USER}::{VOLUME}:/sbin/nologin\n"

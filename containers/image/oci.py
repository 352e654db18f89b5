"""Images as files: a layer, an OCI layout of several platforms, and an archive for `docker load`.

Sources: OCI image-spec 1.1 (config, manifest, image-index, image-layout, annotations); moby's
image specification 1.2 for the archive. Owners, modes and times are what the caller says; lists are
in the caller's order. No registry is spoken to: `skopeo copy --all` does that.
"""

import gzip
import hashlib
import io
import json
import tarfile
import time
from dataclasses import dataclass, field

_TYPE = "application/vnd.oci.image."
_CONFIG, _LAYER = f"{_TYPE}config.v1+json", f"{_TYPE}layer.v1.tar+gzip"
_MANIFEST, INDEX = f"{_TYPE}manifest.v1+json", f"{_TYPE}index.v1+json"
_REF_NAME = "org.opencontainers.image.ref.name"


@dataclass(frozen=True)
class Entry:
    """A file, or a directory if `data` is None. `path`: without a leading slash."""

    path: str
    mode: int
    data: bytes | None = None
    owner: int = 0


@dataclass(frozen=True)
class Platform:
    """`variant`: of 32-bit ARM; "" for others."""

    architecture: str
    variant: str = ""

    def fields(self) -> dict[str, str]:
        found = {"architecture": self.architecture, "os": "linux"}
        return {**found, "variant": self.variant} if self.variant else found


@dataclass(frozen=True)
class Image:
    """`run`: the configuration's "config", as image-spec and moby name its fields."""

    platform: Platform
    entries: list[Entry]
    run: dict[str, object]
    annotations: dict[str, str]
    epoch: int


@dataclass
class Layout:
    """Blobs by digest, and their sum: what is written below blobs/sha256."""

    blobs: dict[str, bytes] = field(default_factory=dict)

    def put(self, media_type: str, data: bytes) -> dict[str, object]:
        """Its descriptor."""
        digest = hashlib.sha256(data).hexdigest()
        self.blobs[digest] = data
        return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": len(data)}


def layout(images: list[Image], tag: str) -> dict[str, bytes]:
    """The files of an OCI layout with one index, `tag`, of all `images`, by path."""
    made = Layout()
    manifests = [
        {**made.put(_MANIFEST, _manifest(made, image)), "platform": image.platform.fields()}
        for image in images
    ]
    annotations = images[0].annotations
    index = made.put(INDEX, _json(_index(manifests) | {"annotations": annotations}))
    top = _index([{**index, "annotations": {_REF_NAME: tag}}])
    return {
        "oci-layout": _json({"imageLayoutVersion": "1.0.0"}),
        "index.json": _json(top),
        **{f"blobs/sha256/{digest}": data for digest, data in sorted(made.blobs.items())},
    }


def archive(image: Image, name: str) -> bytes:
    """What `docker load`, `podman load` and containerd's import read; `name`: with its tag.

    Without an OCI layout in it: podman would take that instead, and drop the health check.
    """
    layer = _layer(image)
    config = _config(image, layer)
    digest = hashlib.sha256(config).hexdigest()
    paths = {"Config": f"{digest}.json", "RepoTags": [name], "Layers": ["layer.tar"]}
    files = [
        Entry(f"{digest}.json", 0o644, config),
        Entry("layer.tar", 0o644, layer),
        Entry("manifest.json", 0o644, _json([paths])),
    ]
    return _tar(files, image.epoch)


def _manifest(made: Layout, image: Image) -> bytes:
    layer = _layer(image)
    packed = made.put(_LAYER, gzip.compress(layer, 9, mtime=0))
    return _json(
        {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": made.put(_CONFIG, _config(image, layer)),
            "layers": [packed],
            "annotations": image.annotations,
        }
    )


def _config(image: Image, layer: bytes) -> bytes:
    created = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(image.epoch))
    return _json(
        {
            "created": created,
            **image.platform.fields(),
            "config": image.run,
            "rootfs": {
                "type": "layers",
                "diff_ids": [f"sha256:{hashlib.sha256(layer).hexdigest()}"],
            },
            "history": [{"created": created, "created_by": "make containers"}],
        }
    )


def _layer(image: Image) -> bytes:
    return _tar(image.entries, image.epoch)


def _index(manifests: list[dict[str, object]]) -> dict[str, object]:
    return {"schemaVersion": 2, "mediaType": INDEX, "manifests": manifests}


def _tar(entries: list[Entry], mtime: int) -> bytes:
    """`entries` in their order, each behind its directories."""
    out = io.BytesIO()
    named = {entry.path for entry in entries}
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for entry in entries:
            for parent in _parents(entry.path):
                if parent not in named:
                    named.add(parent)
                    _add(tar, Entry(parent, 0o755), mtime)
            _add(tar, entry, mtime)
    return out.getvalue()


def _parents(path: str) -> list[str]:
    parts = path.split("/")[:-1]
    return ["/".join(parts[: n + 1]) for n in range(len(parts))]


def _add(tar: tarfile.TarFile, entry: Entry, mtime: int) -> None:
    info = tarfile.TarInfo(entry.path)
    info.type = tarfile.DIRTYPE if entry.data is None else tarfile.REGTYPE
    info.mode, info.mtime = entry.mode, mtime
    info.uid = info.gid = entry.owner
    info.size = len(entry.data or b"")
    tar.addfile(info, io.BytesIO(entry.data or b""))


def _json(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()

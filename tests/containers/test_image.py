"""The relay's image, field by field, against image-spec and moby's archive."""

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from containers.image import oci, relay
from edge.version import VERSION

EPOCH = 1_700_000_000
TARGETS = list(relay.PLATFORMS)


@pytest.fixture
def binary(tmp_path: Path) -> Path:
    path = tmp_path / "kwaainet-any"
    path.write_bytes(b"\x7fELF and so on")
    return path


@pytest.fixture
def files(binary: Path) -> dict[str, bytes]:
    return oci.layout([relay.image(target, binary, EPOCH) for target in TARGETS], VERSION)


def read(files: dict[str, bytes], descriptor: dict[str, Any]) -> bytes:
    """The blob that a descriptor names, which must be as it says."""
    kind, _, digest = descriptor["digest"].partition(":")
    data = files[f"blobs/{kind}/{digest}"]
    assert hashlib.sha256(data).hexdigest() == digest
    assert len(data) == descriptor["size"]
    return data


def manifests(files: dict[str, bytes]) -> list[dict[str, Any]]:
    (named,) = json.loads(files["index.json"])["manifests"]
    found: list[dict[str, Any]] = json.loads(read(files, named))["manifests"]
    return found


def members(layer: bytes) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
        return {info.name: info for info in tar}


# --- the layout ---


def test_one_index_names_every_platform(files: dict[str, bytes]) -> None:
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    (named,) = json.loads(files["index.json"])["manifests"]
    assert named["annotations"] == {"org.opencontainers.image.ref.name": VERSION}
    assert [each["platform"] for each in manifests(files)] == [
        {"os": "linux", "architecture": "amd64"},
        {"os": "linux", "architecture": "arm64"},
        {"os": "linux", "architecture": "arm", "variant": "v7"},
    ]


def test_every_blob_is_what_its_descriptor_says(files: dict[str, bytes]) -> None:
    used = {json.loads(files["index.json"])["manifests"][0]["digest"]}
    for each in manifests(files):
        manifest = json.loads(read(files, each))
        config = json.loads(read(files, manifest["config"]))
        (layer,) = manifest["layers"]
        plain = gzip.decompress(read(files, layer))
        assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(plain).hexdigest()}"]
        assert config["architecture"] == each["platform"]["architecture"]
        used |= {each["digest"], manifest["config"]["digest"], layer["digest"]}
    assert {f"blobs/{digest.replace(':', '/')}" for digest in used} == {
        path for path in files if path.startswith("blobs/")
    }


def test_the_same_sources_make_the_same_bytes(binary: Path, files: dict[str, bytes]) -> None:
    images = [relay.image(target, binary, EPOCH) for target in TARGETS]
    assert oci.layout(images, VERSION) == files
    assert oci.archive(images[0], "a:b") == oci.archive(images[0], "a:b")


# --- what is in it ---


def test_the_image_holds_the_program_and_what_the_law_asks_for(binary: Path) -> None:
    image = relay.image("x86_64", binary, EPOCH)
    found = {entry.path: entry for entry in image.entries}
    assert found["usr/bin/kwaainet"].data == binary.read_bytes()
    assert found["usr/bin/kwaainet"].mode == 0o755
    bill = json.loads(found["usr/share/doc/kwaainet/kwaainet.spdx.json"].data or b"")
    assert bill["spdxVersion"] == "SPDX-2.3"
    texts = {Path(path).name for path in found if "/licences/" in path}
    assert {"cpython.txt", "musl.txt", "lzma.txt"} <= texts


def test_only_the_nodes_own_directory_is_the_users(files: dict[str, bytes]) -> None:
    manifest = json.loads(read(files, manifests(files)[0]))
    found = members(gzip.decompress(read(files, manifest["layers"][0])))
    owned = {name for name, info in found.items() if (info.uid, info.gid) != (0, 0)}
    assert owned == {"data"}
    assert (found["data"].uid, found["data"].gid, found["data"].mode) == (4001, 4001, 0o700)
    assert {info.mtime for info in found.values()} == {EPOCH}
    assert all(not info.mode & 0o6022 for info in found.values())  # no set-id, written by none


def test_it_runs_as_a_number_and_is_asked_for_its_health(files: dict[str, bytes]) -> None:
    """Kubernetes' runAsNonRoot takes a number alone."""
    manifest = json.loads(read(files, manifests(files)[0]))
    run = json.loads(read(files, manifest["config"]))["config"]
    assert run["User"] == "4001:4001"
    assert run["Volumes"] == {"/data": {}}
    assert run["StopSignal"] == "SIGTERM"
    assert run["Entrypoint"] == ["/usr/bin/kwaainet"]
    assert run["Healthcheck"]["Test"] == ["CMD", *relay.HEALTH]
    assert run["Labels"] == manifest["annotations"]
    assert manifest["annotations"]["org.opencontainers.image.version"] == VERSION


# --- the archive ---


def test_the_archive_is_dockers_and_nothing_else(binary: Path) -> None:
    """With an OCI layout beside it podman would lose the health check."""
    archive = oci.archive(relay.image("x86_64", binary, EPOCH), "localhost/relay:1")
    with tarfile.open(fileobj=io.BytesIO(archive)) as tar:
        found = {info.name: tar.extractfile(info).read() for info in tar}  # type: ignore[union-attr]
    (entry,) = json.loads(found["manifest.json"])
    assert entry["RepoTags"] == ["localhost/relay:1"]
    assert set(found) == {"manifest.json", entry["Config"], *entry["Layers"]}
    config = json.loads(found[entry["Config"]])
    layer = hashlib.sha256(found[entry["Layers"][0]]).hexdigest()
    assert config["rootfs"]["diff_ids"] == [f"sha256:{layer}"]
    assert "Healthcheck" in config["config"]

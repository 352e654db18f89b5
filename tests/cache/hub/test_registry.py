"""Ollama's registry behind the gateway: the sequence of its client, request by request."""

import asyncio
import hashlib
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from edge.cache.hub.registry import Manifest, digest_of
from edge.cache.pull.source import OriginError
from tests.cache.hub.through import Through, through
from tests.counterparts.hub import HubStandIn
from tests.counterparts.hub_files import File, Seeded
from tests.counterparts.web import Fault

NAME, TAG = "library/smol", "latest"
LARGE = File(Seeded("layer", 9_000_001), large=True)
BLOB = f"/v2/{NAME}/blobs/sha256:{LARGE.sha256}"
AGENT = "ollama/0.12.0 (amd64 linux) Go/go1.24.1"


def run(directory: Path, test: Callable[[Through], Awaitable[None]]) -> None:
    async def go() -> None:
        origin = HubStandIn()
        origin.ollama(NAME, TAG, [LARGE])
        async with through(origin, directory) as gateway:
            await test(gateway)
            origin.guard()

    asyncio.run(go())


def test_a_manifest_is_passed_and_asked_for_again_after_a_minute(tmp_path: Path) -> None:
    async def test(gateway: Through) -> None:
        target = f"/v2/{NAME}/manifests/{TAG}"
        for seconds, count in ((0, 1), (59, 1), (2, 2)):
            gateway.clock.time += seconds
            response, body = await gateway.ask(target, User_Agent=AGENT)
            digest = hashlib.sha256(body).hexdigest()
            assert response.status == 200
            assert response.headers.get("docker-content-digest") == f"sha256:{digest}"
            assert json.loads(body)["layers"][0]["digest"] == f"sha256:{LARGE.sha256}"
            assert len(gateway.origin.asked("hub", "manifests")) == count

    run(tmp_path, test)


def test_the_sequence_of_ollamas_client(tmp_path: Path) -> None:
    """HEAD for the size, a GET that is dropped after its head, ranges (ollama PR 9737)."""

    async def test(gateway: Through) -> None:
        await gateway.ask(f"/v2/{NAME}/manifests/{TAG}", User_Agent=AGENT)
        head, _ = await gateway.ask(BLOB, "HEAD", User_Agent=AGENT)
        assert (head.status, head.length) == (200, LARGE.body.size)
        dropped = await gateway.client.request("GET", gateway.url, BLOB, [("User-Agent", AGENT)])
        assert dropped.status == 200
        assert dropped.headers.get("location") == f"http://{gateway.url.authority}{BLOB}"
        dropped.close()
        half = LARGE.body.size // 2
        parts = [
            (await gateway.ask(BLOB, Range=f"bytes={start}-{end}"))[1]
            for start, end in ((0, half - 1), (half, LARGE.body.size - 1))
        ]
        assert b"".join(parts) == LARGE.data()
        assert all("range" in asked.headers for asked in gateway.origin.asked("storage"))

    run(tmp_path, test)


def test_a_client_that_stays_gets_the_whole(tmp_path: Path) -> None:
    async def test(gateway: Through) -> None:
        await gateway.ask(f"/v2/{NAME}/manifests/{TAG}")
        response, body = await gateway.ask(BLOB, User_Agent=AGENT)
        assert (response.status, body) == (200, LARGE.data())

    run(tmp_path, test)


def test_a_blob_is_had_without_its_manifest_and_comes_once(tmp_path: Path) -> None:
    async def test(gateway: Through) -> None:
        for _ in range(2):
            response, body = await gateway.ask(BLOB)
            assert (response.status, body) == (200, LARGE.data())
        whole = [asked for asked in gateway.origin.asked("storage") if "range" not in asked.headers]
        assert len(whole) == 1

    run(tmp_path, test)


def test_a_hash_alone_is_no_right(tmp_path: Path) -> None:
    async def test(gateway: Through) -> None:
        await gateway.ask(BLOB)
        gateway.origin._objects.clear()  # the registry has it no more, or not for him
        gateway.clock.time += 601
        response, _ = await gateway.ask(BLOB)
        assert response.status == 404

    run(tmp_path, test)


def test_a_manifest_that_lists_anothers_blob_is_no_right(tmp_path: Path) -> None:
    async def test(gateway: Through) -> None:
        await gateway.ask(BLOB)
        listing = gateway.origin.manifests[NAME, TAG]
        gateway.origin.manifests["somebody/else", TAG] = listing
        assert (await gateway.ask(f"/v2/somebody/else/manifests/{TAG}"))[1] == listing
        gateway.origin.faults.append(Fault("hub", "/v2/somebody/else/blobs/", 9, status=404))
        target = BLOB.replace(NAME, "somebody/else")
        for method in ("HEAD", "GET"):
            assert (await gateway.ask(target, method))[0].status == 404
        assert (await gateway.ask(target, Range="bytes=0-9"))[0].status == 404

    run(tmp_path, test)


def test_what_is_kept_stands_in_for_a_registry_that_is_gone(tmp_path: Path) -> None:
    async def test(gateway: Through) -> None:
        target = f"/v2/{NAME}/manifests/{TAG}"
        await gateway.ask(target)
        await gateway.ask(BLOB)
        await gateway.origin.offline()
        gateway.clock.time += 86400
        for path in (target, BLOB):
            response, _ = await gateway.ask(path)
            assert response.status == 200
            assert response.headers.get("warning")
        assert (await gateway.ask(f"/v2/{NAME}/manifests/other"))[0].status == 504

    run(tmp_path, test)


@pytest.mark.parametrize(
    ("method", "target", "status"),
    [
        ("GET", "/v2/", 200),
        ("GET", f"/v2/{NAME}/manifests/absent", 404),
        ("GET", f"/v2/{NAME}/blobs/sha256:{'0' * 64}", 404),
        ("GET", f"/v2/{NAME}/blobs/sha256:short", 404),
        ("GET", f"/v2/{NAME}/tags/list", 404),
        ("POST", f"/v2/{NAME}/blobs/uploads/", 405),
    ],
)
def test_other_answers(tmp_path: Path, method: str, target: str, status: int) -> None:
    async def test(gateway: Through) -> None:
        response, _ = await gateway.ask(target, method)
        assert response.status == status

    run(tmp_path, test)


@pytest.mark.parametrize("body", [b"", b"[]", b"null", b"{", b"[" * 100_000])
def test_what_is_no_manifest(body: bytes) -> None:
    with pytest.raises(OriginError):
        Manifest(body, "", 0).sizes()


def test_sizes_that_no_manifest_can_mean() -> None:
    digest = f"sha256:{'a' * 64}"
    layers = [{"digest": digest, "size": size} for size in (-1, True, "1", 1 << 70, None)]
    assert Manifest(json.dumps({"layers": layers, "config": 1}).encode(), "", 0).sizes() == {}


def test_digests() -> None:
    assert digest_of("sha256:" + "ab" * 32) == digest_of("sha256-" + "ab" * 32) == "ab" * 32
    for wrong in ("sha256:AB", "sha512:" + "ab" * 32, "", None, 5, "sha256:" + "AB" * 32):
        assert not digest_of(wrong)

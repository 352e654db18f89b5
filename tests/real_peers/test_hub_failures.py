"""What went wrong in others' mirrors and clients of the hub, as public reports tell, not with ours.

docs/cache.md has the list. The reports' own clients are used where they are at hand.
"""

import asyncio
from pathlib import Path

import pytest

from tests.counterparts.base import asynchronous
from tests.counterparts.edge_gateway import EdgeGateway
from tests.counterparts.hub import HubStandIn
from tests.counterparts.hub_files import File, Seeded, model
from tests.counterparts.hub_users import OLD, Command, Python

pytestmark = pytest.mark.peers

BERT = model("org/bert")
MODEL = BERT.files()["model.safetensors"]
XET_INFO = "Accept: application/vnd.xet-fileinfo+json, */*"  # as huggingface.js asks


@asynchronous(60)
async def test_huggingface_hub_4475() -> None:
    """A client with hf_xet was told a hash, and went to the CAS host past HF_ENDPOINT."""
    async with HubStandIn([BERT]) as hub, EdgeGateway(hub) as ours:
        with Python(ours.url) as user:
            everything = await user.step("snapshot", repo_id="org/bert")
            assert everything["model.safetensors"] == MODEL.sha256
            about = await user.step("metadata", repo_id="org/bert", filename="model.safetensors")
            assert not about["xet"]
        assert not hub.asked("hub", "xet-read-token")
        hub.guard()


@asynchronous(60)
async def test_huggingface_hub_2197() -> None:
    """A download that was resumed at its end was answered 416, again and again."""
    wanted = {"repo_id": "org/bert", "filename": "model.safetensors"}
    async with HubStandIn([BERT]) as hub, EdgeGateway(hub) as ours:
        for missing in (1, 4096):
            with Python(ours.url, OLD) as user:
                blobs = user.home / ".cache/huggingface/hub/models--org--bert/blobs"
                blobs.mkdir(parents=True)
                begun = blobs / f"{MODEL.sha256}.incomplete"
                await asyncio.to_thread(begun.write_bytes, MODEL.data()[:-missing])
                assert await user.step("file", **wanted, resume_download=True) == MODEL.sha256
        hub.guard()


@asynchronous(60)
async def test_hf_hub_141() -> None:
    """A probe of one byte that allows gzip was answered by all, coded and without a size."""

    async def probe(endpoint: str, path: str) -> str:
        with Command(endpoint) as user:
            options = ("-r", "0-0", "-H", "Accept-Encoding: gzip", "-D", "-", "-o", "answer")
            place = f"{endpoint}/org/bert/resolve/main/{path}"
            return (await user.run("curl", "-sSL", *options, place))[1]

    async with HubStandIn([BERT]) as hub:
        assert "Content-Encoding: gzip" in await probe(hub.hub.url, "README.md")
        async with EdgeGateway(hub) as ours:
            for path, file in BERT.files().items():
                head = await probe(ours.url, path)
                assert head.startswith("HTTP/1.1 206")
                assert f"bytes 0-0/{file.body.size}" in head
        hub.guard()


@asynchronous(60)
async def test_hf_mirror_site_31() -> None:
    """HEAD of a small file had no Content-Length, which clients before 1.0 insist on."""
    async with HubStandIn([BERT]) as hub, EdgeGateway(hub) as ours:
        with Python(ours.url, OLD) as user:
            for path, file in BERT.files().items():
                about = await user.step("metadata", repo_id="org/bert", filename=path)
                assert about["size"] == file.body.size
                assert about["etag"] == file.tag.strip('"')
                assert about["commit"] == BERT.branches["main"]
        hub.guard()


@pytest.mark.parametrize(
    "asked",
    [
        ("-I", "/org/bert/resolve/main/model.safetensors"),
        ("-i", "/org/bert/resolve/main/README.md"),
        ("-I", "-L", "/old/bert/resolve/main/model.safetensors"),
        ("-i", "/api/models/org/bert?blobs=true"),
        ("-i", "/api/models/org/bert/revision/main?blobs=true"),
        ("-i", "-L", "/api/models/old/bert"),
        ("-i", "/api/models/org/bert/tree/main?recursive=true"),
        ("-i", "/api/models/org/bert/tree/main?recursive=true&limit=2"),
        ("-i", "-d", "paths=model.safetensors", "/api/models/org/bert/paths-info/main"),
        ("-i", "-H", XET_INFO, "-r", "0-0", "-o", "-", "/org/bert/resolve/main/onnx/model.onnx"),
    ],
    ids=lambda asked: asked[-1],
)
@asynchronous(60)
async def test_hf_mirror_site_50(asked: tuple[str, ...]) -> None:
    """Links and places of the hub's own led clients past the mirror: ours tells of none."""
    async with HubStandIn([BERT], {"old/bert": "org/bert"}) as hub, EdgeGateway(hub) as ours:
        with Command(ours.url) as user:
            *options, place = asked
            _, said = await user.run("curl", "-sS", *options, ours.url + place)
        assert " 200" in said or " 206" in said
        for host in (hub.hub, hub.storage, hub.cas):
            assert host.authority not in said
        assert "xet" not in said.lower()
        hub.guard()


@asynchronous(60)
async def test_ollama_9737() -> None:
    """A registry that served a blob itself told no Location, without which the client gives up."""
    layer = File(Seeded("layer", 600_000), large=True)
    async with HubStandIn() as hub, EdgeGateway(hub) as ours:
        hub.ollama("library/tiny", "latest", [layer])
        with Command(ours.url) as user:
            place = f"/v2/library/tiny/blobs/sha256:{layer.sha256}"
            _, said = await user.run("curl", "-sS", "-D", "-", "-o", "layer", ours.url + place)
            assert said.startswith("HTTP/1.1 200")
            headers = dict(
                line.split(": ", 1) for line in said.lower().splitlines() if ": " in line
            )
            assert headers["location"].endswith(place)
            fetched = Path(user.home / "layer")
            assert await asyncio.to_thread(fetched.read_bytes) == layer.data()
        hub.guard()

"""The stand-in of the Hugging Face hub is one to its clients: each fetches from it directly.

What goes on at a gateway is in test_hub_clients.py. Here the clients that can go by xet are seen to
do so, which is what a gateway has to prevent.
"""

import asyncio
import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.counterparts.base import asynchronous
from tests.counterparts.hub import GOOD_TOKEN, OTHER_TOKEN, HubStandIn
from tests.counterparts.hub_files import File, Repository, Seeded, model
from tests.counterparts.hub_users import (
    NEWEST,
    OLD,
    Command,
    Failed,
    Llama,
    Node,
    Python,
    Rust,
)

pytestmark = pytest.mark.peers

NO_XET = {"HF_HUB_DISABLE_XET": "1"}
BERT = model("org/bert")


@asynccontextmanager
async def stand_in(*repositories: Repository) -> AsyncIterator[HubStandIn]:
    gated = model("org/gated", gate={"reader"})
    async with HubStandIn([BERT, gated, *repositories], {"old/bert": "org/bert"}) as hub:
        yield hub


def sums(repository: Repository) -> dict[str, str]:
    """The SHA-256 of its files by path."""
    return {
        path: hashlib.sha256(file.data()).hexdigest() for path, file in repository.files().items()
    }


@pytest.mark.parametrize("which", [NEWEST, OLD])
@asynchronous(60)
async def test_huggingface_hub_takes_it_for_the_hub(which: str) -> None:
    async with stand_in() as hub:
        with Python(hub.hub.url, which, **NO_XET) as user:
            at_bert = {"repo_id": "org/bert"}
            at_gated = {"repo_id": "org/gated", "filename": "config.json"}
            everything, renamed, about, none, stranger, reader, name, there = await user.steps(
                {"do": "snapshot", **at_bert},
                {"do": "file", "repo_id": "old/bert", "filename": "model.safetensors"},
                {"do": "information", "repo_id": "old/bert"},
                {"do": "file", **at_gated},
                {"do": "file", **at_gated, "token": OTHER_TOKEN},
                {"do": "file", **at_gated, "token": GOOD_TOKEN},
                {"do": "file", "repo_id": "org/none", "filename": "x"},
                {"do": "file", **at_bert, "filename": "x"},
            )
        assert everything == sums(BERT)
        assert renamed == sums(BERT)["model.safetensors"]
        assert about == {"id": "org/bert", "sha": BERT.branches["main"]}
        assert none.kind == stranger.kind == "GatedRepoError"
        assert reader == sums(BERT)["config.json"]
        assert name.kind == "RepositoryNotFoundError"
        assert there.kind in ("RemoteEntryNotFoundError", "EntryNotFoundError")
        hub.guard()


@asynchronous(60)
async def test_huggingface_hub_goes_by_xet_where_it_is_told_a_hash() -> None:
    async with stand_in() as hub:
        with Python(hub.hub.url) as user:
            wanted = {"repo_id": "org/bert", "filename": "model.safetensors"}
            with pytest.raises(Failed, match="CAS"):
                await user.step("file", **wanted)
        assert hub.asked("cas")
        with pytest.raises(AssertionError, match="past the gateway"):
            hub.guard()


@asynchronous(60)
async def test_a_listing_has_three_pages() -> None:
    many = Repository("org/many")
    many.commit({f"data/{number:03}.txt": File(b"%d" % number) for number in range(249)})
    many.commit({"README.md": File(b"many")})
    async with stand_in(many) as hub:
        with Python(hub.hub.url) as user:
            listed = await user.step("listing", repo_id="org/many")
        assert len(listed) == 250
        assert len(hub.asked("hub", "/tree/")) == 3


@asynchronous(60)
async def test_javascript_takes_it_for_the_hub() -> None:
    async with stand_in() as hub:
        with Node(hub.hub.url) as user:
            repo = {"type": "model", "name": "org/bert"}
            gated = {"type": "model", "name": "org/gated"}
            small, about, listed, name, config, model_files, refused, reader = await user.steps(
                {"do": "file", "repo": repo, "path": "config.json"},
                {"do": "about", "repo": repo, "path": "model.safetensors"},
                {"do": "listing", "repo": repo},
                {"do": "information", "name": "org/bert"},
                {"do": "config", "name": "org/bert"},
                {"do": "model", "name": "org/bert"},
                {"do": "file", "repo": gated, "path": "config.json"},
                {"do": "file", "repo": gated, "path": "config.json", "token": GOOD_TOKEN},
            )
        assert small == reader == sums(BERT)["config.json"]
        assert about["size"] == 3_000_001
        assert about["xet"]
        assert listed == sorted(sums(BERT))
        assert name == "org/bert"
        assert config == "bert"
        assert sums(BERT)["onnx/model.onnx"] in model_files.values()
        assert isinstance(refused, Failed)
        assert "401" in str(refused)


@asynchronous(60)
async def test_rust_takes_it_for_the_hub_and_goes_by_xet() -> None:
    async with stand_in() as hub:
        with Rust(hub.hub.url) as user:
            at = {"owner": "org", "name": "bert"}
            small, large = await user.steps(
                {"do": "file", **at, "path": "config.json"},
                {"do": "file", **at, "path": "model.safetensors"},
            )
            assert await told(small) == sums(BERT)["config.json"]
        assert isinstance(large, Failed)
        assert hub.asked("cas")


@asynchronous(60)
async def test_llama_takes_it_for_the_hub() -> None:
    gguf = Repository("org/gguf")
    gguf.commit({"tiny-Q4_0.gguf": File(Seeded("tiny", 900_000), large=True)})
    async with stand_in(gguf) as hub:
        with Llama(hub.hub.url) as user:
            found = await user.fetch("org/gguf")
            assert await told(found["tiny-Q4_0.gguf"]) == sums(gguf)["tiny-Q4_0.gguf"]
        assert [each.path.split("/")[5] for each in hub.asked("hub", "/api/")] == ["refs", "tree"]


@asynchronous(60)
async def test_it_tells_who_asks() -> None:
    """A client that is not the process which alone may ask, and a token where none belongs."""
    async with stand_in() as hub:
        hub.only(os.getpid())
        hub.guard()
        with Command(hub.hub.url) as user:
            await user.run("curl", "-sS", "-I", "-o", "a", f"{hub.hub.url}/org/bert/resolve/main/x")
            with pytest.raises(AssertionError, match="past the gateway"):
                hub.guard()
    async with stand_in() as hub:
        with Command(hub.hub.url) as user:
            place = hub.signed(BERT.files()["model.safetensors"].sha256, "model.safetensors")
            token = f"Authorization: Bearer {GOOD_TOKEN}"
            _, said = await user.run("curl", "-sS", "-H", token, place)
            assert "Only one auth mechanism" in said
        with pytest.raises(AssertionError, match="a token"):
            hub.guard()


@asynchronous(60)
async def test_curl_and_aria2_take_it_for_the_hub() -> None:
    place = "/org/bert/resolve/main/model.safetensors"
    async with stand_in() as hub:
        with Command(hub.hub.url) as user:
            await user.run(
                "curl", "--silent", "--fail", "--location", "-o", "a", hub.hub.url + place
            )
            many = ("-x16", "-s16", "-k1M", "-o", "b")
            await user.run("aria2c", "--quiet", *many, hub.hub.url + place)
            for name in ("a", "b"):
                assert await told(user.home / name) == sums(BERT)["model.safetensors"]
        assert not hub.asked("cas")


async def told(path: str | Path) -> str:
    """The SHA-256 of a file."""
    data = await asyncio.to_thread(Path(path).read_bytes)
    return hashlib.sha256(data).hexdigest()

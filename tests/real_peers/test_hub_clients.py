"""Real clients of the Hugging Face hub, through our gateway, at the stand-in of the hub.

All are as users have them, with xet: huggingface_hub 2.4.0 and 0.23.5 with hf_xet 1.8.0,
huggingface.js 2.17.5, transformers.js 4.3.2, hf-hub 1.0.0, llama.cpp's llama-server, curl, aria2c.
Each test fails when a single request gets past the gateway: `HubStandIn.guard`.
"""

import asyncio
import hashlib
import http.client
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tests.counterparts.base import asynchronous, until
from tests.counterparts.edge_gateway import EdgeGateway
from tests.counterparts.hub import GOOD_TOKEN, OTHER_TOKEN, HubStandIn
from tests.counterparts.hub_files import File, Repository, Seeded, Sparse, model
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
from tests.counterparts.web import Fault

pytestmark = pytest.mark.peers

BERT = model("org/bert")
LARGE = {"repo_id": "org/bert", "filename": "model.safetensors"}
PLACE = "/org/bert/resolve/main/model.safetensors"


@asynccontextmanager
async def gateway(
    *repositories: Repository,
) -> AsyncIterator[tuple[HubStandIn, EdgeGateway]]:
    """A hub with these repositories, BERT and a gated one, and a gateway to it."""
    gated = model("org/gated", gate={"reader"})
    renamed = {"old/bert": "org/bert"}
    async with (
        HubStandIn([BERT, gated, *repositories], renamed) as hub,
        EdgeGateway(hub) as ours,
    ):
        yield hub, ours
        hub.guard()


def sums(repository: Repository) -> dict[str, str]:
    """The SHA-256 of its files by path."""
    return {path: digest(file.data()) for path, file in repository.files().items()}


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


async def told(path: str | Path) -> str:
    """The SHA-256 of a file."""
    return digest(await asyncio.to_thread(Path(path).read_bytes))


@pytest.mark.parametrize("which", [NEWEST, OLD])
@asynchronous(60)
async def test_huggingface_hub_cold_warm_and_renamed(which: str) -> None:
    async with gateway() as (hub, ours):
        for _ in ("cold", "warm"):
            with Python(ours.url, which) as user:
                everything, large, small, about = await user.steps(
                    {"do": "snapshot", "repo_id": "org/bert"},
                    {"do": "file", "repo_id": "old/bert", "filename": "model.safetensors"},
                    {"do": "file", "repo_id": "old/bert", "filename": "config.json"},
                    {"do": "information", "repo_id": "old/bert"},
                )
            assert everything == sums(BERT)
            assert large == sums(BERT)["model.safetensors"]
            assert small == sums(BERT)["config.json"]
            assert about == {"id": "org/bert", "sha": BERT.branches["main"]}
        content = sum(file.body.size for file in BERT.files().values() if file.large)
        assert hub.storage.sent <= 1.01 * content


@pytest.mark.parametrize("which", [NEWEST, OLD])
@asynchronous(60)
async def test_huggingface_hub_by_its_file_system(which: str) -> None:
    async with gateway() as (_, ours):
        with Python(ours.url, which) as user:
            part, tail, names, whole, nested = await user.steps(
                {"do": "part", "path": f"org/bert/{LARGE['filename']}", "start": 999, "length": 7},
                {
                    "do": "part",
                    "path": f"org/bert/{LARGE['filename']}",
                    "start": 2_900_000,
                    "length": 100_001,
                },
                {"do": "folder", "path": "org/bert"},
                {"do": "copied", "path": "org/bert/README.md", "to": str(user.home / "readme")},
                {"do": "folder", "path": "org/bert/onnx"},
            )
        data = BERT.files()["model.safetensors"].data()
        assert part == digest(data[999:1006])
        assert tail == digest(data[2_900_000:])
        files = [f"org/bert/{name}" for name in ("README.md", "config.json", "model.safetensors")]
        assert names == [*files, "org/bert/onnx"]
        assert nested == ["org/bert/onnx/model.onnx"]
        assert whole == sums(BERT)["README.md"]


@pytest.mark.parametrize("which", [NEWEST, OLD])
@asynchronous(60)
async def test_a_download_that_is_cut_is_resumed(which: str) -> None:
    async with gateway() as (hub, ours):
        hub.faults.append(Fault("storage", times=1, cut=1_000_000))
        with Python(ours.url, which) as user:
            assert await user.step("file", **LARGE) == sums(BERT)["model.safetensors"]
        assert hub.storage.sent < 4_000_000  # not all of it once more


@pytest.mark.parametrize("which", [NEWEST, OLD])
@asynchronous(60)
async def test_a_gated_repository_is_for_who_may_read_it(which: str) -> None:
    wanted = {"do": "file", "repo_id": "org/gated", "filename": "model.safetensors"}
    tokens = [{}, {"token": OTHER_TOKEN}, {"token": "hf_unknown"}]
    async with gateway() as (hub, ours):
        for _ in ("before it is kept", "after"):
            with Python(ours.url, which) as user:
                none, stranger, wrong = await user.steps(*[{**wanted, **each} for each in tokens])
                assert none.kind == stranger.kind == "GatedRepoError"
                assert "restricted" in str(none)
                assert "not in the authorized list" in str(stranger)
                assert isinstance(wrong, Failed)
            with Python(ours.url, which) as user:
                result = await user.step(**wanted, token=GOOD_TOKEN)
                assert (
                    result
                    == hub.repositories["models", "org/gated"].files()["model.safetensors"].sha256
                )
        assert hub.storage.sent <= 1.01 * 3_000_001


@asynchronous(60)
async def test_a_right_outlives_the_hub_and_opens_for_nobody_else() -> None:
    wanted = {"do": "file", "repo_id": "org/gated", "filename": "model.safetensors"}
    async with gateway() as (hub, ours):
        with Python(ours.url) as user:
            fetched = await user.step(**wanted, token=GOOD_TOKEN)
        await hub.offline()
        with Python(ours.url) as user:
            assert await user.step(**wanted, token=GOOD_TOKEN) == fetched
        with Command(ours.url) as user:
            place = f"{ours.url}/org/gated/resolve/main/model.safetensors"
            for bearer in (OTHER_TOKEN, "hf_unknown", ""):
                token = ("-H", f"Authorization: Bearer {bearer}") if bearer else ()
                status, said = await answer(user, "curl", "-sSf", "-o", "a", *token, place)
                assert status != 0, said


@pytest.mark.parametrize(
    "repository",
    [model("gpt2"), model("org/data", "datasets"), model("org/demo", "spaces")],
    ids=lambda each: each.kind,
)
@asynchronous(60)
async def test_every_kind_of_repository(repository: Repository) -> None:
    async with gateway(repository) as (_, ours):
        for which in (NEWEST, OLD):
            with Python(ours.url, which) as user:
                of = {"repo_id": repository.name, "repo_type": repository.kind.removesuffix("s")}
                assert await user.step("snapshot", **of) == sums(repository)


@asynchronous(60)
async def test_an_address_that_has_expired_is_asked_for_again() -> None:
    data = BERT.files()["model.safetensors"].data()
    async with gateway() as (hub, ours):
        with Command(ours.url) as user:
            await user.run("curl", "-sSfL", "-r", "0-99", "-o", "a", ours.url + PLACE)
            hub.later = 2 * 3600
            hub.lasts = 4 * 3600
            await user.run("curl", "-sSfL", "-r", "2000000-", "-o", "b", ours.url + PLACE)
            assert await told(user.home / "a") == digest(data[:100])
            assert await told(user.home / "b") == digest(data[2_000_000:])


@pytest.mark.parametrize("host", ["hub", "storage"])
@asynchronous(60)
async def test_a_host_that_is_out_of_order_for_a_while(host: str) -> None:
    async with gateway() as (hub, ours):
        hub.faults.append(Fault(host, times=3, status=503))
        with Command(ours.url) as user:
            again = ("--retry", "6", "--retry-delay", "1", "--retry-all-errors")
            await user.run("curl", "-sSfL", *again, "-o", "a", ours.url + PLACE)
            assert await told(user.home / "a") == sums(BERT)["model.safetensors"]


@asynchronous(60)
async def test_errors_are_the_hubs() -> None:
    async with gateway() as (_, ours):
        with Python(ours.url) as user:
            repository, revision, entry = await user.steps(
                {"do": "file", "repo_id": "org/none", "filename": "config.json"},
                {"do": "file", **LARGE, "revision": "none"},
                {"do": "file", "repo_id": "org/bert", "filename": "none.bin"},
            )
        assert repository.kind == "RepositoryNotFoundError"
        assert revision.kind == "RevisionNotFoundError"
        assert entry.kind == "RemoteEntryNotFoundError"


@pytest.mark.parametrize("which", [NEWEST, OLD])
@asynchronous(60)
async def test_a_listing_of_three_pages(which: str) -> None:
    many = Repository("org/many")
    many.commit({f"data/{number:03}.txt": File(b"%d" % number) for number in range(249)})
    many.commit({"README.md": File(b"many")})
    async with gateway(many) as (_, ours):
        with Python(ours.url, which) as user:
            listed, everything = await user.steps(
                {"do": "listing", "repo_id": "org/many"},
                {"do": "snapshot", "repo_id": "org/many", "allow_patterns": "data/24*"},
            )
        assert listed == sorted(many.files())
        assert everything == {
            path: checksum for path, checksum in sums(many).items() if path.startswith("data/24")
        }


@asynchronous(60)
async def test_the_start_of_a_file_of_more_than_50_gb() -> None:
    head = Seeded("huge", 1 << 20)
    huge = Repository("org/huge")
    body = Sparse(head, 60_000_000_000)
    huge.commit({"huge.gguf": File(body, large=True, sha256="5a" * 32)})
    async with gateway(huge) as (hub, ours):
        with Python(ours.url) as user:
            about, first = await user.steps(
                {"do": "metadata", "repo_id": "org/huge", "filename": "huge.gguf"},
                {"do": "part", "path": "org/huge/huge.gguf", "start": 0, "length": 1 << 20},
            )
        assert about["size"] is None  # which it would refuse to fetch by HTTP if it knew it
        assert not about["xet"]
        assert first == digest(head.read(0, 1 << 20))
        assert hub.storage.sent < 16 << 20


@pytest.mark.parametrize("which", [NEWEST, OLD])
@asynchronous(60)
async def test_what_is_public_is_there_without_the_hub(which: str) -> None:
    async with gateway() as (hub, ours):
        with Python(ours.url, which) as user:
            await user.step("snapshot", repo_id="org/bert")
        await hub.offline()
        with Python(ours.url, which) as user:
            assert await user.step("snapshot", repo_id="org/bert") == sums(BERT)


@asynchronous(60)
async def test_a_listing_from_before_is_answered_by_what_helps() -> None:
    """huggingface_hub keeps listings with their xet hashes, and then asks no HEAD."""
    commit = BERT.branches["main"]
    async with HubStandIn([BERT]) as hub:
        with Python(hub.hub.url) as user:
            await user.step("snapshot", repo_id="org/bert", allow_patterns="config.json")
            async with EdgeGateway(hub) as ours:
                user.environment["HF_ENDPOINT"] = ours.url
                result = await user.steps({"do": "file", **LARGE, "revision": commit})
                assert isinstance(result[0], Failed)
                assert "trees" in str(result[0])  # the folder to delete
                for listing in user.home.rglob("trees/*.json"):
                    listing.unlink()
                fetched = await user.step("file", **LARGE, revision=commit)
                assert fetched == sums(BERT)["model.safetensors"]
        hub.guard()


@asynchronous(60)
async def test_javascript_clients() -> None:
    repo = {"type": "model", "name": "org/bert"}
    gated = {"type": "model", "name": "org/gated"}
    async with gateway() as (_, ours):
        with Node(ours.url) as user:
            large, part, about, listed, snapshot, config, files, refused, reader = await user.steps(
                {"do": "file", "repo": repo, "path": "model.safetensors"},
                {"do": "file", "repo": repo, "path": "model.safetensors", "start": 5, "end": 105},
                {"do": "about", "repo": repo, "path": "model.safetensors"},
                {"do": "listing", "repo": repo},
                {"do": "snapshot", "repo": repo},
                {"do": "config", "name": "org/bert"},
                {"do": "model", "name": "org/bert"},
                {"do": "file", "repo": gated, "path": "config.json"},
                {"do": "file", "repo": gated, "path": "config.json", "token": GOOD_TOKEN},
            )
        data = BERT.files()["model.safetensors"].data()
        assert large == digest(data)
        assert part == digest(data[5:105])
        assert about["size"] == len(data)
        assert not about["xet"]
        assert listed == sorted(sums(BERT))
        assert set(sums(BERT).values()) <= set(snapshot.values())
        assert config == "bert"
        assert sums(BERT)["onnx/model.onnx"] in files.values()
        assert isinstance(refused, Failed)
        assert "401" in str(refused)
        assert reader == sums(BERT)["config.json"]


@asynchronous(60)
async def test_rust_client() -> None:
    at = {"owner": "org", "name": "bert"}
    async with gateway() as (_, ours):
        with Rust(ours.url) as user:
            small, large, snapshot = await user.steps(
                {"do": "file", **at, "path": "config.json"},
                {"do": "file", **at, "path": "model.safetensors"},
                {"do": "snapshot", **at},
            )
            assert await told(small) == sums(BERT)["config.json"]
            assert await told(large) == sums(BERT)["model.safetensors"]
            for path, checksum in sums(BERT).items():
                assert await told(Path(snapshot) / path) == checksum


@asynchronous(60)
async def test_llama_fetches_by_hf() -> None:
    """It reads one page of the listing: its file would be in the second."""
    gguf = Repository("org/gguf")
    gguf.commit({f"aaa/{number:03}.txt": File(b"%d" % number) for number in range(120)})
    gguf.commit({"tiny-Q4_0.gguf": File(Seeded("tiny", 900_000), large=True)})
    async with gateway(gguf) as (_, ours):
        with Llama(ours.url) as user:
            found = await user.fetch("org/gguf")
            assert await told(found["tiny-Q4_0.gguf"]) == sums(gguf)["tiny-Q4_0.gguf"]


@asynchronous(60)
async def test_curl_resumes_and_aria2_takes_sixteen_parts() -> None:
    async with gateway() as (hub, ours):
        with Command(ours.url) as user:
            first = BERT.files()["model.safetensors"].data()[:1_234_567]
            await asyncio.to_thread((user.home / "a").write_bytes, first)
            await user.run("curl", "-sSfL", "-C", "-", "-o", "a", ours.url + PLACE)
            parts = ("-x16", "-s16", "-k1M", "--allow-overwrite=true", "-o", "b")
            await user.run("aria2c", "--quiet", *parts, ours.url + PLACE)
            for name in ("a", "b"):
                assert await told(user.home / name) == sums(BERT)["model.safetensors"]
        assert hub.storage.sent < 3 * 3_000_001


@asynchronous(60)
async def test_ollama_by_a_replay_of_its_requests() -> None:
    """As server/download.go asks: HEAD for the size, GET for the place, parts by ranges from there.

    It follows redirects on the same host alone, and takes Location from a 200.
    """
    layer = File(Seeded("ollama", 1_500_000), large=True)
    async with gateway() as (hub, ours):
        hub.ollama("library/tiny", "latest", [layer])

        def pull() -> bytes:
            manifest = json.loads(ask("GET", "/v2/library/tiny/manifests/latest")[2])
            (wanted,) = manifest["layers"]
            blob = f"/v2/library/tiny/blobs/{wanted['digest']}"
            size = int(ask("HEAD", blob)[1]["Content-Length"])
            assert size == wanted["size"]
            status, headers, _ = ask("GET", blob, drop=True)
            assert status in (200, 307)
            place = urlsplit(headers["Location"])
            assert place.netloc in ("", urlsplit(ours.url).netloc)
            parts = []
            for start in range(0, size, 600_000):
                end = min(size, start + 600_000) - 1
                status, _, part = ask("GET", place.path, {"Range": f"bytes={start}-{end}"})
                assert status == 206
                parts.append(part)
            return b"".join(parts)

        def ask(
            method: str, path: str, headers: dict[str, str] | None = None, drop: bool = False
        ) -> tuple[int, dict[str, str], bytes]:
            connection = http.client.HTTPConnection(urlsplit(ours.url).netloc, timeout=30)
            try:
                connection.request(method, path, headers=headers or {})
                answer = connection.getresponse()
                return answer.status, dict(answer.headers), b"" if drop else answer.read()
            finally:
                connection.close()

        assert digest(await asyncio.to_thread(pull)) == layer.sha256
        assert hub.storage.sent <= 1.5 * layer.body.size


@asynchronous(60)
async def test_sixteen_at_once_cost_one_download() -> None:
    async with gateway() as (hub, ours):
        hub.faults.append(Fault("storage", pace=3_000_000))
        with Command(ours.url) as user:
            asked = [user.run("curl", "-sSfL", "-o", str(n), ours.url + PLACE) for n in range(16)]
            await asyncio.gather(*asked)
            for number in range(16):
                assert await told(user.home / str(number)) == sums(BERT)["model.safetensors"]
        assert hub.storage.sent <= 1.01 * 3_000_001


@asynchronous(60)
async def test_a_range_far_ahead_does_not_wait_for_what_is_fetched() -> None:
    data = BERT.files()["model.safetensors"].data()
    async with gateway() as (hub, ours):
        hub.faults.append(Fault("storage", pace=10_000))  # minutes, for the whole
        with Command(ours.url) as user:
            slow = asyncio.create_task(user.run("curl", "-sSfL", "-o", "a", ours.url + PLACE))
            await until(lambda: begun(hub))
            await user.run("curl", "-sSfL", "-r", "2900000-", "-o", "b", ours.url + PLACE)
            assert await told(user.home / "b") == digest(data[2_900_000:])
            assert not slow.done()
            slow.cancel()
            await asyncio.gather(slow, return_exceptions=True)


@asynchronous(60)
async def test_a_slow_client_and_one_that_leaves_are_nobody_elses_trouble() -> None:
    async with gateway() as (hub, ours):
        hub.faults.append(Fault("storage", pace=3_000_000))
        with Command(ours.url) as user:
            leaves = asyncio.create_task(user.run("curl", "-sSfL", "-o", "a", ours.url + PLACE))
            await until(lambda: begun(hub))
            limit = ("--limit-rate", "20k")
            slow = asyncio.create_task(
                user.run("curl", "-sSfL", *limit, "-o", "b", ours.url + PLACE)
            )
            other = asyncio.create_task(user.run("curl", "-sSfL", "-o", "c", ours.url + PLACE))
            leaves.cancel()
            await other
            assert await told(user.home / "c") == sums(BERT)["model.safetensors"]
            assert not slow.done()
            slow.cancel()
            await asyncio.gather(leaves, slow, return_exceptions=True)
        assert hub.storage.sent <= 1.01 * 3_000_001


@asynchronous(60)
async def test_wrong_content_is_served_to_its_end_to_nobody() -> None:
    async with gateway() as (hub, ours):
        hub.faults.append(Fault("storage", flip=1_000))
        with Command(ours.url) as user:
            status, _ = await answer(user, "curl", "-sSL", "-o", "a", ours.url + PLACE)
            assert status != 0
            assert (user.home / "a").stat().st_size < 3_000_001
            await user.run("curl", "-sSfL", "-o", "b", ours.url + PLACE)
            assert await told(user.home / "b") == sums(BERT)["model.safetensors"]


@pytest.mark.parametrize(
    "fault",
    [
        Fault("hub", path="resolve-cache", method="GET", coded=True),
        Fault("hub", path="resolve-cache", method="GET", chunked=True),
        Fault("storage", chunked=True),
        Fault("storage", times=9, whole=True),
    ],
    ids=["gzip", "chunked", "chunked-storage", "no-ranges"],
)
@asynchronous(60)
async def test_bodies_as_origins_send_them(fault: Fault) -> None:
    async with gateway() as (hub, ours):
        hub.faults.append(replace(fault))
        with Python(ours.url) as user:
            assert await user.step("snapshot", repo_id="org/bert") == sums(BERT)
        with Python(ours.url) as user:
            assert await user.step("snapshot", repo_id="org/bert") == sums(BERT)


@pytest.mark.parametrize(
    "fault",
    [
        Fault("hub", path="/revision/", cut=50),
        Fault("hub", path="/tree/", cut=200),
        Fault("hub", path="/tree/", chunked=True, cut=200),
        Fault("hub", path="/tree/", coded=True, cut=100),
        Fault("hub", path="resolve-cache", method="GET", cut=10),
        Fault("hub", path="resolve-cache", method="GET", chunked=True, cut=10),
        Fault("storage", chunked=True, cut=1_000_000),
        Fault("storage", cut=0),
    ],
    ids=lambda fault: f"{fault.path}{fault.chunked}{fault.coded}{fault.cut}",
)
@asynchronous(60)
async def test_what_came_without_its_end_is_not_kept(fault: Fault) -> None:
    async with gateway() as (hub, ours):
        hub.faults.append(replace(fault))
        with Python(ours.url) as user:
            wanted = {"do": "snapshot", "repo_id": "org/bert"}
            first, second = await user.steps(wanted, wanted)
            assert isinstance(first, Failed) or first == sums(BERT)
            assert second == sums(BERT)
        assert not hub.faults[0].times
        with Python(ours.url) as user:
            assert await user.step(**wanted) == sums(BERT)


@asynchronous(60)
async def test_redirects_lead_to_the_storage_hosts_alone() -> None:
    async with gateway() as (hub, ours):
        for place in (f"{hub.cas.url}/x", "http://192.168.1.1/x", "http://127.0.0.1:9/x"):
            hub.faults.append(Fault("hub", path="/resolve/", times=2, location=place))
            with Command(ours.url) as user:
                status, said = await answer(user, "curl", "-sSfL", "-i", ours.url + PLACE)
                assert status != 0, said
            hub.faults.clear()


@asynchronous(60)
async def test_a_new_version_is_not_mixed_with_the_old() -> None:
    changing = Repository("org/changing")
    changing.commit({"model.bin": File(Seeded("one", 2_000_000), large=True)})
    before = sums(changing)["model.bin"]
    place = "/org/changing/resolve/main/model.bin"
    async with gateway(changing) as (hub, ours):
        hub.faults.append(Fault("storage", pace=4_000_000))
        with Command(ours.url) as user:
            first = asyncio.create_task(user.run("curl", "-sSfL", "-o", "a", ours.url + place))
            await until(lambda: begun(hub))
            commit = changing.commit({"model.bin": File(Seeded("two", 2_000_000), large=True)})
            await first
            there = f"/org/changing/resolve/{commit}/model.bin"
            await user.run("curl", "-sSfL", "-o", "b", ours.url + there)
            assert await told(user.home / "a") == before
            assert await told(user.home / "b") == sums(changing)["model.bin"]


@asynchronous(60)
async def test_what_is_kept_outlives_a_restart(tmp_path: Path) -> None:
    async with HubStandIn([BERT]) as hub:
        for _ in ("cold", "warm"):
            async with EdgeGateway(hub, data_dir=tmp_path) as ours:
                with Python(ours.url) as user:
                    assert await user.step("snapshot", repo_id="org/bert") == sums(BERT)
        assert hub.storage.sent <= 1.01 * 3_700_001
        hub.guard()


async def begun(hub: HubStandIn) -> bool:
    return bool(hub.asked("storage"))


async def answer(user: Command, *command: Any) -> tuple[int, str]:
    """As user.run, which raises where nothing was printed."""
    try:
        return await user.run(*command)
    except Failed as error:
        return 1, str(error)

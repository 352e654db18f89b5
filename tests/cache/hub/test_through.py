"""The hub through the real puller and store: what arrives, and that nothing goes past us."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from edge.cache import names
from edge.cache.hub.origin import Origin, Refusal
from edge.url import Url
from tests.cache.hub.through import Through, through
from tests.counterparts.hub import GOOD_TOKEN, OTHER_TOKEN, HubStandIn
from tests.counterparts.hub_files import File, Repository, Seeded, Sparse, model
from tests.counterparts.web import Fault

LARGE = "model.safetensors"


def stand_in() -> HubStandIn:
    many = Repository("o/many")
    many.commit({f"part-{number:03}.bin": File(b"x" * number) for number in range(250)})
    huge = Repository("o/huge")
    first = Seeded("huge", 1 << 20)
    huge.commit({LARGE: File(Sparse(first, 60_000_000_000), large=True, sha256="ab" * 32)})
    gated = model("o/gated", gate={"reader"})
    private = model("o/private", gate={"reader"}, private=True)
    data = model("o/data", kind="datasets")
    return HubStandIn([model("o/m"), many, huge, gated, private, data], renamed={"o/before": "o/m"})


def run(directory: Path, test: Callable[[Through], Awaitable[None]]) -> None:
    async def go() -> None:
        async with through(stand_in(), directory) as gateway:
            await test(gateway)
            gateway.origin.guard()

    asyncio.run(go())


def content(gateway: Through, repo: str, path: str = LARGE, kind: str = "models") -> bytes:
    return gateway.origin.repositories[kind, repo].files()[path].data()


@pytest.mark.parametrize("path", [LARGE, "config.json", "onnx/model.onnx"])
def test_a_file_comes_once_and_then_from_the_store(tmp_path: Path, path: str) -> None:
    async def test(gateway: Through) -> None:
        for _ in range(3):
            response, body = await gateway.ask(f"/o/m/resolve/main/{path}")
            assert (response.status, body) == (200, content(gateway, "o/m", path))
            assert response.headers.get("accept-ranges") == "bytes"
            assert len(response.headers.all("etag")) == 1
        got = gateway.origin.asked("storage", method="GET")
        got += gateway.origin.asked("hub", "resolve-cache", "GET")
        assert len(got) == 1

    run(tmp_path, test)


def test_datasets_and_renamed_repositories(tmp_path: Path) -> None:
    async def test(gateway: Through) -> None:
        _, body = await gateway.ask(f"/datasets/o/data/resolve/main/{LARGE}")
        assert body == content(gateway, "o/data", kind="datasets")
        _, body = await gateway.ask(f"/o/before/resolve/main/{LARGE}")
        assert body == content(gateway, "o/m")
        response, _ = await gateway.ask("/api/models/o/before")
        assert response.status == 307
        ours = f"http://{gateway.url.authority}"
        assert response.headers.get("location") == f"{ours}/api/models/o/m"

    run(tmp_path, test)


def test_a_probe_of_one_byte_tells_the_size(tmp_path: Path) -> None:
    """As @huggingface/hub asks before it downloads."""

    async def test(gateway: Through) -> None:
        accept = "application/vnd.xet-fileinfo+json, */*"
        for path in (LARGE, "config.json"):
            size = len(content(gateway, "o/m", path))
            response, body = await gateway.ask(
                f"/o/m/resolve/main/{path}", Range="bytes=0-0", Accept=accept
            )
            assert (response.status, len(body)) == (206, 1)
            assert response.headers.get("content-range") == f"bytes 0-0/{size}"
            assert "xet" not in str(dict(response.headers)).lower()

    run(tmp_path, test)


def test_the_rights_of_gated_and_private_repositories(tmp_path: Path) -> None:
    async def test(gateway: Through) -> None:
        for repo in ("o/gated", "o/private"):
            target = f"/{repo}/resolve/main/{LARGE}"
            response, body = await gateway.ask(target, token=GOOD_TOKEN)
            assert (response.status, body) == (200, content(gateway, repo))
            sha256 = gateway.origin.repositories["models", repo].files()[LARGE].sha256
            kept = gateway.store.find(names.name(names.SHA256, bytes.fromhex(sha256)))
            assert kept is not None
            assert kept.private
            for token in ("", OTHER_TOKEN, "hf_wrong"):
                response, body = await gateway.ask(target, token=token)
                assert response.status in (401, 403, 404)
                assert response.headers.get("x-error-message")
        tokens = {asked.token for asked in gateway.origin.asked("storage")}
        assert tokens == {""}

    run(tmp_path, test)


def test_the_same_content_under_a_public_name_is_for_everybody(tmp_path: Path) -> None:
    async def test(gateway: Through) -> None:
        gated = gateway.origin.repositories["models", "o/gated"].files()[LARGE]
        await gateway.ask(f"/o/gated/resolve/main/{LARGE}", token=GOOD_TOKEN)
        gateway.origin.repositories["models", "o/m"].commit({LARGE: gated})
        response, body = await gateway.ask(f"/o/m/resolve/main/{LARGE}")
        assert (response.status, body) == (200, gated.data())
        assert (await gateway.ask(f"/o/gated/resolve/main/{LARGE}"))[0].status == 401

    run(tmp_path, test)


def test_what_turns_private_is_offered_to_peers_no_more(tmp_path: Path) -> None:
    async def test(gateway: Through) -> None:
        repository = gateway.origin.repositories["models", "o/m"]
        name = names.name(names.SHA256, bytes.fromhex(repository.files()[LARGE].sha256))
        target = f"/o/m/resolve/main/{LARGE}"
        for gate, token, private in ((None, "", False), ({"reader"}, GOOD_TOKEN, True)):
            repository.gate, repository.private = gate, private
            gateway.clock.time += 601
            assert (await gateway.ask(target, token=token))[0].status == 200
            kept = gateway.store.find(name)
            assert kept is not None
            assert kept.private == private
        assert (await gateway.ask(target))[0].status == 401

    run(tmp_path, test)


def test_what_everybody_could_fetch_stays_shared_while_the_hub_is_gone(tmp_path: Path) -> None:
    async def test(gateway: Through) -> None:
        target = f"/o/m/resolve/main/{LARGE}"
        await gateway.ask(target)
        gateway.clock.time += 300
        await gateway.ask(target, token=GOOD_TOKEN)
        await gateway.origin.offline()
        gateway.clock.time += 601
        assert (await gateway.ask(target, token=GOOD_TOKEN))[0].status == 200
        sha256 = gateway.origin.repositories["models", "o/m"].files()[LARGE].sha256
        kept = gateway.store.find(names.name(names.SHA256, bytes.fromhex(sha256)))
        assert kept is not None
        assert not kept.private

    run(tmp_path, test)


def test_one_whose_token_went_bad_takes_nobody_along(tmp_path: Path) -> None:
    """Both wait for one download, begun with the token of the first."""

    async def test(gateway: Through) -> None:
        target = f"/o/gated/resolve/main/{LARGE}"
        gated = gateway.origin.repositories["models", "o/gated"]
        gated.gate = {"reader", "stranger"}
        for token in (GOOD_TOKEN, OTHER_TOKEN):
            await gateway.ask(target, "HEAD", token)
        gated.gate = {"reader"}
        gateway.origin.faults.append(Fault("hub", "resolve", 1, method="GET", delay=0.2))
        first = asyncio.create_task(gateway.ask(target, token=OTHER_TOKEN))
        while not gateway.puller.shared.flights:  # noqa: ASYNC110 - it has no event
            await asyncio.sleep(0.01)
        second, body = await gateway.ask(target, token=GOOD_TOKEN)
        assert (second.status, body) == (200, content(gateway, "o/gated"))
        assert (await first)[0].status == 403

    run(tmp_path, test)


def test_three_pages_lead_from_one_to_the_next_by_us(tmp_path: Path) -> None:
    """hf-mirror-site 65: the next page led past the mirror."""

    async def test(gateway: Through) -> None:
        ours = f"http://{gateway.url.authority}"
        target, paths = "/api/models/o/many/tree/main?recursive=true", []
        while target:
            response, body = await gateway.ask(target)
            paths += [entry["path"] for entry in json.loads(body)]
            link = response.headers.get("link") or ""
            target = link.partition("<" + ours)[2].partition(">")[0]
        assert len(set(paths)) == 250
        assert len(gateway.origin.asked("hub", "/tree/")) == 3

    run(tmp_path, test)


def test_llama_cpp_gets_the_three_pages_as_one(tmp_path: Path) -> None:
    async def test(gateway: Through) -> None:
        agent = "llama-cpp/b6000-abc"
        _, refs = await gateway.ask("/api/models/o/many/refs", User_Agent=agent)
        commit = json.loads(refs)["branches"][0]["targetCommit"]
        target = f"/api/models/o/many/tree/{commit}?recursive=true"
        _, body = await gateway.ask(target, User_Agent=agent)
        assert len(json.loads(body)) == 250

    run(tmp_path, test)


def test_a_file_of_60_gb(tmp_path: Path) -> None:
    async def test(gateway: Through) -> None:
        target = f"/o/huge/resolve/main/{LARGE}"
        response, _ = await gateway.ask(target, "HEAD", User_Agent="x; hf_hub/2.4.0; y")
        assert response.status == 200
        assert response.headers.get("content-length") is None
        assert response.headers.get("x-linked-size") is None
        response, body = await gateway.ask(target, Range="bytes=0-1048575")
        assert response.headers.get("content-range") == "bytes 0-1048575/60000000000"
        assert body == Seeded("huge", 1 << 20).read(0, 1 << 20)

    run(tmp_path, test)


def test_what_was_fetched_is_there_when_the_hub_is_not(tmp_path: Path) -> None:
    async def test(gateway: Through) -> None:
        public, gated = f"/o/m/resolve/main/{LARGE}", f"/o/gated/resolve/main/{LARGE}"
        listing = "/api/models/o/m/tree/main?recursive=true"
        await gateway.ask(public)
        await gateway.ask(gated, token=GOOD_TOKEN)
        await gateway.ask(listing)
        await gateway.origin.offline()
        gateway.clock.time += 3600
        assert (await gateway.ask(public))[1] == content(gateway, "o/m")
        assert (await gateway.ask(gated, token=GOOD_TOKEN))[1] == content(gateway, "o/gated")
        assert (await gateway.ask(listing))[0].status == 200
        assert (await gateway.ask(gated, token=OTHER_TOKEN))[0].status == 504
        assert (await gateway.ask(gated))[0].status == 504
        assert (await gateway.ask("/o/m/resolve/main/config.json"))[0].status == 504

    run(tmp_path, test)


def test_a_wrong_byte_is_never_served_to_its_end(tmp_path: Path) -> None:
    async def test(gateway: Through) -> None:
        gateway.origin.faults.append(Fault("storage", "repos", times=1, flip=5))
        response, body = await gateway.ask(f"/o/m/resolve/main/{LARGE}")
        assert not response.ended_well
        assert len(body) < len(content(gateway, "o/m"))
        response, body = await gateway.ask(f"/o/m/resolve/main/{LARGE}")
        assert (response.status, body) == (200, content(gateway, "o/m"))

    run(tmp_path, test)


def test_a_download_that_is_cut_goes_on_where_it_was(tmp_path: Path) -> None:
    async def test(gateway: Through) -> None:
        gateway.origin.faults.append(Fault("storage", "repos", times=1, cut=1_000_000))
        response, body = await gateway.ask(f"/o/m/resolve/main/{LARGE}")
        assert (response.status, body) == (200, content(gateway, "o/m"))

    run(tmp_path, test)


def test_what_comes_coded_is_decoded(tmp_path: Path) -> None:
    async def test(gateway: Through) -> None:
        gateway.origin.faults.append(Fault("hub", "/tree/", times=1, coded=True))
        response, body = await gateway.ask("/api/models/o/m/tree/main")
        assert response.headers.get("content-encoding") is None
        assert len(json.loads(body)) == 4
        gateway.origin.faults.append(Fault("hub", "resolve-cache", 1, method="GET", coded=True))
        for _ in range(2):
            _, body = await gateway.ask("/o/m/resolve/main/README.md")
            assert body == content(gateway, "o/m", "README.md")

    run(tmp_path, test)


def test_a_304_that_was_not_asked_for_and_a_range_of_head(tmp_path: Path) -> None:
    async def test(gateway: Through) -> None:
        gateway.origin.faults.append(Fault("hub", "/tree/", status=304))
        response, _ = await gateway.ask("/api/models/o/m/tree/main")
        assert response.status == 502
        response, _ = await gateway.ask(
            f"/o/m/resolve/main/{LARGE}", "HEAD", Range=f"bytes={2**64}-"
        )
        assert (response.status, response.length) == (200, len(content(gateway, "o/m")))

    run(tmp_path, test)


def test_no_redirect_leads_from_https_to_http(tmp_path: Path) -> None:
    async def test(gateway: Through) -> None:
        hub = Origin(gateway.client, Url("https", "hub.example", 443), ["cdn.example:443"])
        with pytest.raises(Refusal, match=r"http://cdn\.example:443 is none"):
            await hub._stored("http://cdn.example:443/x", [])

    run(tmp_path, test)


def test_a_redirect_to_a_host_that_nobody_configured_is_not_followed(tmp_path: Path) -> None:
    async def test(gateway: Through) -> None:
        elsewhere = f"{gateway.origin.cas.url}/repos/x"
        fault = Fault("hub", "resolve", times=1, method="GET", location=elsewhere)
        gateway.origin.faults.append(fault)
        response, _ = await gateway.ask(f"/o/m/resolve/main/{LARGE}")
        assert response.status == 502

    run(tmp_path, test)

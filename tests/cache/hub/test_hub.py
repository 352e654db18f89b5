"""The hub behind the gateway: what clients are told, by whose right, and what the hub is asked."""

import asyncio
import contextlib
import hashlib
import json
from collections.abc import Awaitable, Callable

import pytest

from edge.budget import Budget
from edge.cache import names
from edge.cache.hub import files
from edge.cache.hub.versions import TOO_LARGE
from edge.units import MIB
from tests.cache.hub.standin import COMMIT, XET, Behind, StandIn, behind

BIN, SMALL = b"weights" * 1000, b'{"a": 1}'
SHA = hashlib.sha256(BIN).hexdigest()
RESOLVE = "/o/m/resolve/main/"
AT_COMMIT = f"/o/m/resolve/{COMMIT}/"
TREE = f"/api/models/o/m/tree/{COMMIT}?recursive=true"


def prepared(origin: StandIn) -> None:
    origin.files["o/m"] = {"model.bin": BIN, "config.json": SMALL, "README.md": b"# m"}
    origin.files["o/gated"] = {"model.bin": BIN, "README.md": b"# gated"}
    origin.gated["o/gated"] = {"hf_right"}
    origin.renamed["o/old"] = "o/m"


def run(test: Callable[[Behind], Awaitable[None]]) -> None:
    async def go() -> None:
        pool = Budget(64 * MIB, 0).pool("cache", 0.5)
        async with behind(pool, prepared) as found:
            await test(found)
        assert pool.used == 0 or found.server.clients

    asyncio.run(go())


# --- what a file is ---


def test_a_large_file_is_told_by_us() -> None:
    async def test(hub: Behind) -> None:
        response, _ = await hub.ask(RESOLVE + "model.bin", "HEAD")
        told = response.headers
        assert response.status == 200
        assert told.get("etag") == told.get("x-linked-etag") == f'"{SHA}"'
        assert told.get("x-repo-commit") == COMMIT
        assert told.get("x-linked-size") == told.get("content-length") == str(len(BIN))
        assert hub.puller.sources[0].name == names.name(names.SHA256, bytes.fromhex(SHA))

    run(test)


def test_a_small_file_is_known_by_its_git_hash() -> None:
    async def test(hub: Behind) -> None:
        for target in (RESOLVE, AT_COMMIT):  # the second comes through /api/resolve-cache
            response, body = await hub.ask(target + "config.json")
            git = hashlib.sha1(b"blob %d\0" % len(SMALL) + SMALL)
            assert response.status == 200
            assert body == SMALL
            assert response.headers.get("etag") == f'"{git.hexdigest()}"'
            assert response.headers.get("x-repo-commit") == COMMIT
            assert hub.puller.sources[-1].name == names.name(names.GIT_SHA1, git.digest())
            assert hub.puller.sources[-1].size == len(SMALL)

    run(test)


def test_the_storage_is_not_named() -> None:
    async def test(hub: Behind) -> None:
        accept = "application/vnd.xet-fileinfo+json, */*"
        for method in ("HEAD", "GET"):
            response, _ = await hub.ask(RESOLVE + "model.bin", method, Accept=accept)
            told = dict(response.headers)
            assert response.status == 200
            assert not {"location", "link"} & set(told)
            assert "xet" not in str(told).lower()
            assert hub.origin.storage_host not in str(told)

    run(test)


def test_a_size_that_head_does_not_tell_is_found_out() -> None:
    """huggingface_hub 4741, hf-mirror-site 31 and 56: clients cannot do without Content-Length."""

    async def test(hub: Behind) -> None:
        hub.origin.unsized = True
        response, _ = await hub.ask(RESOLVE + "config.json", "HEAD")
        assert (response.status, response.length) == (200, len(SMALL))

    run(test)


def test_a_renamed_repository_is_followed() -> None:
    async def test(hub: Behind) -> None:
        response, body = await hub.ask("/o/old/resolve/main/model.bin")
        assert (response.status, body) == (200, BIN)
        assert response.headers.get("x-repo-commit") == COMMIT

    run(test)


def test_the_version_that_head_has_told_is_the_one_that_get_fetches() -> None:
    async def test(hub: Behind) -> None:
        await hub.ask(RESOLVE + "model.bin")
        assert hub.origin.count("GET", f"/resolve/{COMMIT}/model.bin") == 1

    run(test)


def test_a_file_that_changed_in_between_is_told_anew() -> None:
    async def test(hub: Behind) -> None:
        await hub.ask(RESOLVE + "config.json", "HEAD")
        hub.origin.files["o/m"]["config.json"] = b"other"
        response, body = await hub.ask(RESOLVE + "config.json")
        assert (response.status, body) == (200, b"other")
        git = hashlib.sha1(b"blob 5\0other").hexdigest()
        assert response.headers.get("etag") == f'"{git}"'

    run(test)


@pytest.mark.parametrize(
    ("agent", "told"),
    [
        ("unknown/None; hf_hub/2.4.0; python/3.12", False),
        ("unknown/None; hf_hub/0.23.5; python/3.12", True),  # it cannot do without
        ("curl/8", False),
    ],
)
def test_the_size_of_a_huge_file_is_left_out(agent: str, told: bool) -> None:
    async def test(hub: Behind) -> None:
        hub.origin.sizes["model.bin"] = TOO_LARGE + 1
        response, _ = await hub.ask(RESOLVE + "model.bin", "HEAD", User_Agent=agent)
        assert response.status == 200
        assert response.headers.get("etag") == f'"{SHA}"'
        sizes = response.headers.get("content-length"), response.headers.get("x-linked-size")
        assert sizes == ((str(TOO_LARGE + 1),) * 2 if told else (None, None))

    run(test)


def test_what_the_hub_refuses_keeps_its_words() -> None:
    async def test(hub: Behind) -> None:
        for method in ("HEAD", "GET"):
            response, body = await hub.ask(RESOLVE + "absent", method)
            assert response.status == 404
            assert response.headers.get("x-error-code") == "EntryNotFound"
            assert response.headers.get("x-error-message") == "Entry not found"
            assert response.headers.get("x-repo-commit") == COMMIT  # clients note the absence
        assert json.loads(body) == {"error": "Entry not found"}
        assert hub.origin.count("HEAD", "absent") == 1  # 30 s
        hub.clock.time += 31
        await hub.ask(RESOLVE + "absent", "HEAD")
        assert hub.origin.count("HEAD", "absent") == 2

    run(test)


def test_a_branch_is_asked_for_again_after_a_minute_and_a_commit_is_not() -> None:
    async def test(hub: Behind) -> None:
        for target, count in ((RESOLVE, 2), (AT_COMMIT, 1)):
            before = hub.origin.count("HEAD", target)
            for seconds in (0, 30, 31):
                hub.clock.time += seconds
                await hub.ask(target + "model.bin", "HEAD")
            assert hub.origin.count("HEAD", target) - before == count

    run(test)


def test_the_hub_is_asked_once_for_all_who_wait() -> None:
    async def test(hub: Behind) -> None:
        hub.origin.silent.clear()
        waiting = [asyncio.ensure_future(hub.ask(RESOLVE + "model.bin", "HEAD")) for _ in range(16)]
        await asyncio.wait_for(hub.origin.arrived.wait(), 10)
        hub.origin.silent.set()
        for response, _ in await asyncio.gather(*waiting):
            assert response.status == 200
        assert hub.origin.count("HEAD", "model.bin") == 1

    run(test)


def test_the_connection_to_the_hub_is_used_again() -> None:
    async def test(hub: Behind) -> None:
        await hub.ask(RESOLVE + "model.bin", "HEAD")
        before = hub.client.counters["connections"]
        for path in ("config.json", "README.md", "absent"):
            await hub.ask(RESOLVE + path, "HEAD")
        assert hub.client.counters["connections"] == before

    run(test)


# --- rights ---


def test_a_gated_file_is_given_to_the_right_token_alone() -> None:
    async def test(hub: Behind) -> None:
        target = "/o/gated/resolve/main/model.bin"
        response, body = await hub.ask(target, token="hf_right")
        assert (response.status, body) == (200, BIN)
        assert hub.puller.kept  # it is there now; that is no right
        for token, status, code in (("", 401, "GatedRepo"), ("hf_wrong", 403, "GatedRepo")):
            response, body = await hub.ask(target, token=token)
            assert response.status == status
            assert response.headers.get("x-error-code") == code
            assert BIN not in body

    run(test)


def test_what_everybody_may_have_is_public_and_nothing_else() -> None:
    async def test(hub: Behind) -> None:
        await hub.ask(RESOLVE + "model.bin", token="hf_any")
        assert not hub.puller.sources[-1].private
        await hub.ask("/o/gated/resolve/main/model.bin", token="hf_right")
        assert hub.puller.sources[-1].private

    run(test)


def test_a_right_is_remembered_for_ten_minutes_and_of_a_repository() -> None:
    async def test(hub: Behind) -> None:
        target = f"/o/gated/resolve/{COMMIT}/model.bin"
        await hub.ask(target, token="hf_right")
        hub.origin.gated["o/gated"].clear()
        hub.clock.time += 599
        assert (await hub.ask(target, token="hf_right"))[0].status == 200
        hub.clock.time += 2
        assert (await hub.ask(target, token="hf_right"))[0].status == 403

    run(test)


def test_a_file_that_the_hub_shows_to_everybody_proves_nothing_for_the_rest() -> None:
    async def test(hub: Behind) -> None:
        target = f"/o/gated/resolve/{COMMIT}/"
        await hub.ask(target + "model.bin", token="hf_right")
        key = hub.origin.gated.pop("o/gated")
        assert (await hub.ask(target + "README.md"))[0].status == 200
        hub.origin.gated["o/gated"] = key
        assert (await hub.ask(target + "model.bin"))[0].status == 401

    run(test)


def test_a_listing_proves_nothing() -> None:
    async def test(hub: Behind) -> None:
        await hub.ask("/o/gated/resolve/main/model.bin", token="hf_right")
        assert (await hub.ask("/api/models/o/gated"))[0].status == 200
        assert (await hub.ask("/o/gated/resolve/main/model.bin"))[0].status == 401

    run(test)


def test_a_token_goes_to_the_hub_alone_and_is_kept_nowhere() -> None:
    async def test(hub: Behind) -> None:
        await hub.ask("/o/gated/resolve/main/model.bin", token="hf_right")
        assert any(token == "hf_right" for _, _, token in hub.origin.asked)
        assert hub.origin.stored
        assert all(token is None for _, token in hub.origin.stored)
        assert not any(b"hf_right" in key + note for key, note in hub.notes.items())

    run(test)


def test_a_storage_host_that_is_not_configured_is_not_asked() -> None:
    async def test(hub: Behind) -> None:
        section = hub.section()
        section.storage_hosts = ("cdn.example.org:443", "127.0.0.1:1")
        hub.hub.configure(section)
        response, _ = await hub.ask(RESOLVE + "model.bin")
        assert response.status == 502
        assert "storage_hosts" in (response.headers.get("x-error-message") or "")
        assert not hub.origin.stored

    run(test)


# --- without the hub ---


@pytest.mark.parametrize("how", ["busy", "gone", "silent"])
def test_what_is_kept_stands_in_for_a_hub_that_does_not_answer(
    how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def test(hub: Behind) -> None:
        gated = "/o/gated/resolve/main/model.bin"
        await hub.ask(RESOLVE + "model.bin")
        await hub.ask(gated, token="hf_right")
        await hub.ask(TREE)
        monkeypatch.setattr(files, "PATIENCE", 0.05)
        monkeypatch.setattr(files, "_LAST", 0.2)
        await fail(hub, how)
        hub.clock.time += 86400
        for target, token in ((RESOLVE + "model.bin", ""), (gated, "hf_right")):
            response, body = await hub.ask(target, token=token)
            assert (response.status, body) == (200, BIN)
            assert response.headers.get("warning")
        assert (await hub.ask(TREE))[0].status == 200
        for token in ("", "hf_wrong"):
            assert (await hub.ask(gated, token=token))[0].status in (503, 504)
        assert (await hub.ask(RESOLVE + "never-seen"))[0].status in (503, 504)
        hub.clock.time += 7 * 86400
        assert (await hub.ask(gated, token="hf_right"))[0].status in (503, 504)
        assert (await hub.ask(RESOLVE + "model.bin"))[0].status == 200

    run(test)


async def fail(hub: Behind, how: str) -> None:
    if how == "busy":
        hub.origin.down = 503
    elif how == "silent":
        hub.origin.silent.clear()
    else:
        await hub.origin.hub.stop()


def test_with_a_wrong_clock_only_what_is_public_stands_in() -> None:
    async def test(hub: Behind) -> None:
        gated = "/o/gated/resolve/main/model.bin"
        await hub.ask(RESOLVE + "model.bin")
        await hub.ask(gated, token="hf_right")
        hub.origin.down, hub.clock.wrong = 503, True
        hub.clock.time += 3600
        assert (await hub.ask(RESOLVE + "model.bin"))[0].status == 200
        assert (await hub.ask(gated, token="hf_right"))[0].status == 503

    run(test)


def test_another_hub_knows_nothing_of_what_was_proven_at_the_first() -> None:
    async def test(hub: Behind) -> None:
        await hub.ask(RESOLVE + "model.bin")
        section = hub.section()
        section.hub = "http://127.0.0.1:1"
        hub.hub.configure(section)
        assert (await hub.ask(RESOLVE + "model.bin"))[0].status == 504

    run(test)


def test_without_memory_a_request_is_refused() -> None:
    async def test(hub: Behind) -> None:
        taken = 0
        while hub.pool.take(4096):
            taken += 4096
        for target in (TREE, RESOLVE + "model.bin"):
            assert (await hub.ask(target))[0].status == 503
        hub.pool.give(taken)
        assert not hub.origin.asked

    run(test)


# --- the API ---


def test_a_listing_names_no_storage_and_is_kept() -> None:
    async def test(hub: Behind) -> None:
        for _ in range(2):
            response, body = await hub.ask(TREE)
            assert response.status == 200
            assert XET.encode() not in body
            listed = [entry["path"] for entry in json.loads(body)]
            assert listed == ["README.md", "config.json", "model.bin"]
        hub.clock.time += 86400
        await hub.ask(TREE)
        assert hub.origin.count("GET", "/tree/") == 1

    run(test)


def test_a_name_is_good_for_a_minute_and_then_asked_whether_it_is_the_same() -> None:
    async def test(hub: Behind) -> None:
        for seconds, count in ((0, 1), (59, 1), (2, 2), (0, 2)):
            hub.clock.time += seconds
            response, body = await hub.ask("/api/models/o/m")
            assert response.status == 200
            assert json.loads(body)["sha"] == COMMIT
            assert hub.origin.count("GET", "/api/models/o/m") == count

    run(test)


def test_addresses_of_the_hub_lead_to_us_by_the_name_that_the_client_used() -> None:
    async def test(hub: Behind) -> None:
        hub.origin.page = 1
        ours = f"http://{hub.url.authority}"
        for _ in range(2):
            response, _ = await hub.ask(TREE)
            link = response.headers.get("link")
            assert link == f'<{ours}{TREE}&cursor=1>;rel="next"' or link == (
                f'<{ours}{TREE}&cursor=1>; rel="next"'
            )
            _, body = await hub.ask("/api/models/o/m")
            assert json.loads(body)["url"] == f"{ours}/o/m"

    run(test)


def test_pages_are_one_for_llama_cpp_and_several_for_others() -> None:
    async def test(hub: Behind) -> None:
        hub.origin.page = 1
        for _ in range(2):
            response, body = await hub.ask(TREE, User_Agent="llama-cpp/b9999")
            assert response.headers.get("link") is None
            assert len(json.loads(body)) == 3
        _, body = await hub.ask(TREE, User_Agent="unknown/None; hf_hub/2.4.0")
        assert len(json.loads(body)) == 1

    run(test)


def test_a_listing_is_kept_for_the_asker_alone() -> None:
    async def test(hub: Behind) -> None:
        await hub.ask(TREE, token="hf_one")
        await hub.ask(TREE, token="hf_two")
        assert hub.origin.count("GET", "/tree/") == 2

    run(test)


def test_a_listing_of_megabytes_passes_and_is_kept() -> None:
    async def test(hub: Behind) -> None:
        many = {f"{'d' * 100}/{number:05}.bin": b"" for number in range(3600)}
        hub.origin.files["o/m"] = many
        hub.origin.page = 10_000
        for _ in range(2):
            _, body = await hub.ask(TREE)
            assert len(body) > 900_000
            entries = json.loads(body)
            assert [entry["path"] for entry in entries] == sorted(many)
            assert not any("xetHash" in entry for entry in entries)
        assert hub.origin.count("GET", "/tree/") == 1

    run(test)


def test_paths_info_is_passed_and_of_a_commit_kept() -> None:
    async def test(hub: Behind) -> None:
        for revision, count in ((COMMIT, 1), ("main", 2)):
            target = f"/api/models/o/m/paths-info/{revision}"
            for _ in range(2):
                response, body = await hub.ask(target, "POST", body=b"paths=model.bin&expand=false")
                assert response.status == 200
                assert json.loads(body)[0]["lfs"]["oid"] == SHA
                assert b"xetHash" not in body
            assert hub.origin.count("POST", target) == count

    run(test)


def test_who_asks_is_asked_each_time() -> None:
    async def test(hub: Behind) -> None:
        for token in ("hf_one", "hf_two", "hf_one"):
            _, body = await hub.ask("/api/whoami-v2", token=token)
            assert json.loads(body) == {"name": token}
        assert hub.origin.count("GET", "whoami") == 3

    run(test)


@pytest.mark.parametrize(
    ("method", "target", "status", "word"),
    [
        ("GET", f"/api/models/o/m/xet-read-token/{COMMIT}", 404, "HF_HUB_DISABLE_XET"),
        ("GET", "/api/models/o/m/xet-write-token/main", 404, "HF_HUB_DISABLE_XET"),
        ("GET", "/o/m/info/refs?service=git-upload-pack", 403, "git"),
        ("POST", "/o/m.git/info/lfs/objects/batch", 403, "git-lfs"),
        ("POST", "/api/models/o/m/commit/main", 405, "HF_ENDPOINT"),
        ("PUT", RESOLVE + "model.bin", 405, "HF_ENDPOINT"),
        ("GET", "/o/m", 404, "API"),
    ],
)
def test_what_is_not_served_is_refused_with_a_sentence(
    method: str, target: str, status: int, word: str
) -> None:
    async def test(hub: Behind) -> None:
        response, body = await hub.ask(target, method)
        assert response.status == status
        assert word in (response.headers.get("x-error-message") or "")
        assert word.encode() in body
        assert not hub.origin.asked

    run(test)


def test_a_listing_that_breaks_off_is_cut_and_not_kept() -> None:
    async def test(hub: Behind) -> None:
        hub.origin.page = 1
        asked = hub.origin.hub.handler

        async def broken(request: object, exchange: object) -> None:
            if "cursor" in request.target:
                exchange.cut()
                return
            await asked(request, exchange)

        hub.origin.hub.handler = broken
        response, _ = await hub.ask(TREE, User_Agent="llama-cpp/1")
        assert not response.ended_well
        hub.origin.hub.handler = asked
        with contextlib.suppress(ValueError):
            _, body = await hub.ask(TREE, User_Agent="llama-cpp/1")
        assert len(json.loads(body)) == 3

    run(test)

"""Versions, links, pages, what is kept and what is remembered: values of the hub's room."""

import hashlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.budget import Budget
from edge.cache import names
from edge.cache.hub import kept, links, rights, versions
from edge.cache.hub.kept import Keeper, Kept
from edge.cache.hub.origin import is_one_of, printable, storage
from edge.cache.hub.pages import PageError, Pages
from edge.cache.hub.remembered import ENTRY, Remembered
from edge.cache.hub.rights import Rights
from edge.cache.hub.versions import Version
from edge.cache.pull.source import OriginError
from edge.units import MIB
from edge.url import Url
from tests.cache.hub.standin import Clock, Notes

COMMIT = "607a30d783dfa663caf39e06633721c8d4cfcd7e"
SHA, GIT = "ab" * 32, "cd" * 20
HUB = "https://huggingface.co"


# --- versions ---


def test_a_large_file_as_the_hub_redirects_it_to_its_storage() -> None:
    told = {
        "x-repo-commit": COMMIT,
        "etag": '"d41d8cd98f00b204e9800998ecf8427e-2"',
        "x-linked-etag": f'"{SHA}"',
        "x-linked-size": "5000000000",
        "content-length": "1300",
        "content-type": "text/plain; charset=utf-8",
    }
    version = Version.of([(302, told)])
    assert (version.etag, version.size, version.commit) == (SHA, 5_000_000_000, COMMIT)
    assert version.name("") == names.name(names.SHA256, bytes.fromhex(SHA))
    assert ("Content-Type", "application/octet-stream") in version.headers()


def test_a_small_file_by_way_of_the_hubs_own_cache() -> None:
    first = {"x-repo-commit": COMMIT, "x-linked-etag": f'"{GIT}"', "x-linked-size": "665"}
    second = {
        "x-repo-commit": COMMIT,
        "etag": f'"{GIT}"',
        "content-length": "665",
        "content-type": "text/plain; charset=utf-8",
        "content-disposition": "inline; filename*=UTF-8''config.json;",
    }
    version = Version.of([(307, first), (200, second)])
    assert (version.etag, version.size) == (GIT, 665)
    assert version.name("") == names.name(names.GIT_SHA1, bytes.fromhex(GIT))
    assert ("Content-Type", "text/plain; charset=utf-8") in version.headers()


def test_a_redirects_own_length_is_no_size_of_the_file() -> None:
    version = Version.of([(302, {"etag": '"a"', "content-length": "133"})])
    assert version.size is None


def test_a_version_without_an_entity_tag_is_none() -> None:
    with pytest.raises(OriginError):
        Version.of([(200, {"content-length": "5"})])


def test_what_has_no_hash_is_named_by_its_address_and_tag() -> None:
    found = {
        Version(COMMIT, etag, linked).name(where, hashed)
        for etag, linked, where, hashed in (
            ("a", False, "x", True),
            ("b", False, "x", True),
            ("a", False, "y", True),
            (SHA, False, "x", True),
            (GIT, False, "x", False),
        )
    }
    assert len(found) == 5
    assert {name[0] for name in found} == {names.ORIGIN}


@given(
    st.text(max_size=20), st.text(max_size=20), st.booleans(), st.none() | st.integers(0, 1 << 62)
)
def test_a_version_is_read_back(commit: str, etag: str, linked: bool, size: int | None) -> None:
    version = Version(commit, etag, linked, size, "a/b", "inline")
    found = Version.decode(version.encode())
    assert found is not None
    assert found.encode() == version.encode()


@given(st.binary(max_size=200))
def test_a_version_from_noise_is_none_or_whole(data: bytes) -> None:
    found = Version.decode(data)
    if found is not None:
        assert Version.decode(found.encode()) is not None


# --- links ---


def test_the_next_page_leads_to_us_and_the_storage_is_not_named() -> None:
    header = (
        f'<{HUB}/api/models/o/m/tree/main?cursor=abc%3D%3D>; rel="next", '
        f'<{HUB}/api/models/o/m/xet-read-token/{COMMIT}>; rel="xet-auth", '
        '<https://cas-server.xethub.hf.co/v1/reconstructions/1>; rel="xet-reconstruction-info"'
    )
    ours = links.our_link(header, HUB, "", "http://router:8421")
    next_page = "http://router:8421/api/models/o/m/tree/main?cursor=abc%3D%3D"
    assert ours == f'<{next_page}>; rel="next"'
    assert links.next_page(ours) == next_page


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("/api/resolve-cache/models/a/b/c?x=1", "/api/resolve-cache/models/a/b/c?x=1"),
        (f"{HUB}/a/b", "/a/b"),
        (f"{HUB}/a#b", "/a"),
        ("https://huggingface.co.evil.example/a", None),
        ("https://huggingface.co@evil.example/a", None),
        ("https://huggingface.co:444/a", None),
        ("http://huggingface.co/a", None),
        ("//evil.example/a", None),
        ("https://cdn-lfs.hf.co/a", None),
        ("", None),
        ("a/b", None),
        ("/a b", None),
        ('/a"b', None),
    ],
)
def test_where_a_redirect_leads(location: str, target: str | None) -> None:
    assert links.at_hub(location, HUB) == target


def test_a_hub_below_a_path() -> None:
    hub = "http://mirror.lan"
    assert links.at_hub("/hf/a", hub, "/hf") == "/a"
    assert links.at_hub("http://mirror.lan/hf/a", hub, "/hf") == "/a"
    assert links.at_hub("/other/a", hub, "/hf") is None


@given(st.text(alphabet='<>;,="/abx relnxt', max_size=60))
def test_whatever_a_link_holds_only_our_addresses_leave(header: str) -> None:
    ours = links.our_link(header, HUB, "", "http://us")
    assert all(address.startswith("http://us/") for address, _ in links.links(ours))


# --- storage hosts ---


@pytest.mark.parametrize(
    ("location", "allowed"),
    [
        ("https://cdn-lfs.huggingface.co/a?Signature=x", True),
        ("https://cas-bridge.xethub.hf.co/a", True),
        ("https://a.b.hf.co:443/", True),
        ("https://hf.co/a", False),  # *.hf.co are those below it
        ("https://evilhf.co/a", False),
        ("https://hf.co.evil.example/a", False),
        ("https://cdn.hf.co:8443/a", False),
        ("http://cdn.hf.co/a", False),
        ("https://[::1]/a", False),
        ("https://127.0.0.1/a", False),
    ],
)
def test_which_storage_is_asked(location: str, allowed: bool) -> None:
    hosts = frozenset({"*.huggingface.co:443", "*.hf.co:443"})
    assert is_one_of(storage(location)[0], hosts) == allowed


@pytest.mark.parametrize("location", ["", "ftp://a/b", "https://a@b/c", "https://a/b c", "a"])
def test_what_is_no_address(location: str) -> None:
    with pytest.raises(OriginError):
        storage(location)


def test_the_signature_of_an_address_is_sent_as_it_came() -> None:
    url, target = storage("https://cdn.hf.co/a%2Fb?X-Amz-Signature=ab%2Bc&x=~#frag")
    assert (url.root, target) == ("https://cdn.hf.co", "/a%2Fb?X-Amz-Signature=ab%2Bc&x=~")
    url, target = storage("http://127.0.0.1:80?x=1")
    assert (url.root, target) == ("http://127.0.0.1", "/?x=1")
    assert isinstance(url, Url)


def test_what_is_passed_on_is_one_line() -> None:
    assert printable("a\r\nSet-Cookie: b") == "aSet-Cookie: b"
    assert printable(None) == ""


# --- pages ---


def merged(pages: list[bytes], step: int) -> bytes:
    joined = Pages()
    out = b""
    for page in pages:
        for at in range(0, len(page), step):
            out += joined.feed(page[at : at + step])
        joined.turn()
    return out + joined.end()


@given(st.lists(st.lists(st.integers() | st.lists(st.text(max_size=3)), max_size=3), max_size=4))
def test_pages_are_joined_however_they_are_cut(pages: list[list[object]]) -> None:
    texts = [json.dumps(page).encode() + b"\n" for page in pages]
    for step in (1, 3, 1000):
        assert json.loads(merged(texts, step)) == [item for page in pages for item in page]


@pytest.mark.parametrize("begun", [b"[", b"[1", b"[1]"])
def test_white_space_without_end_is_not_held(begun: bytes) -> None:
    pages = Pages()
    pages.feed(begun)
    with pytest.raises(PageError):
        for _ in range(10):
            pages.feed(b" " * 4096)
            assert len(pages._held) < 16384


@pytest.mark.parametrize("page", [b"{}", b'{"error":1}', b"[1,2", b"[1", b"", b"[", b"1]"])
def test_a_page_that_is_no_array_or_cut_short(page: bytes) -> None:
    with pytest.raises(PageError):
        merged([b"[1]", page], 2)


# --- what is kept ---


def test_an_answer_is_kept_whole_or_not_at_all() -> None:
    notes, data = Notes(), b"x" * (3 * kept.PORTION + 5)
    keeper = Keeper(notes, b"key", Kept('"e"', "application/json", "", 7))
    for at in range(0, len(data), 1000):
        keeper.add(data[at : at + 1000])
    assert kept.find(notes, b"key") is None
    keeper.end()
    found = kept.find(notes, b"key")
    assert found is not None
    assert (found.etag, found.at, found.portions) == ('"e"', 7, 4)
    parts = [found.portion(notes, b"key", number) for number in range(4)]
    assert b"".join(part or b"" for part in parts) == data
    notes[b"key.2"] = b"other"
    assert found.portion(notes, b"key", 2) is None
    del notes[b"key.2"]
    assert kept.find(notes, b"key") is None


def test_an_answer_that_is_too_long_is_not_kept() -> None:
    notes = Notes()
    keeper = Keeper(notes, b"key", Kept("", "", "", 0))
    for _ in range(kept.MOST + 2):
        keeper.add(b"x" * kept.PORTION)
    keeper.end()
    assert kept.find(notes, b"key") is None
    assert len(notes) <= kept.MOST


@given(st.binary(max_size=100))
def test_a_head_from_noise_is_no_answer(data: bytes) -> None:
    notes = Notes()
    notes[b"key"] = data
    kept.find(notes, b"key")


# --- what is remembered, and rights ---


def table(most: int = 4) -> tuple[Remembered, Clock, Budget]:
    clock, budget = Clock(), Budget(64 * MIB, 0)
    return Remembered(most, clock.now, budget.pool("cache", 0.5)), clock, budget


def test_what_is_remembered_is_forgotten_in_time_and_leased_until_then() -> None:
    recent, clock, budget = table()
    recent.put(b"a", 10.0, "value")
    assert budget.used == ENTRY
    assert recent.get(b"a") == "value"
    clock.time += 10
    assert recent.get(b"a") is None
    assert budget.used == 0


def test_the_oldest_goes_when_there_are_too_many() -> None:
    recent, _, budget = table(most=2)
    for key in (b"a", b"b", b"c"):
        recent.put(key, 10.0)
    assert [recent.get(key) for key in (b"a", b"b", b"c")] == [None, True, True]
    assert budget.used == 2 * ENTRY
    recent.clear()
    assert budget.used == 0


def test_without_memory_nothing_is_remembered() -> None:
    recent = Remembered(4, Clock().now, Budget(0, 0).pool("cache", 0.0))
    recent.put(b"a", 10.0)
    assert recent.get(b"a") in (None, True)


def test_a_right_is_of_one_asker_or_of_everybody() -> None:
    recent, clock, _ = table(8)
    notes = Notes()
    held = Rights(recent, notes, clock.utc)
    one, other = rights.who("Bearer one"), rights.who("Bearer other")
    held.prove(one, "repo")
    assert held.now(one, "repo")
    assert not held.now(other, "repo")
    assert not held.now(rights.ANYBODY, "repo")
    assert not held.public("repo")
    held.prove(rights.ANYBODY, "open")
    assert held.now(other, "open")
    assert held.public("open")
    held.revoke(one, "repo")
    assert not held.now(one, "repo")
    assert not held.before(one, "repo")


def test_a_right_lasts_seven_days_where_the_hub_does_not_answer() -> None:
    recent, clock, _ = table()
    held = Rights(recent, Notes(), clock.utc)
    one = rights.who("Bearer one")
    held.prove(one, "repo")
    clock.time += 7 * 86400 - 1
    assert not held.now(one, "repo")
    assert held.before(one, "repo")
    clock.time += 1
    assert not held.before(one, "repo")


def test_a_right_that_is_proven_often_is_written_once() -> None:
    recent, clock, _ = table()
    notes = Notes()
    held = Rights(recent, notes, clock.utc)
    held.prove(rights.ANYBODY, "repo")
    first = dict(notes)
    clock.time += 600
    held.prove(rights.ANYBODY, "repo")
    assert notes == first


def test_what_the_hub_shows_to_everybody_proves_itself_alone() -> None:
    assert rights.scope("models/o/m", "model.bin") == "models/o/m"
    for path in ("README.md", ".gitattributes", "a/figure.PNG", "a/readme.md"):
        assert rights.scope("models/o/m", path) == f"models/o/m/{path}"


def test_a_token_is_known_by_its_hash() -> None:
    assert rights.who("Bearer a") == hashlib.sha256(b"Bearer a").digest()
    assert rights.who("") == rights.ANYBODY


@pytest.mark.parametrize(
    ("agent", "hidden"),
    [("x; hf_hub/2.4.0; y", True), ("x; hf_hub/0.23.5; y", False), ("", True)],
)
def test_whose_size_is_hidden(agent: str, hidden: bool) -> None:
    assert versions.hides_size(agent, versions.TOO_LARGE + 1) == hidden
    assert not versions.hides_size(agent, versions.TOO_LARGE)
    assert not versions.hides_size(agent, None)

"""Paths of the hub, as its clients send them."""

from urllib.parse import unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.cache.hub import routes
from edge.cache.hub.routes import Route, quoted

COMMIT = "607a30d783dfa663caf39e06633721c8d4cfcd7e"


def route(method: str, target: str) -> Route:
    """As the server hands it on: the path in decoded parts."""
    path, _, query = target.partition("?")
    return routes.route(method, [unquote(part) for part in path[1:].split("/")], query)


def file(target: str) -> tuple[str, str, str]:
    found = route("GET", target)
    assert found.kind == routes.FILE
    return found.repo, found.revision, found.path


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        ("/gpt2/resolve/main/config.json", ("models/gpt2", "main", "config.json")),
        ("/o/m/resolve/main/config.json", ("models/o/m", "main", "config.json")),
        ("/o/m/resolve/main/a/b/c.bin", ("models/o/m", "main", "a/b/c.bin")),
        ("/datasets/o/d/resolve/main/x.csv", ("datasets/o/d", "main", "x.csv")),
        ("/datasets/squad/resolve/main/x.csv", ("datasets/squad", "main", "x.csv")),
        ("/spaces/o/s/resolve/main/app.py", ("spaces/o/s", "main", "app.py")),
        (f"/o/m/resolve/{COMMIT}/a.bin", ("models/o/m", COMMIT, "a.bin")),
        ("/o/m/resolve/refs%2Fpr%2F1/a.bin", ("models/o/m", "refs/pr/1", "a.bin")),
        ("/o/m/resolve/refs/pr/1/a.bin", ("models/o/m", "refs/pr/1", "a.bin")),
        ("/o/d/resolve/refs/convert/parquet/a", ("models/o/d", "refs/convert/parquet", "a")),
        ("/o/m/resolve/feature%2Fx/a.bin", ("models/o/m", "feature/x", "a.bin")),
        ("/o/m/resolve/main/a%20b.bin", ("models/o/m", "main", "a b.bin")),
        ("/o/m/resolve/main/%C3%A9.bin", ("models/o/m", "main", "é.bin")),
        ("/o/m/resolve/main/dir%2Ffile", ("models/o/m", "main", "dir/file")),
        ("/o/m/raw/main/README.md", ("models/o/m", "main", "README.md")),
        (f"/api/resolve-cache/models/o/m/{COMMIT}/a/b?etag=x", ("models/o/m", COMMIT, "a/b")),
        (f"/api/resolve-cache/models/gpt2/{COMMIT}/a", ("models/gpt2", COMMIT, "a")),
        (f"/api/resolve-cache/datasets/o/d/{COMMIT}/a", ("datasets/o/d", COMMIT, "a")),
        ("/o/m/resolve/main/info/refs", ("models/o/m", "main", "info/refs")),
    ],
)
def test_files(target: str, expected: tuple[str, str, str]) -> None:
    assert file(target) == expected


def test_a_file_has_one_address_upstream_however_it_was_asked_for() -> None:
    wanted = "/o/m/resolve/refs%2Fpr%2F1/a%20b.bin"
    for target in (
        "/o/m/resolve/refs/pr/1/a%20b.bin",
        wanted,
        "/o/m/resolve/refs%2fpr%2f1/a%20b.bin",
    ):
        assert route("GET", target).target == wanted


def test_the_same_file_at_a_commit() -> None:
    found = route("GET", "/datasets/o/d/resolve/main/a/b c")
    assert found.at(COMMIT) == f"/datasets/o/d/resolve/{COMMIT}/a/b%20c"
    assert route("GET", found.at(COMMIT)).fixed
    assert not found.fixed


@pytest.mark.parametrize(
    ("method", "target", "kind", "repo", "revision"),
    [
        ("GET", "/api/models/o/m", routes.API, "models/o/m", ""),
        ("GET", "/api/models/gpt2", routes.API, "models/gpt2", ""),
        ("GET", "/api/models?search=x&limit=5", routes.API, "", ""),
        ("GET", f"/api/models/o/m/tree/{COMMIT}?recursive=true", routes.API, "models/o/m", COMMIT),
        ("GET", "/api/models/o/m/tree/refs%2Fpr%2F1/dir", routes.API, "models/o/m", "refs/pr/1"),
        ("GET", "/api/models/gpt2/tree/main", routes.API, "models/gpt2", "main"),
        ("GET", "/api/datasets/o/d/revision/main", routes.API, "datasets/o/d", "main"),
        ("GET", "/api/models/o/m/refs", routes.API, "models/o/m", ""),
        ("POST", f"/api/models/o/m/paths-info/{COMMIT}", routes.READ, "models/o/m", COMMIT),
        ("GET", "/api/whoami-v2", routes.OWN, "", ""),
        ("GET", f"/api/models/o/m/xet-read-token/{COMMIT}", routes.XET, "models/o/m", ""),
        ("GET", f"/api/models/o/m/XET-Read-Token/{COMMIT}", routes.XET, "models/o/m", ""),
        ("GET", f"/api/models/gpt2/xet-read-token/{COMMIT}", routes.XET, "models/gpt2", ""),
        ("GET", "/api/spaces/o/m/xet-write-token/main", routes.XET, "spaces/o/m", ""),
        ("POST", "/api/models/o/m/commit/main", routes.WRITE, "models/o/m", ""),
        ("POST", "/api/models/o/m/preupload/main", routes.WRITE, "models/o/m", ""),
        ("POST", "/api/repos/create", routes.WRITE, "", ""),
        ("DELETE", "/api/repos/delete", routes.WRITE, "", ""),
        ("PUT", "/o/m/resolve/main/a", routes.WRITE, "models/o/m", "main"),
        ("GET", "/o/m/info/refs?service=git-upload-pack", routes.GIT, "", ""),
        ("GET", "/o/m.git/info/refs?service=git-upload-pack", routes.GIT, "", ""),
        ("POST", "/o/m/git-upload-pack", routes.GIT, "", ""),
        ("POST", "/o/m.git/info/lfs/objects/batch", routes.GIT, "", ""),
        ("POST", "/datasets/o/m.git/info/lfs/objects/batch", routes.GIT, "", ""),
        ("GET", "/o/m", routes.UNKNOWN, "", ""),
        ("GET", "/o/m/tree/main", routes.UNKNOWN, "", ""),
        ("GET", "/o/m/resolve/main", routes.UNKNOWN, "", ""),
        ("GET", "/a/b/c/resolve/main/x", routes.UNKNOWN, "", ""),
    ],
)
def test_other_paths(method: str, target: str, kind: str, repo: str, revision: str) -> None:
    found = route(method, target)
    assert (found.kind, found.repo, found.revision) == (kind, repo, revision)


def test_queries_are_kept_as_they_are() -> None:
    target = f"/api/models/o/m/tree/{COMMIT}?recursive=true&cursor=ZXlK%3D%3D&limit=100"
    assert route("GET", target).target == target


@given(st.text(st.characters(codec="utf-8"), max_size=40))
def test_what_was_quoted_is_read_back(text: str) -> None:
    assert unquote(quoted(text)) == text
    assert quoted(text).isascii()


PARTS = st.sampled_from(["api", "models", "datasets", "resolve", "raw", "refs", "pr", "a b", "é/x"])


@given(st.lists(PARTS | st.just(COMMIT) | st.just(""), min_size=1, max_size=8))
def test_what_goes_upstream_asks_for_the_same(parts: list[str]) -> None:
    found = routes.route("GET", parts)
    if found.kind in (routes.FILE, routes.API):
        again = route("GET", found.target)
        assert found.target.isascii()
        assert (again.target, again.repo, again.revision, again.path) == (
            *(found.target, found.repo, found.revision, found.path),
        )

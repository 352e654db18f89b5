"""What a path of the hub asks for, as a value.

A revision may hold slashes (refs/pr/1), which clients send as %2F: a path comes in parts, each of
them decoded. The target that goes upstream is made anew from them, so that one file has one
address, and nothing is passed on that was not understood.

Source: the clients' own requests (huggingface_hub, @huggingface/hub, hf-hub, llama.cpp)
"""

from __future__ import annotations

_TOKENS = frozenset({"xet-read-token", "xet-write-token"})
_VERBS = frozenset({"tree", "revision", "paths-info", "refs", "commits", "treesize", *_TOKENS})
_KINDS = ("models", "datasets", "spaces")
_PLAIN = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~")
_IN_FILES = _PLAIN | frozenset("!$&'()*+,;=:@")  # a part of a path may hold these as they are
_HEX = frozenset("0123456789abcdef")

FILE = "file"  # a file at a revision
API = "api"  # what the hub knows of repositories
READ = "read"  # the same, asked by POST: paths-info
OWN = "own"  # about the asker himself: never kept
XET = "xet"  # a token for the storage that would be asked past us
GIT = "git"
WRITE = "write"
UNKNOWN = "unknown"


class Route:
    """`kind`: of the above. `repo`: datasets/ns/name, models as models/ns/name; "" for none.

    `revision`: a branch, a tag, a commit, or "". `path`: of a file, with slashes. `target`: for the
    hub, with the query. `verb`: how a file is asked for, resolve or raw.
    """

    __slots__ = ("kind", "path", "query", "repo", "revision", "target", "verb")

    def __init__(
        self,
        kind: str,
        repo: str = "",
        revision: str = "",
        path: str = "",
        target: str = "",
        query: str = "",
        verb: str = "",
    ) -> None:
        self.kind = kind
        self.repo = repo
        self.revision = revision
        self.path = path
        self.target = target
        self.query = query
        self.verb = verb

    @property
    def fixed(self) -> bool:
        """Whether what is asked for can never be another: the revision is a commit."""
        return is_commit(self.revision)

    def at(self, commit: str) -> str:
        """The target of the same file at `commit`."""
        kind, _, name = self.repo.partition("/")
        prefix = "" if kind == "models" else f"/{kind}"
        where = quoted(commit, _PLAIN), quoted(self.path, _IN_FILES | {"/"})
        return f"{prefix}/{quoted(name, _PLAIN | {'/'})}/{self.verb}/{where[0]}/{where[1]}"


def route(method: str, parts: list[str], query: str = "") -> Route:
    """What is asked for: `parts` of a path, each decoded once and none a dot, and its query."""
    if "" in parts:
        return Route(UNKNOWN)
    if _is_git(parts):
        return Route(GIT)
    if parts[0] == "api":
        return _api(method, parts, query)
    return _file(method, parts, query)


def is_commit(revision: str) -> bool:
    """Whether `revision` is the 40 digits of a commit."""
    return len(revision) == 40 and _HEX.issuperset(revision)


def quoted(text: str, safe: frozenset[str] = _PLAIN) -> str:
    """`text` with all but `safe` as %XX."""
    if safe.issuperset(text):
        return text
    return "".join(
        char if char in safe else "".join(f"%{byte:02X}" for byte in char.encode()) for char in text
    )


def _is_git(parts: list[str]) -> bool:
    """Whether git or git-lfs asks; not by the name that a file has."""
    known = [at for at, part in enumerate(parts) if part in ("resolve", "raw")]
    before = parts[: known[0]] if known and 0 < known[0] < len(parts) - 2 else parts
    return (
        before[-2:] == ["info", "refs"]
        or before[-1:] in (["git-upload-pack"], ["git-receive-pack"])
        or "info/lfs/" in "/".join(before[1:]) + "/"
    )


def _api(method: str, parts: list[str], query: str) -> Route:
    repo, rest = _repo_of_api(parts)
    target = "/" + "/".join(quoted(part, _IN_FILES) for part in parts)
    target += f"?{query}" if query else ""
    verb = rest[0] if rest else ""
    if not _TOKENS.isdisjoint([part.lower() for part in parts]):  # as the hub may read it
        return Route(XET, repo)
    if parts[1:2] == ["resolve-cache"] and len(parts) > 5:
        return _cached_file(method, parts, query)
    revision = rest[1] if verb in ("tree", "revision", "paths-info") and len(rest) > 1 else ""
    found = Route(API, repo, revision, target=target, query=query, verb=verb)
    if parts[1:2] == ["whoami-v2"]:
        found.kind = OWN
    elif method == "POST" and verb == "paths-info":
        found.kind = READ
    elif method not in ("GET", "HEAD"):
        found.kind = WRITE
    return found


def _repo_of_api(parts: list[str]) -> tuple[str, list[str]]:
    """The repository that a path of the API is about ("" if about none), and what follows it."""
    if len(parts) < 3 or parts[1] not in _KINDS:
        return "", []
    one = len(parts) == 3 or parts[3] in _VERBS
    name = parts[2:3] if one else parts[2:4]
    return "/".join([parts[1], *name]), parts[2 + len(name) :]


def _cached_file(method: str, parts: list[str], query: str) -> Route:
    """/api/resolve-cache/models/ns/name/COMMIT/path: where the hub sends for small files."""
    at = 4 if is_commit(parts[4]) else 5
    if parts[2] not in _KINDS or not is_commit(parts[at]) or len(parts) < at + 2:
        return Route(UNKNOWN)
    prefix = [] if parts[2] == "models" else [parts[2]]
    return _file(method, [*prefix, *parts[3:at], "resolve", *parts[at:]], query)


def _file(method: str, parts: list[str], query: str) -> Route:
    kind = parts[0] if parts[0] in ("datasets", "spaces") else "models"
    name = parts if kind == "models" else parts[1:]
    at = next((at for at in (1, 2) if name[at : at + 1] in (["resolve"], ["raw"])), 0)
    if not at or len(name) < at + 3 or any("/" in part for part in name[:at]):
        return Route(UNKNOWN)
    revision, path = _revision(name[at + 1 :])
    if not path:
        return Route(UNKNOWN)
    found = Route(FILE, "/".join([kind, *name[:at]]), revision, path, query=query, verb=name[at])
    found.target = found.at(revision)
    if method not in ("GET", "HEAD"):
        found.kind = WRITE
    return found


def _revision(parts: list[str]) -> tuple[str, str]:
    """The revision and the path behind it; refs/pr/1 and refs/convert/NAME may come unencoded."""
    long = parts[0] == "refs" and parts[1] in ("pr", "convert") and len(parts) > 3
    length = 3 if long else 1
    return "/".join(parts[:length]), "/".join(parts[length:])

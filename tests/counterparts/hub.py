"""A stand-in of the Hugging Face hub: three hosts on the loopback that answer as the real do.

- `hub`: repositories, their listings, and `resolve`, which redirects: a small file to the hub's own
  /api/resolve-cache, a large one to a signed address at
- `storage`: S3 behind CloudFront. It knows no tokens, refuses a request that carries one, and its
  ETags and sizes are its own affair: nothing about a file may be learnt here.
- `cas`: where clients with hf_xet reassemble files from chunks. Nobody should get there through a
  gateway, so it can do nothing; `guard` fails on a single request.

The hub's host also answers as a registry of Ollama models. What was asked is in `log`, what should
go wrong is put into `faults`. Facts are from what huggingface_hub 2.4.0 and 0.23.5, huggingface.js,
hf-hub 1.0.0 and llama.cpp read of the answers; where they read nothing, this is a guess.

Not here: uploading, git, search, rate limits, TLS.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, quote

from tests.counterparts.hub_files import File, Repository
from tests.counterparts.web import Answer, Asked, Bytes, Fault, WebHost, owner

PAGE = 100  # entries of a listing in one answer; the real hub has 1,000
GOOD_TOKEN = "hf_" + "good" * 9  # of who may read the gated repositories
OTHER_TOKEN = "hf_" + "else" * 9  # of somebody
OPEN = ("README.md", ".gitattributes")  # of a gated repository, for everybody
USERS = {GOOD_TOKEN: "reader", OTHER_TOKEN: "stranger"}
SIGNED_SECONDS = 3600

_SECRET = b"the key of the signed addresses"
_API = re.compile(
    r"/api/(models|datasets|spaces)/(.+?)(?:/(revision|tree|paths-info|refs|xet-read-token)(?:/(.+))?)?"
)
_CACHED = re.compile(r"/api/resolve-cache/(models|datasets|spaces)/(.+?)/([0-9a-f]{40})/(.+)")
_RESOLVE = re.compile(
    r"/(?:(datasets|spaces)/)?(.+?)/(?:resolve|raw)/(refs/[^/]+/[^/]+|[^/]+)/(.+)"
)
_REGISTRY = re.compile(r"/v2/(.+)/(manifests|blobs)/(.+)")
_JSON = "application/json; charset=utf-8"
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_XET_INFO = "application/vnd.xet-fileinfo+json"


class _Refusal(Exception):
    """An error as the hub tells it."""

    def __init__(self, status: int, code: str, message: str, commit: str = "") -> None:
        super().__init__(message)
        self.status, self.code, self.message, self.commit = status, code, message, commit

    def answer(self) -> Answer:
        headers = {"Content-Type": _JSON, "X-Error-Message": self.message}
        if self.code:
            headers["X-Error-Code"] = self.code
        if self.commit:
            headers["X-Repo-Commit"] = self.commit
        return _told({"error": self.message}, self.status, headers)


class HubStandIn:
    """`async with HubStandIn(repositories) as hub`. `renamed`: new names by old ones."""

    def __init__(
        self, repositories: Sequence[Repository] = (), renamed: Mapping[str, str] | None = None
    ) -> None:
        self.repositories = {(each.kind, each.name): each for each in repositories}
        self.renamed = dict(renamed or {})
        self.log: list[Asked] = []
        self.faults: list[Fault] = []
        self.later = 0.0  # seconds by which the storage host's clock is ahead
        self.lasts = SIGNED_SECONDS  # how long an address is good from when it is told
        self.manifests: dict[tuple[str, str], bytes] = {}  # of Ollama's models, by name and tag
        self.hub = WebHost("hub", self._hub, self.log, self.faults)
        self.storage = WebHost("storage", self._storage, self.log, self.faults)
        self.cas = WebHost("cas", self._cas, self.log, self.faults)
        self._objects: dict[str, File] = {}
        self._guests: list[Asked] = []  # who asked at storage and was not `only`

    async def __aenter__(self) -> Self:
        for host in (self.hub, self.storage, self.cas):
            await host.start()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for host in (self.hub, self.storage, self.cas):
            await host.stop()

    async def offline(self) -> None:
        """Hub and storage refuse connections."""
        await self.hub.stop()
        await self.storage.stop()

    async def online(self) -> None:
        """They are back, where they were."""
        await self.hub.start()
        await self.storage.start()

    def only(self, pid: int) -> None:
        """From now on, nobody but the process `pid` may ask hub and storage: see `guard`."""

        def look(asked: Asked) -> None:
            if not owner(asked.client, asked.server, pid):
                self._guests.append(asked)

        self.hub.before = self.storage.before = look

    def guard(self) -> None:
        """Fails if anybody asked the CAS host, or asked hub or storage past the one of `only`."""
        past = [each for each in self.log if each.host == "cas"] + self._guests
        assert not past, f"asked past the gateway: {past[:3]}"
        leaks = [each for each in self.log if each.host == "storage" and each.token]
        assert not leaks, f"a token at the storage host: {leaks[:3]}"

    def asked(self, host: str, path: str = "", method: str = "") -> list[Asked]:
        """The requests at a host with `path` in their path, in their order."""
        return [
            each
            for each in self.log
            if each.host == host and path in each.path and method in ("", each.method)
        ]

    def ollama(self, name: str, tag: str, files: Sequence[File]) -> dict[str, Any]:
        """A model of the registry: a small configuration and these layers. Its manifest."""
        config = File(b'{"model_format":"gguf"}')
        for file in (config, *files):
            self._objects[file.sha256] = file
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _layer(config, "application/vnd.docker.container.image.v1+json"),
            "layers": [_layer(file, "application/vnd.ollama.image.model") for file in files],
        }
        self.manifests[name, tag] = json.dumps(manifest).encode()
        return manifest

    def signed(self, sha256: str, path: str) -> str:
        """The address of a file at the storage host, good for an hour."""
        until = str(int(time.time()) + self.lasts)
        name = quote(path.rpartition("/")[2])
        query = f"response-content-disposition=inline%3B+filename%3D%22{name}%22&Expires={until}"
        return f"{self.storage.url}/repos/{sha256}?{query}&Signature={_sign(sha256, until)}"

    # The hub

    def _hub(self, asked: Asked) -> Answer:
        try:
            return self._route(asked)
        except _Refusal as refusal:
            return refusal.answer()

    def _route(self, asked: Asked) -> Answer:
        if asked.path == "/api/whoami-v2":
            return self._whoami(asked)
        if found := _CACHED.fullmatch(asked.path):
            return self._small(asked, *found.groups())
        if found := _API.fullmatch(asked.path):
            return self._api(asked, *found.groups(""))
        if found := _REGISTRY.fullmatch(asked.path):
            return self._registry(*found.groups())
        if found := _RESOLVE.fullmatch(asked.path):
            return self._resolve(asked, *found.groups(""))
        raise _Refusal(404, "", "Sorry, we can't find the page you are looking for.")

    def _whoami(self, asked: Asked) -> Answer:
        user = USERS.get(asked.token)
        if user is None:
            raise _Refusal(401, "", "Invalid username or password.")
        return _told({"type": "user", "name": user, "auth": {"type": "access_token"}})

    def _repository(self, asked: Asked, kind: str, name: str) -> Repository:
        """What may be seen of it is up to the token."""
        if asked.token and asked.token not in USERS:
            raise _Refusal(401, "", "Invalid credentials in Authorization header")
        found = self.repositories.get((kind, name))
        if found is None or (found.private and USERS.get(asked.token) not in (found.gate or ())):
            if asked.token:
                raise _Refusal(404, "RepoNotFound", "Repository not found")
            raise _Refusal(401, "RepoNotFound", "Invalid username or password.")
        return found

    def _revision(self, repository: Repository, name: str) -> str:
        commit = repository.revision(name)
        if commit is None:
            raise _Refusal(404, "RevisionNotFound", f"Invalid rev id: {name}")
        return commit

    def _enter(self, asked: Asked, repository: Repository, path: str = "") -> None:
        """Raises the refusal that the files of a gated repository have for strangers."""
        gate = repository.gate
        if gate is None or path in OPEN or USERS.get(asked.token) in gate:
            return
        restricted = f"Access to model {repository.name} is restricted"
        if not asked.token:
            hint = "You must have access to it and be authenticated to access it. Please log in."
            raise _Refusal(401, "GatedRepo", f"{restricted}. {hint}")
        place = f"Visit {self.hub.url}/{repository.name} to ask for access."
        message = f"{restricted} and you are not in the authorized list. {place}"
        raise _Refusal(403, "GatedRepo", message)

    def _resolve(self, asked: Asked, kind: str, name: str, revision: str, path: str) -> Answer:
        kind = kind or "models"
        if name in self.renamed:
            before, after = (f"/{each}/" for each in (name, self.renamed[name]))
            return _moved(quote(asked.path.replace(before, after, 1)))
        repository = self._repository(asked, kind, name)
        self._enter(asked, repository, path)
        commit = self._revision(repository, revision)
        file = repository.revisions[commit].get(path)
        if file is None:
            raise _Refusal(404, "EntryNotFound", "Entry not found", commit)
        headers = {
            "X-Repo-Commit": commit,
            "X-Linked-Size": str(file.body.size),
            "X-Linked-ETag": file.tag,
            "Accept-Ranges": "bytes",
            "Vary": "Origin, Accept",
        }
        if not file.large:
            place = f"/api/resolve-cache/{kind}/{name}/{commit}/{quote(path)}"
            return _moved(f"{place}?{quote(asked.path, safe='')}=&etag={quote(file.tag)}", headers)
        headers.update(self._xet(kind, name, commit, file))
        if _XET_INFO in asked.headers.get("accept", ""):
            return _told({"hash": file.xet}, 200, {**headers, "Content-Type": _XET_INFO})
        self._objects[file.sha256] = file
        place = self.signed(file.sha256, path)
        return Answer(302, {**headers, "Location": place}, Bytes(b"Found. Redirecting"))

    def _xet(self, kind: str, name: str, commit: str, file: File) -> dict[str, str]:
        token = f"{self.hub.url}/api/{kind}/{name}/xet-read-token/{commit}"
        chunks = f"{self.cas.url}/v1/reconstructions/{file.xet}"
        links = f'<{token}>; rel="xet-auth", <{chunks}>; rel="xet-reconstruction-info"'
        return {"X-Xet-Hash": file.xet, "Link": links}

    def _small(self, asked: Asked, kind: str, name: str, commit: str, path: str) -> Answer:
        repository = self._repository(asked, kind, name)
        self._enter(asked, repository, path)
        file = repository.revisions.get(commit, {}).get(path)
        if file is None:
            raise _Refusal(404, "EntryNotFound", "Entry not found", commit)
        headers = {
            "ETag": file.tag,
            "X-Repo-Commit": commit,
            "Content-Type": "text/plain; charset=utf-8",
            "Content-Disposition": f'inline; filename="{path.rpartition("/")[2]}";',
        }
        if "gzip" in asked.headers.get("accept-encoding", ""):  # which knows no ranges
            weak = {"ETag": f"W/{file.tag}", "Vary": "Accept-Encoding"}
            return Answer(200, {**headers, **weak}, file.body, coded=True)
        return Answer(200, headers, file.body, ranged=True)

    def _api(self, asked: Asked, kind: str, name: str, what: str, rest: str) -> Answer:
        if name in self.renamed:
            path = asked.path.replace(f"/{name}", f"/{self.renamed[name]}", 1)
            query = f"?{asked.query}" if asked.query else ""
            return _moved(f"{self.hub.url}{quote(path)}{query}")
        repository = self._repository(asked, kind, name)
        if what == "refs":
            branches = [
                {"name": branch, "ref": f"refs/heads/{branch}", "targetCommit": commit}
                for branch, commit in repository.branches.items()
            ]
            return _told({"branches": branches, "tags": [], "converts": []})
        if what == "tree":
            return self._tree(asked, repository, *rest.partition("/")[::2])
        commit = self._revision(repository, rest or "main")
        if what == "paths-info":
            return self._paths(asked, repository, commit)
        if what == "xet-read-token":
            self._enter(asked, repository)
            return self._read_token()
        return _told(self._info(asked, repository, commit))

    def _read_token(self) -> Answer:
        until = int(time.time()) + SIGNED_SECONDS
        headers = {
            "X-Xet-Cas-Url": self.cas.url,
            "X-Xet-Access-Token": "xet",
            "X-Xet-Token-Expiration": str(until),
        }
        told = {"casUrl": self.cas.url, "accessToken": "xet", "exp": until}
        return _told(told, 200, {**headers, "Content-Type": _JSON})

    def _info(self, asked: Asked, repository: Repository, commit: str) -> dict[str, Any]:
        blobs = "blobs=" in asked.query
        files = [
            {"rfilename": path, **(_blob(file) if blobs else {})}
            for path, file in sorted(repository.revisions[commit].items())
        ]
        return {
            "_id": hashlib.sha1(repository.name.encode()).hexdigest()[:24],
            "id": repository.name,
            "modelId": repository.name,
            "sha": commit,
            "private": repository.private,
            "gated": "manual" if repository.gate is not None else False,
            "disabled": False,
            "downloads": 0,
            "likes": 0,
            "tags": [],
            "siblings": files,
        }

    def _tree(self, asked: Asked, repository: Repository, revision: str, folder: str) -> Answer:
        self._enter(asked, repository)
        commit = self._revision(repository, revision)
        asks = parse_qs(asked.query)
        deep = asks.get("recursive", [""])[0].lower() in ("true", "1")
        entries = list(repository.entries(commit, folder, deep))
        if folder and not entries:
            raise _Refusal(404, "EntryNotFound", f"{folder} does not exist on {revision}", commit)
        page = min(PAGE, int(asks.get("limit", [str(PAGE)])[0]))
        start = int(asks.get("cursor", ["0"])[0])
        headers = {"Content-Type": _JSON, "X-Repo-Commit": commit}
        if start + page < len(entries):
            rest = f"recursive={'true' if deep else 'false'}&limit={page}&cursor={start + page}"
            headers["Link"] = f'<{self.hub.url}{quote(asked.path)}?{rest}>; rel="next"'
        return _told(entries[start : start + page], 200, headers)

    def _paths(self, asked: Asked, repository: Repository, commit: str) -> Answer:
        self._enter(asked, repository)
        if "json" in asked.headers.get("content-type", ""):
            wanted = json.loads(asked.body)["paths"]
        else:
            wanted = parse_qs(asked.body.decode()).get("paths", [])
        entries = repository.entries(commit, "", deep=True)
        return _told([entry for entry in entries if entry["path"] in wanted])

    def _registry(self, name: str, what: str, which: str) -> Answer:
        if what == "manifests" and (name, which) in self.manifests:
            data = self.manifests[name, which]
            return Answer(200, {"Content-Type": _MANIFEST}, Bytes(data))
        digest = which.removeprefix("sha256:")
        if what == "manifests" or digest not in self._objects:
            error = {"code": "MANIFEST_UNKNOWN", "message": "manifest unknown"}
            return _told({"errors": [error]}, 404)
        return _moved(self.signed(digest, "data"))

    # The others

    def _storage(self, asked: Asked) -> Answer:
        if "authorization" in asked.headers:
            return _xml(400, "InvalidArgument", "Only one auth mechanism allowed")
        digest = asked.path.rpartition("/")[2]
        query = {name: values[0] for name, values in parse_qs(asked.query).items()}
        until = query.get("Expires", "")
        if not hmac.compare_digest(query.get("Signature", ""), _sign(digest, until)):
            return _xml(403, "SignatureDoesNotMatch", "The signature does not match")
        if int(until) < time.time() + self.later:
            return _xml(403, "AccessDenied", "Request has expired")
        file = self._objects[digest]
        headers = {
            "ETag": f'"{hashlib.md5(digest.encode()).hexdigest()}"',
            "Content-Type": "binary/octet-stream",
            "Content-Disposition": query.get("response-content-disposition", "inline"),
            "X-Cache": "Miss from cloudfront",
        }
        return Answer(200, headers, file.body, ranged=True)

    def _cas(self, asked: Asked) -> Answer:
        return _told({"message": "nobody should be here"}, 403)


def _told(what: object, status: int = 200, headers: Mapping[str, str] | None = None) -> Answer:
    return Answer(status, headers or {"Content-Type": _JSON}, Bytes(json.dumps(what).encode()))


def _moved(place: str, headers: Mapping[str, str] | None = None) -> Answer:
    told = {"Content-Type": "text/plain; charset=utf-8", "Location": place}
    return Answer(307, {**(headers or {}), **told}, Bytes(b"Temporary Redirect"))


def _xml(status: int, code: str, message: str) -> Answer:
    text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>{message}</Message></Error>"
    return Answer(status, {"Content-Type": "application/xml"}, Bytes(text.encode()))


def _blob(file: File) -> dict[str, Any]:
    about: dict[str, Any] = {"blobId": file.oid, "size": file.body.size}
    if file.large:
        size = len(file.pointer)
        about["lfs"] = {"sha256": file.sha256, "size": file.body.size, "pointerSize": size}
        about["xetHash"] = file.xet
    return about


def _layer(file: File, kind: str) -> dict[str, Any]:
    return {"mediaType": kind, "digest": f"sha256:{file.sha256}", "size": file.body.size}


def _sign(digest: str, until: str) -> str:
    return hmac.new(_SECRET, f"{digest} {until}".encode(), "sha256").hexdigest()

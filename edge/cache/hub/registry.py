"""A registry of Ollama models behind the gateway: manifests by name, blobs by their hash.

A manifest is good for a minute, by its digest for ever. It tells the sizes of its blobs, so that
the storage is not asked for them. A blob is given to who could have it now from the registry, under
the name that he asks with: knowing its hash is no right, and neither is a manifest that lists it.

Ollama's client begins a blob with a GET whose answer it drops after the head, to learn where to
fetch ranges from. It is answered 200 with a Location that is the address itself, and nothing is
fetched until it is clear that the client stays.

Source: OCI distribution specification 1.1 (end-2, end-3), ollama server/download.go
"""

from __future__ import annotations

import asyncio
import hashlib
import json

from edge.cache import names
from edge.cache.hub import rights
from edge.cache.hub.listings import STALE
from edge.cache.hub.origin import Asker, Origin, Refusal, printable
from edge.cache.hub.remembered import Remembered
from edge.cache.hub.routes import quoted
from edge.cache.hub.service import refuse
from edge.cache.pull.source import ChangedError, OriginError
from edge.http.errors import HttpError
from edge.url import Url
from edge.wire import packed
from edge.wire.errors import RemoteProtocolError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from edge.budget import Pool
    from edge.cache.hub.rights import Notes
    from edge.cache.hub.service import Deliverer
    from edge.config.schema import Cache
    from edge.http.client import HttpClient
    from edge.http.exchange import Exchange
    from edge.http.request import Request
    from edge.http.response import Response

MAX_MANIFEST = 48 << 10  # bytes
_MANIFESTS = 4 * MAX_MANIFEST  # bytes that an answer with one takes, parsed and written down
_MAX_BLOBS = 256  # of a manifest
_MAX_NAME = 256  # characters
_RECENT = 256  # things remembered for minutes
_FRESH, _MISSING = 60.0, 30.0  # seconds
_WAIT, _PATIENCE = 9.0, 4.0  # seconds for an answer, and where something can stand in for it
_STAYS = 0.3  # seconds after which a client that has the head has not dropped the answer
_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
_VERSION = ("Docker-Distribution-Api-Version", "registry/2.0")
_HEX = frozenset("0123456789abcdef")


class Blob:
    """A blob as the puller takes it (edge.cache.pull.source.Source)."""

    __slots__ = ("_asker", "_origin", "_target", "etag", "name", "private", "size")

    def __init__(
        self, origin: Origin, asker: Asker, target: str, digest: str, size: int | None, public: bool
    ) -> None:
        self._origin = origin
        self._asker = asker
        self._target = target
        self.name = names.name(names.SHA256, bytes.fromhex(digest))
        self.size = size
        self.etag = f'"sha256:{digest}"'
        self.private = not public

    async def open(self, start: int, end: int | None) -> Response:
        """See Source.open."""
        return await self._origin.fetch(self._asker, self._target, start, end)


class Manifest:
    """`kind`: its Content-Type. `at`: seconds since 1970 when it was had, 0 for an unknown time."""

    __slots__ = ("at", "body", "kind")

    def __init__(self, body: bytes, kind: str, at: int) -> None:
        self.body = body
        self.kind = kind
        self.at = at

    @property
    def digest(self) -> str:
        """Its SHA-256, in hex."""
        return hashlib.sha256(self.body).hexdigest()

    def encode(self) -> bytes:
        """For a note."""
        return packed.dumps([1, self.body, self.kind, self.at])

    @classmethod
    def decode(cls, note: bytes | None) -> Manifest | None:
        """What `encode` wrote, None for anything else."""
        try:
            fields = packed.loads(note or b"", 8, 1)
        except RemoteProtocolError:
            return None
        if not isinstance(fields, list) or [type(field) for field in fields] != [
            int,
            bytes,
            str,
            int,
        ]:
            return None
        return cls(*fields[1:]) if fields[0] == 1 else None

    def sizes(self) -> dict[str, int]:
        """The sizes of the blobs it names, by digest. Raises Refusal if it is no manifest."""
        try:
            found = json.loads(self.body)
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise Refusal(502, "the registry sent no manifest")
        layers = found.get("layers")
        blobs = [found.get("config"), *(layers if isinstance(layers, list) else [])][:_MAX_BLOBS]
        sizes = {}
        for blob in blobs:
            told = blob if isinstance(blob, dict) else {}
            digest, size = digest_of(told.get("digest")), told.get("size")
            if digest and type(size) is int and 0 <= size < 1 << 62:
                sizes[digest] = size
        return sizes


class Registry:
    """As edge.cache.hub.service.Hub, for the paths from /v2/ on."""

    def __init__(
        self,
        client: HttpClient,
        notes: Notes,
        puller: Deliverer,
        pool: Pool,
        now: Callable[[], float],
        utc: Callable[[], float | None],
    ) -> None:
        self._client = client
        self._notes = notes
        self._puller = puller
        self._utc = utc
        self._pool = pool
        self._recent = Remembered(_RECENT, now, pool)
        self._rights = rights.Rights(self._recent, notes, utc)
        self._origin = Origin(client, Url("https", "registry.ollama.ai", 443), ())

    def configure(self, section: Cache) -> None:
        """Follow [cache]: which registry, and which storage."""
        url = Url.parse(section.registry)
        if str(url) != str(self._origin.url):
            self._recent.clear()
        self._origin = Origin(self._client, url, section.registry_hosts)

    def stop(self) -> None:
        """Nothing is remembered."""
        self._recent.clear()

    async def serve(self, request: Request, exchange: Exchange) -> None:
        """Answer one request."""
        parts = request.segments
        try:
            if request.method not in ("GET", "HEAD"):
                allow = [("Allow", "GET, HEAD")]
                raise Refusal(405, "this cache only reads: push to the registry itself", "", allow)
            if parts in (["v2"], ["v2", ""]):
                await exchange.answer(200, [_VERSION, ("Content-Type", "application/json")], b"{}")
                return
            name, what, which = "/".join(parts[1:-2]), parts[-2], parts[-1]
            if len(parts) < 4 or len(name) > _MAX_NAME or "" in parts:
                raise Refusal(404, "the cache serves manifests and blobs of the registry")
            await self._answer(name, what, which, exchange)
        except OriginError as error:
            if exchange.status:
                exchange.cut()
            else:
                await refuse(exchange, error)

    async def _answer(self, name: str, what: str, which: str, exchange: Exchange) -> None:
        asker = Asker.of(exchange.request)
        digest = digest_of(which)
        if what == "manifests":
            if not self._pool.take(_MANIFESTS):
                raise Refusal(503, "there is no memory for another answer; try again")
            try:
                await self._manifest(name, which, digest, asker, exchange)
            finally:
                self._pool.give(_MANIFESTS)
        elif what == "blobs" and digest:
            await self._blob(name, digest, asker, exchange)
        else:
            raise Refusal(404, "the cache serves manifests and blobs of the registry")

    # --- manifests ---

    async def _manifest(
        self, name: str, which: str, digest: str, asker: Asker, exchange: Exchange
    ) -> None:
        key = self._key(b"manifest", name, which)
        scope = self._scope(name)
        known = Manifest.decode(self._notes.get(key))
        headers = [_VERSION]
        recent = bool(digest) or self._recent.get(key) is not None
        found = known if recent and self._rights.now(asker.who, scope) else None
        if found is None:
            try:
                found = await self._ask(name, which, digest, asker, known)
            except Refusal as refusal:
                if (
                    known is None
                    or not refusal.passing
                    or not self._rights.before(asker.who, scope)
                ):
                    raise
                found = known
                headers.append(STALE)
        headers.append(("Docker-Content-Digest", f"sha256:{found.digest}"))
        headers.append(("Content-Type", found.kind))
        await exchange.answer(200, headers, found.body)

    async def _ask(
        self, name: str, which: str, digest: str, asker: Asker, known: Manifest | None
    ) -> Manifest:
        """The manifest as the registry has it now, written down. Raises Refusal."""
        target = f"/v2/{_path(name)}/manifests/{quoted(which)}"
        try:
            async with asyncio.timeout(_WAIT if known is None else _PATIENCE):
                found = await self._read(asker, target)
        except TimeoutError:
            raise Refusal(504, "the registry does not answer in time") from None
        except Refusal as refusal:
            self._refused(refusal, asker, self._scope(name))
            raise
        if digest and found.digest != digest:
            raise Refusal(502, "the registry sent another manifest than its digest says")
        for blob, size in found.sizes().items():
            self._notes.put(self._key(b"blob", name, blob), size.to_bytes(8, "big"))
        self._rights.prove(asker.who, self._scope(name))
        key = self._key(b"manifest", name, which)
        self._notes.put(key, found.encode())
        self._recent.put(key, _FRESH)
        return found

    async def _read(self, asker: Asker, target: str) -> Manifest:
        response = await self._origin.ask("GET", asker, target, [("Accept", _MANIFEST)])
        try:
            if response.status != 200 or response.headers.words("content-encoding") != [""]:
                raise Refusal(502, f"the registry answers with {response.status}")
            body = b""
            while data := await response.read(MAX_MANIFEST + 1 - len(body)):
                body += data
        except HttpError as error:
            raise Refusal(504, f"the registry broke off: {error}") from None
        finally:
            response.close()
        if len(body) > MAX_MANIFEST or not response.ended_well:
            raise Refusal(502, "the registry sent no whole manifest")
        told = digest_of(response.headers.get("docker-content-digest"))
        found = Manifest(
            body,
            printable(response.headers.get("content-type")) or _MANIFEST,
            int(self._utc() or 0),
        )
        if told and told != found.digest:
            raise Refusal(502, "the registry sent another manifest than its digest says")
        return found

    # --- blobs ---

    async def _blob(self, name: str, digest: str, asker: Asker, exchange: Exchange) -> None:
        request, scope = exchange.request, self._scope(name, digest)
        target = f"/v2/{_path(name)}/blobs/sha256:{digest}"
        headers = [_VERSION, ("Docker-Content-Digest", f"sha256:{digest}")]
        note = self._notes.get(self._key(b"blob", name, digest))
        size = int.from_bytes(note, "big") if note is not None else None
        if size is None or not self._rights.now(asker.who, scope):
            try:
                async with asyncio.timeout(_WAIT if size is None else _PATIENCE):
                    size = await self._proven(name, digest, target, asker, size)
            except ChangedError:
                raise Refusal(404, "the blob is not there") from None
            except (OriginError, TimeoutError) as error:
                refusal = error if isinstance(error, Refusal) else Refusal(504, "no answer in time")
                self._refused(refusal, asker, scope)
                if size is None or not refusal.passing or not self._rights.before(asker.who, scope):
                    raise refusal from None
                headers.append(STALE)
        blob = Blob(self._origin, asker, target, digest, size, self._rights.open(scope))
        headers.append(("Content-Type", "application/octet-stream"))
        if request.method == "GET" and request.headers.get("range") is None:
            headers.append(("Location", f"http://{request.host}{request.target}"))
            plain = not any(field.startswith("if-") for field, _ in request.headers)
            if plain and not await self._stays(exchange, blob, headers):
                return
        await self._puller.deliver(request, exchange, blob, headers)

    async def _proven(
        self, name: str, digest: str, target: str, asker: Asker, size: int | None
    ) -> int:
        """The size of a blob, once the registry has shown it to `asker`. Raises Refusal."""
        response = await self._origin.ask("HEAD", asker, target)
        response.close()
        if size is None and response.status == 200:
            size = response.length
        if size is None:
            size = await self._origin.size(asker, target)
        if size is None:
            raise Refusal(502, "the registry does not tell the size of the blob")
        self._rights.prove(asker.who, self._scope(name, digest))
        self._notes.put(self._key(b"blob", name, digest), size.to_bytes(8, "big"))
        return size

    async def _stays(self, exchange: Exchange, blob: Blob, headers: list[tuple[str, str]]) -> bool:
        """Send the head. Whether the client still is there a moment later."""
        left = asyncio.Event()
        exchange.on_gone = left.set
        known = [("ETag", blob.etag), ("Accept-Ranges", "bytes")]
        await exchange.head(200, [*known, *headers], blob.size)
        try:
            async with asyncio.timeout(_STAYS):
                await left.wait()
        except TimeoutError:
            return not exchange.gone
        finally:
            exchange.on_gone = None
        return False

    # --- keys ---

    def _refused(self, refusal: Refusal, asker: Asker, scope: str) -> None:
        if refusal.status in (401, 403):
            self._rights.revoke(asker.who, scope)

    def _scope(self, name: str, digest: str = "") -> str:
        """What a proof is good for: manifests of `name`, or one blob. A manifest may list what is
        another's, so it proves nothing of its blobs.
        """
        return f"{self._origin.url}/v2/{name}@{digest}"

    def _key(self, kind: bytes, name: str, which: str) -> bytes:
        where = f"{self._origin.url}\n{name}\n{which}"
        return b"hub." + kind + b"." + hashlib.sha256(where.encode()).digest()[:16]


def digest_of(text: object) -> str:
    """The hex digits of sha256:HEX, as Ollama's file names have it with a dash too; else ""."""
    if not isinstance(text, str) or text[:7] not in ("sha256:", "sha256-"):
        return ""
    digits = text[7:]
    return digits if len(digits) == 64 and _HEX.issuperset(digits) else ""


def _path(name: str) -> str:
    return "/".join(quoted(part) for part in name.split("/"))

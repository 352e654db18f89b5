"""Files of the hub: which version, who may have it, and where its bytes come from.

A version is good for a minute, of a commit for ever; but each client is first known to be one to
whom the hub gives the file now (edge/cache/hub/rights.py). When the hub does not answer in time, or
cannot, what is kept stands in for it, for those who had the right before.
"""

from __future__ import annotations

import asyncio
import hashlib

from edge import log
from edge.cache.hub import rights, versions
from edge.cache.hub.origin import Asker, Refusal
from edge.cache.hub.versions import Version
from edge.cache.pull.source import ChangedError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any

    from edge.budget import Pool
    from edge.cache.hub.origin import Origin
    from edge.cache.hub.remembered import Remembered
    from edge.cache.hub.rights import Notes, Rights
    from edge.cache.hub.routes import Route
    from edge.http.response import Response

PATIENCE = 4.0  # seconds until what is kept stands in for the hub
_NAMED = 60.0  # seconds that a branch or a tag stays what it was
_MISSING = 30.0  # seconds that what is not there is not asked for again
_PRIVATE = 600.0  # seconds until it is asked anew whether anybody may have it
_LAST = 9.0  # seconds: a client has given up by then
_SHORT = 0.1  # seconds, while the hub was silent just before
_SILENT = b"hub.silent"
_FLIGHTS = 64  # questions to the hub at a time
_FLIGHT = 16 << 10  # bytes of one: its task, and the heads of the answers


class File:
    """A file in one version, as the puller takes it (edge.cache.pull.source.Source).

    `kept`: nobody could be asked whether it still is the one.
    """

    __slots__ = ("_asker", "_files", "_route", "etag", "kept", "name", "private", "size", "version")

    def __init__(
        self, files: Files, route: Route, asker: Asker, version: Version, kept: bool
    ) -> None:
        self._files = files
        self._route = route
        self._asker = asker
        self.version = version
        self.kept = kept
        self.name = files.name(route, version)
        self.size = version.size
        self.etag = f'"{version.etag}"'
        self.private = not files.rights.open(files.scope(route))

    async def open(self, start: int, end: int | None) -> Response:
        """See Source.open."""
        return await self._files.fetch(self._route, self._asker, self.version, start, end)


class Files:
    """`origin`: the hub; set anew when another is configured."""

    def __init__(
        self, origin: Origin, notes: Notes, rights: Rights, recent: Remembered, pool: Pool
    ) -> None:
        self.origin = origin
        self._pool = pool
        self.rights = rights
        self._notes = notes
        self._recent = recent
        self._flights: dict[bytes, asyncio.Task[Version]] = {}

    def stop(self) -> None:
        """Ask no more."""
        for flight in self._flights.values():
            flight.cancel()

    async def find(self, route: Route, asker: Asker) -> File:
        """The file as it is now, for one who may have it. Raises Refusal."""
        key = self._key(route)
        known = self._known(key)
        scope = self.scope(route)
        recent = route.fixed or self._recent.get(key) is not None
        if known is not None and recent and self.rights.now(asker.who, scope):
            return File(self, route, asker, known, False)
        refused = self._recent.get(_for(asker, key))
        if isinstance(refused, Refusal):
            raise refused.again()
        stand_in = known if self.rights.before(asker.who, scope) else None
        patience = _LAST if stand_in is None else self.patience
        try:
            version = await self._asked(route, asker, key, patience)
        except Refusal as refusal:
            if stand_in is None or not refusal.passing:
                raise
            log.debug("hub-stand-in", reason=str(refusal))
            return File(self, route, asker, stand_in, True)
        return File(self, route, asker, version, False)

    @property
    def patience(self) -> float:
        """Seconds that the hub is waited for where something can stand in for it."""
        return PATIENCE if self._recent.get(_SILENT) is None else _SHORT

    def heard(self, refusal: Refusal | None) -> None:
        """The hub has answered so, or well."""
        if refusal is None:
            self._recent.drop(_SILENT)
        elif refusal.status == 504:
            self._recent.put(_SILENT, _MISSING)

    def scope(self, route: Route) -> str:
        """What a proof for the file is good for, at this hub."""
        return f"{self.origin.url}/{rights.scope(route.repo, route.path)}"

    def forget(self, route: Route) -> None:
        """The version that was known is not there any more."""
        key = self._key(route)
        self._recent.drop(key)
        self._notes.delete(key)

    def name(self, route: Route, version: Version) -> bytes:
        """Of the content, for the store."""
        where = f"{self.origin.url}{route.at(version.commit or route.revision)}"
        return version.name(where, hashed=route.verb == "resolve")  # raw may show less of a file

    async def fetch(
        self, route: Route, asker: Asker, version: Version, start: int, end: int | None
    ) -> Response:
        """Bytes of just this version. Raises OriginError."""
        target = route.at(version.commit or route.revision)
        try:
            response = await self.origin.fetch(asker, target, start, end)
        except Refusal as refusal:
            self._refused(refusal, asker, route)
            raise
        told = versions.plain_etag(response.headers.get("etag") or "")
        at_hub = response.headers.get("x-repo-commit") is not None  # a storage has tags of its own
        if at_hub and told != version.etag:
            response.close()
            raise ChangedError(502, "the file has changed")
        return response

    async def _asked(self, route: Route, asker: Asker, key: bytes, seconds: float) -> Version:
        """What the hub says, asked once for all who wait. Raises Refusal."""
        place = _for(asker, key)
        flight = self._flights.get(place)
        if flight is None:
            if len(self._flights) >= _FLIGHTS or not self._pool.take(_FLIGHT):
                raise Refusal(503, "too many questions to the hub wait for an answer")
            flight = asyncio.ensure_future(self._ask(route, asker, key))
            self._flights[place] = flight
            flight.add_done_callback(lambda done: self._landed(place, done))
        try:
            async with asyncio.timeout(seconds):
                return await asyncio.shield(flight)
        except TimeoutError:
            late = Refusal(504, "the hub does not answer in time")
            self.heard(late)
            raise late from None

    def _landed(self, place: bytes, flight: asyncio.Task[Version]) -> None:
        self._flights.pop(place, None)
        self._pool.give(_FLIGHT)
        if not flight.cancelled():
            flight.exception()  # those who waited were told

    async def _ask(self, route: Route, asker: Asker, key: bytes) -> Version:
        scope = self.scope(route)
        asked: list[Coroutine[Any, Any, Version]] = [self._head(route, asker)]
        unsure = b"anybody?" + hashlib.sha256(scope.encode()).digest()[:16]
        anybody = asker.anybody()
        if asker.who and not self.rights.public(scope) and self._recent.get(unsure) is None:
            asked.append(self._head(route, anybody))
        found = await asyncio.gather(*asked, return_exceptions=True)
        if len(found) > 1:
            self._recent.put(unsure, _PRIVATE)
            if isinstance(found[1], Version):
                self.rights.prove(anybody.who, scope)
            elif isinstance(found[1], Refusal):
                self._refused(found[1], anybody, route)
        version = found[0]
        self.heard(version if isinstance(version, Refusal) else None)
        if isinstance(version, Refusal):
            self._refused(version, asker, route)
            if version.status == 404:
                self._recent.put(_for(asker, key), _MISSING, version.again())
        if isinstance(version, BaseException):
            raise version
        self.rights.prove(asker.who, scope)
        note = version.encode()
        if self._notes.get(key) != note:
            self._notes.put(key, note)
        self._recent.put(key, _NAMED)
        return version

    async def _head(self, route: Route, asker: Asker) -> Version:
        answers = await self.origin.head(asker, route.target)
        version = Version.of([(status, dict(headers)) for status, headers in answers])
        if version.size is None:  # clients cannot do without, and a range cannot be answered
            version.size = await self.origin.size(asker, route.at(version.commit or route.revision))
        return version

    def _refused(self, refusal: Refusal, asker: Asker, route: Route) -> None:
        """The hub has said no, of which the file's absence is no part."""
        if refusal.status in (401, 403) or refusal.code == "RepoNotFound":
            self.rights.revoke(asker.who, self.scope(route))

    def _known(self, key: bytes) -> Version | None:
        note = self._notes.get(key)
        return Version.decode(note) if note is not None else None

    def _key(self, route: Route) -> bytes:
        where = f"{self.origin.url}{route.target}"
        return b"hub.file." + hashlib.sha256(where.encode()).digest()[:16]


def _for(asker: Asker, key: bytes) -> bytes:
    return hashlib.sha256(asker.who + key).digest()

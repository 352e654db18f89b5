"""Answers GET and HEAD for files of origins: from the store, else pulled through it.

What it tells of a file is what its Source says; what it sends is the bytes of that version or,
where they cannot be had, a connection that is cut.

Source: RFC 9110 sections 8.8, 13, 14 and 15.3 to 15.6
"""

from __future__ import annotations

import asyncio
from contextlib import suppress

from edge.cache.pull.conditions import UnsatisfiableError, verdict, wanted
from edge.cache.pull.delivery import Delivery
from edge.cache.pull.group import PAUSED, Group, Shared
from edge.cache.pull.source import ChangedError, OriginError
from edge.http.errors import ClientGone, HttpError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from edge.allowance import Allowance
    from edge.budget import Pool
    from edge.cache.pace import Pace
    from edge.cache.pull.source import Source
    from edge.cache.store.store import Store
    from edge.http.exchange import Exchange
    from edge.http.request import Request

    Headers = Sequence[tuple[str, str]]

RETRY_AFTER = ("Retry-After", "30")  # seconds


class Puller:
    """`whole_files`: a range brings the whole file, little by little.

    `counters`: hits and misses (files asked for), bytes from origins, to clients and saved.
    """

    def __init__(self, allowance: Allowance, store: Store, pool: Pool, pace: Pace) -> None:
        self.whole_files = False
        self.shared = Shared(allowance, pool, pace)
        self._store = store
        self._pool = pool
        self._groups: dict[bytes, Group] = {}
        self._fills: dict[bytes, asyncio.Task[None]] = {}
        self._allowance = allowance
        allowance.changed.append(self._follow_allowance)

    @property
    def counters(self) -> dict[str, int]:
        """Counts since the start, by name."""
        return self.shared.counters

    async def deliver(
        self, request: Request, exchange: Exchange, source: Source, headers: Headers
    ) -> None:
        """Answer with the file of `source`, or the range of it that `request` asks for.

        `headers`: of the answer, beside those about its length, range and entity tag. Raises
        ChangedError while nothing was answered; OriginError is answered.
        """
        try:
            await self._deliver(request, exchange, source, headers)
        except ClientGone:
            raise
        except ChangedError:
            if not exchange.status:
                raise
            self._cut(exchange, "changed")
        except (OriginError, HttpError, OSError) as error:
            if exchange.status:
                self._cut(exchange, "cut")
            else:
                await refuse(exchange, error)

    async def stop(self) -> None:
        """End all that is fetched; nothing is heard of the allowance any more."""
        self._allowance.changed.remove(self._follow_allowance)
        for fill in list(self._fills.values()):
            fill.cancel()
        tasks = [flight.task for flight in self.shared.flights]
        self._ground("this node stops")
        await asyncio.gather(*tasks, *self._fills.values(), return_exceptions=True)

    async def _deliver(
        self, request: Request, exchange: Exchange, source: Source, headers: Headers
    ) -> None:
        tag = [("ETag", source.etag)] if source.etag else []
        fields = [*tag, ("Accept-Ranges", "bytes"), *headers]
        modified = next((value for name, value in headers if name.lower() == "last-modified"), "")
        status = verdict(request.headers, source.etag, modified)
        if status != 200:
            await exchange.head(status, fields, None if status == 304 else 0)
            return
        if source.size is None:
            await self._pass(exchange, source, [*tag, *headers], request.method == "HEAD")
            return
        if request.method == "HEAD":  # for which RFC 9110 knows no ranges
            await exchange.head(200, fields, source.size)
            return
        try:
            asked = wanted(request.headers, source.size, source.etag, modified)
        except UnsatisfiableError:
            fields.append(("Content-Range", f"bytes */{source.size}"))
            await exchange.head(416, fields, 0)
            return
        await self._send(exchange, source, fields, asked)

    async def _send(
        self,
        exchange: Exchange,
        source: Source,
        fields: list[tuple[str, str]],
        asked: tuple[int, int] | None,
    ) -> None:
        assert source.size is not None
        start, end = asked or (0, source.size)
        leased = self.shared.chunk
        if not self._pool.take(leased):
            self.shared.count("refused_memory")
            raise OriginError(503, "there is no memory for another download; try again")
        group = self._enter(source)
        delivery = Delivery(group, source, exchange, start, end)
        try:
            await delivery.ready()
            if asked is not None:
                fields.append(("Content-Range", f"bytes {start}-{end - 1}/{source.size}"))
                if self.whole_files and not group.file.whole:
                    self._fill(group, source)
            if not exchange.status:  # else whoever asks for this has sent the same
                await exchange.head(200 if asked is None else 206, fields, end - start)
            await delivery.run()
        finally:
            delivery.close()
            group.leave()
            self._pool.give(leased)
            self.shared.count("misses" if delivery.flown else "hits")
            self.shared.count("saved_bytes", max(0, delivery.sent - delivery.fetched))

    async def _pass(
        self, exchange: Exchange, source: Source, fields: list[tuple[str, str]], is_head: bool
    ) -> None:
        """A file of unknown size goes through, is not kept, and has no ranges."""
        self.shared.refuse_pause()
        response = await source.open(0, None)
        try:
            await exchange.head(200, fields, response.length)
            while not is_head and (data := await response.read(self.shared.chunk)):
                self.shared.count("wan_bytes", len(data))
                await exchange.data(data)
                self.shared.count("lan_bytes", len(data))
                await self.shared.pace.take(response, len(data))
            if not is_head and not response.ended_well:
                self._cut(exchange, "cut")
        finally:
            response.close()

    def _cut(self, exchange: Exchange, why: str) -> None:
        self.shared.count(why)
        exchange.cut()

    # --- groups ---

    def _enter(self, source: Source) -> Group:
        """The group of the file, which is made if need be."""
        assert source.size is not None
        group = self._groups.get(source.name)
        if group is None or group.size != source.size:
            file = self._store.file(source.name, source.size)
            group = Group(self.shared, file, source.name, self._left)
            self._groups[source.name] = group
        group.enter()
        if group.file.at < 0:  # pushed out since, or dropped as wrong
            group.file = self._store.file(source.name, source.size)
        if group.file.private != source.private:  # as of now: it may have been withdrawn
            group.file.private = source.private
        return group

    def _left(self, group: Group) -> None:
        if self._groups.get(group.name) is group:
            del self._groups[group.name]

    def _fill(self, group: Group, source: Source) -> None:
        """Fetch what is missing of the file, whoever waits for it."""
        if group.name not in self._fills:
            task = asyncio.get_running_loop().create_task(self._filled(group, source))
            self._fills[group.name] = task
            task.add_done_callback(lambda _: self._fills.pop(group.name, None))

    async def _filled(self, group: Group, source: Source) -> None:
        group.enter()
        try:
            with suppress(OriginError):
                while missing := group.file.missing(0, group.size):
                    flight, _ = await group.fly(source, *missing[0])
                    flight.greedy = True
                    await asyncio.wait({flight.task})
                    if flight.failure is not None or not flight.fetched or not flight.kept:
                        return
        finally:
            group.leave()

    # --- the allowance ---

    def _follow_allowance(self) -> None:
        if self.shared.allowance.paused:
            self._ground(PAUSED)

    def _ground(self, why: str) -> None:
        for flight in list(self.shared.flights):
            if not flight.done:
                flight.fail(OriginError(503, why))


async def refuse(exchange: Exchange, error: Exception) -> None:
    """Answer with `error`, as clients of the hub and people understand it."""
    status = error.status if isinstance(error, OriginError) else 502
    more = [RETRY_AFTER] if status == 503 else []
    code = error.code if isinstance(error, OriginError) else ""
    if code:
        more.append(("X-Error-Code", code))
    await exchange.refuse(status, str(error), ("X-Error-Message", str(error)), *more)

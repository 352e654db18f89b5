"""What takes longer than an answer on the status socket: it runs on, and is asked after."""

from __future__ import annotations

import asyncio
import itertools

from edge import log
from edge.cache.errors import CacheError
from edge.cache.fragments.errors import FragmentError
from edge.swarm.errors import SwarmError
from edge.wire.errors import WireError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from typing import Any

    Work = Callable[["Job"], Awaitable[dict[str, Any]]]

MAX_RUNNING = 2
MAX_KEPT = 16  # with those that are done


class Job:
    """`done` of `total` bytes. `answer`: what it brought; `error`: why it failed."""

    def __init__(self, number: int) -> None:
        self.number = number
        self.done = 0
        self.total = 0
        self.answer: dict[str, Any] | None = None
        self.error = ""
        self.task: asyncio.Task[None] | None = None
        self.files: list[tuple[bytes, int, bytes]] = []  # of a model in several, so far

    @property
    def running(self) -> bool:
        return self.answer is None and not self.error

    def report(self) -> dict[str, Any]:
        """For whoever asks. Raises CacheError with the words of its failure."""
        if self.error:
            raise CacheError(self.error)
        about = {"job": self.number, "done": self.done, "total": self.total}
        return {**about, "running": self.running, **(self.answer or {})}


class Jobs:
    """Numbered from 1."""

    def __init__(self) -> None:
        self._jobs: dict[int, Job] = {}
        self._numbers = itertools.count(1)

    def begin(self, work: Work) -> Job:
        """Raises CacheError when too much is under way."""
        if sum(job.running for job in self._jobs.values()) >= MAX_RUNNING:
            raise CacheError(f"{MAX_RUNNING} imports or fetches are under way; try again later")
        for number in [number for number, job in self._jobs.items() if not job.running]:
            if len(self._jobs) < MAX_KEPT:
                break
            del self._jobs[number]
        job = Job(next(self._numbers))
        self._jobs[job.number] = job
        job.task = asyncio.ensure_future(self._run(job, work))
        return job

    def job(self, number: object) -> Job:
        """Raises CacheError."""
        found = self._jobs.get(number) if isinstance(number, int) else None
        if found is None:
            raise CacheError("no such job; the node may have been restarted meanwhile")
        return found

    async def stop(self) -> None:
        """End them all. What was kept stays."""
        tasks = [job.task for job in self._jobs.values() if job.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _run(self, job: Job, work: Work) -> None:
        try:
            job.answer = await work(job)
        except (FragmentError, SwarmError, WireError, OSError) as error:
            job.error = _words(error)
        except asyncio.CancelledError:
            job.error = "it was stopped"
            raise
        except Exception as error:  # noqa: BLE001 - whoever asks is told
            job.error = f"{type(error).__name__}: {error}"
            log.error("cache-job-failed", error=job.error)


def _words(error: Exception) -> str:
    return (isinstance(error, OSError) and error.strerror) or str(error) or type(error).__name__

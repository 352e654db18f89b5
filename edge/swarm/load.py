"""The load of one connection: the work it carries, and the share its time is charged to."""

from __future__ import annotations

from edge.swarm.work import CONTROL, INTERACTIVE

TYPE_CHECKING = False
if TYPE_CHECKING:
    from edge.swarm.cpu_share import CpuShare
    from edge.swarm.transport import Transport
    from edge.swarm.work import Work


class Load:
    """`work`: the highest class that the connection on `transport` carries; `cost`: seconds of the
    processor that it took of late; `share`: what these are charged to, None: nobody pays.

    Once too much is charged to the share, the connection is `paced`: more of it is read only when
    its turn comes; what its peer sends meanwhile waits in the kernel, and then at the peer.
    """

    __slots__ = (
        "_classes",
        "_invited",
        "_pieces",
        "_queue",
        "_transport",
        "cost",
        "paced",
        "share",
        "work",
    )

    def __init__(self, classes: tuple[Work, Work, Work], transport: Transport) -> None:
        self.work = CONTROL
        self.cost = 0.0
        self.paced = False
        self.share: CpuShare | None = classes[CONTROL].share  # upgrades are all alike
        self._classes = classes
        self._transport = transport
        self._pieces = [0, 0, 0]  # under way, by class
        self._queue = classes[CONTROL].queue  # in which it waits while it is paced
        self._invited = False

    def upgraded(self, invited: bool) -> None:
        """The upgrade is over. `invited`: we wanted the connection; nobody pays for what comes."""
        self._invited = invited
        self._choose_share()

    def begin(self, work: int) -> bool:
        """A piece of `work` is under way; whether that is a higher class than there was."""
        self._classes[work].open += 1
        self._pieces[work] += 1
        higher = work > self.work
        if higher:
            self._reclass(work)
        return higher

    def end(self, work: int) -> None:
        """A piece of `work` that was begun is done."""
        self._classes[work].open -= 1
        self._pieces[work] -= 1
        highest = self.work
        while highest > CONTROL and not self._pieces[highest]:
            highest -= 1
        if highest != self.work:
            self._reclass(highest)

    def charge(self, share: CpuShare, began: float) -> None:
        """Charge the time since `CpuShare.worked` said `began`, spent on what came in."""
        self.cost += share.spent(began)

    def pace(self) -> None:
        """Wait for a turn, if too much is charged to the share for now."""
        if self.share is not None and self.share.wait():
            self.paced = True
            self._transport.pause()
            self._queue = self._classes[self.work].queue
            self._queue.read(self)

    def take_turn(self) -> None:
        """Its time has come (`FairQueue.read`): read on, and once at once."""
        self.paced = False
        self._transport.resume()
        self._transport.look(1)

    def resume(self) -> None:
        """Read on, unless it has to wait for its turn."""
        if not self.paced:
            self._transport.resume()

    def leave_queue(self) -> None:
        """Wait for no turn any more."""
        if self.paced:
            self.paced = False
            self._queue.forget(self)

    def _reclass(self, work: int) -> None:
        """From now on it is one of those that carry `work` at most.

        A turn that it waits for still has to come, unless nobody pays for it any more: a request
        for bulk work is no way past the queue.
        """
        self.work = work
        self._choose_share()
        if self.share is None and self.paced:
            self.leave_queue()
            self._transport.resume()

    def _choose_share(self) -> None:
        free = self._invited or self.work == INTERACTIVE
        self.share = None if free else self._classes[self.work].share

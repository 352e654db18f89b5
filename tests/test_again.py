"""What failed is tried again, at the intervals that the log promises and at once when told."""

from edge.again import Again


class Loop:
    """Timers that come due when a test says so."""

    def __init__(self) -> None:
        self.delays: list[float] = []
        self.due = None
        self.cancelled = 0

    def call_later(self, delay, callback):
        self.delays.append(delay)
        self.due = callback
        return self

    def cancel(self) -> None:
        self.cancelled += 1


def tried(*outcomes: bool) -> tuple[Loop, Again, list[bool]]:
    left = list(outcomes)
    loop = Loop()
    return loop, Again(loop, lambda: left.pop(0)), left  # type: ignore[arg-type]


def test_the_waits_double_up_to_a_minute() -> None:
    loop, again, left = tried(False, False, False, False, True)
    again.start()
    while left:
        loop.due()
    assert loop.delays == [10, 20, 40, 60, 60]
    assert not again.waiting


def test_at_once_when_told_and_the_waits_start_anew() -> None:
    loop, again, _ = tried(False, False, False, True)
    again.start()
    loop.due()
    loop.due()
    again.now()
    assert loop.delays == [10, 20, 40, 10]
    assert loop.cancelled == 1
    again.now()
    again.now()  # nothing is left to be tried
    assert not again.waiting


def test_no_more_when_stopped() -> None:
    loop, again, left = tried(True)
    again.start()
    again.stop()
    again.now()
    assert (left, loop.cancelled) == ([True], 1)

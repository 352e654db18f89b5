"""The child process that asks: its answer, its failure, its silence, what it leaves behind."""

import os
import time

import pytest

from edge.tiers.child import Child


def test_an_answer() -> None:
    long = {"text": "x" * 300_000, "pid": 0}

    def work() -> dict[str, object]:
        return {**long, "pid": os.getpid()}

    found = Child(work).answer(60)
    assert found is not None
    assert found["text"] == long["text"]
    assert found["pid"] != os.getpid()
    with pytest.raises(ChildProcessError):  # it is gone, and was waited for
        os.waitpid(found["pid"], 0)


def test_a_failure_is_no_answer_and_shown(capfd: pytest.CaptureFixture[str]) -> None:
    def work() -> dict[str, object]:
        raise ValueError("broken sensor")

    assert Child(work).answer(60) is None
    assert "ValueError: broken sensor" in capfd.readouterr().err


def test_a_silent_child_is_ended() -> None:
    reader, writer = os.pipe()

    def work() -> dict[str, object]:
        os.close(reader)
        while True:
            time.sleep(60)

    child = Child(work)
    os.close(writer)
    assert child.answer(0.1) is None
    assert os.read(reader, 1) == b""  # all ends of the child's are closed: it has ended
    os.close(reader)


def test_an_answer_that_cannot_be_sent_is_none_at_all(capfd: pytest.CaptureFixture[str]) -> None:
    assert Child(lambda: {"a": Child}).answer(60) is None
    assert "ValueError" in capfd.readouterr().err

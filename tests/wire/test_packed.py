"""MessagePack within bounds, and hivemind's dictionaries: by msgpack's extension and in Python."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("check_packed.py")


@pytest.mark.parametrize("pure", ["", "1"], ids=["extension", "python"])
def test_the_vectors(pure: str) -> None:
    """In the static binary they are part of `kwaainet selftest`."""
    env = {**os.environ, "MSGPACK_PUREPYTHON": pure, "PYTHONPATH": str(SCRIPT.parents[2])}
    done = subprocess.run(
        [sys.executable, str(SCRIPT)], env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_nested_claims_of_many_elements_allocate_nothing() -> None:
    """Each level says that it has as many elements as the bytes could hold."""
    import tracemalloc

    from edge.wire import packed
    from edge.wire.errors import RemoteProtocolError

    data = b"\xdd\x00\x00\xff\x00" * 12000
    tracemalloc.start()
    with pytest.raises(RemoteProtocolError):
        packed.loads(data, max_items=1 << 20)
    assert tracemalloc.get_traced_memory()[1] < 100_000
    tracemalloc.stop()

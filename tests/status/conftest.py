import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).with_name("status_node.py")


class NodeProcess:
    """`said`: the first line it printed."""

    def __init__(self, data_dir, loop="asyncio", timeout=5.0):
        self.data_dir = str(data_dir)
        self.process = subprocess.Popen(
            [sys.executable, PROGRAM, self.data_dir, loop, str(timeout)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self.said = self.process.stdout.readline().strip()

    def stop(self):
        """Ask it to stop; returns its last words."""
        return self.process.communicate("\n", timeout=10)[0].strip()

    def kill(self):
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def start():
    running = []

    def run(data_dir, **options):
        running.append(NodeProcess(data_dir, **options))
        return running[-1]

    yield run
    for node in running:
        if node.process.poll() is None:
            node.kill()


@pytest.fixture(params=["asyncio", "uvloop"])
def node(request, start, tmp_path):
    node = start(tmp_path, loop=request.param)
    assert node.said == "ready"
    return node

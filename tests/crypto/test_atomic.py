"""edge.atomic: a file is as it was or as it should be."""

import errno
import os
import random
import signal
import stat
import subprocess
import sys
import time

import pytest

from edge.atomic import write_atomic

SIZE = 300_000


def test_writes_and_replaces(tmp_path):
    path = tmp_path / "file"
    write_atomic(str(path), b"old")
    write_atomic(str(path), b"new and longer")
    assert path.read_bytes() == b"new and longer"
    assert os.listdir(tmp_path) == ["file"]


@pytest.mark.parametrize("mode", [0o600, 0o644])
@pytest.mark.parametrize("umask", [0, 0o077])
def test_mode_is_exact_and_never_wider(tmp_path, mode, umask):
    path = tmp_path / "file"
    path.write_bytes(b"")
    path.chmod(0o666)
    before = os.umask(umask)
    try:
        write_atomic(str(path), b"x", mode)
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == mode


def test_relative_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_atomic("file", b"x")
    assert (tmp_path / "file").read_bytes() == b"x"


def test_takes_the_place_of_a_leftover(tmp_path):
    (tmp_path / "file.tmp").write_bytes(b"half of someth")
    write_atomic(str(tmp_path / "file"), b"x")
    assert os.listdir(tmp_path) == ["file"]


def test_does_not_follow_a_link_laid_for_it(tmp_path):
    (tmp_path / "victim").write_bytes(b"untouched")
    (tmp_path / "file.tmp").symlink_to(tmp_path / "victim")
    write_atomic(str(tmp_path / "file"), b"x")
    assert (tmp_path / "victim").read_bytes() == b"untouched"
    assert not (tmp_path / "file").is_symlink()


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS])
@pytest.mark.parametrize("directories", [True, False])
def test_a_file_system_that_cannot_flush(tmp_path, monkeypatch, code, directories):
    """A stand-in for CIFS and FUSE, some of which know no fsync of directories, or of anything."""
    real = os.fsync

    def fsync(fd):
        if not directories or stat.S_ISDIR(os.fstat(fd).st_mode):
            raise OSError(code, os.strerror(code))
        real(fd)

    monkeypatch.setattr(os, "fsync", fsync)
    write_atomic(str(tmp_path / "file"), b"x")
    assert (tmp_path / "file").read_bytes() == b"x"
    assert os.listdir(tmp_path) == ["file"]


def test_a_disk_that_fails_is_told_of(tmp_path, monkeypatch):
    def fsync(_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(os, "fsync", fsync)
    with pytest.raises(OSError, match="Input/output error"):
        write_atomic(str(tmp_path / "file"), b"x")
    assert os.listdir(tmp_path) == []


LIMITED = """
import resource, sys
from edge.atomic import write_atomic
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
try:
    write_atomic(sys.argv[1], bytes(2000))
except OSError as error:
    print(error.strerror)
"""


def test_a_failed_write_leaves_the_old_file_alone(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    run = subprocess.run(
        [sys.executable, "-c", LIMITED, path], capture_output=True, text=True, timeout=20
    )
    assert run.stdout == "File too large\n"
    assert path.read_bytes() == b"old"
    assert os.listdir(tmp_path) == ["file"]


WRITER = """
import sys
from edge.atomic import write_atomic
print("ready", flush=True)
while True:
    for byte in (b"a", b"b"):
        write_atomic(sys.argv[1], byte * int(sys.argv[2]))
"""


def test_kill_at_any_moment_leaves_the_old_or_the_new(tmp_path):
    path = tmp_path / "file"
    write_atomic(str(path), b"a" * SIZE)
    leftovers, seen = 0, set()
    for kills in range(1, 1000):
        writer = subprocess.Popen(
            [sys.executable, "-S", "-c", WRITER, path, str(SIZE)],
            stdout=subprocess.PIPE,
            cwd=os.path.dirname(os.path.dirname(os.path.dirname(__file__))),
        )
        assert writer.stdout is not None
        assert writer.stdout.readline() == b"ready\n"
        time.sleep(random.uniform(0, 0.02))
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        content = path.read_bytes()
        assert content in (b"a" * SIZE, b"b" * SIZE)
        seen.add(content[:1])
        assert set(os.listdir(tmp_path)) <= {"file", "file.tmp"}
        leftovers += (tmp_path / "file.tmp").exists()
        if kills >= 50 and leftovers and len(seen) == 2:
            return
    pytest.fail(f"the kills came too late to show anything: {seen}, {leftovers} left over")

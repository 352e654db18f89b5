"""edge.crypto.identity: the key file, made, kept and refused."""

import errno
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import peer_id_vectors as peer_ids
import pytest

from edge.crypto import CryptoError, IdentityError
from edge.crypto.identity import load_or_create

GO_FILE = peer_ids.PRIVATE["ed25519"]
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))


@pytest.fixture
def path(tmp_path):
    return tmp_path / "identity.key"


def put(path, data, mode=0o600):
    path.write_bytes(data)
    path.chmod(mode)


def refusal(path):
    with pytest.raises(IdentityError) as caught:
        load_or_create(str(path), pytest.fail)
    message = str(caught.value)
    assert message.startswith(f"{path}: ")
    assert "\n" not in message
    return message[len(f"{path}: ") :]


def test_first_start_creates_and_the_next_loads(path):
    key = load_or_create(str(path), pytest.fail)
    assert path.stat().st_mode & 0o7777 == 0o600
    assert path.read_bytes() == b"\x08\x01\x12\x40" + key.seed + key.public
    again = load_or_create(str(path), pytest.fail)
    assert (again.seed, again.public) == (key.seed, key.public)
    assert os.listdir(path.parent) == [path.name]


def test_two_nodes_get_two_keys(tmp_path):
    keys = [load_or_create(str(tmp_path / name), pytest.fail).public for name in ("a", "b")]
    assert keys[0] != keys[1]


def test_reads_the_specification_s_file(path):
    put(path, GO_FILE)
    assert load_or_create(str(path), pytest.fail).public == peer_ids.data(
        peer_ids.PUBLIC["ed25519"]
    )
    assert path.read_bytes() == GO_FILE


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620])
def test_a_file_others_may_use_is_tightened_and_told_of(path, mode):
    put(path, GO_FILE, mode)
    told = []
    load_or_create(str(path), told.append)
    assert path.stat().st_mode & 0o7777 == 0o600
    assert len(told) == 1
    assert told[0].startswith(f"{path}: others may use this private key (mode {mode:04o}); set to")


def test_a_stricter_mode_is_left_alone(path):
    put(path, GO_FILE, 0o400)
    load_or_create(str(path), pytest.fail)
    assert path.stat().st_mode & 0o7777 == 0o400


@pytest.mark.parametrize("size", [0, 1, 2, 4, 67, 69, 100, 5000])
def test_wrong_size(path, size):
    put(path, (GO_FILE + bytes(5000))[:size])
    assert refusal(path).startswith(f"{size} bytes, a key file has 68; put the right file")


@pytest.mark.parametrize(
    ("name", "words"), [("rsa", "an RSA"), ("secp256k1", "a secp256k1"), ("ecdsa", "an ECDSA")]
)
def test_other_key_types(path, name, words):
    put(path, peer_ids.PRIVATE[name])
    assert refusal(path).startswith(f"holds {words} key, only Ed25519 can be used; put the right")


def test_not_a_key_at_all(path):
    put(path, b"-----BEGIN PRIVATE KEY-----".ljust(68, b"\n"))
    assert refusal(path).startswith("not a libp2p Ed25519 private key; put")


def test_public_part_of_another_seed(path):
    put(path, GO_FILE[:10] + b"\0" + GO_FILE[11:])
    assert refusal(path).startswith("damaged, its public part is not its seed's; put")


def test_refused_files_stay_as_they_are(path):
    put(path, b"precious")
    refusal(path)
    assert path.read_bytes() == b"precious"


def test_a_directory_or_a_fifo_is_no_key_file(tmp_path, path):
    assert refusal(tmp_path).startswith("not a regular file")
    os.mkfifo(path)
    assert refusal(path).startswith("not a regular file")


def test_directory_missing(tmp_path):
    message = refusal(tmp_path / "nowhere" / "key")
    assert message.endswith(f"(No such file or directory); create the directory {tmp_path}/nowhere")


def test_directory_is_a_file(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert "Not a directory" in refusal(tmp_path / "file" / "key")


def test_identity_error_is_a_crypto_error():
    assert issubclass(IdentityError, CryptoError)


LOAD = """
import os, sys
from edge.crypto.errors import IdentityError
from edge.crypto.identity import load_or_create
if len(sys.argv) > 2:
    os.setuid(int(sys.argv[2]))
try:
    load_or_create(sys.argv[1], print)
except IdentityError as error:
    print(error)
"""


def load_as_nobody(path):
    """What load_or_create says to a user who is neither root nor the owner of anything here."""
    user = ["65534"] if os.geteuid() == 0 else []
    run = subprocess.run(
        [sys.executable, "-c", LOAD, path, *user], capture_output=True, text=True, timeout=20
    )
    assert run.stderr == ""
    return run.stdout


@pytest.fixture
def shared_path():
    """A key file's path in a directory that everybody may pass, unlike pytest's own."""
    with tempfile.TemporaryDirectory() as directory:
        os.chmod(directory, 0o755)
        yield Path(directory) / "identity.key"


def test_unreadable(shared_path):
    put(shared_path, GO_FILE, 0o000)
    assert load_as_nobody(shared_path) == (
        f"{shared_path}: the key file cannot be read (Permission denied); make it a file that the"
        " node's user owns\n"
    )


def test_directory_not_writable(shared_path):
    shared_path.parent.chmod(0o555)
    said = load_as_nobody(shared_path)
    shared_path.parent.chmod(0o755)
    assert said == (
        f"{shared_path}: a new key cannot be written (Permission denied); make the directory"
        f" {shared_path.parent} writable for the node's user\n"
    )


@pytest.mark.netns
def test_open_to_others_and_not_ours(shared_path):
    put(shared_path, GO_FILE, 0o644)
    assert load_as_nobody(shared_path) == (
        f"{shared_path}: others may use this private key (mode 0644) and that cannot be changed"
        " (Operation not permitted); run chmod 600 on it as its owner\n"
    )


@pytest.mark.netns
@pytest.mark.parametrize(("mode", "taken"), [(0o440, True), (0o400, False), (0o460, False)])
def test_a_secret_that_root_lets_a_group_read(shared_path, mode, taken):
    """As Kubernetes mounts one with fsGroup, for a user who is not root."""
    put(shared_path, GO_FILE, mode)
    os.chown(shared_path, 0, 0)  # a group of whoever setuid makes of root
    assert (load_as_nobody(shared_path) == "") == taken


@pytest.mark.netns
def test_a_read_only_secret(shared_path):
    """Of root's, for root: nothing can be changed there but by who mounts it."""
    put(shared_path, GO_FILE, 0o444)
    script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && "$2" -c "$3" "$1/$4"'
    paths = [shared_path.parent, sys.executable, LOAD, shared_path.name]
    run = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", *paths],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert (run.stdout, run.stderr) == (
        f"{shared_path}: others may use this private key (mode 0444) and that cannot be changed"
        " (it is mounted read-only); give it mode 0400 there, or 0440 with root as its owner, such"
        " as by a secret's defaultMode\n",
        "",
    )


def _refuses(*_):
    raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))


@pytest.mark.parametrize("fchmod", [_refuses, lambda *_: None], ids=["refused", "ignored"])
def test_a_file_system_without_modes(path, monkeypatch, fchmod):
    """A stand-in for FAT and 9p, which refuse to set a mode or do as if they had."""
    put(path, GO_FILE, 0o755)
    monkeypatch.setattr(os, "fchmod", fchmod)
    assert refusal(path) == (
        "others may use this private key (mode 0755) and that cannot be changed (its file system"
        " keeps no modes, and lets others at it); mount that with umask=077, or set data_dir to a"
        " directory on one with modes"
    )
    path.unlink()
    before = os.umask(0o077)
    assert load_or_create(str(path), pytest.fail).public == load_or_create(str(path), print).public
    path.unlink()
    monkeypatch.setattr(
        os, "open", lambda path, flags, mode=0, real=os.open: real(path, flags, 0o644)
    )
    os.umask(0)
    message = refusal(path)
    os.umask(before)
    assert message == (
        "a new key cannot be written (its file system keeps no modes, and lets others at it); mount"
        f" that of {path.parent} with umask=077, or set data_dir to one with modes"
    )
    assert os.listdir(path.parent) == []


@pytest.mark.netns
def test_full_disk(tmp_path):
    """A tmpfs of one page in a mount namespace of its own, that page taken."""
    script = (
        'mount -t tmpfs -o size=4k none "$1" && head -c 4096 /dev/zero > "$1/full"'
        ' && "$2" -c "$3" "$1/key"; ls "$1"'
    )
    run = subprocess.run(
        ["unshare", "--mount", "sh", "-c", script, "sh", tmp_path, sys.executable, LOAD],
        capture_output=True,
        text=True,
        timeout=20,
    )
    assert run.stderr == ""
    assert run.stdout == (
        f"{tmp_path}/key: a new key cannot be written (No space left on device); free some space in"
        f" {tmp_path}\nfull\n"
    )


CREATE = """
import sys
from edge.crypto.identity import load_or_create
print("ready", flush=True)
for number in range(1_000_000):
    load_or_create(f"{sys.argv[1]}/{number}.key", print)
"""


def test_kill_at_any_moment_leaves_no_key_or_a_whole_one(tmp_path):
    created = 0
    for kills in range(1, 1000):
        directory = tmp_path / str(kills)
        directory.mkdir()
        child = subprocess.Popen(
            [sys.executable, "-c", CREATE, directory], stdout=subprocess.PIPE, cwd=ROOT
        )
        assert child.stdout is not None
        assert child.stdout.readline() == b"ready\n"
        time.sleep(random.uniform(0, 0.01))
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
        names = sorted(os.listdir(directory))
        keys = [name for name in names if name.endswith(".key")]
        assert len(names) - len(keys) <= 1  # the .tmp it was killed in
        for name in keys:
            whole = (directory / name).read_bytes()
            assert load_or_create(str(directory / name), pytest.fail).public == whole[36:]
        created += len(keys)
        load_or_create(str(directory / f"{len(keys)}.key"), pytest.fail)  # the interrupted one
        assert not any(name.endswith(".tmp") for name in os.listdir(directory))
        if kills >= 8 and created:
            return
    pytest.fail("the kills came too early to show anything")

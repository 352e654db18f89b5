"""The commands of the cache, against a real store: the program asks, the verbs answer."""

import asyncio
import errno
import hashlib
import json
import os
import signal
import sys
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest

from edge.cache import names
from edge.cache.catalog import main_name
from edge.cache.store.file import File
from edge.cache.store.shelf import Handle
from edge.models.manifest import Manifest, ModelSet, id_of
from edge.units import MIB
from edge.wire.attestation import open_attestation
from edge.wire.merkle import PIECE
from tests.cache.store.stores import content
from tests.cache.verbs_node import KEY, Node, running
from tests.counterparts.model_files import smollm2
from tests.http.origins import until
from tests.models.files import F32, entry, gguf, manifest, safetensors


def run(test: Coroutine[Any, Any, None]) -> None:
    asyncio.run(test)


def model(blocks: int = 3, number: int = 0) -> bytes:
    """A file of `blocks` blocks of one piece and a half each, in descending order."""
    length = PIECE + PIECE // 2
    tensors = [
        (f"blk.{block}.w", [length // 4], F32, at * length)
        for at, block in enumerate(reversed(range(blocks)))
    ]
    head = gguf(tensors, {"llama.block_count": blocks, "llama.number": number})
    return head + content(blocks * length, number)


def test_a_file_is_kept_listed_and_got_again(tmp_path: Path) -> None:
    data = content(3 * PIECE + 5)
    (tmp_path / "a.bin").write_bytes(data)

    async def test() -> None:
        async with running(tmp_path / "node") as node:
            added = await node.asked("add", str(tmp_path / "a.bin"))
            digest = hashlib.sha256(data).hexdigest()
            assert added["name"] == f"sha256:{digest}"
            (listed,) = (await node.asked("ls"))["files"]
            assert (listed["label"], listed["size"], listed["kept"]) == (
                "a.bin",
                len(data),
                len(data),
            )
            assert listed["whole"] and listed["pinned"] and not listed["private"]
            for name in ("a.bin", digest, f"sha256:{digest}", digest[:8]):
                out = tmp_path / "out"
                await node.asked("get", name, "-o", str(out))
                assert out.read_bytes() == data
            assert not (tmp_path / "out.partial").exists()
            status, said, _ = await node.run("ls")
            assert status == 0
            assert said.splitlines()[1].split() == [
                *("a.bin", "768.0", "KiB", "100", "%", "whole,", "pinned", f"sha256:{digest}")
            ]

    run(test())


def test_a_model_is_imported_and_got_by_its_blocks(tmp_path: Path) -> None:
    data = model()
    (tmp_path / "m.gguf").write_bytes(data)

    async def test() -> None:
        async with running(tmp_path / "node") as node:
            found = await node.asked("import", str(tmp_path / "m.gguf"))
            expected = manifest(data)
            assert found["manifest"] == id_of(expected.encode()).hex()
            assert (found["blocks"], found["blocks_held"], found["tied"]) == (3, 3, False)
            for block in range(3):
                await node.asked("get", "m.gguf", "--block", str(block), "-o", str(tmp_path / "b"))
                ((offset, length),) = expected.extents(block)
                assert (tmp_path / "b").read_bytes() == data[offset : offset + length]
            status, _, complaint = await node.run("get", "m.gguf", "--block", "3")
            assert status == 1
            assert complaint == "kwaainet: the file has no block 3; its model has 3\n"
            file = node.file(found["name"])
            (signed,) = await node.catalog.attestations(main_name(file))
            _, said = open_attestation(signed)
            assert said.root == file.root == bytes.fromhex(found["root"])
            assert (said.size, said.manifest) == (len(data), id_of(expected.encode()))
            by_id = await node.catalog.manifest(id_of(expected.encode()))
            assert by_id == (file.root, expected.encode())

    run(test())


def test_smollm2_is_imported_and_a_block_of_it_is_its_own_bytes(tmp_path: Path) -> None:
    async def test() -> None:
        async with running(tmp_path / "node") as node:
            found = await node.asked("import", str(smollm2()))
            assert (found["architecture"], found["blocks"], found["tied"]) == ("llama", 30, True)
            await node.asked("get", smollm2().name, "--block", "10", "-o", str(tmp_path / "b"))
            with smollm2().open("rb") as file:
                file.seek(36299584)
                assert (tmp_path / "b").read_bytes() == file.read(2216448)

    run(test())


def test_the_files_of_one_model_are_imported_together(tmp_path: Path) -> None:
    parts = [model(number=number) for number in range(2)]
    paths = [tmp_path / f"m-{number:05}-of-00002.gguf" for number in (1, 2)]
    for path, data in zip(paths, parts, strict=True):
        path.write_bytes(data)

    async def test() -> None:
        async with running(tmp_path / "node") as node:
            found = (await node.asked("import", str(paths[1])))["files"]
            assert len(found) == 2
            encoded = ModelSet(
                (hashlib.sha256(data).digest(), len(data), id_of(manifest(data).encode()))
                for data in parts
            ).encode()
            assert found[1]["set"] == id_of(encoded).hex()
            belongs = node.catalog.set_of(node.file(found[0]["name"]))
            assert belongs is not None
            assert belongs.encode() == encoded

    run(test())


def test_a_list_of_files_stands_for_them(tmp_path: Path) -> None:
    shards = [f"model-{number:05}-of-00002.safetensors" for number in (1, 2)]
    for number, name in enumerate(shards):
        header = {f"model.layers.{number}.w": entry("U8", [9], 0, 9)}
        (tmp_path / name).write_bytes(safetensors(header, 9))
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"a": shards[0], "b": shards[1], "c": shards[0]}}))
    wrong = [tmp_path / f"{n}.safetensors.index.json" for n in range(4)]
    for path, name in zip(wrong, ("../x", "..", "\0", "\ud800"), strict=True):
        path.write_text(json.dumps({"weight_map": {"a": name}}))

    async def test() -> None:
        async with running(tmp_path / "node") as node:
            found = (await node.asked("import", str(index)))["files"]
            assert [each["blocks_held"] for each in found] == [1, 1]
            assert "set" in found[1]
            for path in wrong:
                status, _, complaint = await node.run("import", str(path))
                assert status == 2
                assert "not a list of a model's files" in complaint

    run(test())


def test_what_is_refused_is_told_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no model")
    (tmp_path / "empty").touch()
    (tmp_path / "large").write_bytes(content(6 * MIB))
    os.mkfifo(tmp_path / "pipe")

    async def test() -> None:
        async with running(tmp_path / "node", size=4 * MIB) as node:
            for words, expected in (
                (("import", "text"), "not a model that can be read: neither GGUF nor safetensors"),
                (("add", "empty"), '"empty": an empty file'),
                (("add", "pipe"), '"pipe": not a plain file'),
                (("add", "text", "none"), 'none": No such file or directory'),
                (("add", "large"), "not kept: it is larger than the space that is left"),
                (("add", "none"), 'none": No such file or directory'),
                (("get", "none"), "no file is called so"),
                (("get", "00" * 32), "nobody to ask for the rest"),
                (("pin", "11" * 32), "nothing of this file is kept"),
            ):
                status, said, complaint = await node.run(*words, cwd=tmp_path)
                assert (status, said) == (1, "")
                assert complaint.startswith("kwaainet: ")
                assert complaint.count("\n") == 1
                assert expected in complaint
            assert not any(file.kept for file in node.store.files())
            assert node.pool.used < MIB

    run(test())


def test_what_is_no_plain_file_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("old")
    for name in ("old", "old.partial"):
        (tmp_path / name).write_bytes(b"of the user")

    async def test() -> None:
        async with running(tmp_path / "node") as node:
            await node.asked("add", str(tmp_path / "a"))
            before = sorted(os.listdir(tmp_path))
            for name in ("pipe", "folder", "/dev/null", "-"):
                status, _, complaint = await node.run("get", "a", "-o", name, cwd=tmp_path)
                assert (status, complaint.count("\n")) == (2, 1)
                assert "expected a plain file" in complaint
            assert (tmp_path / "pipe").is_fifo()
            await node.asked("get", "a", "-o", str(tmp_path / "link"))
            assert (tmp_path / "link").is_symlink()
            assert (tmp_path / "old").read_bytes() == b"abc"
            assert (tmp_path / "old.partial").read_bytes() == b"of the user"
            assert sorted(os.listdir(tmp_path)) == before

    run(test())


def test_an_interrupt_ends_the_work_of_the_node(tmp_path: Path) -> None:
    (tmp_path / "a").touch()
    os.truncate(tmp_path / "a", 64 << 30)

    async def test() -> None:
        async with running(tmp_path / "node", 100 << 30) as node:
            command = [sys.executable, "-m", "edge", "cache", "add", str(tmp_path / "a")]
            process = await asyncio.create_subprocess_exec(*command, "--data-dir", str(node.folder))
            await until(lambda: node.jobs._jobs)
            process.send_signal(signal.SIGINT)
            assert await asyncio.wait_for(process.wait(), 60) == 130
            job = node.jobs._jobs[1]
            assert job.task is not None
            await asyncio.wait([job.task], timeout=60)
            assert job.error == "it was stopped"
            assert node.pool.used < MIB

    run(test())


def test_half_of_an_import_is_not_pinned(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content(8 * PIECE))

    async def test() -> None:
        async with running(tmp_path / "node") as node:
            write, written = node.store.shelf.write, 0

            def full(handle: Handle, data: bytes, at: int) -> None:
                nonlocal written
                written += len(data)
                if written > 2 * PIECE:
                    raise OSError(errno.ENOSPC, "")
                write(handle, data, at)

            node.store.shelf.write = full  # type: ignore[method-assign, assignment]
            status, _, complaint = await node.run("add", str(tmp_path / "a"))
            assert (status, "disk full" in complaint) == (1, True)
            assert not any(file.pinned for file in node.store.files())

    run(test())


def test_nothing_is_said_to_be_kept_while_the_disk_takes_nothing(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"abc")
    (tmp_path / "file").touch()

    async def test() -> None:
        async with running(tmp_path / "node") as node:
            await node.store.open(str(tmp_path / "file"), 64 * MIB)
            status, said, complaint = await node.run("add", str(tmp_path / "a"))
            assert (status, said) == (1, "")
            assert "not kept: gone" in complaint

    run(test())


def test_pins_and_what_is_dropped(tmp_path: Path) -> None:
    for number in range(3):
        (tmp_path / f"f{number}").write_bytes(content(PIECE, number))

    async def test() -> None:
        async with running(tmp_path / "node") as node:
            await node.asked("add", *[str(tmp_path / f"f{number}") for number in range(3)])
            assert not (await node.asked("unpin", "f1"))["pinned"]
            assert not (await node.asked("unpin", "f2"))["pinned"]
            assert (await node.asked("pin", "f2"))["pinned"]
            found = await node.asked("gc", "--dry-run")
            assert [each["label"] for each in found["files"]] == ["f1"]
            assert found["bytes"] == PIECE
            assert len((await node.asked("ls"))["files"]) == 3
            _, said, _ = await node.run("gc")
            assert said.splitlines()[-1] == "freed 256.0 KiB of 1 file"
            left = (await node.asked("ls"))["files"]
            assert [each["label"] for each in left] == ["f0", "f2"]
            assert (await node.asked("stats"))["cache"]["store"] == {"files": 3}
            assert "store files" in (await node.run("stats"))[1]

    run(test())


def test_what_is_damaged_is_found(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content(5 * PIECE))

    async def test() -> None:
        async with running(tmp_path / "node") as node:
            await node.asked("add", str(tmp_path / "a"))
            assert (await node.asked("verify"))["wrong"] == []
            segment = max((tmp_path / "node" / "cache").rglob("*"), key=lambda p: p.stat().st_size)
            with segment.open("r+b") as file:
                file.seek(3 * PIECE)
                file.write(b"damage")
            status, said, _ = await node.run("verify")
            assert status == 1
            assert " dropped\n" in said

    run(test())


def test_what_is_missing_comes_from_others(tmp_path: Path) -> None:
    from tests.cache.verbs_node import Other

    data = model(8)
    (tmp_path / "m.gguf").write_bytes(data)

    async def test() -> None:
        async with running(tmp_path / "one") as one, running(tmp_path / "two") as two:
            name = (await one.asked("import", str(tmp_path / "m.gguf")))["name"]
            two.fetcher = Other(one.store, one.catalog, two.store)
            await two.asked("get", name, "--block", "5", "-o", str(tmp_path / "b"))
            extents = manifest(data).extents(5)
            assert two.fetcher.fetched == [extents]
            ((offset, length),) = extents
            assert (tmp_path / "b").read_bytes() == data[offset : offset + length]
            (listed,) = (await two.asked("ls"))["files"]
            assert 0 < listed["kept"] < listed["size"]
            assert not listed["whole"]
            await two.asked("get", name, "-o", str(tmp_path / "m"))
            assert (tmp_path / "m").read_bytes() == data
            _, _, complaint = await two.run("get", "22" * 32)
            assert complaint == "kwaainet: no peer has this file\n"

    run(test())


def test_an_import_that_was_killed_finds_its_pieces_again(tmp_path: Path) -> None:
    data = content(20 * PIECE)
    (tmp_path / "a").write_bytes(data)

    async def test() -> None:
        async with running(tmp_path / "node") as node:
            file = node.store.file(
                names.name(names.SHA256, hashlib.sha256(data).digest()), len(data)
            )
            writer = file.writer(0, 16 * PIECE)
            assert writer is not None
            for at in range(0, 16 * PIECE, PIECE):
                assert await writer.piece(data[at : at + PIECE])
            writer.close()
            del file, writer
        async with running(tmp_path / "node") as node:
            written = node.store.written
            await node.asked("add", str(tmp_path / "a"))
            assert node.store.written - written < 6 * PIECE
            await node.asked("get", "a", "-o", str(tmp_path / "out"))
            assert (tmp_path / "out").read_bytes() == data

    run(test())


def test_a_terminal_sees_a_bar_and_nobody_else(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(content(40 * MIB))

    async def test() -> None:
        async with running(tmp_path / "node") as node:
            seen = await node.at_a_terminal("add", str(tmp_path / "a"))
            assert "a  [" in seen
            assert seen.endswith("\x1b[K")
            status, _, complaint = await node.run("verify")
            assert (status, complaint) == (0, "")

    run(test())


def test_a_file_that_was_opened_the_wrong_way_is_refused(tmp_path: Path) -> None:
    from edge.status.client import Session
    from edge.status.errors import StatusError

    (tmp_path / "a").write_bytes(b"abc")

    def ask(folder: Path) -> None:
        with Session(str(folder), 10.0) as session:
            for mode, verb in ((os.O_WRONLY, "cache-add"), (os.O_RDONLY, "cache-get")):
                descriptor = os.open(tmp_path / "a", mode)
                with pytest.raises(StatusError, match="wrong way"):
                    session.ask({"verb": verb, "label": "a", "file": "a"}, descriptor)
                os.close(descriptor)
            reader, writer = os.pipe()
            with pytest.raises(StatusError, match="not a plain file"):
                session.ask({"verb": "cache-add", "label": "a"}, reader)
            os.close(reader)
            os.close(writer)
            with pytest.raises(StatusError, match="brings no file"):
                session.ask({"verb": "cache-add", "label": "a", "descriptor": 0})
            with pytest.raises(StatusError, match="no such job"):
                session.ask({"verb": "cache-job", "job": 99})

    async def test() -> None:
        async with running(tmp_path / "node") as node:
            before = len(os.listdir("/proc/self/fd"))
            await asyncio.to_thread(ask, node.folder)
            assert len(os.listdir("/proc/self/fd")) <= before + 1

    run(test())


async def pulled(node: Node, data: bytes) -> File:
    """`data` kept as a file that came by HTTP, with its SHA-256 for a name; not yet settled."""
    file = node.store.file(names.name(names.SHA256, hashlib.sha256(data).digest()), len(data))
    writer = file.writer(0, len(data))
    assert writer is not None
    for at in range(0, len(data), PIECE):
        assert await writer.piece(data[at : at + PIECE])
    return file


def test_a_file_that_came_otherwise_has_a_manifest_when_one_is_asked_for(tmp_path: Path) -> None:
    """As one that was pulled by HTTP."""
    data = model()

    async def test() -> None:
        async with running(tmp_path / "node") as node:
            file = await pulled(node, data)
            assert await node.catalog.attest(file) is None
            assert await file.settle()
            assert file.root is not None
            found = await node.catalog.manifest(main_name(file))
            assert found == (file.root, manifest(data).encode())
            assert Manifest.decode(found[1]).parts == [-1, 0, 1, 2]
            assert await node.catalog.attest(file) is not None
            file.private = True
            assert await node.catalog.attestations(main_name(file)) == []
            signed = await node.catalog.attest(file)
            assert signed is not None
            assert open_attestation(signed)[0].bytes.endswith(KEY.public)

    run(test())


def test_a_model_whose_manifest_would_be_too_long_is_none_for_good(tmp_path: Path) -> None:
    """It is read once, not for each peer that asks; a lack of memory says nothing of it."""
    array = {f"llama.{number}": [1 << 31] * 512 for number in range(64)}
    data = gguf([("blk.0.w", [8], F32, 0)], array) + bytes(32)

    async def test() -> None:
        async with running(tmp_path / "node") as node:
            file = await pulled(node, data)
            assert await file.settle()
            left = node.pool.ceiling - node.pool.used
            assert node.pool.take(left)
            assert await node.catalog.attest(file) is not None
            assert node.store.notes.keys(b"manifest:") == []
            node.pool.give(left)
            assert await node.catalog.attest(file) is not None
            (key,) = node.store.notes.keys(b"manifest:")
            assert node.store.notes.get(key) == b""
            node.store.notes.put(key, b"of another version")
            assert (await node.asked("ls"))["files"][0]["whole"]

    run(test())

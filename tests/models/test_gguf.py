"""The table of a GGUF, against the library that defines the format; and files that lie."""

import math
import re
import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.models import gguf as ours
from edge.models.errors import ModelError
from edge.models.manifest import Manifest
from edge.models.table import EMBEDDING, HEAD, HEADER, OTHER, PADDING, TAIL
from tests.counterparts.model_files import Oracle, smollm2
from tests.models.files import F16, F32, Q4_0, gguf, manifest, table, table_of

BLOCKS = [(f"blk.{n}.{name}.weight", [32, 3]) for n in (0, 1, 10, 2) for name in ("attn_q", "ffn")]


@pytest.fixture(scope="module")
def library() -> Iterator[Oracle]:
    with Oracle() as oracle:
        yield oracle


def test_types_are_those_of_ggml(library: Oracle) -> None:
    theirs = {int(kind): tuple(sizes) for kind, sizes in library.ask("types").items()}
    assert theirs == ours._TYPES


@pytest.mark.parametrize("big", [False, True], ids=["little", "big"])
@pytest.mark.parametrize("alignment", [0, 8, 256])
def test_a_table_is_that_of_the_library(
    library: Oracle, tmp_path: Path, big: bool, alignment: int
) -> None:
    path = tmp_path / "a.gguf"
    tensors = [
        ("token_embd.weight", [10, 32], "float32"),
        *[(name, [3, 33], "float16") for name, _ in BLOCKS],
        ("output_norm.weight", [32], "float32"),
        ("rope_freqs.weight", [7], "int8"),
    ]
    values = {"llama.block_count": 11, "llama.rope.freq_base": 0.5, "llama.causal": True}
    asked = {"tensors": tensors, "values": values, "big": big, "alignment": alignment}
    library.ask("gguf_write", path=str(path), vocabulary=1000, **asked)
    found = table_of(path)
    theirs = library.ask("gguf_table", path=str(path))
    assert [(offset, length) for offset, length, _ in found.tensors] == [
        (offset, length) for _, offset, length in theirs
    ]
    assert found.metadata == values
    assert (found.architecture, found.block_count) == ("llama", 11)
    read = Manifest.of(found)
    assert read.tied
    assert read.parts == [OTHER, HEAD, EMBEDDING, HEADER, 0, 1, 2, 10]


def test_split_files_have_a_manifest_each(library: Oracle, tmp_path: Path) -> None:
    tensors = [(name, shape, "float32") for name, shape in BLOCKS]
    names = library.ask(
        "gguf_write", path=str(tmp_path / "a.gguf"), tensors=tensors, values={}, split=3
    )
    assert names == [f"a-{number:05}-of-00003.gguf" for number in (1, 2, 3)]
    manifests = [Manifest.of(table_of(tmp_path / name)) for name in names]
    assert [each.metadata["split.no"] for each in manifests] == [0, 1, 2]
    assert [each.parts for each in manifests] == [[HEADER, 0, 1], [HEADER, 1, 10], [HEADER, 2]]


def test_smollm2_has_its_blocks_in_lexicographic_order(library: Oracle) -> None:
    found = table_of(smollm2())
    theirs = library.ask("gguf_table", path=str(smollm2()))
    assert [each[:2] for each in found.tensors] == [tuple(each[1:]) for each in theirs]
    read = Manifest.of(found)
    blocks = [part for part, _ in read.runs if part >= 0]
    assert blocks == sorted(range(30), key=str)
    assert all(len(read.extents(block)) == 1 for block in blocks)
    assert read.tied
    assert read.block_count == 30
    assert len(read.encode()) < 600


# --- what the format leaves open ---


def test_gaps_pieces_of_blocks_and_a_tail_are_named() -> None:
    data = gguf(
        [
            ("blk.1.a", [8], F32, 0),
            ("blk.0.a", [8], F32, 32),
            ("blk.1.b", [5], F32, 64),  # 20 bytes, then 12 of padding
            ("token_embd.weight", [8], F32, 96),
            ("output.weight", [8], F32, 256),  # behind a hole
        ]
    )
    start = len(data)
    data += bytes(288 + 500)
    read = manifest(data)
    assert read.runs == [
        (HEADER, start),
        (1, 32),
        (0, 32),
        (1, 32),
        (EMBEDDING, 32),
        (PADDING, 128),
        (HEAD, 32),
        (TAIL, 500),
    ]
    assert read.extents(1) == [(start, 32), (start + 64, 32)]
    assert not read.tied


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("version", [2, 3])
def test_versions_and_byte_orders(version: int, order: str) -> None:
    data = gguf([("blk.7.a", [32], Q4_0, 0)], version=version, order=order)
    found = table(data + bytes(18))
    assert found.tensors == [(len(data), 18, 7)]
    assert found.block_count == 8


def test_a_vocabulary_alone_may_end_without_padding() -> None:
    data = gguf([], {"tokenizer.ggml.tokens": ["a", "bc", ""]}, alignment=1)
    assert manifest(data).runs == [(HEADER, len(data))]


def test_the_manifest_keeps_what_describes_the_model() -> None:
    values = {
        "general.name": "somebody's",
        "general.file_type": 3,
        "general.alignment": 64,
        "llama.block_count": 2,
        "llama.text": "x" * 256,
        "llama.long": "x" * 257,
        "llama.heads": [1, 2, 3],
        "llama.scales": [0.5],
        "llama.none": math.nan,
        "other.block_count": 7,
        "tokenizer.ggml.eos": 1,
    }
    found = table(gguf([], values))
    assert found.alignment == 64
    assert found.metadata == {
        "general.file_type": 3,
        "llama.block_count": 2,
        "llama.text": "x" * 256,
        "llama.heads": [1, 2, 3],
    }


# --- files that lie ---

_A = ("blk.0.a", [8], F32, 0)
_HUGE = 1 << 63
_LIES = {
    "GGUF of version 1": gguf([], version=1),
    "GGUF of version 4": gguf([], version=4),
    "more than 16384 tensors": gguf([], counts=(_HUGE, 0)),
    "more than 4096 pairs": gguf([], counts=(0, _HUGE)),
    "the file ends inside": gguf([], counts=(0, 100), alignment=1),
    "a text of 4294967296 bytes": b"GGUF\3\0\0\0" + struct.pack("<QQQ", 0, 1, 1 << 32),
    "metadata of an unknown type, 77": b"GGUF\3\0\0\0" + struct.pack("<QQQ1sI", 0, 1, 1, b"k", 77),
    "more than 4194304 strings": b"GGUF\3\0\0\0"
    + struct.pack("<QQQ1sIIQ", 0, 1, 1, b"k", 9, 8, _HUGE),
    "metadata of an unknown type, 9": b"GGUF\3\0\0\0"
    + struct.pack("<QQQ1sIIQ", 0, 1, 1, b"k", 9, 9, 1),
    "an alignment of 0": gguf([], {"general.alignment": 0}),
    "an alignment of 24": gguf([], {"general.alignment": 24}),
    "an alignment of x": gguf([], {"general.alignment": "x"}),
    "5000 blocks": gguf([], {"llama.block_count": 5000}),
    "is of block 99999": gguf([("blk.99999.a", [8], F32, 0)]) + bytes(32),
    "two tensors are called blk.0.a": gguf([_A, _A]) + bytes(64),
    "overlap": gguf([_A, ("blk.0.b", [8], F32, 0)]) + bytes(64),
    "is outside the file": gguf([_A]) + bytes(31),
    "blk.0.b is outside the file": gguf([("blk.0.b", [8], F32, _HUGE)]) + bytes(64),
    "blk.0.c is outside the file": gguf([("blk.0.c", [1 << 62] * 4, F32, 0)]) + bytes(64),
    "is not aligned": gguf([("blk.0.a", [8], F32, 4)]) + bytes(64),
    "has 5 dimensions": gguf([("a", [1] * 5, F32, 0)]) + bytes(64),
    "is of type 4": gguf([("a", [32], 4, 0)]) + bytes(64),
    "no whole number of blocks": gguf([("a", [33], Q4_0, 0)]) + bytes(64),
    "a tensor's name of 65 bytes": gguf([("a" * 65, [1], F16, 0)]) + bytes(64),
    "a tensor's name of 0 bytes": gguf([("", [1], F16, 0)]) + bytes(64),
}


@pytest.mark.parametrize("words", _LIES)
def test_a_file_that_lies_is_refused_in_a_sentence(words: str) -> None:
    with pytest.raises(ModelError, match=re.escape(words)):
        manifest(_LIES[words])


def test_a_name_that_a_terminal_would_obey_is_escaped() -> None:
    with pytest.raises(ModelError, match=re.escape(r"\x1b[2J is of type")):
        manifest(gguf([("\x1b[2J", [1], 99, 0)]) + bytes(64))


def test_keys_twice_are_refused() -> None:
    data = gguf([], {"llama.x": 1, "llama.y": 2}).replace(b"llama.y", b"llama.x")
    with pytest.raises(ModelError, match=r"two values for llama\.x"):
        manifest(data)


@given(st.data())
def test_a_damaged_file_is_refused_or_covered(data: st.DataObject) -> None:
    good = gguf([_A, ("blk.1.a", [32, 2], Q4_0, 32)], {"llama.heads": [1, 2], "x.y": ["a"]})
    damaged = bytearray(good + bytes(96))
    for _ in range(data.draw(st.integers(1, 4))):
        damaged[data.draw(st.integers(4, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        read = manifest(bytes(damaged[: data.draw(st.integers(0, len(damaged)))]))
    except ModelError:
        return
    assert Manifest.decode(read.encode()).runs == read.runs


_MEASURE = """
import os, resource, sys
from edge.models.read import read_table
path = sys.argv[1]
fd = os.open(path, os.O_RDONLY)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
table = read_table(lambda at, length: os.pread(fd, length, at), os.path.getsize(path))
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(table.block_count, after - before)
"""


def test_a_vocabulary_of_100_mb_takes_no_memory(tmp_path: Path) -> None:
    path = tmp_path / "a.gguf"
    head = gguf([], {"llama.block_count": 5}, counts=(0, 3), alignment=1)
    strings = struct.pack("<Q6sIIQ", 6, b"tokens", 9, 8, 1_000_000)
    word = struct.pack("<Q60s", 60, b"word")
    with path.open("wb") as file:
        file.write(head + strings)
        for _ in range(1000):
            file.write(word * 1000)
        file.write(struct.pack("<Q6sIIQ", 6, b"scores", 9, 6, 8_000_000) + bytes(0))
        file.truncate(file.tell() + 32_000_000)
    assert path.stat().st_size > 100_000_000
    # two of three pairs are counted above: the array of strings and that of numbers
    done = subprocess.run(
        [sys.executable, "-c", _MEASURE, path], capture_output=True, text=True, check=False
    )
    assert done.stdout, done.stderr
    blocks, kilobytes = done.stdout.split()
    assert blocks == "5"
    assert int(kilobytes) < 2048

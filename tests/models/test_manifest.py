"""Manifests: one form for each file, and nothing else is accepted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edge.models.errors import ModelError
from edge.models.manifest import MAX_RUNS, Manifest, ModelSet, id_of, tied
from edge.models.read import shards
from edge.models.table import EMBEDDING, HEAD, HEADER, MAX_BLOCKS, OTHER, PADDING, TAIL, Table
from edge.wire import packed
from tests.models.files import F32, gguf, manifest

PARTS = st.one_of(
    st.sampled_from([EMBEDDING, HEAD, OTHER]), st.integers(0, 50), st.just(MAX_BLOCKS - 1)
)


@given(
    st.sampled_from([1, 8, 32]),
    st.integers(1, 10_000),
    st.lists(st.tuples(st.integers(0, 100), st.integers(0, 1 << 40), PARTS), max_size=30),
    st.integers(0, 100),
)
def test_extents_cover_the_file_once_whatever_lies_in_it(
    alignment: int, start: int, tensors: list[tuple[int, int, int]], tail: int
) -> None:
    table = Table("gguf", 1 << 60)
    table.alignment, table.start = alignment, start
    at = start
    for number, (gap, length, part) in enumerate(tensors):
        at += gap
        table.add(str(number).encode(), part, at, length)
        at += length
    table.size = at + tail
    table.tensors.reverse()
    table.finish()
    made = Manifest.of(table)
    read = Manifest.decode(made.encode())
    assert read.runs == made.runs
    covered = sorted(extent for part in read.parts for extent in read.extents(part))
    end = 0
    for offset, length in covered:
        assert offset == end
        end = offset + length
    assert end == table.size
    for offset, length, part in table.tensors:
        inside = [o <= offset and offset + length <= o + n for o, n in read.extents(part)]
        assert any(inside) or not length


def test_the_same_file_has_the_same_id() -> None:
    data = gguf([("blk.0.a", [8], F32, 0)], {"llama.b": 1, "llama.a": 2}) + bytes(32)
    assert id_of(manifest(data).encode()) == id_of(manifest(data).encode())
    assert id_of(manifest(data).encode()).hex() == (
        "6c3bb62b083f19774b2e31bddefd09d8ffeb4f626b22c8c975c65dbdc8a89315"
    )


def _fields(**changes: object) -> bytes:
    fields = {
        "version": 1,
        "kind": "model",
        "format": "gguf",
        "size": 150,
        "architecture": "llama",
        "block_count": 2,
        "matrices": 1,
        "metadata": [["llama.a", 1]],
        "runs": [HEADER, 100, 0, 25, 1, 25],
    }
    return packed.dumps(list({**fields, **changes}.values()))


def test_the_form_of_an_encoded_manifest() -> None:
    read = Manifest.decode(_fields())
    assert read.extents(1) == [(125, 25)]
    assert read.extents(7) == []
    assert read.tied


@pytest.mark.parametrize(
    "changes",
    [
        {"version": 2},
        {"kind": "set"},
        {"format": "zip"},
        {"format": ["gguf"]},
        {"size": 151},
        {"size": -1},
        {"size": True},
        {"architecture": b"llama"},
        {"architecture": "x" * 257},
        {"block_count": 1},
        {"block_count": MAX_BLOCKS + 1},
        {"matrices": 4},
        {"metadata": {}},
        {"metadata": [["b", 1], ["a", 1]]},
        {"metadata": [["a", 1], ["a", 1]]},
        {"metadata": [["a", float("nan")]]},
        {"metadata": [["a", [[]]]]},
        {"metadata": [["a", None]]},
        {"metadata": [[1, 1]]},
        {"metadata": [["a"]]},
        {"runs": []},
        {"runs": [HEADER]},
        {"runs": [0, 150]},
        {"runs": [HEADER, 150.0]},
        {"runs": [HEADER, 100, 0, 25, 0, 25]},
        {"runs": [HEADER, 100, 0, 50, 1, 0]},
        {"runs": [HEADER, 200, 0, -50]},
        {"runs": [HEADER, 100, 0, 25, 2, 25]},
        {"runs": [HEADER, 100, -7, 50]},
        {"more": 1},
    ],
)
def test_what_is_no_manifest_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(ModelError):
        Manifest.decode(_fields(**changes))


def test_another_encoding_of_the_same_is_refused() -> None:
    data = _fields()
    assert data[1] == 1
    with pytest.raises(ModelError, match="one form"):
        Manifest.decode(data[:1] + b"\xcc\x01" + data[2:])
    with pytest.raises(ModelError):
        Manifest.decode(data + b"\x00")
    with pytest.raises(ModelError, match="longer"):
        Manifest.decode(bytes(1 << 17))
    with pytest.raises(ModelError):
        Manifest.decode(b"\x99\xff")


def test_a_file_whose_parts_lie_in_too_many_pieces_is_refused() -> None:
    table = Table("gguf", MAX_RUNS + 1)
    table.start = 1
    for number in range(MAX_RUNS):
        table.add(b"%d" % number, number % 2, 1 + number, 1)
    with pytest.raises(ModelError, match="pieces"):
        Manifest.of(table)


def test_a_set_lists_its_files_in_one_order() -> None:
    files = [(bytes([n]) * 32, n, bytes(32)) for n in (3, 1, 2)]
    encoded = ModelSet(files).encode()
    assert encoded == ModelSet(reversed(files)).encode()
    assert ModelSet.decode(encoded).files == sorted(files)
    for wrong in (
        [],
        [[bytes(32), 1]],
        [[bytes(31), 1, bytes(32)]],
        "x",
        [["a" * 32, 1, bytes(32)]],
    ):
        with pytest.raises(ModelError):
            ModelSet.decode(packed.dumps([1, "set", wrong]))
    turned = [list(each) for each in files]
    with pytest.raises(ModelError, match="one form"):
        ModelSet.decode(packed.dumps([1, "set", turned]))


def test_a_model_in_several_files_is_tied_by_all_of_them() -> None:
    with_embedding = manifest(gguf([("token_embd.weight", [8], F32, 0)]) + bytes(32))
    with_output = manifest(gguf([("output.weight", [8], F32, 0)]) + bytes(32))
    with_neither = manifest(gguf([("blk.0.a", [8], F32, 0)]) + bytes(32))
    assert tied([with_embedding, with_neither])
    assert not tied([with_embedding, with_neither, with_output])


@pytest.mark.parametrize(
    ("name", "all_of_them"),
    [
        ("a.gguf", ["a.gguf"]),
        ("a-00002-of-00002.gguf", ["a-00001-of-00002.gguf", "a-00002-of-00002.gguf"]),
        ("a-b-00001-of-00001.safetensors", ["a-b-00001-of-00001.safetensors"]),
        ("a-1-of-2.gguf", ["a-1-of-2.gguf"]),
        ("a00001-of-00002.gguf", ["a00001-of-00002.gguf"]),
        ("a-00001-of-00000.gguf", ["a-00001-of-00000.gguf"]),
        ("a-00003-of-00002.gguf", ["a-00003-of-00002.gguf"]),
        ("a-00000-of-00002.gguf", ["a-00000-of-00002.gguf"]),
        ("-of-", ["-of-"]),
    ],
)
def test_names_of_the_files_of_a_model(name: str, all_of_them: list[str]) -> None:
    assert shards(name) == all_of_them


def test_holes_belong_to_the_part_before_them_or_have_a_name() -> None:
    data = gguf([("blk.0.a", [1], F32, 0), ("blk.0.b", [1], F32, 64)]) + bytes(64 + 4 + 33)
    assert list(manifest(data).runs[1:]) == [(0, 4), (PADDING, 60), (0, 4), (TAIL, 33)]

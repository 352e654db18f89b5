"""A process that answers one question a line with the formats' own libraries.

oracle.py LIBRARIES      {"ask": "table", "path": ...} -> {"answer": ...} | {"error": ...}
"""

import json
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, sys.argv[1])

import gguf
import libtorrent
import numpy as np
import safetensors
import safetensors.numpy
from gguf.constants import GGML_QUANT_SIZES


def types() -> dict[int, tuple[int, int]]:
    """ggml's: elements of a block, and its bytes."""
    return {int(kind): sizes for kind, sizes in GGML_QUANT_SIZES.items()}


def gguf_table(path: str) -> list[tuple[str, int, int]]:
    reader = gguf.GGUFReader(path)
    return [(t.name, int(t.data_offset), int(t.n_bytes)) for t in reader.tensors]


def gguf_write(
    path: str,
    tensors: list[tuple[str, list[int], str]],
    values: dict[str, Any],
    big: bool = False,
    alignment: int = 0,
    split: int = 0,
    vocabulary: int = 0,
) -> list[str]:
    """Write tensors (name, shape, numpy's type), each filled with its number in the list.

    `split`: tensors of each file. Returns the names of the files.
    """
    order = gguf.GGUFEndian.BIG if big else gguf.GGUFEndian.LITTLE
    writer = gguf.GGUFWriter(path, "llama", endianess=order, split_max_tensors=split)
    for key, value in values.items():
        add = {bool: writer.add_bool, int: writer.add_uint32, float: writer.add_float32}
        add.get(type(value), writer.add_string)(key, value)
    if alignment:
        writer.add_custom_alignment(alignment)
    if vocabulary:
        writer.add_token_list([f"token {number}" for number in range(vocabulary)])
        writer.add_token_scores([0.5] * vocabulary)
    for number, (name, shape, kind) in enumerate(tensors):
        writer.add_tensor(name, np.full(shape, number, dtype=kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return sorted(each.name for each in Path(path).parent.glob(Path(path).stem + "*.gguf"))


def safetensors_write(path: str, tensors: list[tuple[str, list[int], str]]) -> None:
    arrays = {name: np.full(shape, 1, dtype=kind) for name, shape, kind in tensors}
    safetensors.numpy.save_file(arrays, path, metadata={"format": "np", "by": 'a "test" \\'})


def safetensors_table(path: str) -> list[tuple[str, list[int], str]]:
    """Opens the file; what the library tells of it."""
    with safetensors.safe_open(path, framework="np") as file:
        found = [(name, file.get_slice(name)) for name in file.keys()]  # noqa: SIM118
        return [(name, part.get_shape(), part.get_dtype()) for name, part in found]


def tree(content: str, repeated: int) -> tuple[str, str]:
    """BitTorrent v2's pieces root of bytes (hexadecimal, over and over), and the pieces' hashes."""
    with tempfile.TemporaryDirectory() as folder:
        unit = bytes.fromhex(content)
        Path(folder, "a").write_bytes((unit * (repeated // len(unit) + 1))[:repeated])
        files = libtorrent.list_files(str(Path(folder, "a")))
        v2_only = libtorrent.create_torrent.v2_only
        torrent = libtorrent.create_torrent(files, piece_size=1 << 18, flags=v2_only)
        libtorrent.set_piece_hashes(torrent, folder)
        made = torrent.generate()
    root: bytes = made[b"info"][b"file tree"][b"a"][b""][b"pieces root"]
    return root.hex(), made.get(b"piece layers", {}).get(root, b"").hex()


ANSWERS = (types, gguf_table, gguf_write, safetensors_write, safetensors_table, tree)


def main() -> None:
    known: dict[str, Callable[..., Any]] = {answer.__name__: answer for answer in ANSWERS}
    for line in sys.stdin:
        asked = json.loads(line)
        try:
            said: dict[str, Any] = {"answer": known[asked.pop("ask")](**asked)}
        except Exception as error:  # noqa: BLE001 - the caller is told
            said = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(said), flush=True)


if __name__ == "__main__":
    main()

"""The log: what was added is read, up to what is wrong."""

from __future__ import annotations

import os
from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st

from edge.cache.store.journal import MAX_RECORD, Log, frame, frames, numbered

RECORDS = [b"one", b"", b"x" * MAX_RECORD, b"four"]


def logged(directory: Path) -> list[bytes]:
    found: list[bytes] = []
    log = Log(str(directory), "idx")
    if log.read(lambda _, payload: found.append(payload)):
        for at, payload in zip(places(directory), found, strict=True):
            assert log.read_at(len(payload), at) == payload
    log.close()
    return found


def places(directory: Path) -> list[int]:
    found: list[int] = []
    log = Log(str(directory), "idx")
    log.read(lambda at, _: found.append(at))
    log.close()
    return found


def begun(directory: Path, records: list[bytes]) -> Log:
    log = Log(str(directory), "idx")
    log.rewrite(records)
    return log


def test_records_come_back_from_their_places(tmp_path: Path) -> None:
    log = begun(tmp_path, RECORDS)
    assert log.append([b"five", b"six"]) == places(tmp_path)[-2:]
    log.close()
    assert logged(tmp_path) == [*RECORDS, b"five", b"six"]


def test_writing_goes_on_where_reading_ended(tmp_path: Path) -> None:
    log = begun(tmp_path, RECORDS)
    log.append([b"torn", b"behind"])
    log.close()
    path = next(tmp_path.glob("*.idx"))
    data = bytearray(path.read_bytes())
    data[data.index(b"torn")] ^= 1
    path.write_bytes(data)
    log = Log(str(tmp_path), "idx")
    assert log.read(lambda _, payload: None)
    log.append([b"TORN"])  # as long: what stood behind it is at the border of a record again
    log.close()
    assert logged(tmp_path) == [*RECORDS, b"TORN"]


def test_a_new_log_counts_once_it_is_complete(tmp_path: Path) -> None:
    log = begun(tmp_path, [b"old"])
    log.append([b"later"])
    log.rewrite([b"new"])
    log.close()
    new = tmp_path / "00000002.idx"
    assert [new] == list(tmp_path.glob("*.idx"))
    (tmp_path / "00000001.idx").write_bytes(new.read_bytes())
    os.truncate(new, new.stat().st_size - 1)
    log = Log(str(tmp_path), "idx")
    found: list[bytes] = []
    assert log.read(lambda _, payload: found.append(payload))
    assert found == [b"new"]
    log.tidy()
    log.close()
    assert [path.name for path in tmp_path.glob("*.idx")] == ["00000001.idx"]


def test_without_a_log_there_is_none(tmp_path: Path) -> None:
    (tmp_path / "00000001.idx").write_bytes(b"")
    (tmp_path / "00000002.idx").write_bytes(b"KwJ1" + bytes(100))
    assert not Log(str(tmp_path), "idx").read(lambda _, payload: None)


@given(st.lists(st.binary(max_size=300)), st.binary(max_size=40), st.integers(0, 1 << 32 - 1))
def test_whatever_follows_is_no_record(records: list[bytes], rest: bytes, seed: int) -> None:
    written, checksum = b"", seed
    for record in records:
        framed, checksum = frame(record, checksum)
        written += framed
    data = written + rest
    found = frames(lambda length, at: data[at : at + length], 0, seed)
    assert [payload for _, payload, _ in found][: len(records)] == records


def test_names_of_files() -> None:
    assert numbered("0000002a.seg", "seg") == 42
    assert numbered("0000002A.SEG", "seg") == 42, "on a file system that keeps no case"
    for other in ("2a.seg", "0000002a.idx", "0000002g.seg", "+000002a.seg", "0000002a.seg.x", ""):
        assert numbered(other, "seg") is None

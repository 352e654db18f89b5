"""Runs huggingface_hub: client.py PACKAGES STEPS, where STEPS are a JSON list of {"do": NAME, ...}.

Prints a JSON list of what came of each: {"ok": VALUE}, or {"error": [class, text]}. Files are told
by their SHA-256. Endpoint, token and cache are in the environment, as users set them.
"""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, sys.argv[1])

import huggingface_hub  # only now is it on the path


def told(path: str | Path) -> str:
    return hashlib.sha256(Path(path).read_bytes()).hexdigest()


def file(**options: Any) -> str:
    return told(huggingface_hub.hf_hub_download(**options))


def snapshot(**options: Any) -> dict[str, str]:
    """SHA-256 by path."""
    root = Path(huggingface_hub.snapshot_download(**options))
    return {
        str(path.relative_to(root)): told(path)
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }


def listing(**options: Any) -> list[str]:
    return sorted(huggingface_hub.list_repo_files(**options))


def information(**options: Any) -> dict[str, Any]:
    about = huggingface_hub.HfApi().repo_info(**options)
    return {"id": about.id, "sha": about.sha}


def metadata(**options: Any) -> dict[str, Any]:
    """Of the HEAD request alone."""
    url = huggingface_hub.hf_hub_url(**options)
    about = huggingface_hub.get_hf_file_metadata(url)
    xet = getattr(about, "xet_file_data", None)
    return {
        "commit": about.commit_hash,
        "etag": about.etag,
        "size": about.size,
        "location": about.location,
        "xet": xet is not None,
    }


def part(path: str, start: int, length: int) -> str:
    """`length` bytes at `start` by the file system interface."""
    with huggingface_hub.HfFileSystem().open(path, "rb", block_size=1 << 16) as opened:
        opened.seek(start)
        return hashlib.sha256(opened.read(length)).hexdigest()


def folder(path: str) -> list[str]:
    return sorted(huggingface_hub.HfFileSystem().ls(path, detail=False))


def copied(path: str, to: str) -> str:
    """The file system's get."""
    huggingface_hub.HfFileSystem().get_file(path, to)
    return told(to)


def user() -> str:
    return str(huggingface_hub.whoami()["name"])


STEPS = {
    each.__name__: each
    for each in (file, snapshot, listing, information, metadata, part, folder, copied, user)
}


def run(do: str, **options: Any) -> dict[str, Any]:
    try:
        return {"ok": STEPS[do](**options)}
    except Exception as error:  # noqa: BLE001 - whatever it is, the test is told
        return {"error": [type(error).__name__, str(error)]}


print(json.dumps([run(**step) for step in json.loads(sys.argv[2])]))

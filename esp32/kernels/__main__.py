"""python -m esp32.kernels: write the files of esp32/kw that are generated."""

from __future__ import annotations

from pathlib import Path

from esp32.kernels import chacha20, field25519, poly1305, programs, sha512

KW = Path(__file__).parents[1] / "kw"
FILES = {
    "_chacha20.py": chacha20.text,
    "_field25519.py": field25519.text,
    "_poly1305.py": poly1305.text,
    "_programs.py": programs.text,
    "_sha512.py": sha512.text,
}


def write() -> None:
    """Write them all."""
    for name, text in FILES.items():
        (KW / name).write_text(text())


if __name__ == "__main__":
    write()

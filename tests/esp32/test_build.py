"""What `make esp32` compiles: for each processor, and run where there is an interpreter of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from devices import CRYPTO, HERE, INTERPRETERS

from esp32 import build, mpy
from esp32.manifest import ROOT, modules

RUN = {"x64": "64 bits", "x86": "32 bits", "rv32imc": "RISC-V"}
NATIVE = {"kw/_chacha20.mpy", "kw/_field25519.mpy", "kw/_poly1305.mpy", "kw/_sha512.mpy"}


@pytest.mark.parametrize("architecture", build.ARCHITECTURES)
def test_every_module_is_compiled_for_the_processor(architecture: str, tmp_path: Path) -> None:
    folder = build.compile_all(architecture, tmp_path)
    files = {str(path.relative_to(folder)) for path in folder.rglob("*.mpy")}
    assert files == {name.removesuffix(".py") + ".mpy" for name in modules()}
    native = {name for name in files if mpy.read(folder / name).native}
    assert native == NATIVE
    assert {mpy.read(folder / name).architecture for name in native} == {architecture}


@pytest.mark.parametrize("architecture", RUN)
def test_what_is_compiled_runs_and_imports_nothing_else(architecture: str, tmp_path: Path) -> None:
    vectors = [CRYPTO / f"{name}_vectors.py" for name in ("crypto", "peer_id")]
    programs = [HERE / "device" / "check_vectors.py", *vectors]
    folder = build.compile_all(architecture, tmp_path, {each.name: each for each in programs})
    interpreter = INTERPRETERS[RUN[architecture]]()
    names = [name.removesuffix(".py").replace("/", ".") for name in modules()]
    imports = "".join([f"import {name.removesuffix('.__init__')}\n" for name in names])
    for text in (imports, "import check_vectors"):
        environment = {**os.environ, "MICROPYPATH": f"{folder}:{ROOT / 'esp32' / 'boot'}"}
        done = subprocess.run(
            [*interpreter, "-c", text],
            env=environment,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_other_files_are_refused(tmp_path: Path) -> None:
    for data in (b"M\5\0\0", b"M\6\0\x1f\1", b"X\6\0\x1f\0\0"):
        (tmp_path / "x.mpy").write_bytes(data)
        with pytest.raises(ValueError):
            mpy.read(tmp_path / "x.mpy")

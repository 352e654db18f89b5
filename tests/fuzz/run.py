"""The fuzz targets under atheris, which is led by what code an input reaches.

    python -m tests.fuzz.run [--seconds 60] [--jobs 1] [TARGET ...]

Each target for so long, in a process of its own, from its seeds, the inputs kept in
tests/fuzz/corpus and those of earlier runs (build/fuzz/TARGET). Prints executions and coverage of
each; an input that fails is left in build/fuzz as crash-TARGET-..., and the exit status is 1. What
a fault has taught goes into tests/fuzz/corpus/TARGET, which the suite runs. Needs the extra `fuzz`.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

_CHECKOUT = Path(__file__).parents[2]
_FOUND = _CHECKOUT / "build" / "fuzz"
_CORPUS = Path(__file__).parent / "corpus"
_MAX_LENGTH = 4096
_SLOWEST = 20  # seconds an input may take


def one(name: str, seconds: int) -> bool:
    """Fuzz one target; whether nothing failed."""
    found = _FOUND / name
    found.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.fuzz.run", "--inside", name]
    command += [f"-max_total_time={seconds}", f"-max_len={_MAX_LENGTH}", f"-timeout={_SLOWEST}"]
    command += [f"-artifact_prefix={_FOUND}/crash-{name}-", "-print_final_stats=1", str(found)]
    if (_CORPUS / name).is_dir():
        command.append(str(_CORPUS / name))
    with tempfile.TemporaryDirectory() as seeds:
        from tests.fuzz.seeds import SEEDS

        for number, seed in enumerate(SEEDS[name]):
            (Path(seeds) / str(number)).write_bytes(seed)
        done = subprocess.run(
            [*command, seeds], cwd=_CHECKOUT, capture_output=True, text=True, check=False
        )
    log = done.stdout + done.stderr
    runs = _last(r"stat::number_of_executed_units: (\d+)", log)
    coverage = _last(r"cov: (\d+)", log)
    print(
        f"{name:20}{runs:>12} executions{coverage:>7} coverage"
        f"{len(list(found.iterdir())):>6} inputs{'' if done.returncode == 0 else '  FAILED'}",
        flush=True,
    )
    if done.returncode != 0:
        (_FOUND / f"log-{name}").write_text(log)
        print("\n".join(log.splitlines()[-30:]))
    return done.returncode == 0


def _last(pattern: str, text: str) -> str:
    return (re.findall(pattern, text) or ["?"])[-1]


def inside(name: str, arguments: list[str]) -> None:
    """The process that fuzzes: everything of ours is imported under instrumentation."""
    import atheris

    with atheris.instrument_imports(include=["edge", "kw"]):
        from tests.fuzz.targets import TARGETS
    atheris.Setup([sys.argv[0], *arguments], TARGETS[name])
    atheris.Fuzz()


def main() -> int:
    if sys.argv[1:2] == ["--inside"]:
        inside(sys.argv[2], sys.argv[3:])
        return 0
    from tests.fuzz.targets import TARGETS

    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--jobs", type=int, default=1, help="targets at a time")
    parser.add_argument("targets", nargs="*", metavar="TARGET", choices=[*TARGETS, []])
    options = parser.parse_args()
    with ThreadPoolExecutor(options.jobs) as pool:
        fine = list(pool.map(lambda name: one(name, options.seconds), options.targets or TARGETS))
    return 0 if all(fine) else 1


if __name__ == "__main__":
    sys.exit(main())

"""Measures one relay: lets the load peers (go/load) loose on it and collects what they say."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

from bench.relays import Cores, Kind, Relay, pinned

GB = 1e9
LOAD_SECONDS = 120  # longer than any measurement
HELD = (200, 1000)

Figures = dict[str, Any]


class LoadError(Exception):
    """The load peers failed; the text is theirs."""


class Plan:
    """How long and how often things are done in one round."""

    def __init__(self, quick: bool) -> None:
        self.rounds = 1 if quick else 3
        self.warmup = "500ms" if quick else "1s"
        self.window = "1500ms" if quick else "3s"
        self.circuits = 100 if quick else 300
        self.reservations = 100 if quick else 300
        self.settle = 1.0 if quick else 2.0  # seconds before memory is read

    @property
    def bulk(self) -> tuple[str, ...]:
        return ("-warmup", self.warmup, "-window", self.window)


class Bench:
    """`load`: the program of the load peers. `only`: names of figures; None takes all."""

    def __init__(
        self,
        load: Path,
        plan: Plan,
        scratch: Path,
        cores: Cores,
        only: Sequence[str] | None = None,
    ) -> None:
        self._cores = cores
        self._only = only
        self._load = load
        self._plan = plan
        self._scratch = scratch
        self.realtime = may_run_realtime()

    def measure(self, kind: Kind) -> Figures:
        """One round over one relay: figures by name; what failed is {"error": text}."""
        figures: Figures = {}
        for name, take in self._takers(kind).items():
            if self._only is not None and name not in self._only:
                continue
            relay = kind.start(self._scratch, self._cores.relay)  # fresh: figures stay apart
            try:
                figures[name] = take(relay)
            except LoadError as error:
                figures[name] = {"error": f"{error}; {relay.complaint()}"}
            finally:
                relay.stop()
        return figures

    def _takers(self, kind: Kind) -> dict[str, Callable[[Relay], Figures]]:
        takers: dict[str, Callable[[Relay], Figures]] = {
            "bulk_1": lambda relay: self._bulk(relay, 1),
            "bulk_16": lambda relay: self._bulk(relay, 16),
        }
        if kind.libp2p:
            takers |= {
                "latency": self._latency,
                "memory": self._memory,
                "reserve": self._reserve,
                "circuits": lambda relay: self._run(
                    relay, "circuits", "-count", str(self._plan.circuits)
                ),
            }
        return takers

    def _bulk(self, relay: Relay, streams: int) -> Figures:
        result = self._run(
            relay, "bulk", "-pid", str(relay.pid), "-streams", str(streams), *self._plan.bulk
        )
        gigabytes = result["bytes"] / GB
        return {
            "cpu_seconds_per_gb": result["relay_cpu_seconds"] / gigabytes,
            "mb_per_second": gigabytes * 1000 / result["seconds"],
            "relay_busy": result["relay_cpu_seconds"] / result["seconds"],
            "load_busy": result["load_cpu_seconds"] / result["seconds"] / len(self._cores.load),
            "bytes_verified": result["bytes_verified"],
        }

    def _latency(self, relay: Relay) -> Figures:
        """A small request with the relay to itself, and beside a bulk circuit of other peers."""
        unloaded = self._run(relay, "latency", *self._plan.bulk, realtime=self.realtime)
        with self._started(relay, "bulk", "-warmup", "500ms", "-window", "1h") as load:
            time.sleep(1)
            loaded = self._run(relay, "latency", *self._plan.bulk, realtime=self.realtime)
            if load.poll() is not None:
                raise LoadError(f"the bulk circuit ended: {_complaint(load)}")
        return {"unloaded": unloaded, "loaded": loaded}

    def _memory(self, relay: Relay) -> Figures:
        time.sleep(self._plan.settle)
        figures: Figures = {"idle": relay.memory()}
        with self._started(relay, "hold") as load:
            assert load.stdin is not None and load.stdout is not None
            for count in HELD:
                load.stdin.write(f"{count}\n")
                load.stdin.flush()
                if not load.stdout.readline():
                    raise LoadError(_complaint(load))
                time.sleep(self._plan.settle)
                figures[str(count)] = relay.memory()
            _finish(load)
        return figures

    def _reserve(self, relay: Relay) -> Figures:
        result = self._run(
            relay, "reserve", "-pid", str(relay.pid), "-count", str(self._plan.reservations)
        )
        return {
            "cpu_ms": result["relay_cpu_seconds"] * 1000 / result["count"],
            "times": result["times"],
        }

    def _run(self, relay: Relay, *arguments: str, realtime: bool = False) -> Figures:
        with self._started(relay, *arguments, realtime=realtime) as load:
            result: Figures = json.loads(_finish(load))
            return result

    @contextlib.contextmanager
    def _started(
        self, relay: Relay, mode: str, *arguments: str, realtime: bool = False
    ) -> Iterator[subprocess.Popen[str]]:
        with subprocess.Popen(
            [self._load, mode, *relay.target, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=pinned(self._cores.load, realtime),
        ) as load:
            try:
                yield load
            finally:
                load.kill()


def summary(rounds: Sequence[Figures]) -> Figures:
    """The median of each figure over the rounds; a failure in any round is kept."""
    merged: Figures = {}
    for name in rounds[0]:
        values = [figures[name] for figures in rounds]
        failed = [value for value in values if isinstance(value, dict) and "error" in value]
        if failed:
            merged[name] = failed[0]
        elif isinstance(values[0], dict):
            merged[name] = summary(values)
        else:
            merged[name] = sorted(values)[(len(values) - 1) // 2]
    return merged


def _finish(load: subprocess.Popen[str]) -> str:
    """The last line of what it says. Raises LoadError."""
    try:
        said, complaint = load.communicate(timeout=LOAD_SECONDS)
    except subprocess.TimeoutExpired:
        raise LoadError(f"no answer within {LOAD_SECONDS} s") from None
    if load.returncode or not said:
        raise LoadError(complaint.strip()[-500:])
    return said.splitlines()[-1]


def _complaint(load: subprocess.Popen[str]) -> str:
    load.kill()
    return load.communicate()[1].strip()[-500:]


def may_run_realtime() -> bool:
    """Whether the small request may go before the bulk load, so that only the relay delays it."""
    try:
        usual = os.sched_getscheduler(0)
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
        os.sched_setscheduler(0, usual, os.sched_param(0))
    except PermissionError:
        return False
    return True

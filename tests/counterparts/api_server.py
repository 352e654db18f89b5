"""A Kubernetes API server 1.33, built from its Go modules in two minutes, once; etcd is Debian's.

No controller, no scheduler and no node: what is applied is stored, and nothing comes of it. Whoever
has the token may do anything; it listens on the loopback, with a certificate of its own.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import ssl
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any, Self

from tests.counterparts import cache
from tests.counterparts.base import free_port
from tests.counterparts.debian_files import taken_apart
from tests.counterparts.go_tool import go

_SOURCE = Path(__file__).parent / "kubernetes"
_FILES = ("main.go", "go.mod", "go.sum")
_VERSION = "1.33.1"  # as in go.mod
_FLAGS = "-s -w " + " ".join(
    f"-X k8s.io/component-base/version.{name}={value}"
    for name, value in (("gitVersion", f"v{_VERSION}"), ("gitMajor", "1"), ("gitMinor", "33"))
)
_START = 60.0  # seconds
_PLURALS = {"NetworkPolicy": "networkpolicies"}


class Refused(Exception):
    """What the server said of an object."""


class ApiServer:
    """`with ApiServer() as server`. `kubeconfig`: the file that clients take."""

    @staticmethod
    def install() -> Path:
        def build(target: Path) -> None:
            with cache.scratch() as scratch:
                environment = {**os.environ, "CGO_ENABLED": "0", "GOCACHE": scratch}
                program = target / "kube-apiserver"
                words = [go(), "build", f"-ldflags={_FLAGS}", "-o", str(program), "."]
                done = subprocess.run(
                    words, cwd=_SOURCE, env=environment, capture_output=True, text=True, check=False
                )
            if done.returncode:
                raise cache.InstallError(f"{words}: {done.stderr[-2000:]}")

        content = _FLAGS.encode() + b"".join((_SOURCE / name).read_bytes() for name in _FILES)
        return cache.install("kube-apiserver", content, build) / "kube-apiserver"

    def __enter__(self) -> Self:
        self._folder = Path(tempfile.mkdtemp(prefix="kwaainet-k8s-"))
        self._token = secrets.token_hex()
        self._processes: list[subprocess.Popen[bytes]] = []
        try:
            self._start()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        for process in reversed(self._processes):
            process.kill()  # what is stored is not kept
            process.wait()
        shutil.rmtree(self._folder)

    def apply(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """Server-side apply, with every unknown or doubled field an error. Raises Refused."""
        query = "fieldManager=test&fieldValidation=Strict&force=true"
        return self._ask("PATCH", f"{_path(manifest)}?{query}", manifest)

    def get(self, manifest: dict[str, Any]) -> dict[str, Any]:
        """As it is stored. Raises Refused."""
        return self._ask("GET", _path(manifest))

    def create_namespace(self, name: str) -> None:
        self._ask("POST", "/api/v1/namespaces", {"metadata": {"name": name}})

    def _start(self) -> None:
        program, etcd = self.install(), taken_apart("etcd-server") / "usr" / "bin" / "etcd"
        client, peer, self._port = free_port(), free_port(), free_port()
        store = f"http://127.0.0.1:{client}"
        self._run(
            *(etcd, "--data-dir", self._folder / "etcd", "--unsafe-no-fsync"),
            *("--listen-client-urls", store, "--advertise-client-urls", store),
            *("--listen-peer-urls", f"http://127.0.0.1:{peer}"),
        )
        key = self._folder / "key.pem"
        subprocess.run(
            ["openssl", "genrsa", "-out", str(key), "2048"], check=True, capture_output=True
        )
        tokens = self._folder / "tokens"
        tokens.write_text(f"{self._token},owner,1,system:masters\n")
        self._run(
            *(program, "--etcd-servers", store, "--cert-dir", self._folder / "certificates"),
            *("--bind-address", "127.0.0.1", "--secure-port", self._port),
            *("--service-cluster-ip-range", "10.96.0.0/16", "--endpoint-reconciler-type", "none"),
            *("--token-auth-file", tokens, "--authorization-mode", "AlwaysAllow"),
            *("--service-account-issuer", "https://localhost", "--service-account-key-file", key),
            *("--service-account-signing-key-file", key),
        )
        self._wait()
        self.kubeconfig = self._folder / "kubeconfig"
        self.kubeconfig.write_text(json.dumps(self._client()))

    def _run(self, *words: object) -> None:
        with (self._folder / "log").open("ab") as log:
            command = [str(word) for word in words]
            self._processes.append(subprocess.Popen(command, stdout=log, stderr=log))

    def _wait(self) -> None:
        end = time.monotonic() + _START
        while True:
            try:
                self._ask("GET", "/api/v1/namespaces/default")
                return
            except (OSError, Refused):
                ended = any(process.poll() is not None for process in self._processes)
                if ended or time.monotonic() > end:
                    log = (self._folder / "log").read_text(errors="replace")
                    raise cache.InstallError(f"no API server\n{log[-3000:]}") from None
            time.sleep(0.2)

    def _client(self) -> dict[str, Any]:
        cluster = {"server": self._url, "insecure-skip-tls-verify": True}
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": cluster}],
            "users": [{"name": "test", "user": {"token": self._token}}],
            "contexts": [{"name": "test", "context": {"cluster": "test", "user": "test"}}],
        }

    @property
    def _url(self) -> str:
        return f"https://127.0.0.1:{self._port}"

    def _ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        kind = "application/apply-patch+yaml" if method == "PATCH" else "application/json"
        request = urllib.request.Request(
            self._url + path,
            None if body is None else json.dumps(body).encode(),
            {"Authorization": f"Bearer {self._token}", "Content-Type": kind},
            method=method,
        )
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        try:
            with urllib.request.urlopen(request, context=context, timeout=30) as answer:
                found: dict[str, Any] = json.load(answer)
                return found
        except urllib.error.HTTPError as error:
            raise Refused(error.read().decode(errors="replace")) from None


def _path(manifest: dict[str, Any]) -> str:
    group, kind, about = manifest["apiVersion"], manifest["kind"], manifest["metadata"]
    base = f"/api/{group}" if "/" not in group else f"/apis/{group}"
    plural = _PLURALS.get(kind, kind.lower() + "s")
    return f"{base}/namespaces/{about.get('namespace', 'default')}/{plural}/{about['name']}"

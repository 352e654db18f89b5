"""python -m bench.instructions [TARGET]: what TLS and SHA-256 cost a router, in instructions.

qemu's user mode executes the same C code that is in the binary, and a plugin counts. The figures do
not depend on the machine, nor on what else it does; how many of them a processor executes in a
second, they do not tell. Python's own part, a few calls for each record, is not in them.
"""

from __future__ import annotations

import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from cross import cpython, libsodium, mbedtls, toolchain
from cross.targets import TARGETS, Target
from edge.http.tls import ROOTS
from tests.http import authority

HERE = Path(__file__).parent
LONG = 1 << 20
SUITES = {
    "ChaCha20-Poly1305": "ECDHE+CHACHA20",
    "AES-128-GCM": "ECDHE+AES128+AESGCM",
}


class Origin:
    """Sends `LONG` bytes to whom it has shaken hands with."""

    def __init__(
        self, certified: authority.Certified, folder: Path, version: str, suite: str
    ) -> None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = context.maximum_version = ssl.TLSVersion[version]
        context.set_ciphers(SUITES[suite])
        context.load_cert_chain(*certified.files(folder))
        self._context = context
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            connection, _ = self._listener.accept()
            try:
                with self._context.wrap_socket(connection, server_side=True) as talking:
                    talking.sendall(bytes(LONG))
                    talking.recv(1)
            except OSError:
                connection.close()


class Counted:
    """The C client, for a target."""

    def __init__(self, target: Target, folder: Path) -> None:
        self._target = target
        self._plugin, self._program = folder / "count.so", folder / "client"
        plugin = ["cc", "-O2", "-shared", "-fPIC", str(HERE / "count.c"), "-o", str(self._plugin)]
        subprocess.run(plugin, check=True)
        python, sodium = cpython.built(target), libsodium.built(target)
        command = [*toolchain.compiler(target), *mbedtls.flags(), f"-I{sodium / 'include'}"]
        command += [str(HERE / "client.c"), str(mbedtls.built(target))]
        command += [str(sodium / "libsodium.a"), str(python / "lib" / "libHacl_Hash_SHA2.a")]
        command += ["-static", "-Wl,--gc-sections", "-o", str(self._program)]
        toolchain.run(command, folder, folder / "log")

    def __call__(self, *arguments: object) -> int:
        """The instructions that it executed."""
        words = map(str, arguments)
        command = [*self._target.qemu, "-plugin", str(self._plugin), str(self._program), *words]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(done.stderr)
        return int(done.stderr)


def main() -> None:
    target = TARGETS[sys.argv[1] if len(sys.argv) > 1 else "mipsel_24kc"]
    with tempfile.TemporaryDirectory(prefix="bench-") as scratch:
        folder = Path(scratch)
        count = Counted(target, folder)
        nothing = count("sha256", "mbedtls", 0)
        print(f"{target.name}: instructions of one handshake, in millions")
        for version in ("TLSv1_2", "TLSv1_3"):
            for kind in ("rsa", "p256", "p384"):
                root = authority.root(kind=kind)  # type: ignore[no-untyped-call]
                bundle = folder / "roots.pem"
                bundle.write_bytes(Path(ROOTS).read_bytes() + root.pem)
                leaf = root.issue("Middle", kind, ca=True).issue("localhost", kind)
                origin = Origin(leaf, folder, version, "ChaCha20-Poly1305")
                spent = count(origin.port, bundle, 0) - nothing
                print(f"  {version}, chain of {kind}: {spent / 1e6:.1f}")
        alone = folder / "alone.pem"
        alone.write_bytes(root.pem)
        spent = count(origin.port, bundle, 0) - count(origin.port, alone, 0)
        print(f"  of it, the look-up in {bundle.stat().st_size} bytes of roots: {spent / 1e6:.1f}")
        print("instructions of one byte")
        for suite in SUITES:
            origin = Origin(leaf, folder, "TLSv1_2", suite)
            spent = count(origin.port, bundle, LONG) - count(origin.port, bundle, 0)
            print(f"  {suite}, received: {spent / LONG:.1f}")
        for whose in ("cpython", "libsodium", "mbedtls"):
            spent = count("sha256", whose, LONG) - nothing
            print(f"  SHA-256 of {whose}: {spent / LONG:.1f}")


if __name__ == "__main__":
    main()

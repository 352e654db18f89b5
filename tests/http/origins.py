"""Origins for the client: scripted ones, and certificates of a test authority for TLS."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def until(condition: Callable[[], object]) -> None:
    """Wait until it holds; the test's own time limit ends it."""
    while not condition():  # noqa: ASYNC110 - nobody tells of it
        await asyncio.sleep(0.01)


@contextlib.asynccontextmanager
async def origin(talk: Talk, tls: ssl.SSLContext | None = None) -> AsyncIterator[int]:
    """The port at which `talk` is had with each client."""
    tasks = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.add(asyncio.current_task())
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await talk(reader, writer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def says(*parts: bytes, end: bool = True, first: bytes = b"") -> Talk:
    """Answers the first request with `parts`. `first`: said before it. `end`: it then closes."""

    async def talk(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if first:
            writer.write(first)
            await writer.drain()
        await reader.readuntil(b"\r\n\r\n")
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(0)
        if not end:
            await reader.read()

    return talk


class Authority:
    """openssl's command line as a certificate authority in `folder`."""

    def __init__(self, folder: Path, name: str = "Test CA") -> None:
        self.folder = folder
        self.name = name.replace(" ", "-")
        self.roots = folder / f"{self.name}.pem"
        self._openssl("req", "-x509", "-days", "3650", *self._new(self.name), *_subject(name))

    def intermediate(self, name: str) -> Authority:
        """Another one, whose certificate this one has signed."""
        made = object.__new__(Authority)
        made.folder, made.name = self.folder, name.replace(" ", "-")
        made.roots = self.folder / f"{made.name}.pem"
        self._sign(made.name, name, "basicConstraints=critical,CA:TRUE")
        return made

    def server(
        self,
        host: str,
        *dates: str,
        chain: Authority | None = None,
    ) -> ssl.SSLContext:
        """A server with a certificate for `host`. `dates`: from and to, as YYYYMMDDHHMMSSZ.

        `chain`: whose certificate is sent with it.
        """
        kind = "IP" if host.replace(".", "").isdecimal() else "DNS"
        stem = f"{self.name}-{host}-{'-'.join(dates)}"
        path = self._sign(stem, "server", f"subjectAltName={kind}:{host}", *dates)
        if chain is not None:
            path.write_text(path.read_text() + chain.roots.read_text())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(path, self.folder / f"{stem}.key")
        return context

    def _sign(self, stem: str, subject: str, extension: str, *dates: str) -> Path:
        request, path = self.folder / f"{stem}.csr", self.folder / f"{stem}.pem"
        made = ["-out", request, "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
        self._openssl("req", "-nodes", "-keyout", self.folder / f"{stem}.key", *made,
                      *_subject(subject))  # fmt: skip
        extensions = self.folder / f"{stem}.ext"
        extensions.write_text(extension + "\n")
        database = self.folder / f"{stem}.db"
        database.mkdir(exist_ok=True)
        (database / "index").touch()
        config = database / "config"
        config.write_text(
            "[ca]\ndefault_ca=d\n[d]\n"
            f"database={database}/index\nnew_certs_dir={database}\nrand_serial=yes\n"
            "default_md=sha256\npolicy=p\nunique_subject=no\n[p]\ncommonName=supplied\n"
        )
        start, end = dates or ("20200101000000Z", "20400101000000Z")
        self._openssl(
            *("ca", "-batch", "-notext", "-config", config, "-in", request, "-out", path),
            *("-cert", self.roots, "-keyfile", self.folder / f"{self.name}.key"),
            *("-startdate", start, "-enddate", end, "-extfile", extensions),
        )
        return path

    def _new(self, stem: str) -> list[object]:
        key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        return [*key, "-keyout", self.folder / f"{stem}.key", "-out", self.folder / f"{stem}.pem"]

    def _openssl(self, *words: object) -> None:
        command = ["openssl", *[str(word) for word in words]]
        subprocess.run(command, check=True, capture_output=True)


def _subject(name: str) -> list[str]:
    return ["-subj", f"/CN={name}"]

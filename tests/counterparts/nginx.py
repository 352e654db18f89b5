"""nginx, as an origin of plain files: Debian's own."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

from tests.counterparts.base import free_port, until

_CONF = """
daemon off; master_process off; pid {at}/pid; error_log {at}/error.log;
events {{ worker_connections 256; }}
http {{
  access_log {at}/access.log combined; default_type application/octet-stream;
  client_body_temp_path {at}/a; proxy_temp_path {at}/b; fastcgi_temp_path {at}/c;
  uwsgi_temp_path {at}/d; scgi_temp_path {at}/e; keepalive_requests 10000;
  server {{
    listen 127.0.0.1:{port};
    root {files};
    {more}
  }}
}}
"""


class Nginx:
    """Serves `files` at `port`."""

    def __init__(self, at: Path, files: Path, port: int) -> None:
        self.files = files
        self.port = port
        self._at = at

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def asked(self) -> list[str]:
        """Its lines about requests: method, target, status, bytes of the body."""
        return (self._at / "access.log").read_text().splitlines()


@contextlib.asynccontextmanager
async def nginx(at: Path, more: str = "") -> AsyncIterator[Nginx]:
    """One that runs; `at`: a directory for it. `more`: lines of its server's configuration."""
    files = at / "files"
    files.mkdir()
    made = Nginx(at, files, free_port())
    conf = at / "nginx.conf"
    conf.write_text(_CONF.format(at=at, files=files, port=made.port, more=more))
    process = await asyncio.create_subprocess_exec("nginx", "-p", str(at), "-c", str(conf))
    try:
        await until(lambda: _answers(made.port))
        yield made
    finally:
        process.terminate()
        await process.wait()


async def _answers(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True

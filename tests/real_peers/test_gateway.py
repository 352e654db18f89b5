"""The gateway between real clients and a real origin: curl, aria2c and nginx.

Versions: Debian's. The failures of others that stand in docs/cache.md have a test each, here or in
tests/cache/pull.
"""

import asyncio
import contextlib
import hashlib
import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.counterparts.base import Setup, asynchronous, free_port, until
from tests.counterparts.edge_node import EdgeNode
from tests.counterparts.nginx import Nginx, nginx

SIZE = (24 << 20) + 12345
CONTENT = random.Random(14).randbytes(SIZE)


class Gateway:
    """A node whose gateway serves `origin` as /files/."""

    def __init__(self, node: EdgeNode, port: int, origin: Nginx) -> None:
        self.node = node
        self.origin = origin
        self.host = f"127.0.0.1:{port}"

    @property
    def url(self) -> str:
        return f"http://{self.host}/files"

    async def cache(self) -> dict[str, object]:
        """What status tells of the cache."""
        return dict((await self.node.status())["cache"])


@asynccontextmanager
async def gateway(at: Path, lines: str = "", more: str = "") -> AsyncIterator[Gateway]:
    """`lines`: of [cache]; `more`: of nginx's server."""
    port = free_port()
    (at / "origin").mkdir()
    async with nginx(at / "origin", more) as origin:
        config = at / "kwaainet.toml"
        config.write_text(
            f'[cache]\ngateway = true\ngateway_listen = ["/ip4/127.0.0.1/tcp/{port}"]\n'
            f'size = "256M"\nhub = "http://127.0.0.1:{free_port()}"\n{lines}\n'
            f'[[origin]]\nname = "files"\nurl = "{origin.url}"\n'
        )
        async with EdgeNode(Setup(), ["--config", str(config)], at / "data") as node:
            made = Gateway(node, port, origin)
            await curl(f"http://{made.host}/", "--retry-connrefused", "--retry", "20")
            yield made


async def curl(url: str, *options: str) -> bytes:
    """What curl prints; it has to succeed."""
    command = ["curl", "-sS", "--fail-with-body", "--max-time", "60", *options, url]
    asked = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    out, _ = await asked.communicate()
    assert asked.returncode == 0, out
    return out


async def status(url: str, *options: str) -> int:
    """The status that curl is answered."""
    command = ["curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "--max-time", "60"]
    asked = await asyncio.create_subprocess_exec(
        *command, *options, url, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await asked.communicate()
    return int(out)


@asynchronous(60)
async def test_curl_gets_a_file_of_nginx_once_and_again(tmp_path: Path) -> None:
    async with gateway(tmp_path) as it:
        (it.origin.files / "model.bin").write_bytes(CONTENT)
        first = await asyncio.gather(*[curl(f"{it.url}/model.bin") for _ in range(4)])
        assert set(first) == {CONTENT}
        assert await curl(f"{it.url}/model.bin") == CONTENT
        head = (await curl(f"{it.url}/model.bin", "-I")).decode().lower()
        real = (await curl(f"{it.origin.url}/model.bin", "-I")).decode().lower()
        for name in ("etag", "last-modified", "content-length", "accept-ranges", "content-type"):
            assert field(head, name) == field(real, name)
        etag = field(head, "etag")
        assert await status(f"{it.url}/model.bin", "-H", f"If-None-Match: {etag}") == 304
        cache = await it.cache()
        assert (cache["wan_bytes"], cache["lan_bytes"]) == (SIZE, 5 * SIZE)
        assert sum('"GET' in line for line in it.origin.asked()) == 1


@asynchronous(60)
async def test_curl_goes_on_where_it_was_cut(tmp_path: Path) -> None:
    async with gateway(tmp_path, more="limit_rate 4m;") as it:
        (it.origin.files / "model.bin").write_bytes(CONTENT)
        at = tmp_path / "model.bin"
        cut = await asyncio.create_subprocess_exec(
            "curl", "-s", "--max-time", "3", "-o", str(at), f"{it.url}/model.bin"
        )
        assert await cut.wait() == 28  # out of time
        there = at.stat().st_size
        await curl(f"{it.url}/model.bin", "-C", "-", "-o", str(at))
        assert at.read_bytes() == CONTENT
        assert there
        cache = await it.cache()
        assert int(str(cache["wan_bytes"])) < SIZE + (1 << 20)


@asynchronous(60)
async def test_sixteen_connections_of_aria2c(tmp_path: Path) -> None:
    async with gateway(tmp_path) as it:
        (it.origin.files / "model.bin").write_bytes(CONTENT)
        digest = hashlib.sha256(CONTENT).hexdigest()
        options = ["-q", "-x16", "-s16", "-k1M", "--no-conf", "--file-allocation=none"]
        aria = await asyncio.create_subprocess_exec(
            *["aria2c", *options, f"--checksum=sha-256={digest}", "-d", str(tmp_path)],
            f"{it.url}/model.bin",
        )
        assert await aria.wait() == 0
        assert (tmp_path / "model.bin").read_bytes() == CONTENT
        cache = await it.cache()
        assert int(str(cache["wan_bytes"])) <= SIZE * 1.05


@asynchronous(60)
async def test_an_origin_that_is_gone_leaves_what_is_kept(tmp_path: Path) -> None:
    async with gateway(tmp_path) as it:
        (it.origin.files / "small.json").write_text("{}")
        assert await curl(f"{it.url}/small.json") == b"{}"
        (it.origin.files / "small.json").unlink()
        assert await curl(f"{it.url}/small.json") == b"{}"  # as it was a moment ago
        assert await status(f"{it.url}/other.json") == 404


@pytest.mark.parametrize(
    ("options", "target", "answer"),
    [
        (["-H", "Host: evil.example"], "/", 421),
        (["-H", "Host: router.lan"], "/", 200),
        (["-H", "Host: router"], "/", 200),
        (["-H", "Host: [::1]:8421"], "/", 200),
        (["--path-as-is"], "/files/../etc/passwd", 400),
        (["--path-as-is"], "/files/%2e%2e/etc/passwd", 400),
        (["--path-as-is"], "/files//a", 400),
        ([], "/files/a%00b", 400),
        (["-X", "OPTIONS"], "/files/a", 405),
        (["-X", "POST"], "/files/a", 405),
        (["-X", "TRACE"], "/files/a", 501),
        (["-H", "Sec-Fetch-Site: cross-site", "-H", "Sec-Fetch-Mode: no-cors"], "/", 403),
        (["-H", "Sec-Fetch-Site: cross-site", "-H", "Sec-Fetch-Mode: navigate"], "/", 200),
        ([], "/files", 404),
        ([], "/filesystem/a", 404),
    ],
)
@asynchronous(60)
async def test_what_is_refused(
    options: list[str], target: str, answer: int, tmp_path: Path
) -> None:
    async with gateway(tmp_path) as it:
        assert await status(f"http://{it.host}{target}", *options) == answer


@asynchronous(60)
async def test_it_is_no_open_proxy(tmp_path: Path) -> None:
    async with gateway(tmp_path) as it:
        asked = ["-x", f"http://{it.host}"]
        assert await status("http://192.0.2.1/", *asked) in (200, 404)  # our own page
        assert await status(f"http://evil.example:{it.origin.port}/", *asked) == 421
        assert await status("https://192.0.2.1/", *asked) == 0  # CONNECT is refused
        assert not it.origin.asked()


@asynchronous(60)
async def test_redirects_lead_to_configured_hosts_alone(tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    async with nginx(other) as storage:
        (storage.files / "model.bin").write_bytes(CONTENT[:100000])
        more = f"location / {{ return 302 {storage.url}$uri; }}"
        async with gateway(tmp_path, more=more) as it:
            assert await status(f"{it.url}/model.bin") == 502
            assert not storage.asked()[1:]
            config = tmp_path / "kwaainet.toml"
            with config.open("a") as file:
                file.write(f'hosts = ["127.0.0.1:{storage.port}"]\n')
            assert it.node.process is not None
            it.node.process.send_signal(1)
            await until(partial(answers, f"{it.url}/model.bin"))
            assert await curl(f"{it.url}/model.bin") == CONTENT[:100000]


@asynchronous(60)
async def test_pages_of_other_sites_read_it_where_the_owner_lets_them(tmp_path: Path) -> None:
    async with gateway(tmp_path, "cors = true") as it:
        (it.origin.files / "a.json").write_text("{}")
        head = (await curl(f"{it.url}/a.json", "-i", "-H", "Origin: http://x")).decode().lower()
        assert field(head, "access-control-allow-origin") == "*"
        head = (await curl(f"{it.url}/a.json", "-i", "-X", "OPTIONS")).decode().lower()
        assert "204" in head.splitlines()[0]
        assert "range" in field(head, "access-control-allow-headers")


@asynchronous(60)
async def test_a_disk_that_fills_up_while_it_fetches(tmp_path: Path) -> None:
    (tmp_path / "small").mkdir()
    mount = await asyncio.create_subprocess_exec(
        "mount", "-t", "tmpfs", "-o", "size=40m", "tmpfs", str(tmp_path / "small")
    )
    assert await mount.wait() == 0
    try:
        lines = f'directory = "{tmp_path}/small/cache"'
        async with gateway(tmp_path, lines, "limit_rate 8m;") as it:
            (it.origin.files / "model.bin").write_bytes(CONTENT)
            got = asyncio.ensure_future(curl(f"{it.url}/model.bin"))
            await until(partial(has_begun, tmp_path / "small/cache"))
            with contextlib.suppress(OSError):
                fill(tmp_path / "small" / "other")
            assert await got == CONTENT
            cache = await it.cache()
            assert cache["trouble"] == "disk full"
            assert cache["passed_through"]
            assert await curl(f"{it.url}/model.bin") == CONTENT
    finally:
        await (await asyncio.create_subprocess_exec("umount", str(tmp_path / "small"))).wait()


@asynchronous(60)
async def test_what_status_and_metrics_tell(tmp_path: Path) -> None:
    async with gateway(tmp_path) as it:
        (it.origin.files / "a").write_bytes(CONTENT[:500000])
        for _ in range(2):
            await curl(f"{it.url}/a")
        await status(f"http://{it.host}/", "-H", "Sec-Fetch-Site: cross-site")
        text = await it.node.run("status")
        assert "1 hits, 1 misses" in text
        answer = json.loads(await it.node.run("status", "--json"))
        assert answer["refusals"]["cache"] == {"cross_site": 1}


async def answers(url: str) -> bool:
    return await status(url) == 200


async def has_begun(directory: Path) -> bool:
    """Whether the store has written some pieces."""
    return _size(directory) > 1 << 20


def fill(path: Path) -> None:
    """Write until there is no room. Raises OSError."""
    with path.open("wb", buffering=0) as file:
        while True:
            file.write(bytes(1 << 20))


def _size(directory: Path) -> int:
    return sum(entry.stat().st_size for entry in directory.rglob("*") if entry.is_file())


def field(head: str, name: str) -> str:
    """The value of a header in a head in lower case."""
    return next(
        line.partition(":")[2].strip() for line in head.splitlines() if line.startswith(name + ":")
    )

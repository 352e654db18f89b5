"""python-zeroconf, as the browsers of services that administrators use: run in a namespace.

python -m tests.counterparts.browser 192.168.9.13 see       whom it sees, as a JSON line
python -m tests.counterparts.browser 192.168.9.13 claim X   whether the name X is free
"""

import asyncio
import json
import sys

from zeroconf import DNSQuestionType, IPVersion, NonUniqueNameException, ServiceInfo
from zeroconf.asyncio import AsyncServiceBrowser, AsyncServiceInfo, AsyncZeroconf

_TYPE = "_p2p._udp.local."
_META = "_services._dns-sd._udp.local."


async def see(browser: AsyncZeroconf) -> None:
    """Print the first service that is seen and resolved, and what types of service there are."""
    names: asyncio.Queue[str] = asyncio.Queue()
    types: asyncio.Queue[str] = asyncio.Queue()

    def on_change(zeroconf: object, service_type: str, name: str, state_change: object) -> None:
        (types if service_type == _META else names).put_nowait(name)

    question = DNSQuestionType.QU  # it wants a unicast answer, and gets a multicast one
    AsyncServiceBrowser(
        browser.zeroconf, [_TYPE, _META], handlers=[on_change], question_type=question
    )
    info = AsyncServiceInfo(_TYPE, await names.get())
    whole = await info.async_request(browser.zeroconf, 10_000)
    seen = {
        "whole": whole,
        "name": info.name,
        "type": await types.get(),
        "server": info.server,
        "port": info.port,
        "addresses": info.parsed_addresses(IPVersion.All),
        "text": (info.text or b"").decode("latin-1"),
    }
    print(json.dumps(seen), flush=True)


async def claim(browser: AsyncZeroconf, name: str) -> None:
    """Print whether the name can be had."""
    info = ServiceInfo(_TYPE, name, port=1, server="nobody.local.", addresses=[b"\x7f\0\0\1"])
    try:
        await browser.async_register_service(info)
        print(json.dumps({"free": True}), flush=True)
    except NonUniqueNameException:
        print(json.dumps({"free": False}), flush=True)


async def main() -> None:
    address, what, *rest = sys.argv[1:]
    browser = AsyncZeroconf(interfaces=[address], ip_version=IPVersion.V4Only)
    await (see(browser) if what == "see" else claim(browser, *rest))
    await browser.async_close()


if __name__ == "__main__":
    asyncio.run(main())

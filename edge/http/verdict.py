"""Why there is no TLS with a host, in one line, whichever library has found out.

A wrong clock looks like a certificate that is not valid yet, which is what most routers see at
their start. So the clock is named where it is before this program was made.
"""

import time

from edge import clock
from edge.http.tls import TlsError

_CLOCK = "if this machine's clock is right, which says {now}"
_SAYS = {
    "roots": "no trusted certificates in {roots}: install ca-bundle or ca-certificates",
    "issuer": "nobody in {roots} has signed its certificate",
    "name": "its certificate is for another name",
    "expired": f"its certificate has expired, {_CLOCK}",
    "future": f"its certificate is not valid yet, {_CLOCK}",
    "certificate": "its certificate is not acceptable ({said})",
    "alert": "it refuses, by the TLS alert {said}",
    "truncated": "the connection was closed in the middle",
    "protocol": "it does not speak TLS 1.2 or 1.3 as we do ({said})",
}
_DATED = ("expired", "future")


def failure(host: str, roots: str, kind: str, said: str) -> TlsError:
    """The error for one of the kinds above. `said`: the library's own word or number for it."""
    now, says = time.time(), _SAYS[kind]
    if kind in _DATED and clock.now_if_plausible(clock.build_time()) is None:
        says = "this machine's clock is wrong, it says {now}: set it, by NTP"
        kind = "clock"
    day = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(now))
    return TlsError(f"https://{host}: {says.format(roots=roots, said=said, now=day)}", kind)

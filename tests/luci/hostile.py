"""Texts by strangers who want a page to do their will, and answers of a node that consist of them.

Peer ids, agents, reasons, lines of the log, file names: all come from others, and whoever shows
them treats each as text. A text that got through calls CANARY or makes an element with
data-hostile, and one that is shown as it ought to be has MARK in it for a reader to see.
"""

from typing import Any

from tests.counterparts.chromium import CANARY, Page

MARK = "hostile"
_RUN = f"{CANARY}`{MARK}`"
_MADE = "data-hostile"

TEXTS = (
    # elements that run something as soon as they are there
    f"<script {_MADE}>{_RUN}</script>{MARK}",
    f"<img {_MADE} src=data: onerror={_RUN}>{MARK}",
    f"<svg {_MADE} onload={_RUN}>{MARK}</svg>",
    f"<svg><script {_MADE}>{_RUN}</script></svg>{MARK}",
    f"<svg><animate {_MADE} onbegin={_RUN} attributeName=x dur=1s>{MARK}",
    f"<iframe {_MADE} srcdoc='<script>parent.{_RUN}</script>'></iframe>{MARK}",
    f"<details {_MADE} open ontoggle={_RUN}>{MARK}",
    f"<input {_MADE} autofocus onfocus={_RUN}>{MARK}",
    f"<style {_MADE}>* {{ display: none }}</style>{MARK}",
    f"<base {_MADE} href=https://stranger.test/>{MARK}",
    f"<meta {_MADE} http-equiv=refresh content='0;url=https://stranger.test/'>{MARK}",
    f"<form {_MADE} action=https://stranger.test/><button>{MARK}</button></form>",
    f"<math><mtext><table><mglyph><style><!--</style><img {_MADE} src=data: onerror={_RUN}>{MARK}",
    f"<a {_MADE} href='javascript:{_RUN}'>{MARK}</a>",
    # out of an attribute, a script, a comment, a text area, a title
    f"' {_MADE} onmouseover={_RUN} {MARK} '",
    f'" {_MADE} autofocus onfocus={_RUN} {MARK} "',
    f'"><img {_MADE} src=data: onerror={_RUN}>{MARK}',
    f"</script><script {_MADE}>{_RUN}</script>{MARK}",
    f"--><img {_MADE} src=data: onerror={_RUN}>{MARK}",
    f"</textarea></title></style><img {_MADE} src=data: onerror={_RUN}>{MARK}",
    f"';{_RUN};'{MARK}",
    f'";{_RUN};"{MARK}',
    f"\\';{_RUN};//{MARK}",
    # of what builds texts: entities, JavaScript's templates, LuCI's and Python's formats, JSON
    f"&lt;img {_MADE} src=data: onerror={_RUN}&gt;{MARK}",
    f"&#60;script&#62;{_RUN}&#60;/script&#62;{MARK}",
    f"${{{_RUN}}}{MARK}",
    f"{{{{constructor.constructor('{_RUN}')()}}}}{MARK}",
    f"%s%s%s%n%h%q%1024m%j{MARK}",
    f"{{0.__class__}}{{}}%(x)s{MARK}",
    f'{{"__proto__": {{"{MARK}": true}}}}',
    f"\\u003cimg src=data: onerror={_RUN}\\u003e{MARK}",
    f"javascript:{_RUN}//{MARK}",
    f"data:text/html,<script {_MADE}>{_RUN}</script>{MARK}",
    f"//stranger.test/{MARK}",
    # of whoever looks or computes: other directions, controls, marks, lengths
    f"\u202e{MARK}\u202c \u2066{MARK}\u2069 \u200f\u200b\ufeff",
    f"\x1b[2J\x1b]0;{MARK}\x07\x00\x08\x7f\x85\u2028\u2029",
    f"{MARK}\r\nSet-Cookie: a=b\r\n\r\n",
    "Z\u0351\u036b\u0343\u036a\u0302" * 20 + MARK,
    f"{MARK}{'W' * 3000}",
    f"{'/' * 500}../../etc/passwd{MARK}",
    f"$(touch /tmp/{MARK}) `touch /tmp/{MARK}`; touch /tmp/{MARK} | touch /tmp/{MARK}",
)
# What an object has without being asked.
NAMES = ("__proto__", "constructor", "toString", "hasOwnProperty", "")


def overview(text: str) -> dict[str, Any]:
    """An answer to `overview` with `text` in the place of each single text, TEXTS in the lists."""
    return {
        "state": "running",
        **dict.fromkeys(
            ("version", "peer_id", "mode", "reason", "fit", "reachable", "ports"), text
        ),
        "tier": 2,
        "time": 1764560000,
        "uptime": 4000,
        "why": list(TEXTS),
        "listening": list(TEXTS[:4]),
        "advertised": list(TEXTS[4:8]),
        "day": [[80000 - 1000 * i, each] for i, each in enumerate((text, *TEXTS[:30]))],
        "connections": {"open": 1, "peers": 1, "max": 64},
        "reservations": {"held": text, "max": text},
        "circuits": {"open": 1, "max": 64, "total": text},
        "memory": {"rss": text, "limit": 1 << 24, "short": text},
        "bytes": {"relayed": text, "to_listeners": 0, "to_dialers": 0},
        "rate": text,
        "new_work": True,
        "line": text,
        "cache": {"bytes": text, "size": text, "saved_bytes": text, "trouble": text},
        "refused": {"connections": text, text: 3},
        "samples": {"step": 5, "down": [text, 1, 2], "up": [1, text], "line": [text, -1, 101]},
        "days": [[each, text, 1, text] for each in TEXTS[:14]],
    }


def peers() -> dict[str, Any]:
    """An answer to `peers`, a peer for each text."""
    found = [
        {
            "peer_id": text,
            "agent": text,
            "remote": text,
            "direct": index % 2 == 0,
            "age": text,
            "rtt": text,
            "streams": text,
            "protocols": [text],
            "bytes_from": text,
            "bytes_to": 1,
            "refusals": {text: 1, **dict.fromkeys(NAMES, 2)},
            "fragments_refused": 1,
        }
        for index, text in enumerate((*TEXTS, *NAMES))
    ]
    return {"state": "running", "total": len(found), "peers": found}


def log() -> dict[str, Any]:
    """An answer to `log`: what hooks and strangers had written."""
    begun = "Mon Dec  1 04:00:00 2026 daemon.info kwaainet[1]: 2026-12-01T04:00:00Z warning "
    lines = [f"{begun}said by={text}" for text in TEXTS] + list(TEXTS)
    return {"state": "running", "lines": lines}


def uci() -> str:
    """A configuration whose values are texts: of an option, of lists, of repeated sections."""
    quoted = ["'" + text.replace("'", "'\\''").replace("\0", "") + "'" for text in TEXTS]
    lines = ["config kwaainet 'main'", "\toption enabled '1'", "config node 'node'"]
    lines += [f"\tlist external_address {text}" for text in quoted]
    lines += [f"\toption network {quoted[1]}", "config relay 'relay'", f"\toption rate {quoted[2]}"]
    lines += [f"\tlist deny_peers {text}" for text in quoted]
    for text in quoted[:20]:
        lines += ["config peer", f"\toption address {text}"]
        lines += ["config schedule", f"\toption mode {text}", f"\tlist days {text}"]
        lines += [f"\toption start {text}", f"\toption end {text}"]
        lines += ["config wake", f"\toption peer {text}", f"\toption mac {text}"]
        lines += ["config origin", f"\toption name {text}", f"\toption url {text}"]
    return "\n".join([*lines, ""])


def assert_harmless(page: Page) -> None:
    """No text of TEXTS became more than text. What ran or was asked for fails the page itself."""
    for name in ("mouseover", "focus", "toggle"):  # as somebody would who looks around
        page.evaluate(
            """(name) => document.querySelectorAll('*').forEach((e) =>
            e.dispatchEvent(new Event(name, {bubbles: true})))""",
            name,
        )
    made = "() => [...document.querySelectorAll('[data-hostile]')].map((e) => e.outerHTML)"
    assert page.evaluate(made) == []
    assert page.evaluate(f"() => ({{}}).{MARK}") is None

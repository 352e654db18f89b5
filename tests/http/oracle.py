"""What llhttp, the parser of Node, makes of a request: strictly, as it comes."""

from __future__ import annotations

import llhttp


class Heard(llhttp.Request):
    """One request. `rest`: what follows it is none of it."""

    def __init__(self) -> None:
        self.verb = self.url = b""
        self.fields: list[tuple[bytes, bytes]] = []
        self.body = b""
        self.complete = False
        self._name = self._value = b""

    def on_method(self, data: bytes) -> None:
        self.verb += bytes(data)

    def on_url(self, data: bytes) -> None:
        self.url += bytes(data)

    def on_header_field(self, data: bytes) -> None:
        self._name += bytes(data)

    def on_header_value(self, data: bytes) -> None:
        self._value += bytes(data)

    def on_header_value_complete(self) -> None:
        self.fields.append((self._name.lower(), self._value.strip(b" \t")))
        self._name = self._value = b""

    def on_body(self, data: bytes) -> None:
        self.body += bytes(data)

    def on_message_complete(self) -> None:
        self.complete = True
        self.pause()


def heard(data: bytes) -> Heard | None:
    """The first request in `data`; None if llhttp refuses it, or it is not whole."""
    parser = Heard()
    try:
        parser.execute(data)
    except llhttp.Error:
        if not parser.complete:
            return None
    return parser if parser.complete else None

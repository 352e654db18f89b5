"""The HTTP room's exceptions."""


class HttpError(Exception):
    """An address cannot be served or asked; the text is one line for the person who configured
    it.
    """


class RequestError(HttpError):
    """A request that is refused with `status`; the text is one line for who sent it."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class ClientGone(HttpError):
    """The client has left, or was cut off for being slow: there is nobody to answer."""


class OriginError(HttpError):
    """An origin gave no answer, or one that is no HTTP; the text says why."""

"""The HTTP room's exception."""


class HttpError(Exception):
    """An address cannot be served; the text is one line for the person who configured it."""

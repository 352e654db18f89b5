"""The update room's exceptions."""


class UpdateError(Exception):
    """There is no update, or not now; the text is one line for the owner."""

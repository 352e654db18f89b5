"""The status room's exceptions."""


class StatusError(Exception):
    """Base of what this room raises; the text is meant for the person who runs the command."""


class NotRunning(StatusError):
    """No node answers at the data directory."""


class AlreadyRunning(StatusError):
    """Another node has the data directory."""

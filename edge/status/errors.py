"""The status room's exceptions."""

NO_PAGE = "this build has no page; LuCI shows the node"


class StatusError(Exception):
    """Base of what this room raises; the text is meant for the person who runs the command."""


class NotRunning(StatusError):
    """No node answers at the data directory."""


class AlreadyRunning(StatusError):
    """Another node has the data directory."""

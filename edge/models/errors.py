"""The room's exception."""


class ModelError(Exception):
    """A file is no model that can be read, or contradicts itself; the text says how."""

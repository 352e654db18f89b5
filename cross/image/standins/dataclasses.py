"""In the place of the standard library's module, for h11: its events have an __init__ of their own,
and nobody here prints or compares them.
"""


def dataclass(cls=None, **_):
    return cls if cls is not None else dataclass_as_it_is


def dataclass_as_it_is(cls):
    return cls

"""In the place of the standard library's module: the names that are imported at run time.

Type checkers read the original; at run time nobody asks what a type means. The original takes half
a megabyte of memory, and compiles the source of every forward reference.
"""

from collections import namedtuple

TYPE_CHECKING = False


class Any:
    """Stands for every type; Any[...] is Any."""

    def __class_getitem__(cls, parameters):
        return cls


BinaryIO = Callable = Optional = Self = Tuple = Type = TypeAlias = Any
AnyStr = Dict = Iterable = List = Literal = NoReturn = Pattern = Sequence = Set = Union = (
    Any  # for h11
)


def TypeVar(name, **_):
    return Any


def cast(kind, value):
    return value


def overload(function):
    return function


class Protocol:
    """A base like any other: nothing asks at run time whether it is fulfilled."""


def final(thing):
    return thing


class _NamedTupleMeta(type):
    def __new__(cls, name, bases, space):
        if bases == ():
            return type.__new__(cls, name, bases, space)
        fields = list(space.get("__annotations__", ()))
        made = namedtuple(name, fields, defaults=[space[each] for each in fields if each in space])
        for key, value in space.items():
            if key not in fields and key not in made.__dict__:
                setattr(made, key, value)
        return made


class NamedTuple(metaclass=_NamedTupleMeta):
    """The base of classes whose annotations are the fields of a tuple."""

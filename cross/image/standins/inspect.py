"""In the place of the standard library's module, for asyncio: what it asks about its callables.

The original imports the parser's and the disassembler's modules.
"""

from types import CoroutineType, FunctionType, GeneratorType

_CO_COROUTINE = 0x80
_CO_ITERABLE_COROUTINE = 0x100


def isfunction(thing):
    return isinstance(thing, FunctionType)


def isgenerator(thing):
    return isinstance(thing, GeneratorType)


def iscoroutinefunction(thing):
    """Compiled functions have a code object, too."""
    code = getattr(getattr(thing, "__func__", thing), "__code__", None)
    return bool(getattr(code, "co_flags", 0) & _CO_COROUTINE)


def isawaitable(thing):
    if isinstance(thing, CoroutineType):
        return True
    if isgenerator(thing):
        return bool(thing.gi_code.co_flags & _CO_ITERABLE_COROUTINE)
    return hasattr(type(thing), "__await__")


def unwrap(function):
    while hasattr(function, "__wrapped__"):
        function = function.__wrapped__
    return function

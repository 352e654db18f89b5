"""In the place of collections.namedtuple, which compiles source code for every class it makes."""

from _collections import _tuplegetter


def namedtuple(  # noqa: C901 - the methods of one class
    typename, field_names, *, rename=False, defaults=None, module=None
):
    """Classes as those of the standard library in all that it uses itself; `rename` is ignored."""
    if isinstance(field_names, str):
        field_names = field_names.replace(",", " ").split()
    names = tuple(field_names)
    defaults = tuple(defaults or ())
    default = dict(zip(names[len(names) - len(defaults) :], defaults, strict=True))

    def __new__(cls, *args, **kwargs):
        if len(args) == len(names) and not kwargs:
            return tuple.__new__(cls, args)
        given = dict(zip(names, args, strict=False))
        values = {**default, **given, **kwargs}
        if len(args) > len(names) or given.keys() & kwargs.keys() or values.keys() != set(names):
            raise TypeError(f"{typename}() takes the arguments {', '.join(names)}")
        return tuple.__new__(cls, [values[name] for name in names])

    @classmethod
    def _make(cls, iterable):
        return cls(*iterable)

    def _replace(self, **changes):
        return type(self)(**{**self._asdict(), **changes})

    def _asdict(self):
        return dict(zip(names, self, strict=True))

    def __repr__(self):
        fields = ", ".join([f"{name}={value!r}" for name, value in zip(names, self, strict=True)])
        return f"{type(self).__name__}({fields})"

    def __getnewargs__(self):
        return tuple(self)

    space = {
        "__slots__": (),
        "__new__": __new__,
        "__repr__": __repr__,
        "__getnewargs__": __getnewargs__,
        "__match_args__": names,
        "_fields": names,
        "_field_defaults": default,
        "_make": _make,
        "_replace": _replace,
        "__replace__": _replace,
        "_asdict": _asdict,
        **{name: _tuplegetter(index, None) for index, name in enumerate(names)},
    }
    made = type(typename, (tuple,), space)
    if module is not None:
        made.__module__ = module
    return made

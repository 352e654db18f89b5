"""What pytest.raises does, for both interpreters."""


def raises(expected, function, *args):
    try:
        result = function(*args)
    except expected as error:
        return str(error)
    raise AssertionError(f"{args!r}: no {expected.__name__} but {result!r}")

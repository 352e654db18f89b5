"""Calls libsodium's C extension in every way there is, under AddressSanitizer and UBSan.

Run by test_sanitized.py, which preloads the sanitizer: python sanitized.py EXTENSION ROUNDS. With
PYTHONMALLOC=malloc each of Python's own objects is watched as well. What a call leaves locked shows
when its buffers are resized afterwards.
"""

import random
import sys
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

import backends

CAUGHT = (TypeError, ValueError, BufferError, OverflowError, AttributeError)


def buffer(chance, size):
    """`size` bytes as something a caller might pass, or must not."""
    data = chance.randbytes(size)
    kind = chance.randrange(8)
    if kind == 0:
        return data
    if kind == 1:
        return memoryview(data)
    if kind == 2:
        return memoryview(bytearray(2 * data))[::2]
    if kind == 3:
        return memoryview(bytearray(data + bytes(-size % 4))).cast("I")
    if kind == 4:
        return memoryview(bytearray(7 + size))[7:]
    if kind == 5:
        return chance.choice([None, "text", 7, object()])
    return bytearray(data)


def size(chance):
    return chance.choice([0, 1, 15, 16, 17, 31, 32, 33, 63, 64, 65, chance.randrange(5000)])


def resizable(*given):
    """Raises BufferError if a call has not let go of what it was given."""
    for each in given:
        if isinstance(each, bytearray):
            each.append(0)
            del each[-1]


def aead(chance, module, errors):
    state = module.CipherState.__new__(module.CipherState)
    for _ in range(chance.randrange(3)):
        with suppress(*errors):
            state.__init__(buffer(chance, chance.choice([31, 32, 32, 33])))
    with suppress(*errors):
        state._counter = chance.choice([0, 5, 2**64 - 2, 2**64 - 1, -1, 2**64])
    for _ in range(chance.randrange(4)):
        given = [buffer(chance, size(chance)) for _ in range(chance.choice([2, 2, 3, 3, 1, 4]))]
        if chance.random() < 0.3:  # in place, or overlapping where nothing is promised but memory
            whole = memoryview(bytearray(chance.randbytes(size(chance) + 40)))
            starts = chance.choice([(0, 0), (16, 0), (0, 16), (3, 5)])
            given[:2] = [whole[start : start + len(whole) - 20] for start in starts]
        with suppress(*errors):
            chance.choice([state.seal_into, state.open_into])(*given)
        resizable(*given)


def round_trip(chance, module):
    data, aad = chance.randbytes(size(chance)), chance.randbytes(size(chance))
    key, out = chance.randbytes(32), bytearray(len(data) + 16)
    module.CipherState(key).seal_into(data, out, aad)
    exact = bytearray(len(data))
    module.CipherState(key).open_into(out, exact, aad)
    assert exact == data


def functions(chance, module, errors):
    calls = {
        module.hkdf2: (32, 32),
        module.x25519_public: (32,),
        module.x25519: (32, 32),
        module.ed25519_public: (32,),
        module.ed25519_sign: (32, 32, 100),
        module.ed25519_verify: (32, 100, 64),
    }
    call, sizes = chance.choice(list(calls.items()))
    given = [buffer(chance, chance.choice([each, each, each, size(chance)])) for each in sizes]
    if chance.random() < 0.1:
        given = given[1:]
    with suppress(*errors):
        call(*given)
    resizable(*given)


def main(extension, rounds):
    module = backends.load(Path(extension))
    from edge.crypto.errors import CryptoError

    errors = (*CAUGHT, CryptoError)
    for seed in range(rounds):
        chance = random.Random(seed)
        aead(chance, module, errors)
        round_trip(chance, module)
        functions(chance, module, errors)
    print(rounds, "rounds of", module.__file__)


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))

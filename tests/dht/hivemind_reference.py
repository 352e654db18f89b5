"""Hivemind's own storage and validator, unmodified, asked by JSON on the standard streams.

Run as `python -I hivemind_reference.py MODULES`, where MODULES has hivemind's wheel unpacked. Only
the modules named below are executed: hivemind's packages import torch at their top.
"""

import dataclasses
import importlib
import json
import logging
import sys
import types
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm

modules = Path(sys.argv[1])


def package(name):
    """A package whose __init__ is not executed."""
    module = sys.modules[name] = types.ModuleType(name)
    module.__path__ = [str(modules.joinpath(*name.split(".")))]
    return module


def module(name, **content):
    made = sys.modules[name] = types.ModuleType(name)
    made.__dict__.update(content)


package("hivemind")
package("hivemind.dht")
utils = package("hivemind.utils")
module("hivemind.utils.logging", get_logger=logging.getLogger)
module("hivemind.dht.routing", DHTID=int, BinaryDHTValue=bytes, Subkey=object)
serializer = importlib.import_module("hivemind.utils.serializer").MSGPackSerializer
utils.MSGPackSerializer, utils.get_logger = serializer, logging.getLogger
timed_storage = importlib.import_module("hivemind.utils.timed_storage")
storage = importlib.import_module("hivemind.dht.storage")
crypto = importlib.import_module("hivemind.dht.crypto")
validation = importlib.import_module("hivemind.dht.validation")


def stored(now, steps):
    """What each store answers, and what is under its key then: [type, value, expiration]."""
    timed_storage.get_dht_time = lambda: now
    local = storage.DHTLocalStorage()
    answers = []
    for key, subkey, value, expiration in steps:
        tag = bytes.fromhex(subkey)
        done = local.store(
            int(key, 16),
            bytes.fromhex(value),
            expiration,
            subkey=None if tag == b"\xc0" else serializer.loads(tag),
        )
        found = local.get(int(key, 16))
        regular = isinstance(found.value, bytes)
        packed = found.value if regular else serializer.dumps(found.value)
        answers.append([done, [2 - regular, packed.hex(), found.expiration_time]])
    return answers


def signed(records):
    """Each record under a subkey with the key of a new owner: [subkey, signed value]."""
    made = []
    for key, name, value, expiration in records:
        owner = crypto.RSASignatureValidator(crypto.RSAPrivateKey())
        subkey = serializer.dumps(name.encode() + owner.local_public_key)
        record = validation.DHTRecord(bytes.fromhex(key), subkey, bytes.fromhex(value), expiration)
        made.append([subkey.hex(), owner.sign_value(record).hex()])
    return made


def valid(records):
    """Whether hivemind's validator accepts each; None where it fails with an error of its own."""
    validator = crypto.RSASignatureValidator()
    answers = []
    for key, subkey, value, expiration in records:
        raw = [bytes.fromhex(each) for each in (key, subkey, value)]
        try:
            answers.append(validator.validate(validation.DHTRecord(*raw, expiration)))
        except (ValueError, UnsupportedAlgorithm):  # the key of an owner cannot be read
            answers.append(None)
    return answers


assert dataclasses.is_dataclass(validation.DHTRecord)
question = json.load(sys.stdin)
calls = {"stored": stored, "signed": signed, "valid": valid}
json.dump({name: calls[name](*arguments) for name, arguments in question.items()}, sys.stdout)

"""Makes an update that a device takes: its modules as a ROMFS image, signed by its owner.

kw.update says what it consists of, and checks it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from edge import crypto
from esp32 import romfs
from esp32.boot import kwboot


def signed(slot: Mapping[str, bytes], key: crypto.Ed25519Key) -> bytes:
    """The modules of a slot (esp32.images.modules) as an update."""
    image = romfs.image(slot)
    digest = hashlib.sha256(image).digest()
    return kwboot.UPDATE_MAGIC + key.sign(kwboot.UPDATE_PREFIX + digest) + image

"""Starts a device from its flash, the file $FLASH, under MicroPython's unix port.

Its modules are in the ROMFS image $ROM, if there is one. Its clock runs $SPEED times as fast. The
stand-ins of `network` and `machine` are in $STANDINS. The power is cut after $CUT writes: in the
middle of the next one, nothing happens any more.
"""

import os
import sys
import time

import standin
import vfs

_BLOCK = 4096


class Flash:
    """A block device as esp32.Partition is one, of a file."""

    def __init__(self, path):
        self._file = open(path, "r+b")
        self._size = os.stat(path)[6]
        self._left = int(os.getenv("CUT") or -1)

    def readblocks(self, number, buffer, offset=0):
        self._file.seek(number * _BLOCK + offset)
        self._file.readinto(buffer)

    def writeblocks(self, number, buffer, offset=0):
        self._file.seek(number * _BLOCK + offset)
        if self._left == 0:
            self._file.write(buffer[: len(buffer) // 2])
            self._file.flush()
            print("standin: power cut")
            while True:  # an exception would be caught, and files closed
                time.sleep(1)
        self._left = max(-1, self._left - 1)
        self._file.write(buffer)
        self._file.flush()

    def ioctl(self, operation, argument):
        if operation == 4:
            return self._size // _BLOCK
        if operation == 5:
            return _BLOCK
        if operation == 6:
            return 0


standin.speed(int(os.getenv("SPEED") or 1))
vfs.mount(vfs.VfsLfs2(Flash(os.getenv("FLASH"))), "/flash")
os.chdir("/flash")
sys.path[:] = ["/flash", ".frozen", os.getenv("STANDINS")]
if os.getenv("ROM"):
    vfs.mount(vfs.VfsRom(standin.rom(os.getenv("ROM"))), "/rom")
    sys.path.insert(0, "/rom")
__import__(os.getenv("START") or "main")

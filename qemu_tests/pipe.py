"""`pipe.py PORT`: a connection of the emulated router, which qemu hands over as standard input and
output, goes to a port of the loopback.
"""

import contextlib
import socket
import sys
import threading


def carry(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    for end, how in ((target, socket.SHUT_WR), (source, socket.SHUT_RD)):
        with contextlib.suppress(OSError):
            end.shutdown(how)


if __name__ == "__main__":
    with (
        socket.socket(fileno=0) as guest,
        socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as host,
    ):
        other = threading.Thread(target=carry, args=(guest, host))
        other.start()
        carry(host, guest)
        other.join()

"""The network card of a sleeping machine: waits for a magic packet and shows the frame it was in.

`python nic.py INTERFACE MAC`: prints "asleep", then the frame in hexadecimal, and ends.
"""

import socket
import sys

_ALL = 3  # ETH_P_ALL


def main(interface: str, mac: str) -> None:
    wanted = b"\xff" * 6 + bytes.fromhex(mac.replace(":", "")) * 16
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ALL)) as sock:
        sock.bind((interface, 0))
        print("asleep", flush=True)
        while wanted not in (frame := sock.recv(65536)):
            pass
    print(frame.hex(), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])

"""A household's bulk TCP flow: `flow.py sink PORT` and `flow.py source ADDRESS PORT SECONDS`.

The sink prints the bytes a second it got, without the flow's first second, and ends.
"""

import socket
import sys
import time

WARM_UP = 1.0  # seconds


def sink(port: int) -> None:
    with socket.create_server(("0.0.0.0", port)) as server:
        print("ready", flush=True)
        sock, _ = server.accept()
    count, began = 0, time.monotonic()
    last = counted_from = began
    while data := sock.recv(1 << 16):
        last = time.monotonic()
        if last - began < WARM_UP:
            counted_from = last
        else:
            count += len(data)
    print(count / (last - counted_from), flush=True)


def source(address: str, port: int, seconds: float) -> None:
    chunk = bytes(1 << 16)
    with socket.create_connection((address, port)) as sock:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            sock.sendall(chunk)


if __name__ == "__main__":
    if sys.argv[1] == "sink":
        sink(int(sys.argv[2]))
    else:
        source(sys.argv[2], int(sys.argv[3]), float(sys.argv[4]))

"""One bulk TCP flow of a household: `flow.py listen|connect send|receive ADDRESS PORT SECONDS`.

The end that listens says `ready`. The one that receives prints the bytes a second it got, without
the flow's first second. Both end by themselves.
"""

import socket
import sys
import time

WARM_UP = 1.0  # seconds


def receive(sock: socket.socket) -> None:
    count, began = 0, time.monotonic()
    last = counted_from = began
    while data := sock.recv(1 << 16):
        last = time.monotonic()
        if last - began < WARM_UP:
            counted_from = last
        else:
            count += len(data)
    print(count / (last - counted_from), flush=True)


def send(sock: socket.socket, seconds: float) -> None:
    chunk = bytes(1 << 16)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sock.sendall(chunk)


def main(end: str, way: str, address: str, port: str, seconds: str) -> None:
    if end == "listen":
        with socket.create_server((address, int(port))) as server:
            print("ready", flush=True)
            sock, _ = server.accept()
    else:
        sock = socket.create_connection((address, int(port)))
    with sock:
        if way == "send":
            send(sock, float(seconds))
        else:
            receive(sock)


if __name__ == "__main__":
    main(*sys.argv[1:])

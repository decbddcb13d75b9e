"""Finds a range of free ports on the loopback address.

Ports come in blocks of 32, all below the range from which the kernel takes ports for outgoing connections. A block that
is being handed out is held by an abstract Unix socket, so two clusters that start at once get different blocks.
"""

import socket
from pathlib import Path

from console import Failure

BLOCK_PORTS = 32
FIRST_PORT = 20000


def _ephemeral_first():
    try:
        return int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return 32768


def is_free(port, host="127.0.0.1"):
    """Whether a server could listen there."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


class Reservation:
    """Consecutive blocks of free ports, held until close() or the end of the `with` block."""

    def __init__(self, blocks):
        self.base = 0
        self._held = []
        last = _ephemeral_first() - blocks * BLOCK_PORTS
        for base in range(FIRST_PORT, last, BLOCK_PORTS):
            if self._take(base, blocks):
                self.base = base
                return
        raise Failure(f"no {blocks * BLOCK_PORTS} free ports in a row between {FIRST_PORT} and {_ephemeral_first()}")

    def _take(self, base, blocks):
        for index in range(blocks):
            if not self._take_block(base + index * BLOCK_PORTS):
                self.close()
                return False
        return True

    def _take_block(self, base):
        holder = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            holder.bind(f"\0cybermesh-ports-{base}")
        except OSError:
            holder.close()
            return False
        self._held.append(holder)
        return all(is_free(port) for port in range(base, base + BLOCK_PORTS))

    def close(self):
        for holder in self._held:
            holder.close()
        self._held = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

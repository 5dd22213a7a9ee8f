"""Sockets to listen on: one for each worker, and closed without a connection that is lost."""

from __future__ import annotations

import ctypes
import socket
import struct
import sys
from contextlib import suppress

BACKLOG = 2048

BALANCES = sys.platform == "linux"  # between sockets of one port (SO_REUSEPORT, socket(7))

_SO_ATTACH_FILTER = 26  # of Linux (socket(7))
_FLAGS, _SYN, _SYN_ACK, _ALL = 13, 0x02, 0x12, 0xFFFFFFFF  # of a TCP header (RFC 9293 section 3.1)
# Classic BPF (Documentation/networking/filter.rst of Linux): code, steps if true, if false, value.
_NO_FIRST_PACKET = (
    (0x30, 0, 0, _FLAGS),  # load the byte of flags
    (0x54, 0, 0, _SYN_ACK),  # of these SYN and ACK
    (0x15, 0, 1, _SYN),  # only SYN:
    (0x06, 0, 0, 0),  # dropped
    (0x06, 0, 0, _ALL),  # all else is let through
)


def listeners(
    family: socket.AddressFamily, host: str, port: int, workers: int, *, early: bool
) -> list[socket.socket]:
    """Sockets to listen on, one for each worker. Raises OSError.

    With `early` a call waits from here on until a worker answers it. Without, it is refused until
    one can: a proxy goes to another machine then, and no clinician waits for this one.

    One socket for all would give nearly all connections to the worker that waited last. All of them
    stay open in the parent: what comes for a worker that died waits for the next one.
    """
    first = bound(family, host, port)  # refused where another service listens
    if workers == 1 or not BALANCES:
        found = [first] * workers
    else:
        port = first.getsockname()[1]
        first.close()
        found = [bound(family, host, port, shared=True) for _ in range(workers)]
    for each in found if early else ():
        each.listen(BACKLOG)
    return found


def bound(
    family: socket.AddressFamily, host: str, port: int, *, shared: bool = False
) -> socket.socket:
    """A socket that does not listen yet, `shared` with others of this user. Raises OSError."""
    listener = socket.socket(family)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    listener.set_inheritable(True)  # for the workers
    return listener


def begin_none(listener: socket.socket) -> None:
    """Let no further connection begin; those that have begun can still be accepted.

    A listener that is closed resets what was connected since the last look, and a proxy that has
    sent a call by then cannot send it again. Here the first packet of a connection is dropped
    instead: the other side sends it again after a second, and is refused then. Where the system has
    no such filter nothing is done.
    """
    if sys.platform != "linux":
        return
    code = b"".join(struct.pack("HBBI", *step) for step in _NO_FIRST_PACKET)
    held = ctypes.create_string_buffer(code, len(code))
    program = struct.pack("HP", len(_NO_FIRST_PACKET), ctypes.addressof(held))  # sock_fprog
    with suppress(OSError):  # gVisor, say
        listener.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, program)


def take_rest(listener: socket.socket) -> list[socket.socket]:
    """The connections that nobody has accepted yet."""
    found = []
    listener.setblocking(False)
    with suppress(OSError):  # BlockingIOError: that was all
        while True:
            found.append(listener.accept()[0])
    return found

"""Sockets to listen on, and how they are closed."""

from __future__ import annotations

import errno
import select
import socket
import sys

import pytest

from cds_service.server.listening import begin_none, listeners, take_rest

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="no such filter elsewhere")


def listening() -> socket.socket:
    [listener] = listeners(socket.AF_INET, "127.0.0.1", 0, 1, early=True)
    return listener


def test_no_connection_begins_that_would_be_reset() -> None:
    """Its caller is refused, and knows that nothing was sent: it may go to another machine."""
    with listening() as listener, socket.socket() as client:
        begin_none(listener)
        client.setblocking(False)
        assert client.connect_ex(listener.getsockname()) == errno.EINPROGRESS
        listener.close()
        select.select([], [client], [], 60)  # the first packet is sent again after a second
        assert client.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR) == errno.ECONNREFUSED


def test_what_has_begun_is_still_accepted_and_heard() -> None:
    with listening() as listener, socket.create_connection(listener.getsockname(), 60) as client:
        begin_none(listener)
        [connection] = take_rest(listener)
        with connection:
            client.sendall(b"a call")
            connection.settimeout(60)
            assert connection.recv(100) == b"a call"
            connection.sendall(b"an answer")
            assert client.recv(100) == b"an answer"

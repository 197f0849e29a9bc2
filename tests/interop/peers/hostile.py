"""Servers on plain sockets that send no valid HTTP/1.1, or unexpected content in valid HTTP/1.1.

A `HostileServer` calls a function with each connection, and records the received bytes. The functions of this module are the
behaviours of such a server.
"""

import random
import socket
import threading
from collections.abc import Callable

HTML = (
    "<!DOCTYPE html><html><head><title>Sign in</title></head>"
    "<body>\x1b[31mPlease sign in\x07</body></html>"
)

# Long enough that the server never times out first.
PATIENCE_SECONDS = 60


class HostileServer:
    """A server on a loopback port; `with` starts and ends it."""

    def __init__(self, behaviour: Callable[["Connection"], None], host: str = "127.0.0.1") -> None:
        self._behaviour = behaviour
        self._listener = socket.create_server((host, 0))
        self.port = self._listener.getsockname()[1]
        self.endpoint = f"http://{host}:{self.port}"
        self._lock = threading.Lock()
        self._connections: list[Connection] = []
        self._closing = False
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> "HostileServer":
        return self

    def __exit__(self, *_) -> None:
        self._closing = True
        # A blocked accept() does not notice a close, but it does notice a shutdown.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self.connections():
            connection.close()

    def connections(self) -> list["Connection"]:
        with self._lock:
            return list(self._connections)

    def received(self) -> list[bytes]:
        """Returns the bytes of each connection, in order of arrival."""
        return [bytes(connection.received) for connection in self.connections()]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                if self._closing:
                    return
                continue
            connection = Connection(sock)
            with self._lock:
                self._connections.append(connection)
            threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection: "Connection") -> None:
        try:
            self._behaviour(connection)
        except OSError:
            pass  # The client may close the connection.
        finally:
            connection.close()


class Connection:
    """An accepted connection and its received bytes."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.received = bytearray()
        sock.settimeout(PATIENCE_SECONDS)

    def read(self) -> bytes:
        data = self.sock.recv(65536)
        self.received += data
        return data

    def read_head(self) -> None:
        """Reads up to the first blank line: the head of a request, or HTTP/2's preface, which also has one."""
        while b"\r\n\r\n" not in self.received and self.read():
            pass

    def finish(self) -> None:
        """Ends our side and lets the client end its own, so that no reset discards the response."""
        self.sock.shutdown(socket.SHUT_WR)
        while self.read():
            pass

    def close(self) -> None:
        self.sock.close()


def responding(status: str, body: str | bytes, content_type: str = "application/json", **headers: str):
    """An HTTP/1.1 server with one response for all requests, even for HTTP/2's preface."""
    payload = body.encode() if isinstance(body, str) else body
    lines = [
        f"HTTP/1.1 {status}",
        f"content-type: {content_type}",
        *(f"{name.replace('_', '-')}: {value}" for name, value in headers.items()),
        "connection: close",
    ]
    if "content_length" not in headers:
        lines.append(f"content-length: {len(payload)}")
    response = "\r\n".join([*lines, "", ""]).encode() + payload

    def behaviour(connection: Connection) -> None:
        connection.read_head()
        connection.sock.sendall(response)
        connection.finish()

    return behaviour


def html(status: str):
    """A captive portal, or a proxy's error page. The page carries terminal escapes."""
    return responding(status, HTML, content_type="text/html; charset=utf-8")


def garbage(connection: Connection) -> None:
    """Bytes of no protocol. With the seed, all runs have the same bytes."""
    connection.read_head()
    connection.sock.sendall(random.Random(7).randbytes(4096))
    connection.finish()


def silent(connection: Connection) -> None:
    """Reads everything and never answers."""
    while connection.read():
        pass


def closing(connection: Connection) -> None:
    """Accepts and closes at once."""


def endless(connection: Connection) -> None:
    """A valid head and a JSON body that never ends."""
    connection.read_head()
    connection.sock.sendall(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n\r\n")
    while True:
        connection.sock.sendall(b" " * 65536)


def dead_port() -> int:
    """Returns a port on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]

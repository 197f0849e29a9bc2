"""An HTTP/2 server with valid frames and invalid gRPC."""

import socket
import struct
import threading
from dataclasses import dataclass

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.errors import ErrorCodes
from h2.events import RequestReceived, StreamEnded

from hostile import PATIENCE_SECONDS, Connection

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
GRPC = (("content-type", "application/grpc"),)
MESSAGE = "no such operation"
BROKEN_DETAILS = (
    ("grpc-status", "5"),
    ("grpc-message", MESSAGE),
    ("grpc-status-details-bin", "!!!not base64!!!"),
)


@dataclass(frozen=True)
class Response:
    """One response. Without body, trailers and reset, its head ends the stream."""

    headers: tuple[tuple[str, str], ...]
    body: bytes = b""
    trailers: tuple[tuple[str, str], ...] = ()
    reset: ErrorCodes | None = None
    status: str = "200"


def frame(payload: bytes, declared: int | None = None, compressed: bool = False) -> bytes:
    """Returns a gRPC message with its prefix, whose length may be wrong."""
    return struct.pack(">BI", compressed, len(payload) if declared is None else declared) + payload


INVALID_RESPONSES = {
    "broken details in the headers": Response((*GRPC, *BROKEN_DETAILS)),
    "broken details in the trailers": Response(GRPC, b"", BROKEN_DETAILS),
    "broken details after a message": Response(GRPC, frame(b""), BROKEN_DETAILS),
    # Valid base64, but not a google.rpc.Status.
    "details that are not a status": Response((*GRPC, *BROKEN_DETAILS[:2], ("grpc-status-details-bin", "/////w"))),
    "html": Response((("content-type", "text/html"),), b"<html>Please sign in</html>"),
    "html 503": Response((("content-type", "text/html"),), b"<html>Down</html>", status="503"),
    "truncated frame": Response(GRPC, frame(b"\x0a\x03abc", declared=100), (("grpc-status", "0"),)),
    "oversized length": Response(GRPC, frame(b"\x0a\x03abc", declared=0xFFFFFFFF), (("grpc-status", "0"),)),
    "no trailers": Response(GRPC, frame(b"\x0a\x03abc")),
    "no message": Response(GRPC, b"", (("grpc-status", "0"),)),
    "invalid protobuf": Response(GRPC, frame(b"\xff" * 16), (("grpc-status", "0"),)),
    "invalid gzip": Response(
        (*GRPC, ("grpc-encoding", "gzip")), frame(b"no gzip", compressed=True), (("grpc-status", "0"),)
    ),
    "status that is not a number": Response((*GRPC, ("grpc-status", "five"), ("grpc-message", MESSAGE))),
    "message in invalid utf-8": Response((*GRPC, ("grpc-status", "5"), ("grpc-message", "no %ff%fe such %zz"))),
    "reset after the head": Response(GRPC, reset=ErrorCodes.INTERNAL_ERROR),
}


class Http2:
    """The behaviour for a `HostileServer` that sends one response to all requests, and records the requests.

    An HTTP/1.1 connection is forwarded to `http1_port` if it is set, and closed otherwise. So this server can also be a proxy
    that forwards REST and rejects gRPC.
    """

    def __init__(self, response: Response, http1_port: int | None = None) -> None:
        self._response = response
        self._http1_port = http1_port
        self.requests: list[list[tuple[str, str]]] = []

    def __call__(self, connection: Connection) -> None:
        while len(connection.received) < len(PREFACE):
            if not connection.read():
                return
        if connection.received.startswith(PREFACE):
            self._serve(connection)
        elif self._http1_port is not None:
            tunnel(connection, self._http1_port)

    def _serve(self, connection: Connection) -> None:
        # h2 must not validate or change the headers that it sends, since some are invalid on purpose.
        http2 = H2Connection(H2Configuration(
            client_side=False,
            header_encoding="utf-8",
            validate_outbound_headers=False,
            normalize_outbound_headers=False,
        ))
        http2.initiate_connection()
        data = bytes(connection.received)
        while data:
            for event in http2.receive_data(data):
                if isinstance(event, RequestReceived):
                    self.requests.append(list(event.headers))
                elif isinstance(event, StreamEnded):
                    self._respond(http2, event.stream_id)
            connection.sock.sendall(http2.data_to_send())
            data = connection.read()

    def _respond(self, http2: H2Connection, stream: int) -> None:
        response = self._response
        more = bool(response.body or response.trailers or response.reset is not None)
        http2.send_headers(stream, [(":status", response.status), *response.headers], end_stream=not more)
        if response.body:
            ends = not response.trailers and response.reset is None
            http2.send_data(stream, response.body, end_stream=ends)
        if response.trailers:
            http2.send_headers(stream, list(response.trailers), end_stream=True)
        if response.reset is not None:
            http2.reset_stream(stream, response.reset)


def tunnel(connection: Connection, port: int) -> None:
    """Forwards bytes in both directions until one side ends."""
    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE_SECONDS) as upstream:
        upstream.sendall(connection.received)
        back = threading.Thread(target=carry, args=(upstream, connection.sock), daemon=True)
        back.start()
        while data := connection.read():
            upstream.sendall(data)
        upstream.shutdown(socket.SHUT_WR)
        back.join()


def carry(source: socket.socket, target: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # The other direction ends as well.

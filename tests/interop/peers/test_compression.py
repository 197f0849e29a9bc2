"""Responses in gzip over gRPC, from a grpcio server that compresses."""

import socket
import threading
import unittest

import grpc
from google.longrunning import operations_pb2 as longrunning
from google.protobuf import wrappers_pb2

from driver import driver_path, run_driver, to_text, to_wire
from operations_server import OperationsServer

NAME = "projects/p/locations/global/operations/large"
TEXT = "a text that is repeated. " * 10_000


class Compressing(OperationsServer):
    """Answers with a large operation, compressed if the client offers gzip."""

    def __init__(self) -> None:
        super().__init__(compression=grpc.Compression.Gzip)

    def _respond(self, name, attempt, context):
        if name.endswith("missing"):
            context.abort(grpc.StatusCode.NOT_FOUND, TEXT[:100])
        operation = longrunning.Operation(name=name, done=True)
        operation.response.Pack(wrappers_pb2.StringValue(value=TEXT))
        return operation


class Tap:
    """Forwards one connection to a port, and counts the returned bytes."""

    def __init__(self, port: int) -> None:
        self.bytes = 0
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.endpoint = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, args=(port,), daemon=True).start()

    def _serve(self, port: int) -> None:
        with self._listener:
            client, _ = self._listener.accept()
        with client, socket.create_connection(("127.0.0.1", port)) as server:
            back = threading.Thread(target=self._copy, args=(server, client, True), daemon=True)
            back.start()
            self._copy(client, server, False)
            back.join()

    def _copy(self, source: socket.socket, target: socket.socket, counted: bool) -> None:
        while data := source.recv(65536):
            self.bytes += len(data) if counted else 0
            target.sendall(data)
        target.shutdown(socket.SHUT_WR)


class Compression(unittest.TestCase):
    def setUp(self) -> None:
        self.server = Compressing()
        self.addCleanup(self.server.stop)
        self.tap = Tap(self.server.port)

    def ask(self, name: str) -> dict:
        message = longrunning.GetOperationRequest(name=name)
        request = {
            "method": "/google.longrunning.Operations/GetOperation",
            "request": to_text(message.SerializeToString()),
            "case": "compression",
        }
        (response,) = run_driver([driver_path("interop_call"), self.tap.endpoint, "grpc"], [request])
        return response

    def test_a_response_in_gzip_is_read(self):
        operation = longrunning.Operation.FromString(to_wire(self.ask(NAME)["response"]))
        response = wrappers_pb2.StringValue()
        operation.response.Unpack(response)
        self.assertEqual(response.value, TEXT)
        self.assertGreater(self.tap.bytes, 0)
        self.assertLess(self.tap.bytes, len(TEXT) // 10, "the response was not compressed")

    def test_an_error_of_a_server_that_compresses_keeps_its_status(self):
        response = self.ask(f"{NAME}/missing")
        self.assertEqual((response["code"], response["message"]), (5, TEXT[:100]))

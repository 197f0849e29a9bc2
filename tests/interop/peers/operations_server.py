"""A grpcio server of google.longrunning.Operations that records all requests."""

import threading
import time
from collections import Counter
from concurrent import futures
from dataclasses import dataclass, field

import grpc
from google.longrunning import operations_pb2 as longrunning
from google.longrunning import operations_pb2_grpc
from google.protobuf import empty_pb2
from grpc_status import rpc_status

import script


@dataclass(frozen=True)
class Received:
    """One request as grpcio received it. `at` is in monotonic seconds. `remaining` is None if there is no deadline."""

    method: str
    request: object
    metadata: list[tuple[str, str | bytes]]
    remaining: float | None
    peer: str
    at: float = field(default_factory=time.monotonic)

    def header(self, name: str) -> list[str | bytes]:
        """Returns all values of one header, so that a duplicate one is noticed."""
        return [value for key, value in self.metadata if key == name]

    @property
    def over_rest(self) -> bool:
        """Returns true if Envoy's transcoder converted this call from an HTTP/JSON request."""
        return bool(self.header("x-envoy-original-path"))


class OperationsServer(operations_pb2_grpc.OperationsServicer):
    """Serves the responses of `script.RESPONSES` on a loopback port."""

    def __init__(self, compression=None) -> None:
        self._lock = threading.Lock()
        self._received: list[Received] = []
        self._attempts: Counter[str] = Counter()
        # Enough workers for a few calls that wait in the `slow` script.
        self._server = grpc.server(
            futures.ThreadPoolExecutor(max_workers=16),
            # Without this a second server could share the port unnoticed.
            options=[("grpc.so_reuseport", 0)],
            compression=compression,
        )
        operations_pb2_grpc.add_OperationsServicer_to_server(self, self._server)
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._server.stop(grace=None).wait()

    def reset(self) -> None:
        """Deletes all requests and the counts of attempts, at the start of each test."""
        with self._lock:
            self._received.clear()
            self._attempts.clear()

    def received(self) -> list[Received]:
        with self._lock:
            return list(self._received)

    def GetOperation(self, request, context):
        attempt = self._record("GetOperation", request, context)
        return self._respond(request.name, attempt, context)

    def WaitOperation(self, request, context):
        attempt = self._record("WaitOperation", request, context)
        return self._respond(request.name, attempt, context)

    def ListOperations(self, request, context):
        self._record("ListOperations", request, context)
        names = [f"{request.name}/operations/{id}" for id in ("running", "deleted")]
        calls = [script.Call(name, attempt=1, authorization=[], wait=time.sleep) for name in names]
        return longrunning.ListOperationsResponse(operations=map(script.respond, calls))

    def CancelOperation(self, request, context):
        self._record("CancelOperation", request, context)
        return empty_pb2.Empty()

    def DeleteOperation(self, request, context):
        self._record("DeleteOperation", request, context)
        return empty_pb2.Empty()

    def _record(self, method: str, request, context) -> int:
        """Records the request, and returns the number of the attempt for this name."""
        metadata = [(item.key, item.value) for item in context.invocation_metadata()]
        received = Received(method, request, metadata, remaining(context), context.peer())
        with self._lock:
            self._received.append(received)
            self._attempts[request.name] += 1
            return self._attempts[request.name]

    def _respond(self, name: str, attempt: int, context):
        gone = threading.Event()
        # False means that the call ended before the callback was added.
        if not context.add_callback(gone.set):
            gone.set()
        authorization = [v for k, v in context.invocation_metadata() if k == "authorization"]
        call = script.Call(name, attempt, authorization, gone.wait)
        try:
            return script.respond(call)
        except script.Refusal as refusal:
            context.abort_with_status(rpc_status.to_status(refusal.status))


def remaining(context) -> float | None:
    """Returns the seconds until the deadline. Without one, grpcio returns at least 2^63 nanoseconds."""
    seconds = context.time_remaining()
    return None if seconds is None or seconds > 10**9 else seconds

"""A grpcio server of one Google service, made from its descriptors, that plays a script.

A test sets the answers of a method: one for each of the next calls, or one for all other calls. A call without an answer fails
with INTERNAL. The server records the requests.
"""

import importlib
import threading
from collections import deque
from concurrent import futures
from dataclasses import dataclass

import grpc
from google.protobuf import descriptor_pool, message_factory

from catalog import MIXINS, Service


@dataclass(frozen=True)
class Received:
    """A request as grpcio received it. `remaining` is None without a deadline."""

    path: str
    request: object
    metadata: list[tuple[str, str | bytes]]
    remaining: float | None

    def header(self, name: str) -> list[str | bytes]:
        """All values of a header, so that a duplicate is noticed."""
        return [value for key, value in self.metadata if key == name]


@dataclass(frozen=True)
class Refusal:
    """An answer that is a status."""

    code: grpc.StatusCode
    message: str = "scripted"


class Server:
    """Serves on a loopback port of its own."""

    def __init__(self, service: Service) -> None:
        self._lock = threading.Lock()
        self._received: list[Received] = []
        self._answers: dict[str, deque] = {}
        self._always: dict[str, object] = {}
        self._server = grpc.server(
            futures.ThreadPoolExecutor(max_workers=8),
            # Without this option a second server could share the port.
            options=[("grpc.so_reuseport", 0)],
        )
        for proto in [*service.protos, *MIXINS.values()]:
            importlib.import_module(proto.removesuffix(".proto").replace("/", ".") + "_pb2")
        pool = descriptor_pool.Default()
        for name in [*service.api, *MIXINS]:
            methods = pool.FindServiceByName(name).methods
            # The scenarios have no streams.
            unary = [method for method in methods if not method.client_streaming and not method.server_streaming]
            handlers = {method.name: self._handler(f"/{name}/{method.name}", method) for method in unary}
            self._server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(name, handlers)])
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._server.stop(grace=None).wait()

    def reset(self) -> None:
        """Forgets requests and answers."""
        with self._lock:
            self._received.clear()
            self._answers.clear()
            self._always.clear()

    def answer(self, path: str, *answers) -> None:
        """Adds answers for the next calls of a method: messages or refusals."""
        with self._lock:
            self._answers.setdefault(path, deque()).extend(answers)

    def always(self, path: str, answer) -> None:
        """Sets the answer of each call for which no answer was added, or none is left: a message, a refusal, or a function
        from a request to a message."""
        with self._lock:
            self._always[path] = answer

    def left(self) -> dict[str, int]:
        """The number of answers of each method that no call has received."""
        with self._lock:
            return {path: len(answers) for path, answers in self._answers.items() if answers}

    def received(self) -> list[Received]:
        with self._lock:
            return list(self._received)

    def _handler(self, path: str, method):
        def serve(request, context):
            metadata = [(item.key, item.value) for item in context.invocation_metadata()]
            remaining = context.time_remaining()
            # Without a deadline, grpcio reports about 2^63 nanoseconds or more.
            remaining = None if remaining is None or remaining > 10**9 else remaining
            with self._lock:
                self._received.append(Received(path, request, metadata, remaining))
                answers = self._answers.get(path)
                unexpected = Refusal(grpc.StatusCode.INTERNAL, f"unexpected call of {path}")
                answer = answers.popleft() if answers else self._always.get(path, unexpected)
            if isinstance(answer, Refusal):
                context.abort(answer.code, answer.message)
            return answer(request) if callable(answer) else answer

        return grpc.unary_unary_rpc_method_handler(
            serve,
            request_deserializer=message_factory.GetMessageClass(method.input_type).FromString,
            response_serializer=lambda reply: reply.SerializeToString(),
        )

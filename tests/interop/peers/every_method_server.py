"""A real grpcio server of all 25 methods, made from the generated descriptors.

The response is derived from the request (`response_to`), so a test knows the response without a script. A test can also set an
error for a method, or a list of responses, one for each of the next calls.
"""

import threading
import zlib
from collections import deque
from concurrent import futures

import grpc
from google.cloud.apigateway.v1 import apigateway_service_pb2
from google.cloud.location import locations_pb2
from google.iam.v1 import iam_policy_pb2
from google.longrunning import operations_pb2
from google.rpc import code_pb2
from grpc_status import rpc_status

from operations_server import Received, remaining
from samples import Sampler, class_of
from script import Refusal

SERVICES = [
    apigateway_service_pb2.DESCRIPTOR.services_by_name["ApiGatewayService"],
    locations_pb2.DESCRIPTOR.services_by_name["Locations"],
    iam_policy_pb2.DESCRIPTOR.services_by_name["IAMPolicy"],
    operations_pb2.DESCRIPTOR.services_by_name["Operations"],
]
# By gRPC path, `/package.Service/Method`.
METHODS = {
    f"/{service.full_name}/{method.name}": method for service in SERVICES for method in service.methods
}

UNEXPECTED_CALL = Refusal(code_pb2.INTERNAL, "the test expects no further call")


def response_to(path: str, request):
    """Returns the response to a request, which is always the same."""
    seed = zlib.crc32(path.encode() + request.SerializeToString(deterministic=True))
    sampler = Sampler(seed)
    method = METHODS[path]
    response = sampler.message(class_of(method.output_type))
    if isinstance(response, operations_pb2.Operation):
        # An Operation with only an `error` has the JSON of an error response, so it gets a name.
        response.name = "projects/p/locations/l/operations/o"
    info = method.GetOptions().Extensions[operations_pb2.operation_info]
    if info.response_type and response.HasField("response"):
        # A client may reject a result of another type than the method's.
        response.response.Pack(sampler.message(result_type(method, info)), deterministic=True)
    return response


def result_type(method, info):
    """Returns the result type of an operation. Its name is a full name, or a name in the method's package."""
    file = method.containing_service.file
    name = info.response_type
    full_name = name if "." in name else f"{file.package}.{name}"
    return class_of(file.pool.FindMessageTypeByName(full_name))


class EveryMethodServer:
    """Serves on a loopback port, and records the received requests with their gRPC paths."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._received: list[Received] = []
        self._refusals: dict[str, Refusal] = {}
        self._responses: dict[str, deque] = {}
        self._server = grpc.server(
            futures.ThreadPoolExecutor(max_workers=4),
            options=[("grpc.so_reuseport", 0)],
        )
        self._server.add_generic_rpc_handlers([
            grpc.method_handlers_generic_handler(
                service.full_name,
                {
                    method.name: self._handler(f"/{service.full_name}/{method.name}", method)
                    for method in service.methods
                },
            )
            for service in SERVICES
        ])
        self.port = self._server.add_insecure_port("127.0.0.1:0")
        self._server.start()

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def stop(self) -> None:
        self._server.stop(grace=None).wait()

    def reset(self) -> None:
        """Deletes requests, refusals and responses, at the start of each test."""
        with self._lock:
            self._received.clear()
            self._refusals.clear()
            self._responses.clear()

    def refuse(self, path: str, refusal: Refusal) -> None:
        """Sets the status that the method returns from now on."""
        with self._lock:
            self._refusals[path] = refusal

    def respond(self, path: str, *responses) -> None:
        """Sets the responses to the next calls of the method. A response is a message or a refusal.

        A further call gets INTERNAL, which no test expects.
        """
        with self._lock:
            self._responses.setdefault(path, deque()).extend(responses)

    def unused_responses(self) -> dict[str, int]:
        """Returns the number of unused responses of each method."""
        with self._lock:
            return {path: len(responses) for path, responses in self._responses.items() if responses}

    def received(self) -> list[Received]:
        with self._lock:
            return list(self._received)

    def _handler(self, path: str, method):
        def serve(request, context):
            metadata = [(item.key, item.value) for item in context.invocation_metadata()]
            with self._lock:
                self._received.append(
                    Received(path, request, metadata, remaining(context), context.peer())
                )
                response = self._refusals.get(path)
                if path in self._responses:
                    responses = self._responses[path]
                    response = responses.popleft() if responses else UNEXPECTED_CALL
            if isinstance(response, Refusal):
                context.abort_with_status(rpc_status.to_status(response.status))
            return response_to(path, request) if response is None else response

        return grpc.unary_unary_rpc_method_handler(
            serve,
            request_deserializer=class_of(method.input_type).FromString,
            response_serializer=lambda response: response.SerializeToString(deterministic=True),
        )

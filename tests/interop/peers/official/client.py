"""Makes calls with the official Python client over REST, as interop_call does with ours.

    python client.py HOST:PORT

Questions and answers are those of `drivers/call.rs`, but `code` is the HTTP status: this client knows
no other. It runs in a venv of its own and imports nothing of the tests.
"""

import base64
import json
import sys

from google.api_core.exceptions import GoogleAPICallError
from google.auth.credentials import AnonymousCredentials
from google.cloud import apigateway_v1
from google.cloud.apigateway_v1.services.api_gateway_service.transports.rest import (
    ApiGatewayServiceRestTransport,
)
from google.iam.v1 import policy_pb2  # noqa: F401  an Any of a reply may hold one
from google.longrunning import operations_pb2
from google.protobuf import any_pb2, json_format
from google.rpc import error_details_pb2, status_pb2  # noqa: F401  the same

# A refused call is not tried again.
ONCE = {"retry": None, "timeout": 30}


class NoCredentials(AnonymousCredentials):
    """None are sent. On a 401 the client has them refreshed, at which the anonymous ones raise."""

    def refresh(self, request) -> None:
        pass


def main() -> None:
    transport = ApiGatewayServiceRestTransport(
        host=sys.argv[1], url_scheme="http", credentials=NoCredentials()
    )
    client = apigateway_v1.ApiGatewayServiceClient(transport=transport)
    for line in sys.stdin:
        question = json.loads(line)
        wire = base64.b64decode(question["request"])
        options = {"metadata": [("interop-case", question["case"])], **ONCE}
        service, _, method = question["method"].lstrip("/").partition("/")
        try:
            if service == "google.longrunning.Operations":
                reply = OPERATIONS[method](transport.operations_client, wire, options)
            else:
                reply = gateway(client, method, wire, options)
            answer = {"reply": text(reply)}
        except GoogleAPICallError as error:
            answer = refused(error)
        print(json.dumps(answer), flush=True)


def gateway(client, method: str, wire: bytes, options: dict) -> bytes:
    """One of the 15 methods of ApiGatewayService. The request's type is named after the method."""
    type = getattr(apigateway_v1, f"{method}Request")
    name = "".join(f"_{char.lower()}" if char.isupper() else char for char in method).lstrip("_")
    reply = getattr(client, name)(request=type.deserialize(wire), **options)
    if method.startswith("List"):
        reply = next(reply.pages)
    if not method.startswith(("List", "Get")):
        # A future of the operation's result.
        return reply.operation.SerializeToString()
    return reply.__class__.serialize(reply)


def get_operation(client, wire: bytes, options: dict) -> bytes:
    request = operations_pb2.GetOperationRequest.FromString(wire)
    return client.get_operation(request.name, **options).SerializeToString()


def list_operations(client, wire: bytes, options: dict) -> bytes:
    request = operations_pb2.ListOperationsRequest.FromString(wire)
    pager = client.list_operations(
        request.name,
        request.filter,
        page_size=request.page_size,
        page_token=request.page_token,
        **options,
    )
    return next(pager.pages).SerializeToString()


def delete_operation(client, wire: bytes, options: dict) -> bytes:
    client.delete_operation(operations_pb2.DeleteOperationRequest.FromString(wire).name, **options)
    return b""


def cancel_operation(client, wire: bytes, options: dict) -> bytes:
    client.cancel_operation(operations_pb2.CancelOperationRequest.FromString(wire).name, **options)
    return b""


OPERATIONS = {
    "CancelOperation": cancel_operation,
    "DeleteOperation": delete_operation,
    "GetOperation": get_operation,
    "ListOperations": list_operations,
}


def refused(error: GoogleAPICallError) -> dict:
    # Over REST it gives them as the JSON that they were.
    details = [json_format.ParseDict(detail, any_pb2.Any()) for detail in error.details]
    status = status_pb2.Status(details=details)
    return {
        "code": int(error.code),
        "message": error.message,
        "details": text(status.SerializeToString()),
    }


def text(wire: bytes) -> str:
    return base64.b64encode(wire).decode()


if __name__ == "__main__":
    main()

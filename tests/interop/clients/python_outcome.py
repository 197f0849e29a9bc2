"""Describes messages and errors of the official Python client in the form that is the same for all clients."""

import requests
from google.api_core.exceptions import GoogleAPICallError
from google.cloud import apigateway_v1 as apigateway
from google.longrunning import operations_pb2
from google.rpc import code_pb2, error_details_pb2  # noqa: F401  registers the types of details


def resource(message) -> dict:
    outcome = {
        "name": message.name,
        "state": message.state.name,
        "display_name": message.display_name,
        "labels": dict(message.labels),
    }
    if isinstance(message, apigateway.Gateway):
        outcome["config"] = message.api_config
    return outcome


def contents(config) -> dict:
    documents = [document.document for document in config.openapi_documents]
    return {
        "name": config.name,
        "documents": [[file.path, file.contents.decode()] for file in documents],
    }


def metadata(message) -> dict:
    return {
        "verb": message.verb,
        "target": message.target,
        "requested": message.requested_cancellation,
    }


def operation_state(operation: operations_pb2.Operation) -> dict:
    unpacked = apigateway.OperationMetadata.deserialize(operation.metadata.value)
    outcome = {"done": operation.done, **metadata(unpacked)}
    if operation.HasField("error"):
        outcome["code"] = code_pb2.Code.Name(operation.error.code)
    return outcome


def bindings(policy) -> dict:
    return {
        "etag": bool(policy.etag),
        "bindings": [[binding.role, list(binding.members)] for binding in policy.bindings],
    }


def error(call) -> dict:
    """Describes the error of a call, as the client shows it."""
    try:
        call()
    except GoogleAPICallError as refused:
        # Over REST, the client knows the HTTP status of a call, but not its code.
        over_rest = isinstance(refused.response, requests.Response)
        outcome = {
            "code": int(refused.code) if over_rest else refused.grpc_status_code.name,
            "message": refused.message,
            "reason": refused.reason,
            "details": {},
        }
        for detail in refused.details:
            # Details are typed over gRPC, and JSON over REST.
            as_json = isinstance(detail, dict)
            name = detail["@type"] if as_json else detail.DESCRIPTOR.full_name
            name = name.rpartition(".")[2]
            if name == "BadRequest":
                violations = detail["fieldViolations"] if as_json else detail.field_violations
                fields = [v["field"] if as_json else v.field for v in violations]
                outcome["details"][name] = fields
            elif name == "ResourceInfo":
                outcome["details"][name] = (
                    detail["resourceName"] if as_json else detail.resource_name
                )
            else:
                outcome["details"][name] = True
        return outcome
    raise AssertionError("the call did not fail")

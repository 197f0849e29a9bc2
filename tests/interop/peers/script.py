"""The responses of the operations server, by operation id.

Every entry of `RESPONSES` is a function from the call to an Operation; the function raises
`Refusal` for an error with details. A test of a new situation adds an id here.
"""

from collections.abc import Callable
from dataclasses import dataclass

from google.cloud.apigateway.v1 import apigateway_pb2 as apigateway
from google.longrunning import operations_pb2 as longrunning
from google.protobuf import any_pb2, duration_pb2, empty_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

PARENT = "projects/p/locations/global"
GOOD_TOKEN = "good-token"
WRONG_TOKEN = "ya29.wrong-token"

# A client that ignores RetryInfo waits at most 0.5 s before its first retry, since the first delay is 0.5 s with full jitter.
# This delay is longer, so the time between the attempts shows whether a client uses RetryInfo.
RETRY_DELAY_SECONDS = 0.8

# A type that no descriptor pool of ours knows, and bytes that are valid for some message.
UNKNOWN_TYPE = "type.googleapis.com/acme.v1.Mystery"
UNKNOWN_BYTES = b"\x0a\x03abc\x10\x2a\xfb\xff"

# Strings that YAML 1.1 readers parse as another type if they are unquoted.
AWKWARD_LABELS = {
    "boolean": "no",
    "comment": "# not a comment",
    "control": "bell\a tab\t",
    "date": "2026-01-02",
    "empty": "",
    "greek": "Ἑλλάς \u2028 ☃ 😀",
    "hex": "0x1F",
    "list": "- a\n- b",
    "null": "~",
    "number": "1e3",
    "on": "on",
    "quote": "it's \"quoted\" \\ back",
    "sexagesimal": "12:30:45",
    "spaces": "  both ends  ",
    "underscore": "1_000",
}


def name_of(operation_id: str) -> str:
    return f"{PARENT}/operations/{operation_id}"


@dataclass(frozen=True)
class Call:
    """The parts of a received request on which a response depends."""

    name: str
    attempt: int
    authorization: list[str]
    wait: Callable[[float], None]


class Refusal(Exception):
    """Ends a call with a status and its details."""

    def __init__(self, code: int, message: str, *details) -> None:
        super().__init__(message)
        self.status = status_pb2.Status(code=code, message=message, details=[pack(d) for d in details])


def pack(message) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(message)
    return packed


def unknown() -> any_pb2.Any:
    return any_pb2.Any(type_url=UNKNOWN_TYPE, value=UNKNOWN_BYTES)


def metadata(verb: str, target: str, **more) -> any_pb2.Any:
    message = apigateway.OperationMetadata(
        target=f"{PARENT}/{target}", verb=verb, api_version="v1", **more
    )
    message.create_time.FromJsonString("2026-01-02T03:04:05Z")
    return pack(message)


def finished_metadata(verb: str, target: str, **more) -> any_pb2.Any:
    message = apigateway.OperationMetadata()
    metadata(verb, target, **more).Unpack(message)
    message.end_time.FromJsonString("2026-01-02T03:05:06.789012345Z")
    return pack(message)


def gateway(**more) -> apigateway.Gateway:
    return apigateway.Gateway(name=f"{PARENT}/gateways/g", **more)


def done(call: Call) -> longrunning.Operation:
    """A gateway was created, with a warning."""
    diagnostic = apigateway.OperationMetadata.Diagnostic(
        location="openapi.yaml:12", message="operation without an id"
    )
    return longrunning.Operation(
        name=call.name,
        metadata=finished_metadata("create", "gateways/g", diagnostics=[diagnostic]),
        done=True,
        response=pack(gateway(
            labels={"env": "prod", "team": "edge"},
            display_name="My gateway",
            api_config="projects/p/locations/global/apis/a/configs/c",
            state=apigateway.Gateway.ACTIVE,
            default_hostname="g-1a2b3c.nw.gateway.dev",
        )),
    )


def running(call: Call) -> longrunning.Operation:
    return longrunning.Operation(name=call.name, metadata=metadata("create", "apis/a"))


def failed(call: Call) -> longrunning.Operation:
    """The operation failed. Reading it succeeds."""
    violation = error_details_pb2.QuotaFailure.Violation(
        # Beyond 2^53, where a JSON number would lose its last digit.
        subject="project:p", description="too many gateways", quota_value=9007199254740993
    )
    return longrunning.Operation(
        name=call.name,
        metadata=finished_metadata("create", "gateways/g", status_message="creation failed"),
        done=True,
        error=status_pb2.Status(
            code=code_pb2.FAILED_PRECONDITION,
            message="service account missing",
            details=[
                pack(bad_request("gateway.api_config", "the config has no service account")),
                pack(error_details_pb2.QuotaFailure(violations=[violation])),
            ],
        ),
    )


def failed_unknown(call: Call) -> longrunning.Operation:
    """As `failed`, with a detail of an unknown type."""
    operation = failed(call)
    operation.error.details.append(unknown())
    return operation


def deleted(call: Call) -> longrunning.Operation:
    return longrunning.Operation(
        name=call.name,
        metadata=finished_metadata("delete", "apis/a"),
        done=True,
        response=pack(empty_pb2.Empty()),
    )


def unknown_any(call: Call) -> longrunning.Operation:
    return longrunning.Operation(name=call.name, metadata=unknown())


def unknown_enum(call: Call) -> longrunning.Operation:
    """A state newer than our protos."""
    return longrunning.Operation(name=call.name, done=True, response=pack(gateway(state=99)))


def awkward(call: Call) -> longrunning.Operation:
    return longrunning.Operation(
        name=call.name, done=True, response=pack(gateway(labels=AWKWARD_LABELS))
    )


def unicode(call: Call) -> longrunning.Operation:
    return longrunning.Operation(
        name=call.name, done=True, response=pack(gateway(display_name="Zürich – 東京 😀"))
    )


def bad_request(field: str, description: str) -> error_details_pb2.BadRequest:
    violation = error_details_pb2.BadRequest.FieldViolation(field=field, description=description)
    return error_details_pb2.BadRequest(field_violations=[violation])


def missing(call: Call) -> longrunning.Operation:
    raise Refusal(
        code_pb2.NOT_FOUND,
        f'Operation "{call.name}" not found',
        error_details_pb2.ErrorInfo(
            reason="OPERATION_EXPIRED",
            domain="apigateway.googleapis.com",
            metadata={"retention": "30d"},
        ),
        bad_request("name", "no operation of this name is kept"),
        error_details_pb2.ResourceInfo(
            resource_type="google.longrunning.Operation",
            resource_name=call.name,
            description="operations are forgotten after a month",
        ),
    )


def missing_unknown(call: Call) -> longrunning.Operation:
    """NOT_FOUND with a detail of an unknown type before one of a known type."""
    refusal = Refusal(
        code_pb2.NOT_FOUND, "gone", error_details_pb2.ErrorInfo(reason="OPERATION_EXPIRED")
    )
    refusal.status.details.insert(0, unknown())
    raise refusal


def missing_unicode(call: Call) -> longrunning.Operation:
    """grpc-message is percent-encoded on the wire."""
    raise Refusal(code_pb2.NOT_FOUND, "Zürich 100% 東京")


def denied(call: Call) -> longrunning.Operation:
    raise Refusal(
        code_pb2.PERMISSION_DENIED,
        "Permission 'apigateway.operations.get' denied",
        error_details_pb2.ErrorInfo(reason="IAM_PERMISSION_DENIED", domain="iam.googleapis.com"),
    )


def token(call: Call) -> longrunning.Operation:
    """Succeeds only with the valid token. The error does not repeat the received token."""
    if call.authorization != [f"Bearer {GOOD_TOKEN}"]:
        raise Refusal(code_pb2.UNAUTHENTICATED, "Request had invalid authentication credentials")
    return done(call)


def flaky(call: Call) -> longrunning.Operation:
    """UNAVAILABLE twice, then a success."""
    if call.attempt <= 2:
        whole, part = divmod(RETRY_DELAY_SECONDS, 1)
        delay = duration_pb2.Duration(seconds=int(whole), nanos=round(part * 1e9))
        retry_info = error_details_pb2.RetryInfo(retry_delay=delay)
        raise Refusal(code_pb2.UNAVAILABLE, "try again", retry_info)
    return done(call)


def unavailable(call: Call) -> longrunning.Operation:
    raise Refusal(code_pb2.UNAVAILABLE, "down for maintenance")


def internal(call: Call) -> longrunning.Operation:
    raise Refusal(code_pb2.INTERNAL, "stack overflow in the backend")


def conflict(call: Call) -> longrunning.Operation:
    """HTTP 409 means ABORTED or ALREADY_EXISTS; only the body distinguishes them."""
    raise Refusal(code_pb2.ALREADY_EXISTS, "somebody was here before")


def slow(call: Call) -> longrunning.Operation:
    """Takes longer than any client waits, and ends early when the client closes the call."""
    call.wait(30)
    return done(call)


RESPONSES: dict[str, Callable[[Call], longrunning.Operation]] = {
    "awkward": awkward,
    "conflict": conflict,
    "deleted": deleted,
    "denied": denied,
    "done": done,
    "failed": failed,
    "failed-unknown": failed_unknown,
    "flaky": flaky,
    "internal": internal,
    "missing": missing,
    "missing-unicode": missing_unicode,
    "missing-unknown": missing_unknown,
    "running": running,
    "slow": slow,
    "token": token,
    "unavailable": unavailable,
    "unicode": unicode,
    "unknown-any": unknown_any,
    "unknown-enum": unknown_enum,
}


def respond(call: Call) -> longrunning.Operation:
    """Returns the scripted response. An id without a script gets the response of `missing`, NOT_FOUND."""
    operation_id = call.name.rpartition("/")[2]
    return RESPONSES.get(operation_id, missing)(call)

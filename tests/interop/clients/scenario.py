"""The scenario: the steps that every client runs against an emulator, and their expected results.

Only this file defines the scenario. The program of a client runs the steps, and prints the outcome of each step in a
form that is the same for all languages: enums and codes by name, resources by their main fields. This module compares the
outcomes. A client skips the steps whose methods it does not have; `CANNOT` has the reasons.
"""

from dataclasses import dataclass

SERVICE = "google.cloud.apigateway.v1.ApiGatewayService"
OPERATIONS = "google.longrunning.Operations"
LOCATIONS = "google.cloud.location.Locations"
POLICIES = "google.iam.v1.IAMPolicy"

# The 25 methods, in the order of the matrix.
METHODS = {
    **{
        f"{verb}{noun}": SERVICE
        for noun in ("Api", "ApiConfig", "Gateway")
        for verb in ("Create", "Get", "Update", "Delete")
    },
    **{f"List{nouns}": SERVICE for nouns in ("Apis", "ApiConfigs", "Gateways")},
    **{
        f"{verb}Operation{s}": OPERATIONS
        for verb, s in [("Get", ""), ("List", "s"), ("Wait", ""), ("Cancel", ""), ("Delete", "")]
    },
    **dict.fromkeys(("GetLocation", "ListLocations"), LOCATIONS),
    **dict.fromkeys(("GetIamPolicy", "SetIamPolicy", "TestIamPermissions"), POLICIES),
}
assert len(METHODS) == 25

# The clients and their transports.
CLIENTS = {
    "python": ("grpc", "rest"),
    "node": ("grpc", "rest"),
    "rust": ("rest",),
    "curl": ("http1", "h2c"),
    "ours": ("grpc", "rest"),
}

MIXINS = [name for name, service in METHODS.items() if service in (LOCATIONS, POLICIES)]
NO_ROUTE = {"WaitOperation": "the method has no HTTP rule"}

# The methods that a client cannot call over a transport, with the reasons.
CANNOT = {
    ("python", "rest"): NO_ROUTE | dict.fromkeys(MIXINS, "Google publishes stubs for gRPC only"),
    ("node", "grpc"): {"WaitOperation": "the operations client of google-gax has no such method"},
    ("node", "rest"): NO_ROUTE
    | {"GetIamPolicy": "google-gax sends POST, but the service accepts only GET"},
    ("rust", "rest"): NO_ROUTE | dict.fromkeys(MIXINS, "the crate was generated without them"),
    ("curl", "http1"): NO_ROUTE,
    ("curl", "h2c"): NO_ROUTE,
    ("ours", "rest"): NO_ROUTE,
}


@dataclass(frozen=True)
class Step:
    name: str
    # A description for the author of a client.
    does: str
    # The methods that the step needs: a client that cannot call one of them skips the step. Some steps also call methods
    # that every client has, such as CreateApi, to start operations.
    calls: tuple[str, ...]
    # The expected result.
    outcome: object


@dataclass(frozen=True)
class Refused:
    """The expected error."""

    code: str
    # The reason of its ErrorInfo.
    reason: str | None = None
    # A part of its message.
    message: str = ""
    # Some of its details, by type.
    details: tuple[tuple[str, object], ...] = ()


@dataclass(frozen=True)
class AtLeast:
    """A list that contains these items."""

    items: tuple


# All codes of errors, with their HTTP statuses: google/rpc/code.proto. Over REST, the Python client
# knows only the status.
CODES = {
    "CANCELLED": 499,
    "UNKNOWN": 500,
    "INVALID_ARGUMENT": 400,
    "DEADLINE_EXCEEDED": 504,
    "NOT_FOUND": 404,
    "ALREADY_EXISTS": 409,
    "PERMISSION_DENIED": 403,
    "RESOURCE_EXHAUSTED": 429,
    "FAILED_PRECONDITION": 400,
    "ABORTED": 409,
    "OUT_OF_RANGE": 400,
    "UNIMPLEMENTED": 501,
    "INTERNAL": 500,
    "UNAVAILABLE": 503,
    "DATA_LOSS": 500,
    "UNAUTHENTICATED": 401,
}
# With characters that a header must encode.
TEXT = "Zürich\n100%"
NO_QUOTA = "no quota is left"

# A small document, which each client sends byte for byte.
DOCUMENT = (
    '{"swagger": "2.0", "info": {"title": "shop", "version": "1"}, "paths": {"/hello": {"get": '
    '{"operationId": "hello", "responses": {"200": {"description": "ü"}}}}}}'
)


def steps(client: str, transport: str, project: str) -> list[Step]:
    """Returns the steps of a client."""
    cannot = CANNOT.get((client, transport), {})
    unknown = set(cannot) - set(METHODS)
    assert not unknown, unknown
    return [step for step in all_steps(project) if not set(step.calls) & set(cannot)]


def all_steps(project: str) -> list[Step]:
    home = f"projects/{project}/locations/global"
    region = f"projects/{project}/locations/us-central1"
    api = f"{home}/apis/shop"
    v1, v2, v3 = (f"{api}/configs/v{n}" for n in (1, 2, 3))
    gateway = f"{region}/gateways/front"

    def resource(name: str, **fields) -> dict:
        id = name.rpartition("/")[2]
        return {"name": name, "state": "ACTIVE", "display_name": id, "labels": {}} | fields

    def operation(target: str, *, verb: str = "create", requested: bool = False, **fields) -> dict:
        return {"verb": verb, "target": target, "requested": requested} | fields

    def not_found(name: str) -> Refused:
        # Without details, as in recorded responses of the live service.
        return Refused("NOT_FOUND", message=f'"{name}" not found')

    def resource_error(code: str, reason: str, name: str) -> Refused:
        return Refused(code, reason, details=(("ErrorInfo", True), ("ResourceInfo", name)))

    def policies(*bindings) -> list[dict]:
        return [{"etag": True, "bindings": list(bindings)}] * 3

    held = f"{home}/apis/held"
    renamed = resource(api, display_name="Große Läden")
    front = resource(gateway, config=v1)
    bad = f"{api}/configs/bad"
    viewer = ["roles/viewer", ["user:a@example.com"]]
    cancelled = Refused("CANCELLED", message="cancelled")
    return [
        # These steps use the emulator whose operations take a moment.
        Step("list_locations", "lists the locations of the project, reports their ids",
             ("ListLocations",), AtLeast(("global", "us-central1"))),
        Step("get_location", "gets us-central1",
             ("GetLocation",), {"name": region, "id": "us-central1"}),
        Step("create_api", "creates the api `shop` with the label team=blue, awaits it",
             ("CreateApi", "GetOperation"), resource(api, labels={"team": "blue"})),
        Step("get_api", "gets it",
             ("GetApi",), resource(api, labels={"team": "blue"})),
        Step("create_api_again", "creates it once more, reports the error",
             ("CreateApi",), resource_error("ALREADY_EXISTS", "RESOURCE_ALREADY_EXISTS", api)),
        Step("update_api", "renames it to `Große Läden` and removes its labels, with a mask, awaits it",
             ("UpdateApi", "GetOperation"), renamed),
        Step("list_apis", "lists the apis, reports their names",
             ("ListApis",), [api]),
        Step("create_configs", "creates the configs v1, v2, v3 with DOCUMENT as openapi.json, awaits each",
             ("CreateApiConfig", "GetOperation"), [resource(name) for name in (v1, v2, v3)]),
        Step("get_config_basic", "gets v1 without its documents",
             ("GetApiConfig",), {"name": v1, "documents": []}),
        Step("get_config_full", "gets v1 with its documents, in the view FULL",
             ("GetApiConfig",), {"name": v1, "documents": [["openapi.json", DOCUMENT]]}),
        Step("list_configs_by_page", "lists the configs with one on each page, reports the names on each page",
             ("ListApiConfigs",), [[v1], [v2], [v3]]),
        Step("list_configs_by_item", "lists them with two on each page, reports the names of all items",
             ("ListApiConfigs",), [v1, v2, v3]),
        Step("update_config", "gives v1 the label tier=gold, awaits it",
             ("UpdateApiConfig", "GetOperation"), resource(v1, labels={"tier": "gold"})),
        Step("create_gateway", "creates the gateway `front` with the config v1 in us-central1, awaits it",
             ("CreateGateway", "GetOperation"), front),
        Step("get_gateway", "gets it",
             ("GetGateway",), front),
        Step("switch_gateway", "switches it to the config v2, with a mask, awaits it",
             ("UpdateGateway", "GetOperation"), front | {"config": v2}),
        Step("list_gateways", "lists the gateways of all locations, `-`",
             ("ListGateways",), [gateway]),
        Step("list_operations",
             "lists the operations of `global`, with two on each page if the client supports it; reports which are done",
             ("ListOperations",), [True] * 6),
        Step("get_operation", "gets the operation that created the gateway",
             ("GetOperation",), operation(gateway, done=True)),
        Step("delete_operation", "deletes the operation that created the api, gets it, reports the error",
             ("DeleteOperation", "GetOperation"),
             Refused("NOT_FOUND", message="not found")),
        Step("create_bad_config", "creates the config `bad` with the document `{}`, awaits it, reports the error",
             ("CreateApiConfig", "GetOperation"), Refused("INVALID_ARGUMENT", message="openapi.json:1")),
        Step("get_bad_config", "gets it, then deletes it and awaits the deletion",
             ("GetApiConfig", "DeleteApiConfig", "GetOperation"), resource(bad, state="FAILED")),
        Step("wait_operation", "creates the api `waited` and deletes it, and waits for both with WaitOperation",
             ("WaitOperation",), [True, True]),
        Step("get_iam_policy", "gets the policies of the api, of v1 and of the gateway",
             ("GetIamPolicy",), policies()),
        Step("set_iam_policy", "gives a@example.com the role of a viewer in each, reports the returned policies",
             ("SetIamPolicy",), policies(viewer)),
        Step("get_iam_policy_again", "gets the three policies again",
             ("GetIamPolicy",), policies(viewer)),
        Step("set_iam_policy_stale",
             "sets the policy of the api twice with the returned etag, reports the error of the second call",
             ("SetIamPolicy",), Refused("ABORTED")),
        Step("test_iam_permissions", "asks for apigateway.apis.get on all three",
             ("TestIamPermissions",), [["apigateway.apis.get"]] * 3),
        Step("not_found", "gets the api `none`",
             ("GetApi",), not_found(f"{home}/apis/none")),
        # Some clients check ids, names and sizes themselves. None checks filters.
        Step("invalid_argument", "lists the apis by the filter `colour = red`, which is not a field of an api",
             ("ListApis",),
             Refused("INVALID_ARGUMENT", "INVALID_ARGUMENT",
                     details=(("ErrorInfo", True), ("BadRequest", ["filter"])))),
        Step("delete_api_in_use", "deletes the api, which has configs",
             ("DeleteApi",), resource_error("FAILED_PRECONDITION", "RESOURCE_IN_USE", api)),
        Step("delete_config_in_use", "deletes v2, which the gateway uses",
             ("DeleteApiConfig",), resource_error("FAILED_PRECONDITION", "RESOURCE_IN_USE", v2)),
        Step("delete_gateway", "deletes the gateway, awaits the deletion, gets it, reports the error",
             ("DeleteGateway", "GetOperation", "GetGateway"), not_found(gateway)),
        Step("delete_configs", "deletes all configs at the same time, awaits all, reports the remaining configs",
             ("DeleteApiConfig", "GetOperation", "ListApiConfigs"), []),
        Step("delete_api", "deletes the api, awaits the deletion, reports the remaining apis",
             ("DeleteApi", "GetOperation", "ListApis"), []),
        # These steps use the emulator whose operations take an hour.
        Step("start", "begins to create the api `held`",
             ("CreateApi",), operation(held, done=False)),
        Step("resume", "resumes its operation by name",
             ("GetOperation",), operation(held, done=False)),
        Step("list_running", "lists the operations of `global` with the filter `done = false`",
             ("ListOperations",), [operation(held, done=False)]),
        Step("busy", "deletes the api that is being created",
             ("DeleteApi",), resource_error("ABORTED", "RESOURCE_BUSY", held)),
        Step("cancel", "cancels the operation, awaits it, reports the error",
             ("CancelOperation", "GetOperation"), cancelled),
        Step("cancelled", "gets the operation once more",
             ("GetOperation",), operation(held, requested=True, done=True, code="CANCELLED")),
        Step("cancel_by_name", "begins to create the api `other`, cancels the operation by its name, and gets the operation",
             ("CancelOperation", "GetOperation"),
             operation(f"{home}/apis/other", requested=True, done=True, code="CANCELLED")),
        Step("create_doomed", "creates the api `doomed`, whose operation has a fault, awaits the operation, reports the error",
             ("CreateApi", "GetOperation"), Refused("RESOURCE_EXHAUSTED", message=NO_QUOTA)),
        Step("every_code", "creates the apis `code-1` to `code-16`, reports each error",
             ("CreateApi",), [refusal_of(code) for code in CODES]),
    ]


def refusal_of(code: str) -> Refused:
    """Returns the expected error of a fault."""
    return Refused(code, f"REASON_{code}", TEXT, (
        ("ErrorInfo", True), ("ResourceInfo", code), ("BadRequest", ["a.b", "c[0]"]),
    ))


def faults(project: str) -> list[dict]:
    """Returns the faults of the slow emulator, for its admin route."""
    apis = f"projects/{project}/locations/global/apis"
    plan = {"takes": "0.2s", "fails": {"code": 8, "message": NO_QUOTA}}
    doomed = {"method": "CreateApi", "resource": f"{apis}/doomed", "operation": plan}
    types = "type.googleapis.com/google.rpc"
    refusals = [
        {
            "method": "CreateApi",
            "resource": f"{apis}/code-{number}",
            # A client may retry after UNAUTHENTICATED, so each fault applies to every attempt.
            "always": True,
            "fail": {"code": number, "message": TEXT, "details": [
                {"@type": f"{types}.ErrorInfo", "reason": f"REASON_{code}", "domain": "example.com"},
                {"@type": f"{types}.ResourceInfo", "resourceName": code},
                {"@type": f"{types}.BadRequest", "fieldViolations": [
                    {"field": "a.b", "description": "ü"}, {"field": "c[0]"},
                ]},
            ]},
        }
        for number, code in enumerate(CODES, start=1)
    ]
    return [doomed, *refusals]


def difference(expected, outcome) -> str | None:
    """Returns the difference from the expected result, or None."""
    match expected:
        case Refused():
            return refusal_difference(expected, outcome)
        case AtLeast():
            missing = [item for item in expected.items if item not in outcome]
            return f"{missing} are not in {outcome}" if missing else None
        case dict():
            # Further members of a resource, such as its host name, are not compared.
            wrong = {key: outcome.get(key) for key in expected if outcome.get(key) != expected[key]}
            return f"{wrong} is wrong, expected {expected}" if wrong else None
        case list() if isinstance(outcome, list) and len(outcome) == len(expected):
            items = zip(expected, outcome)
            return next(filter(None, (difference(*pair) for pair in items)), None)
        case _:
            return None if outcome == expected else f"{outcome} is wrong, expected {expected}"


def refusal_difference(expected: Refused, outcome: dict) -> str | None:
    codes = (expected.code, CODES[expected.code])
    if outcome.get("code") not in codes:
        return f"the code is not {expected.code}: {outcome}"
    if expected.reason is not None and outcome.get("reason") != expected.reason:
        return f"the reason is not {expected.reason}: {outcome}"
    # Some clients add text to the server's message.
    if expected.message not in outcome.get("message", ""):
        return f"the message does not say {expected.message!r}: {outcome}"
    details = outcome.get("details") or {}
    for type, value in expected.details:
        if details.get(type) != value:
            return f"the {type} is not {value!r}: {outcome}"
    return None

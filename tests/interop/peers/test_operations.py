"""Waits, watches, cancellations and resumed operations, against a real grpcio server.

The server has a script of responses. The client must make exactly the calls of the script. Each test runs over gRPC,
over REST through Envoy and through our proxy, and with the fallback.
"""

import functools

from google.cloud.apigateway.v1 import apigateway_pb2 as apigateway
from google.longrunning import operations_pb2 as longrunning
from google.protobuf import empty_pb2
from google.rpc import code_pb2, error_details_pb2, status_pb2

import script
from driver import driver_path, run_driver, to_text, to_wire, wire
from every_method_fixture import EveryMethodTest
from script import PARENT, Refusal, bad_request, finished_metadata, metadata, name_of, pack

NAME = name_of("o")
API = f"{PARENT}/apis/a"
CREATE = "/google.cloud.apigateway.v1.ApiGatewayService/CreateApi"
GET_API = "/google.cloud.apigateway.v1.ApiGatewayService/GetApi"
GET = "/google.longrunning.Operations/GetOperation"
CANCEL = "/google.longrunning.Operations/CancelOperation"

MISSING = Refusal(code_pb2.NOT_FOUND, "no such thing")


def running(message: str = "") -> longrunning.Operation:
    return longrunning.Operation(
        name=NAME, metadata=metadata("create", "apis/a", status_message=message)
    )


def done(verb: str = "create", **ending) -> longrunning.Operation:
    return longrunning.Operation(
        name=NAME, metadata=finished_metadata(verb, "apis/a"), done=True, **ending
    )


def api(state=apigateway.Api.ACTIVE) -> apigateway.Api:
    return apigateway.Api(name=API, display_name="Zürich", labels={"env": "prod"}, state=state)


def api_to_create() -> apigateway.Api:
    return apigateway.Api(display_name="Zürich", labels={"env": "prod"})


def failure(code: int, *details) -> status_pb2.Status:
    return status_pb2.Status(code=code, message="it went wrong", details=map(pack, details))


def handle(result: str = "google.cloud.apigateway.v1.Api", **more) -> dict:
    return {"name": NAME, "result": result, **more}


def over_every_route(test):
    """Runs a test over each route. All responses of the script must be used."""

    @functools.wraps(test)
    def over_each(self: "Operations") -> None:
        for label, endpoint, transport in self.routes():
            with self.subTest(route=label):
                self.server.reset()
                self.driver = [driver_path("interop_operate"), endpoint, transport]
                test(self)
                self.assertEqual(self.server.unused_responses(), {}, "responses without a call")

    return over_each


class Operations(EveryMethodTest):
    def routes(self) -> list[tuple[str, str, str]]:
        return [
            ("grpc", self.server.endpoint, "grpc"),
            ("rest through envoy", self.envoy.endpoint, "rest"),
            ("rest through our proxy", self.proxy.endpoint, "rest"),
            ("fallback", self.envoy.http1_endpoint, "auto"),
        ]

    def do(self, verb: str, **more) -> dict:
        """Makes one request in a process of its own."""
        (response,) = run_driver(self.driver, [{"do": verb, **more}])
        return response

    def create(self, verb: str = "create") -> dict:
        """Creates an api, and checks that the server received it."""
        response = self.do(verb, parent=PARENT, id="a", api=to_text(wire(api_to_create())))
        request = self.server.received()[0].request
        self.assertEqual((request.parent, request.api_id, request.api), (PARENT, "a", api_to_create()))
        return response

    def script_calls(self, *lines) -> None:
        """Scripts the calls, in this order, and their responses."""
        self.scripted = [path for path, _ in lines]
        for path, response in lines:
            self.server.respond(path, response)

    def assert_scripted_calls(self) -> None:
        self.assertEqual([call.method for call in self.server.received()], self.scripted)

    def assert_ended_in(self, response: dict, expected) -> None:
        self.assertIn("result", response, response)
        self.assertEqual(type(expected).FromString(to_wire(response["result"])), expected)
        self.assert_scripted_calls()

    def assert_failed(self, response: dict, kind: str) -> None:
        self.assertEqual(response.get("error"), kind, response)
        self.assertEqual(response["name"], NAME)
        self.assert_scripted_calls()

    @over_every_route
    def test_a_wait_for_a_create_returns_the_created_api(self):
        self.script_calls(
            (CREATE, running()),
            (GET, running()),
            (GET, running("half of it")),
            (GET, done(response=pack(api()))),
        )
        self.assert_ended_in(self.create(), api())
        names = [call.request.name for call in self.server.received() if call.method == GET]
        self.assertEqual(names, [NAME] * 3)

    @over_every_route
    def test_an_operation_that_is_done_at_its_start_is_not_polled(self):
        # A done operation needs no name (AIP-151).
        self.script_calls((CREATE, longrunning.Operation(done=True, response=pack(api()))))
        self.assert_ended_in(self.create(), api())

    @over_every_route
    def test_an_operation_can_be_resumed_in_another_process(self):
        self.script_calls((CREATE, running()), (GET, running()), (GET, done(response=pack(api()))))
        kept = self.create("start")["handle"]
        began = "2026-01-02T03:04:05Z"
        service = "apigateway.googleapis.com"
        whole = handle(target=API, verb="create", began=began, service=service)
        self.assertEqual(kept, whole)
        self.assert_ended_in(self.do("await", handle=kept), api())

    @over_every_route
    def test_a_delete_returns_an_empty_result(self):
        self.script_calls((GET, running()), (GET, done(response=pack(empty_pb2.Empty()))))
        response = self.do("await", handle=handle("google.protobuf.Empty"))
        self.assert_ended_in(response, empty_pb2.Empty())

    @over_every_route
    def test_an_error_keeps_its_details_and_diagnostics(self):
        error = failure(
            code_pb2.FAILED_PRECONDITION,
            bad_request("api.managed_service", "no such service"),
            error_details_pb2.ErrorInfo(reason="MISSING", domain="apigateway.googleapis.com"),
        )
        diagnostic = apigateway.OperationMetadata.Diagnostic(
            location="openapi.yaml:12", message="no such host"
        )
        ended = longrunning.Operation(
            name=NAME,
            metadata=finished_metadata("create", "apis/a", diagnostics=[diagnostic]),
            done=True,
            error=error,
        )
        self.script_calls((GET, running()), (GET, ended))
        response = self.do("await", handle=handle())
        self.assert_failed(response, "failed")
        self.assertEqual(status_pb2.Status.FromString(to_wire(response["status"])), error)
        self.assertEqual(response["code"], code_pb2.FAILED_PRECONDITION)
        self.assertEqual(response["diagnostics"], [["openapi.yaml:12", "no such host"]])
        self.assertIn("it went wrong", response["text"])

    @over_every_route
    def test_an_error_with_code_0_is_a_failure(self):
        self.script_calls((GET, done(error=failure(code_pb2.OK))))
        response = self.do("await", handle=handle())
        self.assert_failed(response, "failed")
        self.assertEqual(response["code"], code_pb2.UNKNOWN)
        self.assertEqual(status_pb2.Status.FromString(to_wire(response["status"])).code, code_pb2.OK)

    @over_every_route
    def test_a_result_of_another_type_is_reported(self):
        self.script_calls((GET, done(response=pack(script.gateway()))))
        response = self.do("await", handle=handle())
        self.assert_failed(response, "wrong result")
        self.assertIn("google.cloud.apigateway.v1.Gateway", response["text"])

    @over_every_route
    def test_without_a_result_the_target_is_returned(self):
        self.script_calls((GET, done()), (GET_API, api()))
        self.assert_ended_in(self.do("await", handle=handle()), api())

    @over_every_route
    def test_without_a_result_a_failed_target_is_a_failure(self):
        self.script_calls((GET, done()), (GET_API, api(apigateway.Api.FAILED)))
        self.assert_failed(self.do("await", handle=handle()), "missing result")

    @over_every_route
    def test_a_delete_without_a_result_has_succeeded_if_its_target_is_gone(self):
        self.script_calls((GET, done("delete")), (GET_API, MISSING))
        response = self.do("await", handle=handle("google.protobuf.Empty"))
        self.assert_ended_in(response, empty_pb2.Empty())

    @over_every_route
    def test_an_operation_that_is_not_found_yet_is_polled_again(self):
        self.script_calls((CREATE, running()), (GET, MISSING), (GET, done(response=pack(api()))))
        self.assert_ended_in(self.create(), api())

    @over_every_route
    def test_a_poll_of_an_unavailable_server_is_retried(self):
        away = Refusal(code_pb2.UNAVAILABLE, "be right back")
        self.script_calls((GET, running()), (GET, away), (GET, away), (GET, done(response=pack(api()))))
        self.assert_ended_in(self.do("await", handle=handle()), api())

    @over_every_route
    def test_permission_denied_ends_the_wait_at_once(self):
        self.script_calls((GET, Refusal(code_pb2.PERMISSION_DENIED, "not for you")))
        self.assert_failed(self.do("await", handle=handle()), "polling")

    @over_every_route
    def test_a_watch_returns_each_change(self):
        self.script_calls(
            (GET, running("one")),
            (GET, running("one")),
            (GET, running("two")),
            (GET, done(response=pack(api()))),
        )
        response = self.do("watch", handle=handle())
        self.assert_ended_in(response, api())
        seen = [longrunning.Operation.FromString(to_wire(text)) for text in response["snapshots"]]
        # Before the first poll only the name is known.
        self.assertEqual(seen[0], longrunning.Operation(name=NAME))
        self.assertEqual(
            seen[1:], [running("one"), running("two"), done(response=pack(api()))]
        )

    @over_every_route
    def test_a_cancel_waits_until_the_operation_is_cancelled(self):
        self.script_calls(
            (CANCEL, empty_pb2.Empty()),
            (GET, running("stopping")),
            (GET, done(error=failure(code_pb2.CANCELLED))),
        )
        response = self.do("cancel", handle=handle())
        self.assertEqual(response["cancellation"], "cancelled")
        self.assert_failed(response, "cancelled")

    @over_every_route
    def test_a_cancelled_operation_that_succeeds_returns_its_result(self):
        self.script_calls((CANCEL, empty_pb2.Empty()), (GET, done(response=pack(api()))))
        response = self.do("cancel", handle=handle())
        self.assertEqual(response["cancellation"], "completed anyway")
        self.assert_ended_in(response, api())

    @over_every_route
    def test_an_operation_that_fails_during_its_cancellation_returns_its_error(self):
        self.script_calls((CANCEL, empty_pb2.Empty()), (GET, done(error=failure(code_pb2.INTERNAL))))
        response = self.do("cancel", handle=handle())
        self.assertEqual(response["cancellation"], "failed")
        self.assert_failed(response, "failed")

    @over_every_route
    def test_the_cancellation_of_a_done_operation_returns_its_outcome(self):
        over = Refusal(code_pb2.FAILED_PRECONDITION, "it is over")
        self.script_calls((CANCEL, over), (GET, done(response=pack(api()))))
        response = self.do("cancel", handle=handle())
        self.assertEqual(response["cancellation"], "completed anyway")
        self.assert_ended_in(response, api())

    @over_every_route
    def test_a_server_without_cancellation_is_not_polled(self):
        self.script_calls((CANCEL, Refusal(code_pb2.UNIMPLEMENTED, "not here")))
        response = self.do("cancel", handle=handle())
        self.assertEqual(response, {"cancellation": "unsupported"})
        self.assert_scripted_calls()

"""The official Python client over REST."""

import os
from pathlib import Path

from google.rpc import code_pb2, error_details_pb2

from canonical import canonical
from driver import call_all, wire
from every_method_fixture import HTTP_STATUS, OVER_REST, EveryMethodTest
from requests_of import Case, cases
from samples import Sampler
from script import Refusal


def official_client(endpoint: str) -> list:
    python = os.environ["INTEROP_OFFICIAL_PYTHON"]
    script = Path(__file__).parent / "official" / "client.py"
    return [python, script, endpoint.removeprefix("http://")]


def told() -> list[Case]:
    """The requests of its 19 methods that it can tell."""
    services = ("/google.cloud.apigateway.v1.ApiGatewayService/", "/google.longrunning.Operations/")
    return [
        case
        for case in cases()
        if case.path.startswith(services)
        # Its ListOperations takes no such field.
        and not getattr(case.request, "return_partial_success", False)
    ]


def refusal(code: str) -> Refusal:
    number = code_pb2.Code.Value(code)
    details = [error_details_pb2.ErrorInfo, error_details_pb2.BadRequest, error_details_pb2.Help]
    return Refusal(number, "Zürich 100%", *[Sampler(number).message(type) for type in details])


class OfficialClient(EveryMethodTest):
    def test_there_are_requests_for_its_19_methods(self):
        self.assertEqual(len({case.path for case in told()}), 15 + 4)

    def test_through_envoy(self):
        readable = [case for case in told() if not case.has_unknown_enum]
        self.assert_all_arrive(official_client(self.envoy.endpoint), readable, arrives=OVER_REST)

    def test_through_our_proxy(self):
        self.assert_all_arrive(official_client(self.proxy.endpoint), told(), arrives=OVER_REST)

    def test_reads_our_errors_with_their_details(self):
        # One code a method, so that one process sees them all.
        refused = dict(zip(sorted({case.path for case in told()}), HTTP_STATUS))
        self.assertEqual(set(refused.values()), set(HTTP_STATUS))
        some = [next(case for case in told() if case.path == path) for path in refused]
        for path, code in refused.items():
            self.server.refuse(path, refusal(code))
        outcomes = call_all(official_client(self.proxy.endpoint), some)
        for (path, code), outcome in zip(refused.items(), outcomes, strict=True):
            with self.subTest(path=path, code=code):
                self.assertIsNotNone(outcome.status, outcome)
                self.assertEqual(outcome.status.code, HTTP_STATUS[code])
                self.assertTrue(outcome.status.message.endswith("Zürich 100%"), outcome)
                read, sent = outcome.status.details, refusal(code).status.details
                self.assertEqual([wire(canonical(d)) for d in read], [wire(canonical(d)) for d in sent])

"""The official Python client over REST."""

import os
from pathlib import Path

from every_method_fixture import EveryMethodTest
from requests_of import Case, cases


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


class OfficialClient(EveryMethodTest):
    def test_there_are_requests_for_its_19_methods(self):
        self.assertEqual(len({case.path for case in told()}), 15 + 4)

    def test_through_envoy(self):
        readable = [case for case in told() if not case.has_unknown_enum]
        self.assert_all_arrive(official_client(self.envoy.endpoint), readable, rest=True)

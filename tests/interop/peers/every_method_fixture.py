"""The server of every method, the proxies in front of it, and the comparison."""

import atexit
import functools
import os
import unittest
from operator import attrgetter
from pathlib import Path

from canonical import canonical
from driver import CASE, call_all, wire
from envoy_server import Envoy
from every_method_server import SERVICES, EveryMethodServer, response_to
from proxy_server import Proxy
from requests_of import Case
from stubs import TRANSCODER_SET


# The HTTP status of each code by google/rpc/code.proto. It is repeated here, so that our own table is not compared with
# itself.
HTTP_STATUS = {
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

# The expected form of a received request: over gRPC, and over REST through Envoy or our own proxy.
OVER_GRPC = attrgetter("request")
THROUGH_ENVOY = attrgetter("through_envoy")
THROUGH_OUR_PROXY = attrgetter("through_our_proxy")


class EveryMethodPeers:
    """The grpcio server, and Envoy and our proxy in front of it, alive until the process ends."""

    def __init__(self) -> None:
        work = Path(os.environ["INTEROP_WORK"])
        self.server = EveryMethodServer()
        atexit.register(self.server.stop)
        self.envoy = Envoy(
            self.server.port,
            [service.full_name for service in SERVICES],
            work / "generated" / TRANSCODER_SET,
            work / "every_method_envoy",
        )
        atexit.register(self.envoy.stop)
        self.proxy = Proxy(self.server.endpoint)
        atexit.register(self.proxy.stop)


@functools.cache
def peers() -> EveryMethodPeers:
    return EveryMethodPeers()


class EveryMethodTest(unittest.TestCase):
    """A test against the server of every method. The recorded requests are deleted before each test."""

    def setUp(self) -> None:
        self.server = peers().server
        self.envoy = peers().envoy
        self.proxy = peers().proxy
        self.server.reset()

    def assert_all_arrive(self, client: list, all_cases: list[Case], *, arrives) -> None:
        """Checks that each request is received once and unchanged, and that each response is returned unchanged."""
        outcomes = call_all(client, all_cases)
        received = {}
        for call in self.server.received():
            received.setdefault(call.header(CASE)[0], []).append(call)
        for number, (case, outcome) in enumerate(zip(all_cases, outcomes, strict=True)):
            with self.subTest(str(case)):
                calls = received.pop(str(number), [])
                self.assertIsNotNone(outcome.response, outcome)
                self.assertEqual([call.method for call in calls], [case.path])
                arrived = arrives(case)
                self.assertEqual(calls[0].request, arrived)
                expected = response_to(case.path, arrived)
                self.assertEqual(wire(canonical(outcome.response)), wire(canonical(expected)))
        self.assertEqual(received, {}, "more was received than was sent")

"""The peers of the tests, the routes to them, and the check of errors."""

import atexit
import functools
import os
import re
import tempfile
import unittest
from dataclasses import dataclass
from pathlib import Path

import script
from command import Outcome, apigw
from envoy_server import Envoy
from operations_server import OperationsServer
from stubs import TRANSCODER_SET

ERROR = re.compile(r"^ERROR: \(apigw\.operations\.describe\) (?:([A-Z_]+): )?(.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Route:
    """One route from the command line to the operations server: an endpoint and a transport."""

    label: str
    endpoint: str
    transport: str
    rest: bool


class Peers:
    """The grpcio server and Envoy in front of it, alive until the process ends."""

    def __init__(self) -> None:
        work = Path(os.environ["INTEROP_WORK"])
        self.server = OperationsServer()
        atexit.register(self.server.stop)
        self.envoy = Envoy(
            self.server.port,
            ["google.longrunning.Operations"],
            work / "generated" / TRANSCODER_SET,
            work / "envoy",
        )
        atexit.register(self.envoy.stop)
        self.grpc = Route("grpc", self.server.endpoint, "grpc", rest=False)
        self.rest = Route("rest", self.envoy.endpoint, "rest", rest=True)
        self.fallback = Route("fallback", self.envoy.http1_endpoint, "auto", rest=True)
        self.routes = [self.grpc, self.rest, self.fallback]


@functools.cache
def peers() -> Peers:
    return Peers()


class PeersTest(unittest.TestCase):
    """A test against the two peers. The recorded requests are deleted before each test."""

    def setUp(self) -> None:
        self.peers = peers()
        self.server = self.peers.server
        self.server.reset()

    def describe(self, route: Route, name: str, *options: str, environment=None) -> Outcome:
        return describe(name, route.endpoint, route.transport, *options, environment=environment)

    def token_file(self, content: str | bytes) -> str:
        """Creates a file for --access-token-file, which is deleted after the test."""
        file = tempfile.NamedTemporaryFile(dir=os.environ["INTEROP_WORK"])
        self.addCleanup(file.close)
        file.write(content.encode() if isinstance(content, str) else content)
        file.flush()
        return file.name

    def assert_read(self, outcome: Outcome) -> dict:
        """Checks that the operation was read. Returns it without default values."""
        self.assertEqual(outcome.exit_code, 0, outcome)
        return without_false(outcome.json())

    def assert_failed(self, outcome: Outcome, *codes: str, name: str = "") -> str:
        """Checks that there is exactly one error, and that it contains `name`. Returns standard error."""
        assert_failed(self, outcome, *codes, name=name)
        return outcome.stderr


def over_every_route(test):
    """Runs a test over each route, as a subtest. The recorded requests are deleted before each."""

    @functools.wraps(test)
    def over_each(self: PeersTest) -> None:
        for route in self.peers.routes:
            with self.subTest(route=route.label):
                self.server.reset()
                test(self, route)

    return over_each


def describe(name: str, endpoint: str, transport: str, *options: str, environment=None) -> Outcome:
    """Runs `apigw operations describe`, and checks that it never prints the token and never panics."""
    format_option = () if "--format" in options else ("--format", "json")
    outcome = apigw(
        "operations", "describe", name, "--endpoint", endpoint, "--transport", transport, *format_option, *options,
        environment=environment,
    )
    output = outcome.stdout + outcome.stderr
    if any(token in output for token in (script.GOOD_TOKEN, script.WRONG_TOKEN)):
        raise AssertionError(f"the token was printed\n{outcome}")
    if "panicked" in output or outcome.exit_code not in (0, 1, 2):
        raise AssertionError(f"apigw crashed\n{outcome}")
    return outcome


def assert_failed(test: unittest.TestCase, outcome: Outcome, *codes: str, name: str) -> None:
    """Checks that the exit code is 1, that stdout is empty, and that there is exactly one error in the format of gcloud,
    which contains `name`.

    Without `codes`, the error may have any code. It may also have none: the client finds some errors before it makes a call.
    """
    test.assertEqual(outcome.exit_code, 1, outcome)
    test.assertEqual(outcome.stdout, "", outcome)
    errors = ERROR.findall(outcome.stderr)
    test.assertEqual(len(errors), 1, f"not exactly one error\n{outcome}")
    if codes:
        test.assertIn(errors[0][0], codes, outcome)
    test.assertIn(name, outcome.stderr, f"the operation is not named\n{outcome}")


def without_false(value):
    """Removes `false`, which proto3 JSON may omit."""
    if isinstance(value, dict):
        return {key: without_false(item) for key, item in value.items() if item is not False}
    if isinstance(value, list):
        return [without_false(item) for item in value]
    return value

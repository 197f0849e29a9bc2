"""The clients of four Google services, built from published generated crates, against grpcio and Envoy.

Each test of `Services` runs for each service, over gRPC and over REST as far as the service has routes. The test of `Guide`
runs once, for Spanner over gRPC. A client is a process of its own.
"""

import atexit
import functools
import json
import os
import shutil
import subprocess
import unittest
from pathlib import Path

import grpc
from google.longrunning import operations_pb2 as longrunning
from google.protobuf import any_pb2, descriptor_pool, empty_pb2, message_factory

from catalog import MIXINS, SERVICES, SPANNER, Service
from envoy_server import Envoy
from server import Refusal, Server

GET = "/google.longrunning.Operations/GetOperation"
LIST = "/google.longrunning.Operations/ListOperations"
CANCEL = "/google.longrunning.Operations/CancelOperation"
UNAVAILABLE = Refusal(grpc.StatusCode.UNAVAILABLE)

WORK = Path(os.environ["SERVICES_WORK"])
# The time limit for a client, with a margin for slow machines.
HANG_SECONDS = 120


class Peers:
    """The server of a service and Envoy in front of it, until the process ends."""

    def __init__(self, service: Service) -> None:
        self.server = Server(service)
        atexit.register(self.server.stop)
        self.envoy = Envoy(
            self.server.port,
            [*service.api, *MIXINS],
            WORK / "generated" / f"{service.name}.transcoder.fds",
            WORK / "envoy" / service.name,
        )
        atexit.register(self.envoy.stop)


@functools.cache
def peers(service: Service) -> Peers:
    return Peers(service)


def message(full_name: str, **fields):
    descriptor = descriptor_pool.Default().FindMessageTypeByName(full_name)
    return message_factory.GetMessageClass(descriptor)(**fields)


def pack(content) -> any_pb2.Any:
    packed = any_pb2.Any()
    packed.Pack(content)
    return packed


def renamed(operation: longrunning.Operation, name: str) -> longrunning.Operation:
    operation.name = name
    return operation


def over(*verbs: str):
    """Runs a test for each service over gRPC, and over REST if the service has routes for these verbs of operations.
    Fails if the test has set an answer that no call received."""

    def decorate(test):
        @functools.wraps(test)
        def over_each(self: "Services") -> None:
            for service in SERVICES:
                for transport in ["grpc", "rest"]:
                    if transport == "rest" and not service.rest_verbs.issuperset(verbs):
                        continue
                    with self.subTest(service=service.name, transport=transport):
                        self.play(service, transport)
                        test(self)
                        self.assertEqual(self.server.left(), {}, "answers that no call received")

        return over_each

    return decorate


class Services(unittest.TestCase):
    maxDiff = None

    def play(self, service: Service, transport: str) -> None:
        self.service, self.transport = service, transport
        self.server = peers(service).server
        self.endpoint = self.server.endpoint if transport == "grpc" else peers(service).envoy.endpoint
        self.server.reset()

    def client(self, *arguments: str) -> dict:
        """Runs the client of the service, and returns the JSON object that it prints."""
        service = self.service
        home = WORK / "home"
        home.mkdir(exist_ok=True)
        finished = subprocess.run(
            [
                Path(os.environ["SERVICES_CLIENTS"]) / service.name,
                self.endpoint,
                self.transport,
                WORK / "generated" / f"{service.name}.fds",
                service.service_config,
                service.grpc_service_config,
                *arguments,
            ],
            env={"HOME": str(home), "PATH": os.environ["PATH"]},
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
        )
        self.assertEqual(finished.returncode, 0, f"{arguments}: {finished.stderr}")
        return json.loads(finished.stdout)

    def resource(self):
        return message(self.service.resource_type, name=self.service.resource)

    def running(self) -> longrunning.Operation:
        metadata = pack(message(self.service.metadata_type))
        return longrunning.Operation(name=self.service.operation, metadata=metadata)

    def done(self) -> longrunning.Operation:
        operation = self.running()
        operation.done = True
        operation.response.CopyFrom(pack(self.resource()))
        return operation

    def cancelled(self) -> longrunning.Operation:
        operation = self.running()
        operation.done = True
        operation.error.code = grpc.StatusCode.CANCELLED.value[0]
        return operation

    def paths(self) -> list[str]:
        return [call.path for call in self.server.received()]

    def assert_names(self, path: str, name: str) -> None:
        """Checks that every call of the method has the name in the request and in the routing header."""
        calls = [call for call in self.server.received() if call.path == path]
        self.assertTrue(calls, path)
        for call in calls:
            self.assertEqual(call.request.name, name)
            if self.transport == "grpc":
                self.assertEqual(call.header("x-goog-request-params"), [f"name={name.replace('/', '%2F')}"])

    @over()
    def test_a_call_has_the_routing_header_and_the_timeout_of_its_service(self):
        self.server.answer(self.service.get, self.resource())
        self.assertEqual(self.client("get", self.service.resource), {"name": self.service.resource})
        (call,) = self.server.received()
        self.assertEqual(call.path, self.service.get)
        self.assertEqual(call.request.name, self.service.resource)
        if self.transport == "grpc":
            self.assertEqual(call.header("x-goog-request-params"), [self.service.get_routing])
            self.assertIsNotNone(call.remaining)
            self.assertLessEqual(call.remaining, self.service.get_timeout)
            # The call needs far less than half of its timeout.
            self.assertGreater(call.remaining, self.service.get_timeout / 2)

    @over()
    def test_a_call_is_retried_by_the_policy_of_its_service(self):
        self.server.answer(self.service.get, UNAVAILABLE, self.resource())
        self.assertEqual(self.client("get", self.service.resource), {"name": self.service.resource})
        self.assertEqual(self.paths(), [self.service.get] * 2)

    @over()
    def test_a_call_is_not_retried_after_a_code_outside_the_policy(self):
        self.server.answer(self.service.get, Refusal(grpc.StatusCode.PERMISSION_DENIED))
        self.assertEqual(self.client("get", self.service.resource), {"code": "PermissionDenied"})

    @over("get")
    def test_an_operation_is_awaited(self):
        self.server.answer(self.service.start, self.running())
        self.server.answer(GET, self.running(), UNAVAILABLE, self.done())
        self.assertEqual(self.client("await"), {"result": self.service.resource})
        start = self.server.received()[0]
        self.assertEqual(start.path, self.service.start)
        if self.transport == "grpc":
            self.assertEqual(start.header("x-goog-request-params"), [self.service.start_routing])
        self.assert_names(GET, self.service.operation)

    @over("get")
    def test_an_operation_is_watched(self):
        self.server.answer(self.service.start, self.running())
        self.server.answer(GET, self.running(), self.done())
        answer = self.client("watch")
        self.assertEqual(answer["result"], self.service.resource)
        # The last snapshot is that of the end.
        self.assertEqual(answer["snapshots"][-1], {"done": True, "metadata": self.service.metadata_type})

    @over("get", "cancel")
    def test_an_operation_is_cancelled(self):
        self.server.answer(self.service.start, self.running())
        self.server.answer(CANCEL, empty_pb2.Empty())
        self.server.answer(GET, self.running(), self.cancelled())
        self.assertEqual(self.client("cancel"), {"cancelled": True})
        self.assert_names(CANCEL, self.service.operation)

    @over("get")
    def test_an_operation_is_resumed_by_another_process(self):
        self.server.answer(self.service.start, self.running())
        handle = self.client("start")["handle"]
        self.assertEqual(self.paths(), [self.service.start])
        self.server.answer(GET, self.running(), self.done())
        self.assertEqual(self.client("resume", json.dumps(handle)), {"result": self.service.resource})
        self.assert_names(GET, self.service.operation)

    @over("get")
    def test_a_failed_operation_is_an_error_with_its_code(self):
        failed = self.running()
        failed.done = True
        failed.error.code = grpc.StatusCode.RESOURCE_EXHAUSTED.value[0]
        self.server.answer(self.service.start, self.running())
        self.server.answer(GET, failed)
        self.assertEqual(self.client("await"), {"error": "ResourceExhausted"})

    @over("list")
    def test_operations_are_listed(self):
        self.server.answer(LIST, longrunning.ListOperationsResponse(operations=[self.done()]))
        answer = self.client("list", self.service.list_name)
        self.assertEqual(answer, {"operations": [self.service.operation]})
        self.assert_names(LIST, self.service.list_name)

    @over("get", "list")
    def test_a_watcher_lists_the_parent_of_its_operations(self):
        names = [f"{self.service.operation}-{number}" for number in range(3)]
        self.server.answer(self.service.start, *[renamed(self.running(), name) for name in names])
        # A poll never reports the end, so only a list can.
        self.server.always(GET, lambda request: renamed(self.running(), request.name))
        listed = [renamed(self.done(), name) for name in names]
        self.server.always(LIST, longrunning.ListOperationsResponse(operations=listed))
        self.assertEqual(self.client("watcher", "3"), {"results": [self.service.resource] * 3})
        self.assert_names(LIST, self.service.list_name)


class Guide(unittest.TestCase):
    """The program of the page `google::guide`."""

    def test_the_program_creates_a_database_and_waits_for_it(self):
        server = peers(SPANNER).server
        server.reset()
        database = pack(message(SPANNER.resource_type, name=SPANNER.resource))
        server.answer(SPANNER.start, longrunning.Operation(name=SPANNER.operation))
        server.answer(GET, longrunning.Operation(name=SPANNER.operation, done=True, response=database))
        folder = WORK / "guide"
        folder.mkdir(exist_ok=True)
        # The program reads files with these names. In googleapis, the configurations have the same names.
        for file, name in [
            (WORK / "generated" / "spanner.fds", "spanner.fds"),
            (SPANNER.service_config, "spanner.yaml"),
            (SPANNER.grpc_service_config, "spanner_admin_database_grpc_service_config.json"),
        ]:
            shutil.copy(file, folder / name)
        finished = subprocess.run(
            [Path(os.environ["SERVICES_CLIENTS"]) / "guide"],
            cwd=folder,
            env={"HOME": str(folder), "SPANNER_EMULATOR_HOST": f"127.0.0.1:{server.port}"},
            capture_output=True,
            text=True,
            timeout=HANG_SECONDS,
        )
        self.assertEqual(finished.returncode, 0, finished.stderr)
        self.assertEqual(finished.stdout, f"started {SPANNER.operation}\ncreated {SPANNER.resource}\n")
        self.assertEqual(server.left(), {})

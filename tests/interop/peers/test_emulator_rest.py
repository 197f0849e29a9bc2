"""The emulator over HTTP/JSON: apis and their operations, as curl and the official client see them."""

import json
import os
import subprocess
import time
import unittest
from pathlib import Path

from curl import Answer, curl
from emulator_server import Emulator
from fixture import describe, without_false

L = "projects/p/locations/global"
TYPES = "type.googleapis.com/google.cloud.apigateway.v1"
# Longer than any operation here takes, on a busy machine too.
SOON_SECONDS = 20


class EmulatorTest(unittest.TestCase):
    def emulator(self, operation_time: str) -> None:
        self.running = Emulator(operation_time)
        self.addCleanup(self.running.stop)

    def curl(self, target: str, *options: str, version: str = "1.1") -> Answer:
        return curl(f"{self.running.endpoint}{target}", *options, version=version)

    def read(self, target: str, *options: str, version: str = "1.1") -> dict:
        answer = self.curl(target, *options, version=version)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.header("content-type"), ["application/json; charset=UTF-8"])
        return answer.json()

    def create(self, id: str, *, version: str = "1.1") -> dict:
        return self.read(f"/v1/{L}/apis?apiId={id}", "-d", '{"labels": {"a": "ü"}}', version=version)

    def ended(self, operation: dict) -> dict:
        """The operation once it is done."""
        self.assertFalse(operation.get("done", False), operation)
        until = time.monotonic() + SOON_SECONDS
        while not operation.get("done"):
            self.assertLess(time.monotonic(), until, operation)
            time.sleep(0.02)
            operation = self.read(f"/v1/{operation['name']}")
        return operation

    def assert_refused(self, answer: Answer, http: int, status: str, reason: str | None) -> dict:
        self.assertEqual(answer.status, http, answer)
        self.assertEqual(answer.header("content-type"), ["application/json; charset=UTF-8"])
        error = answer.json()["error"]
        self.assertEqual((error["code"], error["status"]), (http, status), answer)
        reasons = [detail.get("reason") for detail in error.get("details", [])]
        self.assertEqual(reasons[:1], [reason] if reason else [], answer)
        return error


class Apis(EmulatorTest):
    def test_an_api_from_its_creation_to_its_end_over_either_version_of_http(self):
        self.emulator("200ms")
        for version in ("1.1", "2"):
            with self.subTest(version=version):
                name = f"{L}/apis/a"
                operation = self.create("a", version=version)
                self.assertTrue(operation["name"].startswith(f"{L}/operations/"), operation)
                metadata = operation["metadata"]
                self.assertEqual(metadata["@type"], f"{TYPES}.OperationMetadata")
                self.assertEqual((metadata["verb"], metadata["target"]), ("create", name))

                response = self.ended(operation)["response"]
                self.assertEqual(response.pop("@type"), f"{TYPES}.Api")
                self.assertEqual((response["name"], response["state"]), (name, "ACTIVE"))
                self.assertEqual(response["labels"], {"a": "ü"})
                self.assertEqual(self.read(f"/v1/{name}", version=version), response)
                number = self.read(f"/v1/{name}?$alt=json;enum-encoding=int", version=version)
                self.assertEqual(number["state"], 2)
                self.assertEqual(self.read(f"/v1/{L}/apis", version=version), {"apis": [response]})

                deleted = self.ended(self.read(f"/v1/{name}", "-X", "DELETE", version=version))
                # Without `value`, as the service writes it.
                empty = {"@type": "type.googleapis.com/google.protobuf.Empty"}
                self.assertEqual(deleted["response"], empty)
                self.assertEqual(self.read(f"/v1/{L}/apis", version=version), {})

    def test_a_list_comes_in_pages(self):
        self.emulator("1h")
        for id in ("a", "b", "c"):
            self.create(id)
        pages, token = [], ""
        while True:
            page = self.read(f"/v1/{L}/apis?pageSize=2&pageToken={token}")
            pages.append([api["name"].rpartition("/")[2] for api in page["apis"]])
            if not (token := page.get("nextPageToken", "")):
                break
        self.assertEqual(pages, [["a", "b"], ["c"]])

    def test_what_is_wrong_is_told_with_its_details(self):
        self.emulator("1h")
        self.create("a")
        for target, options, http, status, reason in [
            (f"/v1/{L}/apis/none", [], 404, "NOT_FOUND", "RESOURCE_NOT_FOUND"),
            (f"/v1/{L}/apis/none", ["-X", "DELETE"], 404, "NOT_FOUND", "RESOURCE_NOT_FOUND"),
            (f"/v1/{L}/apis?apiId=a", ["-d", "{}"], 409, "ALREADY_EXISTS", "RESOURCE_ALREADY_EXISTS"),
            (f"/v1/{L}/apis/a", ["-X", "DELETE"], 409, "ABORTED", "RESOURCE_BUSY"),
            (f"/v1/{L}/apis?apiId=A_b", ["-d", "{}"], 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
            (f"/v1/{L}/apis?pageSize=-1", [], 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
            # These are found before the emulator is asked, and have no details.
            (f"/v1/{L}/apis?page=1", [], 400, "INVALID_ARGUMENT", None),
            (f"/v1/{L}/apis?apiId=b", ["-d", '{"nonsense": 1}'], 400, "INVALID_ARGUMENT", None),
            (f"/v1/{L}/toasters", [], 404, "NOT_FOUND", None),
        ]:
            with self.subTest(target=target, options=options):
                self.assert_refused(self.curl(target, *options), http, status, reason)


class Operations(EmulatorTest):
    def test_a_cancelled_operation_ends_with_an_error(self):
        self.emulator("1h")
        name = self.create("a")["name"]
        self.assertEqual(self.read(f"/v1/{name}:cancel", "-X", "POST"), {})
        operation = self.read(f"/v1/{name}")
        self.assertTrue(operation["done"], operation)
        # The number of gRPC, not that of HTTP.
        self.assertEqual(operation["error"]["code"], 1, operation)
        self.assertTrue(operation["metadata"]["requestedCancellation"], operation)
        error = self.assert_refused(
            self.curl(f"/v1/{L}/apis/a"), 404, "NOT_FOUND", "RESOURCE_NOT_FOUND"
        )
        self.assertIn(f"{L}/apis/a", error["message"])

    def test_our_command_line_is_told_the_same_over_every_transport(self):
        self.emulator("1h")
        operation = self.create("a")
        for transport in ("grpc", "rest", "auto"):
            with self.subTest(transport=transport):
                outcome = describe(operation["name"], self.running.endpoint, transport)
                self.assertEqual(outcome.exit_code, 0, outcome)
                self.assertEqual(without_false(outcome.json()), without_false(operation))

    def test_a_deleted_operation_is_forgotten(self):
        self.emulator("1h")
        first, second = self.create("a"), self.create("b")
        listed = self.read(f"/v1/{L}/operations")["operations"]
        self.assertEqual([operation["name"] for operation in listed], [first["name"], second["name"]])
        self.assertEqual(self.read(f"/v1/{first['name']}", "-X", "DELETE"), {})
        listed = self.read(f"/v1/{L}/operations")["operations"]
        self.assertEqual([operation["name"] for operation in listed], [second["name"]])
        for target, verb in [("", "GET"), ("", "DELETE"), (":cancel", "POST")]:
            with self.subTest(verb=verb, target=target):
                answer = self.curl(f"/v1/{first['name']}{target}", "-X", verb)
                self.assert_refused(answer, 404, "NOT_FOUND", "RESOURCE_NOT_FOUND")

    def test_another_verb_is_not_allowed_and_told_which_are(self):
        self.emulator("1h")
        answer = self.curl(f"/v1/{L}/operations/o", "-X", "POST")
        self.assertEqual(set(answer.header("allow")[0].split(", ")), {"GET", "DELETE"})
        self.assert_refused(answer, 405, "UNIMPLEMENTED", None)


class OfficialClient(EmulatorTest):
    def test_creates_an_api_and_waits_for_it(self):
        self.emulator("500ms")
        name = f"{L}/apis/a"
        finished = subprocess.run(
            [
                os.environ["INTEROP_OFFICIAL_PYTHON"],
                Path(__file__).parent / "official" / "apis.py",
                self.running.endpoint.removeprefix("http://"), L, "a",
            ],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            env={"PATH": os.environ["PATH"]},
            timeout=60,
        )
        self.assertEqual(finished.returncode, 0, finished.stderr.decode())
        told = json.loads(finished.stdout)
        created = told.pop("created")
        self.assertEqual((created["name"], created["state"]), (name, "ACTIVE"))
        self.assertEqual((created["display_name"], created["labels"]), ("a", {"team": "ü"}))
        self.assertEqual(told, {
            "done_at_first": False,
            "metadata": {"verb": "create", "target": name},
            "again": "RESOURCE_ALREADY_EXISTS",
            "listed": [name],
            "deleted": "delete",
            "gone": True,
        })

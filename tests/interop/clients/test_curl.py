"""Sends requests with curl, as other clients write them. `Requests` checks that the emulator accepts them. `Responses` checks
the responses of the emulator, including errors.

`over_both` runs a test over HTTP/1.1 and over h2c, each time in a project of its own.
"""

import atexit
import base64
import functools
import json
import unittest
from urllib.parse import quote

from curl import Response, curl
from curl_client import JSON
from emulator import Emulator

TYPES = "type.googleapis.com/google.cloud.apigateway.v1"
ONE_HOUR, INSTANT = "1h", "0s"


@functools.cache
def emulator(operation_time: str) -> Emulator:
    """Returns the emulator with this operation time. All tests share it, and it runs until the process ends."""
    started = Emulator(operation_time)
    atexit.register(started.__exit__)
    return started


class CurlTest(unittest.TestCase):
    def setUp(self) -> None:
        self.over = "http1"
        self.operation_time = INSTANT

    @property
    def home(self) -> str:
        name = self._testMethodName.replace("_", "-")
        return f"projects/{name[:40].rstrip('-')}-{self.over}/locations/global"

    def ask(self, target: str, *options: str, body: bytes = b"") -> Response:
        url = f"{emulator(self.operation_time).endpoint}/v1/{target}"
        return curl(url, *options, over=self.over, body=body)

    def read(self, target: str, *options: str, body: bytes = b"") -> dict:
        response = self.ask(target, *options, body=body)
        self.assertEqual(response.status, 200, response)
        self.assertEqual(response.header("content-type"), ["application/json; charset=UTF-8"])
        return response.json()

    def create(self, id: str, **fields) -> dict:
        return self.read(f"{self.home}/apis?apiId={id}", *JSON, "-d", json.dumps(fields))

    def api(self, id: str) -> dict:
        return self.read(f"{self.home}/apis/{id}")

    def assert_refused(self, response: Response, http: int, status: str, reason: str | None) -> dict:
        self.assertEqual(response.status, http, response)
        self.assertEqual(response.header("content-type"), ["application/json; charset=UTF-8"])
        error = response.json()["error"]
        self.assertEqual((error["code"], error["status"]), (http, status), response)
        reasons = [detail["reason"] for detail in error.get("details", []) if "reason" in detail]
        self.assertEqual(reasons, [reason] if reason else [], response)
        return error


def over_both(test):
    """Runs a test over each version of HTTP, as subtests."""

    @functools.wraps(test)
    def over_each(self: CurlTest) -> None:
        for over in ("http1", "h2c"):
            with self.subTest(over=over):
                self.over = over
                test(self)

    return over_each


class Requests(CurlTest):
    @over_both
    def test_a_routing_header_may_be_raw_or_encoded_or_of_another_call(self):
        name = self.create("a")["name"]
        for params in (f"name={name}", f"name={quote(name, safe='')}", f"parent={self.home}", "x"):
            with self.subTest(params=params):
                found = self.read(name, "-H", f"x-goog-request-params: {params}")
                self.assertEqual(found["name"], name)

    @over_both
    def test_a_cancel_may_have_an_empty_object_or_no_body(self):
        self.operation_time = ONE_HOUR
        for number, options in enumerate([
            [*JSON, "-d", "{}"],
            ["-d", "{}"],
            [*JSON, "-d", ""],
            [*JSON, "-d", " \n"],
            ["-X", "POST"],
            ["-X", "POST", *JSON],
        ]):
            with self.subTest(options=options):
                name = self.create(f"a{number}")["name"]
                self.assertEqual(self.read(f"{name}:cancel", *options), {})
                operation = self.read(name)
                self.assertTrue(operation["done"], operation)
                # gRPC's number, not the HTTP status.
                self.assertEqual(operation["error"]["code"], 1, operation)

    @over_both
    def test_a_get_may_have_a_content_type_and_an_empty_object(self):
        name = self.create("a")["name"]
        for options in [JSON, ["-X", "GET", *JSON, "-d", "{}"], ["-X", "GET", "-d", ""]]:
            with self.subTest(options=options):
                self.assertEqual(self.read(name, *options)["name"], name)
        deleted = self.read(f"{self.home}/apis/a", "-X", "DELETE", *JSON, "-d", "{}")
        self.assertEqual(deleted["metadata"]["verb"], "delete")

    @over_both
    def test_a_query_may_be_a_bare_question_mark_or_an_empty_page_token(self):
        self.create("a")
        for query in ("?", "?pageToken=", "?page_token=&page_size=0", "?pageSize=5&", "?filter=&orderBy="):
            with self.subTest(query=query):
                listed = self.read(f"{self.home}/apis{query}")
                self.assertEqual([api["displayName"] for api in listed["apis"]], ["a"])

    @over_both
    def test_a_get_of_one_resource_may_end_with_a_question_mark(self):
        name = self.create("a")["name"]
        self.assertEqual(self.read(f"{name}?")["name"], name)
        self.assertEqual(self.api("a?")["displayName"], "a")

    @over_both
    def test_labels_may_be_empty(self):
        self.create("a", labels={})
        self.assertNotIn("labels", self.api("a"))
        self.create("b", labels={"team": "blue"})
        self.assertEqual(self.api("b")["labels"], {"team": "blue"})
        target = f"{self.home}/apis/b?updateMask=labels"
        self.read(target, "-X", "PATCH", *JSON, "-d", '{"labels": {}}')
        self.assertNotIn("labels", self.api("b"))

    @over_both
    def test_masks_and_fields_are_in_snake_case_or_in_camel_case(self):
        for number, (query, body) in enumerate([
            ("updateMask=displayName,labels", '{"displayName": "new", "labels": {"a": "b"}}'),
            ("updateMask=display_name,labels", '{"displayName": "new", "labels": {"a": "b"}}'),
            ("update_mask=display_name%2Clabels", '{"display_name": "new", "labels": {"a": "b"}}'),
            ("updateMask=displayName%2Clabels", '{"display_name": "new", "labels": {"a": "b"}}'),
        ]):
            with self.subTest(query=query, body=body):
                id = f"a{number}"
                self.create(id)
                self.read(f"{self.home}/apis/{id}?{query}", "-X", "PATCH", *JSON, "-d", body)
                api = self.api(id)
                self.assertEqual((api["displayName"], api["labels"]), ("new", {"a": "b"}))
        self.read(f"{self.home}/apis?api_id=snake", *JSON, "-d", '{"display_name": "s"}')
        self.assertEqual(self.api("snake")["displayName"], "s")

    @over_both
    def test_a_post_may_have_any_content_type_or_none(self):
        for id, options in [("form", []), ("none", ["-H", "Content-Type:"]),
                            ("text", ["-H", "Content-Type: text/plain"])]:
            with self.subTest(options=options):
                self.read(f"{self.home}/apis?apiId={id}", *options, "-d", '{"displayName": "ü"}')
                self.assertEqual(self.api(id)["displayName"], "ü")

    @over_both
    def test_enums_are_numbers_if_the_query_asks_for_numbers(self):
        self.create("a")
        for query, state in {
            "": "ACTIVE",
            "?$alt=json": "ACTIVE",
            "?$alt=json;enum-encoding=int": 2,
            "?%24alt=json%3Benum-encoding%3Dint": 2,
        }.items():
            with self.subTest(query=query):
                self.assertEqual(self.api(f"a{query}")["state"], state)
        shown = self.read(f"{self.home}/apis/a?$alt=json;enum-encoding=int", *JSON)
        target = f"{self.home}/apis/a?updateMask=displayName&$alt=json;enum-encoding=int"
        # The resource that was read is sent back, including numbers and output-only fields.
        updating = self.read(target, "-X", "PATCH", *JSON, "-d", json.dumps(shown))
        self.assertEqual(updating["metadata"]["verb"], "update")

    @over_both
    def test_a_large_body_may_wait_for_100_continue(self):
        self.create("a")
        document = json.dumps({
            "swagger": "2.0",
            "info": {"title": "large", "version": "1", "description": "ü" * 600_000},
            "paths": {"/": {"get": {"operationId": "root", "responses": {"200": {"description": "fine"}}}}},
        }, ensure_ascii=False).encode()
        contents = base64.b64encode(document).decode()
        body = {"openapiDocuments": [{"document": {"path": "o.json", "contents": contents}}]}
        url = f"{self.home}/apis/a/configs?apiConfigId=c"
        options = (*JSON, "-H", "Expect: 100-continue", "--data-binary", "@-")
        self.read(url, *options, body=json.dumps(body).encode())
        config = self.read(f"{self.home}/apis/a/configs/c?view=FULL")
        self.assertEqual(config["state"], "ACTIVE", config["state"])
        self.assertEqual(config["openapiDocuments"][0]["document"]["contents"], contents)

    def test_a_request_that_offers_an_upgrade_to_h2c_is_served(self):
        self.over = "upgrade"
        self.create("a")
        self.assertEqual(self.api("a")["displayName"], "a")


class Responses(CurlTest):
    @over_both
    def test_a_response_has_the_http_version_of_its_request(self):
        response = self.ask(f"{self.home}/apis")
        self.assertEqual(response.version, {"http1": "1.1", "h2c": "2"}[self.over])

    @over_both
    def test_the_parts_of_an_operation_have_type_urls(self):
        name = self.create("a")["name"]
        self.assertTrue(name.startswith(f"{self.home}/operations/"), name)
        operation = self.read(name)
        self.assertEqual(operation["metadata"]["@type"], f"{TYPES}.OperationMetadata")
        response = operation["response"]
        self.assertEqual(response.pop("@type"), f"{TYPES}.Api")
        self.assertEqual(response, self.api("a"))
        deleting = self.read(f"{self.home}/apis/a", "-X", "DELETE")
        # Without `value`, as the service writes it.
        empty = {"@type": "type.googleapis.com/google.protobuf.Empty"}
        self.assertEqual(self.read(deleting["name"])["response"], empty)

    @over_both
    def test_an_error_has_its_http_status_code_and_reason(self):
        self.operation_time = ONE_HOUR
        self.create("a")
        apis = f"{self.home}/apis"
        for target, options, http, status, reason in [
            # Without details, as in recorded responses of the live service.
            (f"{apis}/none", [], 404, "NOT_FOUND", None),
            (f"{apis}/none", ["-X", "DELETE"], 404, "NOT_FOUND", None),
            (f"{apis}?apiId=a", ["-d", "{}"], 409, "ALREADY_EXISTS", "RESOURCE_ALREADY_EXISTS"),
            (f"{apis}/a", ["-X", "DELETE"], 409, "ABORTED", "RESOURCE_BUSY"),
            (f"{apis}?apiId=A_b", ["-d", "{}"], 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
            (f"{apis}?pageSize=-1", [], 400, "INVALID_ARGUMENT", "INVALID_ARGUMENT"),
            # The transcoder rejects these, so they have no details.
            (f"{apis}?page=1", [], 400, "INVALID_ARGUMENT", None),
            (f"{apis}?apiId=b", ["-d", '{"nonsense": 1}'], 400, "INVALID_ARGUMENT", None),
            (f"{apis}?apiId=b", ["-d", '{"labels": '], 400, "INVALID_ARGUMENT", None),
            (f"{self.home}/toasters", [], 404, "NOT_FOUND", None),
        ]:
            with self.subTest(target=target, options=options):
                self.assert_refused(self.ask(target, *options), http, status, reason)

    @over_both
    def test_not_found_has_a_list_of_errors_and_no_details(self):
        error = self.assert_refused(self.ask(f"{self.home}/apis/none"), 404, "NOT_FOUND", None)
        expected = {"message": error["message"], "domain": "global", "reason": "notFound"}
        self.assertEqual(error["errors"], [expected])
        self.assertNotIn("details", error)

    @over_both
    def test_a_deleted_operation_is_not_found(self):
        self.operation_time = ONE_HOUR
        first, second = self.create("a"), self.create("b")
        self.assertEqual(self.read(first["name"], "-X", "DELETE"), {})
        listed = self.read(f"{self.home}/operations")["operations"]
        self.assertEqual([operation["name"] for operation in listed], [second["name"]])
        for target, verb in [("", "GET"), ("", "DELETE"), (":cancel", "POST")]:
            with self.subTest(verb=verb, target=target):
                response = self.ask(f"{first['name']}{target}", "-X", verb)
                self.assert_refused(response, 404, "NOT_FOUND", None)

    @over_both
    def test_the_error_for_an_unsupported_verb_names_the_supported_verbs(self):
        response = self.ask(f"{self.home}/operations/o", "-X", "POST")
        self.assertEqual(set(response.header("allow")[0].split(", ")), {"GET", "DELETE"})
        self.assert_refused(response, 405, "UNIMPLEMENTED", None)

    @over_both
    def test_wait_operation_has_no_route(self):
        name = self.create("a")["name"]
        response = self.ask(f"{name}:wait", *JSON, "-d", "{}")
        # The router reads `{operation}:wait` as the id of an operation, which accepts no POST.
        self.assert_refused(response, 405, "UNIMPLEMENTED", None)

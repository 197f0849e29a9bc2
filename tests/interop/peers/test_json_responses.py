"""Responses in forms of JSON that other servers write, but Envoy never writes. The server has one fixed response."""

import json
import unittest

from command import Outcome
from fixture import assert_failed, describe, without_false
from hostile import HostileServer, responding
from script import PARENT, name_of

NAME = name_of("done")
TYPES = "type.googleapis.com/google.cloud.apigateway.v1"
EMPTY = "type.googleapis.com/google.protobuf.Empty"
FORBIDDEN = "403 Forbidden"


def describe_response(status: str, body) -> Outcome:
    """Returns the output of the command for this response."""
    with HostileServer(responding(status, json.dumps(body))) as server:
        return describe(NAME, server.endpoint, "rest")


class Responses(unittest.TestCase):
    def assert_prints(self, body: dict, expected: dict) -> None:
        outcome = describe_response("200 OK", body)
        self.assertEqual(outcome.exit_code, 0, outcome)
        self.assertEqual(without_false(outcome.json()), expected)

    def test_an_empty_message_is_printed_without_value(self):
        expected = {"name": NAME, "done": True, "response": {"@type": EMPTY}}
        for response in ({"@type": EMPTY}, {"@type": EMPTY, "value": {}}):
            self.assert_prints({"name": NAME, "done": True, "response": response}, expected)

    def test_enums_are_read_as_numbers_and_names_inside_any(self):
        gateway = {"@type": f"{TYPES}.Gateway", "name": f"{PARENT}/gateways/g"}
        expected = {"name": NAME, "done": True, "response": {**gateway, "state": "ACTIVE"}}
        for state in (2, "ACTIVE"):
            response = {**gateway, "state": state}
            self.assert_prints({"name": NAME, "done": True, "response": response}, expected)

    def test_unknown_fields_do_not_fail_the_response(self):
        # The live service sends this field, which no published proto has.
        gateway = {"@type": f"{TYPES}.Gateway", "streamingMode": "STREAMING", "name": "g"}
        outcome = describe_response("200 OK", {"name": NAME, "done": True, "response": gateway, "new": [1]})
        self.assertEqual(outcome.exit_code, 0, outcome)
        self.assertEqual(outcome.json()["response"]["name"], "g")

    def test_an_any_of_an_unknown_type_is_printed_unchanged(self):
        metadata = {"@type": "type.googleapis.com/acme.v1.Mystery", "a": [1, {"b": None}]}
        self.assert_prints({"name": NAME, "metadata": metadata}, {"name": NAME, "metadata": metadata})

    def test_times_with_offsets_and_an_explicit_false_are_read(self):
        metadata = {
            "@type": f"{TYPES}.OperationMetadata",
            "createTime": "2026-01-02T04:04:05.5+01:00",
            "requestedCancellation": False,
        }
        self.assert_prints(
            {"name": NAME, "metadata": metadata, "done": False},
            {
                "name": NAME,
                "metadata": {"@type": metadata["@type"], "createTime": "2026-01-02T03:04:05.500Z"},
            },
        )


class Errors(unittest.TestCase):
    def test_googles_error_body_is_read_with_its_details(self):
        info = {
            "@type": "type.googleapis.com/google.rpc.ErrorInfo",
            "reason": "SERVICE_DISABLED",
            "domain": "googleapis.com",
        }
        error = {"code": 403, "message": "API not enabled", "status": "PERMISSION_DENIED", "details": [info]}
        outcome = describe_response(FORBIDDEN, {"error": error})
        assert_failed(self, outcome, "PERMISSION_DENIED", name=NAME)
        for text in ("API not enabled", "SERVICE_DISABLED"):
            self.assertIn(text, outcome.stderr)

    def test_an_error_body_with_errors_instead_of_details_is_read(self):
        errors = [{"domain": "global", "reason": "forbidden", "message": "no"}]
        error = {"code": 403, "message": "not for you", "errors": errors}
        outcome = describe_response(FORBIDDEN, {"error": error})
        assert_failed(self, outcome, "PERMISSION_DENIED", name=NAME)
        self.assertIn("not for you", outcome.stderr)

    def test_the_status_in_the_body_takes_precedence_over_the_http_status(self):
        for status in ("ABORTED", "ALREADY_EXISTS"):
            error = {"code": 409, "message": "conflict", "status": status}
            assert_failed(self, describe_response("409 Conflict", {"error": error}), status, name=NAME)

    def test_an_unknown_detail_does_not_hide_the_error(self):
        mystery = {"@type": "type.googleapis.com/acme.v1.Mystery", "clue": "candlestick"}
        for details in ([mystery], [None], "none", {}):
            error = {"code": 404, "message": "gone", "status": "NOT_FOUND", "details": details}
            outcome = describe_response("404 Not Found", {"error": error})
            assert_failed(self, outcome, "NOT_FOUND", name=NAME)
            self.assertIn("gone", outcome.stderr)

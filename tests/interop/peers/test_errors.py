"""Errors of the call: code, message, details and exit code, the same over every route."""

from command import apigw
from fixture import PeersTest, over_every_route
from script import name_of

DETAILS = [
    "OPERATION_EXPIRED",
    "apigateway.googleapis.com",
    "retention",
    "30d",
    "no operation of this name is kept",
    "google.longrunning.Operation",
    "operations are forgotten after a month",
]


class Errors(PeersTest):
    @over_every_route
    def test_a_missing_operation_is_not_found_with_its_details(self, route):
        outcome = self.describe(route, name_of("missing"))
        output = self.assert_failed(outcome, "NOT_FOUND", name=name_of("missing"))
        self.assertIn("not found", output)
        for detail in DETAILS:
            self.assertIn(detail, output)

    def test_an_unknown_detail_does_not_hide_the_others(self):
        outcome = self.describe(self.peers.grpc, name_of("missing-unknown"))
        output = self.assert_failed(outcome, "NOT_FOUND", name=name_of("missing-unknown"))
        self.assertIn("OPERATION_EXPIRED", output)
        self.assertIn("acme.v1.Mystery", output)

    @over_every_route
    def test_a_message_with_non_ascii_characters_arrives_unchanged(self, route):
        outcome = self.describe(route, name_of("missing-unicode"))
        output = self.assert_failed(outcome, "NOT_FOUND", name=name_of("missing-unicode"))
        self.assertIn("Zürich 100% 東京", output)

    @over_every_route
    def test_a_denied_call_is_not_retried(self, route):
        outcome = self.describe(route, name_of("denied"))
        output = self.assert_failed(outcome, "PERMISSION_DENIED", name=name_of("denied"))
        self.assertIn("IAM_PERMISSION_DENIED", output)
        self.assertEqual(len(self.server.received()), 1)

    @over_every_route
    def test_an_internal_error_is_not_retried(self, route):
        outcome = self.describe(route, name_of("internal"))
        output = self.assert_failed(outcome, "INTERNAL", name=name_of("internal"))
        self.assertIn("stack overflow in the backend", output)
        self.assertEqual(len(self.server.received()), 1)

    @over_every_route
    def test_the_code_is_the_servers_and_not_guessed_from_http(self, route):
        # HTTP 409 without a body would mean ABORTED.
        outcome = self.describe(route, name_of("conflict"))
        self.assert_failed(outcome, "ALREADY_EXISTS", name=name_of("conflict"))

    @over_every_route
    def test_an_id_without_a_script_is_not_found(self, route):
        self.assert_failed(
            self.describe(route, name_of("never-heard-of")), "NOT_FOUND", name=name_of("never-heard-of")
        )


class UnknownTypesThroughEnvoy(PeersTest):
    """Responses with a type that Envoy's transcoder does not know."""

    def test_envoys_502_for_an_unknown_type_is_unavailable_and_keeps_the_text_of_envoy(self):
        # HTTP 502 is UNAVAILABLE, so it is retried without success.
        outcome = self.describe(self.peers.rest, name_of("unknown-any"))
        output = self.assert_failed(outcome, "UNAVAILABLE", name=name_of("unknown-any"))
        self.assertIn("502", output)
        self.assertIn("acme.v1.Mystery", output)

    def test_an_error_with_a_detail_of_unknown_type_keeps_its_http_status(self):
        # Envoy sends 404 with an empty body and leaves grpc-status in the head.
        outcome = self.describe(self.peers.rest, name_of("missing-unknown"))
        self.assert_failed(outcome, "NOT_FOUND", name=name_of("missing-unknown"))


class Usage(PeersTest):
    WRONG = {
        "no name": [],
        "two names": [name_of("done"), name_of("done")],
        "an unknown option": [name_of("done"), "--carrier", "pigeon"],
        "an unknown transport": [name_of("done"), "--transport", "pigeon"],
        "an unknown format": [name_of("done"), "--format", "xml"],
        "a timeout that is not a duration": [name_of("done"), "--request-timeout", "soon"],
        "a negative timeout": [name_of("done"), "--request-timeout=-1s"],
    }

    def test_an_invalid_command_line_exits_with_2_and_sends_nothing(self):
        for what, arguments in self.WRONG.items():
            with self.subTest(what):
                outcome = apigw(
                    "operations", "describe", *arguments, "--endpoint", self.server.endpoint
                )
                self.assertEqual(outcome.exit_code, 2, outcome)
                self.assertEqual(outcome.stdout, "", outcome)
                self.assertNotEqual(outcome.stderr.strip(), "", outcome)
                self.assertNotIn("panicked", outcome.stderr)
                self.assertEqual(self.server.received(), [])

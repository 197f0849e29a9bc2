"""The requests that the server receives: method, name, headers, credentials."""

import json
from collections import Counter

from fixture import PeersTest, Route, describe, over_every_route
from hostile import HostileServer, responding
from hostile_http2 import INVALID_RESPONSES, Http2
from script import GOOD_TOKEN, PARENT, WRONG_TOKEN, name_of

ROUTING = "name=projects%2Fp%2Flocations%2Fglobal%2Foperations%2Fdone"

# The file that `gcloud auth application-default login` writes.
USER_CREDENTIALS = {
    "type": "authorized_user",
    "client_id": "id",
    "client_secret": "secret",
    "refresh_token": "refresh",
}


class Headers(PeersTest):
    def received(self, route: Route, *options: str, environment=None):
        """Describes the operation `done`, and returns the only request that the server received."""
        self.server.reset()
        outcome = self.describe(route, name_of("done"), *options, environment=environment)
        self.assert_read(outcome)
        received = self.server.received()
        self.assertEqual(len(received), 1, outcome)
        return received[0]

    @over_every_route
    def test_the_method_and_the_name_arrive_over_the_chosen_transport(self, route):
        received = self.received(route)
        self.assertEqual(received.method, "GetOperation")
        self.assertEqual(received.request.name, name_of("done"))
        self.assertEqual(received.over_rest, route.rest)

    @over_every_route
    def test_the_routing_header_is_encoded(self, route):
        self.assertEqual(self.received(route).header("x-goog-request-params"), [ROUTING])

    @over_every_route
    def test_the_client_header_names_the_transport(self, route):
        (value,) = self.received(route).header("x-goog-api-client")
        transport = "rest" if route.rest else "grpc"
        self.assertRegex(value, rf"^gl-rust/\S+ gapic/\S+ {transport}/\S+$")

    @over_every_route
    def test_the_user_agent_is_ours(self, route):
        (value,) = self.received(route).header("user-agent")
        self.assertIn("apigateway-grpc", value)

    @over_every_route
    def test_no_header_is_sent_twice(self, route):
        token = self.token_file(GOOD_TOKEN)
        received = self.received(route, "--access-token-file", token)
        counts = Counter(key for key, _ in received.metadata)
        self.assertEqual({key for key, count in counts.items() if count > 1}, set())

    @over_every_route
    def test_no_quota_project_is_sent_by_default(self, route):
        self.assertEqual(self.received(route).header("x-goog-user-project"), [])

    @over_every_route
    def test_a_token_is_sent_as_bearer(self, route):
        # A file written by an editor or by `gcloud auth print-access-token` ends in a newline.
        for content in (GOOD_TOKEN, GOOD_TOKEN + "\n", GOOD_TOKEN + "\r\n"):
            with self.subTest(content=content):
                received = self.received(route, "--access-token-file", self.token_file(content))
                self.assertEqual(received.header("authorization"), [f"Bearer {GOOD_TOKEN}"])

    @over_every_route
    def test_a_plaintext_loopback_endpoint_gets_no_credentials_by_default(self, route):
        key = self.token_file(json.dumps(USER_CREDENTIALS))
        for environment in (None, {"GOOGLE_APPLICATION_CREDENTIALS": key}):
            received = self.received(route, environment=environment)
            self.assertEqual(received.header("authorization"), [])

    @over_every_route
    def test_a_name_in_a_region_of_a_domain_scoped_project_is_encoded_once(self, route):
        name = "projects/example.com:p/locations/us-central1/operations/done"
        self.assert_read(self.describe(route, name))
        (received,) = self.server.received()
        self.assertEqual(received.request.name, name)
        self.assertEqual(
            received.header("x-goog-request-params"),
            ["name=projects%2Fexample.com%3Ap%2Flocations%2Fus-central1%2Foperations%2Fdone"],
        )


class Wire(PeersTest):
    """The request on the wire, which grpcio and Envoy do not show."""

    def test_the_grpc_request_follows_the_specification(self):
        http2 = Http2(INVALID_RESPONSES["broken details in the headers"])
        with HostileServer(http2) as server:
            describe(name_of("done"), server.endpoint, "grpc", "--request-timeout", "30s")
            authority = f"127.0.0.1:{server.port}"
        (headers,) = http2.requests
        sent = dict(headers)
        self.assertEqual(len(sent), len(headers), f"a header came twice: {headers}")
        self.assertEqual(sent[":method"], "POST")
        self.assertEqual(sent[":scheme"], "http")
        self.assertEqual(sent[":path"], "/google.longrunning.Operations/GetOperation")
        self.assertEqual(sent[":authority"], authority)
        self.assertEqual(sent["te"], "trailers")
        self.assertRegex(sent["content-type"], r"^application/grpc(\+proto)?$")
        self.assertRegex(sent["grpc-timeout"], r"^\d{1,8}[HMSmun]$")
        self.assertEqual(sent["x-goog-request-params"], ROUTING)

    def test_the_rest_request_follows_the_specification(self):
        response = responding("200 OK", f'{{"name": "{name_of("done")}", "done": false}}')
        with HostileServer(response) as server:
            outcome = describe(name_of("done"), server.endpoint, "rest")
            self.assertEqual(outcome.exit_code, 0, outcome)
            (received,) = server.received()
            authority = f"127.0.0.1:{server.port}"
        head, _, body = received.partition(b"\r\n\r\n")
        request_line, *lines = head.decode("ascii").split("\r\n")
        self.assertRegex(request_line, rf"^GET /v1/{PARENT}/operations/done(\?\S+)? HTTP/1\.1$")
        self.assertEqual(body, b"")
        pairs = [line.partition(":") for line in lines]
        headers = [(name.lower(), value.strip()) for name, _, value in pairs]
        sent = dict(headers)
        self.assertEqual(len(sent), len(headers), f"a header came twice: {headers}")
        self.assertEqual(sent["host"], authority)
        self.assertEqual(sent["x-goog-request-params"], ROUTING)
        # Headers of gRPC are not sent over REST.
        self.assertNotIn("te", sent)
        self.assertFalse([name for name in sent if name.startswith("grpc-")])


class Credentials(PeersTest):
    @over_every_route
    def test_a_call_with_the_valid_token_succeeds(self, route):
        token = self.token_file(GOOD_TOKEN + "\n")
        self.assert_read(self.describe(route, name_of("token"), "--access-token-file", token))

    @over_every_route
    def test_a_call_with_an_invalid_token_is_unauthenticated_and_not_retried(self, route):
        token = self.token_file(WRONG_TOKEN + "\n")
        outcome = self.describe(route, name_of("token"), "--access-token-file", token)
        output = self.assert_failed(outcome, "UNAUTHENTICATED", name=name_of("token"))
        self.assertIn("invalid authentication credentials", output)
        self.assertEqual(len(self.server.received()), 1)

    @over_every_route
    def test_the_most_detailed_log_does_not_contain_the_token(self, route):
        token = self.token_file(GOOD_TOKEN)
        loud = {"RUST_LOG": "trace", "RUST_BACKTRACE": "1"}
        for operation_id in ("token", "denied"):
            # describe() checks that the output does not contain the token.
            self.describe(
                route, name_of(operation_id), "--access-token-file", token, environment=loud
            )

    @over_every_route
    def test_an_invalid_token_file_is_an_error_before_the_call(self, route):
        files = {
            "empty": self.token_file(""),
            "blank": self.token_file("\n"),
            "of two lines": self.token_file(f"{GOOD_TOKEN}\n{GOOD_TOKEN}\n"),
            "binary": self.token_file(b"\xff\x00" + GOOD_TOKEN.encode()),
            "absent": f"{self.token_file('')}.absent",
        }
        for what, path in files.items():
            with self.subTest(file=what):
                outcome = self.describe(route, name_of("token"), "--access-token-file", path)
                self.assertIn(outcome.exit_code, (1, 2), outcome)
                self.assertEqual(outcome.stdout, "", outcome)
                self.assertIn(path, outcome.stderr, f"the file is not named\n{outcome}")
                self.assertEqual(self.server.received(), [])


class Plaintext(PeersTest):
    """A token is never sent in plaintext, except to a loopback address."""

    # 192.0.2.1 is reserved for documentation (RFC 5737). The last two names look like names of the loopback, but are not.
    ENDPOINTS = [
        "http://192.0.2.1:1",
        "http://[::ffff:192.0.2.1]:1",
        "http://localhost.example.com:1",
        "http://127.0.0.1.example.com:1",
    ]

    def assert_refused(self, outcome):
        # Building the client fails, before any operation is known.
        output = self.assert_failed(outcome)
        self.assertRegex(output, r"(?i)plain|loopback|unencrypted|tls|https")
        # A call to a dead address would last for its deadline of 10 s.
        self.assertLess(outcome.seconds, 9.5, outcome)

    def test_a_token_for_a_remote_plaintext_address_is_refused_at_once(self):
        token = self.token_file(GOOD_TOKEN)
        for endpoint in self.ENDPOINTS:
            for transport in ("grpc", "rest", "auto"):
                with self.subTest(endpoint=endpoint, transport=transport):
                    self.assert_refused(
                        describe(name_of("done"), endpoint, transport, "--access-token-file", token)
                    )

    def test_the_token_is_refused_before_the_connection_is_opened(self):
        # 0.0.0.0 is not a loopback address, but on Linux a connection to it reaches the server of this test.
        token = self.token_file(GOOD_TOKEN)
        for transport in ("grpc", "rest", "auto"):
            with self.subTest(transport=transport):
                with HostileServer(responding("200 OK", "{}"), host="0.0.0.0") as server:
                    outcome = describe(
                        name_of("done"), server.endpoint, transport, "--access-token-file", token
                    )
                    self.assertEqual(server.connections(), [], outcome)
                self.assert_refused(outcome)

    def test_the_name_localhost_is_a_loopback_address(self):
        token = self.token_file(GOOD_TOKEN)
        endpoint = self.server.endpoint.replace("127.0.0.1", "localhost")
        outcome = describe(name_of("token"), endpoint, "grpc", "--access-token-file", token)
        self.assert_read(outcome)

"""`--transport auto`: the client uses REST only if gRPC cannot work."""

from fixture import PeersTest, Route, describe
from hostile import HostileServer
from hostile_http2 import INVALID_RESPONSES, Http2
from script import name_of


class Fallback(PeersTest):
    def setUp(self) -> None:
        super().setUp()
        envoy = self.peers.envoy
        # The first listener of Envoy accepts gRPC and REST. A fallback would succeed there, and the test would notice it.
        self.both = Route("both", envoy.endpoint, "auto", rest=False)

    def test_grpc_is_preferred_if_both_work(self):
        for endpoint in (self.peers.server.endpoint, self.peers.envoy.endpoint):
            with self.subTest(endpoint=endpoint):
                self.server.reset()
                self.assert_read(describe(name_of("done"), endpoint, "auto"))
                self.assertEqual([r.over_rest for r in self.server.received()], [False])

    def test_a_port_with_http1_only_is_called_over_rest_with_one_request(self):
        outcome = self.describe(self.peers.fallback, name_of("done"))
        self.assert_read(outcome)
        self.assertEqual([r.over_rest for r in self.server.received()], [True])

    def test_a_proxy_that_answers_grpc_with_a_page_is_called_over_rest(self):
        port = int(self.peers.envoy.endpoint.rpartition(":")[2])
        for page in ("html", "html 503"):
            with self.subTest(page=page):
                self.server.reset()
                http2 = Http2(INVALID_RESPONSES[page], http1_port=port)
                with HostileServer(http2) as proxy:
                    self.assert_read(describe(name_of("done"), proxy.endpoint, "auto"))
                self.assertGreaterEqual(len(http2.requests), 1, "gRPC was not tried")
                self.assertEqual([r.over_rest for r in self.server.received()], [True])

    def test_the_token_is_also_sent_after_a_fallback(self):
        token = self.token_file("good-token")
        outcome = self.describe(
            self.peers.fallback, name_of("token"), "--access-token-file", token
        )
        self.assert_read(outcome)

    def test_an_error_of_the_service_never_starts_the_fallback(self):
        for operation_id, code in {
            "denied": "PERMISSION_DENIED",
            "internal": "INTERNAL",
            "missing": "NOT_FOUND",
            "token": "UNAUTHENTICATED",
            "unavailable": "UNAVAILABLE",
        }.items():
            with self.subTest(operation=operation_id):
                self.server.reset()
                outcome = self.describe(self.both, name_of(operation_id))
                self.assert_failed(outcome, code, name=name_of(operation_id))
                received = self.server.received()
                self.assertGreaterEqual(len(received), 1)
                self.assertEqual({r.over_rest for r in received}, {False})

    def test_an_expired_deadline_never_starts_the_fallback(self):
        # On a busy machine, a call may not arrive within a short deadline.
        for seconds in (1, 4, 16):
            self.server.reset()
            outcome = self.describe(self.both, name_of("slow"), "--request-timeout", f"{seconds}s")
            self.assert_failed(outcome, "DEADLINE_EXCEEDED", name=name_of("slow"))
            received = [r.over_rest for r in self.server.received()]
            if received:
                break
        self.assertEqual(received, [False])

    def test_an_explicit_grpc_transport_never_falls_back(self):
        outcome = describe(name_of("done"), self.peers.envoy.http1_endpoint, "grpc")
        self.assert_failed(outcome, name=name_of("done"))
        self.assertEqual(self.server.received(), [])

    def test_an_explicit_rest_transport_never_tries_grpc(self):
        # grpcio speaks only HTTP/2, so REST cannot succeed there.
        outcome = describe(name_of("done"), self.server.endpoint, "rest")
        self.assert_failed(outcome, name=name_of("done"))
        self.assertEqual(self.server.received(), [])

"""The behaviour of grpcio and Envoy on which the other tests rely.

These tests do not run the command line. They fail if a new version of a peer behaves differently.
"""

import gzip
import http.client
import json
import time
from urllib.parse import quote, urlsplit

import grpc
from google.longrunning import operations_pb2, operations_pb2_grpc

from fixture import PeersTest
from hostile import HostileServer
from hostile_http2 import INVALID_RESPONSES, Http2
from script import PARENT, name_of


class Rest(PeersTest):
    def get(self, path: str, endpoint: str | None = None, method: str = "GET", **headers: str):
        """Returns status, content type and body. http.client follows no redirects, raises no errors and normalises no paths."""
        connection = http.client.HTTPConnection(
            urlsplit(endpoint or self.peers.envoy.endpoint).netloc, timeout=60
        )
        self.addCleanup(connection.close)
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.getheader("content-type"), response

    def get_json(self, operation_id: str) -> tuple[int, dict]:
        status, content_type, response = self.get(f"/v1/{name_of(operation_id)}")
        self.assertEqual(content_type, "application/json")
        return status, json.load(response)

    def test_the_http_rules_are_those_of_the_service_configuration(self):
        for method, path, received in [
            ("GET", f"/v1/{name_of('done')}", "GetOperation"),
            ("GET", f"/v1/{PARENT}/operations", "ListOperations"),
            ("DELETE", f"/v1/{name_of('done')}", "DeleteOperation"),
            ("POST", f"/v1/{name_of('done')}:cancel", "CancelOperation"),
            # HTTP rules of the annotations in operations.proto. This service does not have them.
            ("GET", "/v1/operations/done", None),
            ("GET", "/v1/operations", None),
        ]:
            with self.subTest(method=method, path=path):
                self.server.reset()
                status, _, _ = self.get(path, method=method)
                self.assertEqual(status, 404 if received is None else 200)
                methods = [call.method for call in self.server.received()]
                self.assertEqual(methods, [] if received is None else [received])

    def test_envoy_writes_a_status_at_the_top_level_of_the_body(self):
        status, body = self.get_json("missing")
        self.assertEqual(status, 404)
        self.assertEqual(body["code"], 5)
        kinds = [detail["@type"].rpartition(".")[2] for detail in body["details"]]
        self.assertEqual(kinds, ["ErrorInfo", "BadRequest", "ResourceInfo"])

    def test_an_empty_message_is_written_without_value(self):
        status, body = self.get_json("deleted")
        self.assertEqual(status, 200)
        self.assertEqual(body["response"], {"@type": "type.googleapis.com/google.protobuf.Empty"})

    def test_unknown_types_break_the_transcoding(self):
        status, content_type, response = self.get(f"/v1/{name_of('unknown-any')}")
        self.assertEqual((status, content_type), (502, "text/plain"))
        self.assertIn(b"acme.v1.Mystery", response.read())
        status, content_type, response = self.get(f"/v1/{name_of('missing-unknown')}")
        self.assertEqual((status, content_type), (404, "application/grpc"))
        self.assertEqual((response.read(), response.getheader("grpc-status")), (b"", "5"))

    def test_a_path_is_decoded_once_except_an_encoded_slash(self):
        name = name_of("a%2Fb:c?d#e")
        self.get(f"/v1/{quote(name, safe='/')}")
        self.get(f"/v1/{PARENT}/operations/a%2Fb")
        names = [call.request.name for call in self.server.received()]
        self.assertEqual(names, [name, name_of("a%2Fb")])

    def test_system_parameters_pass_and_unknown_ones_do_not(self):
        queries = {"%24alt=json%3Benum-encoding%3Dint": 200, "alt=json": 200, "no=1": 400}
        for query, expected in queries.items():
            with self.subTest(query=query):
                self.assertEqual(self.get(f"/v1/{name_of('done')}?{query}")[0], expected)

    def test_one_listener_compresses_on_request(self):
        asking = {"Accept-Encoding": "gzip"}
        _, _, response = self.get(f"/v1/{name_of('done')}", **asking)
        self.assertEqual(response.getheader("content-encoding"), "gzip")
        self.assertEqual(json.loads(gzip.decompress(response.read()))["name"], name_of("done"))
        _, _, response = self.get(f"/v1/{name_of('done')}", self.peers.envoy.http1_endpoint, **asking)
        self.assertIsNone(response.getheader("content-encoding"))

    def test_headers_reach_the_server_through_envoy(self):
        sent = {"x-goog-api-client": "a", "user-agent": "b", "authorization": "c"}
        self.get(f"/v1/{name_of('done')}", **sent)
        (call,) = self.server.received()
        self.assertTrue(call.over_rest)
        self.assertIsNone(call.remaining)
        for name, value in sent.items():
            self.assertEqual(call.header(name), [value])


class Grpc(PeersTest):
    def call(self, endpoint: str, operation_id: str, timeout: float = 30):
        with grpc.insecure_channel(urlsplit(endpoint).netloc) as channel:
            stub = operations_pb2_grpc.OperationsStub(channel)
            request = operations_pb2.GetOperationRequest(name=name_of(operation_id))
            # The server must record a header twice if it is sent twice. The tests of duplicate headers rely on it.
            return stub.GetOperation(request, timeout=timeout, metadata=[("x-two", "1"), ("x-two", "2")])

    def test_grpc_passes_through_the_first_listener_and_not_the_second(self):
        for endpoint in (self.server.endpoint, self.peers.envoy.endpoint):
            self.server.reset()
            self.assertTrue(self.call(endpoint, "done").done)
            (call,) = self.server.received()
            self.assertFalse(call.over_rest)
            self.assertLessEqual(call.remaining, 30.1)
        with self.assertRaises(grpc.RpcError) as raised:
            self.call(self.peers.envoy.http1_endpoint, "done")
        self.assertEqual(raised.exception.code(), grpc.StatusCode.UNAVAILABLE)
        self.assertIn("HTTP/2", raised.exception.details())

    def test_a_header_sent_twice_is_seen_twice(self):
        self.call(self.server.endpoint, "done")
        (call,) = self.server.received()
        self.assertEqual(call.header("x-two"), ["1", "2"])

    def test_a_slow_response_ends_when_the_client_closes_the_call(self):
        for _ in range(20):  # More calls than the server has workers.
            with self.assertRaises(grpc.RpcError):
                self.call(self.server.endpoint, "slow", timeout=0.05)
        started = time.monotonic()
        self.call(self.server.endpoint, "done")
        # If a slow response still occupied its worker, this call would wait for up to 30 s.
        self.assertLess(time.monotonic() - started, 20)

    def test_grpcio_reads_the_responses_of_the_hostile_server_as_intended(self):
        expected = {
            # grpc-core drops the whole response for a header that is not base64.
            "broken details in the headers": grpc.StatusCode.INTERNAL,
            "broken details in the trailers": grpc.StatusCode.INTERNAL,
            "details that are not a status": grpc.StatusCode.NOT_FOUND,
            "html": grpc.StatusCode.UNKNOWN,
            "html 503": grpc.StatusCode.UNAVAILABLE,
            "oversized length": grpc.StatusCode.RESOURCE_EXHAUSTED,
        }
        for what, code in expected.items():
            with self.subTest(response=what), HostileServer(Http2(INVALID_RESPONSES[what])) as server:
                with self.assertRaises(grpc.RpcError) as raised:
                    self.call(server.endpoint, "done")
                self.assertEqual(raised.exception.code(), code, raised.exception.details())

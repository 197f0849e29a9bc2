"""Failed calls: code, message and details reach the caller unchanged."""

from google.rpc import code_pb2, error_details_pb2

from canonical import canonical
from driver import call_all, our_client, wire
from every_method_fixture import EveryMethodTest
from requests_of import bare, bindings
from samples import Sampler
from script import Refusal

# Our client retries no error of this method, since the method starts an operation.
UPDATE = "/google.cloud.apigateway.v1.ApiGatewayService/UpdateGateway"
DETAILS = [
    error_details_pb2.ErrorInfo,
    error_details_pb2.RetryInfo,
    error_details_pb2.BadRequest,
    error_details_pb2.QuotaFailure,
    error_details_pb2.LocalizedMessage,
    error_details_pb2.Help,
]


def refusal(code: int) -> Refusal:
    """Returns an error with this code, with details, and with characters that must be encoded."""
    details = [Sampler(code).message(type) for type in DETAILS]
    return Refusal(code, f"Zürich 100% 東京: {code_pb2.Code.Name(code)}", *details)


class Refusals(EveryMethodTest):
    def assert_refused(self, client: list, path: str, code: int) -> None:
        case = next(bare(binding) for binding in bindings() if binding.path == path)
        expected = refusal(code)
        self.server.reset()
        self.server.refuse(path, expected)
        with self.subTest(path=path, code=code_pb2.Code.Name(code)):
            (outcome,) = call_all(client, [case])
            self.assertIsNotNone(outcome.status, outcome)
            self.assertEqual(wire(canonical(outcome.status)), wire(canonical(expected.status)))
            self.assertEqual([call.method for call in self.server.received()], [path])

    def test_an_error_of_every_code_arrives_unchanged(self):
        for code in range(1, 17):
            self.assert_refused(our_client(self.server.endpoint, "grpc"), UPDATE, code)
            self.assert_refused(our_client(self.envoy.endpoint, "rest"), UPDATE, code)
            self.assert_refused(our_client(self.proxy.endpoint, "rest"), UPDATE, code)

    def test_an_error_of_every_method_arrives_unchanged(self):
        for path in {binding.path for binding in bindings()}:
            self.assert_refused(our_client(self.envoy.endpoint, "rest"), path, code_pb2.NOT_FOUND)
            self.assert_refused(our_client(self.proxy.endpoint, "rest"), path, code_pb2.NOT_FOUND)

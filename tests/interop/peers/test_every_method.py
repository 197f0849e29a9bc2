"""Every method that has an HTTP rule, called over gRPC and REST: requests and responses arrive unchanged.

The messages are compared as they are on the gRPC wire at both ends. So our client and the transcoder must agree on every
path, query and body.
"""

import unittest

from google.longrunning import operations_pb2
from google.rpc import code_pb2

from driver import call_all, our_client
from every_method_fixture import OVER_GRPC, THROUGH_ENVOY, THROUGH_OUR_PROXY, EveryMethodTest
from every_method_server import METHODS
from requests_of import Case, bindings, cases

WAIT = "/google.longrunning.Operations/WaitOperation"


class Cases(unittest.TestCase):
    """The requests themselves, on which the other tests rely."""

    def test_there_are_requests_for_every_method_and_binding_except_wait_operation(self):
        self.assertEqual(len(METHODS), 25)
        self.assertEqual({binding.path for binding in bindings()}, set(METHODS) - {WAIT})
        self.assertEqual(len(bindings()), 24 + 6)
        self.assertEqual({case.path for case in cases()}, set(METHODS) - {WAIT})

    def test_every_field_of_a_request_is_set_in_some_case(self):
        seen = {}
        for case in cases():
            names = {field.name for field, _ in case.request.ListFields()}
            seen.setdefault(case.path, set()).update(names)
        for path, names in seen.items():
            self.assertEqual(names, set(METHODS[path].input_type.fields_by_name), path)


class OurClient(EveryMethodTest):
    def test_every_message_arrives_over_grpc(self):
        self.assert_all_arrive(our_client(self.server.endpoint, "grpc"), cases(), arrives=OVER_GRPC)

    def test_every_message_arrives_over_rest_through_envoy(self):
        readable = [case for case in cases() if not case.has_unknown_enum]
        self.assert_all_arrive(our_client(self.envoy.endpoint, "rest"), readable, arrives=THROUGH_ENVOY)

    def test_the_client_falls_back_to_rest_if_envoy_has_http1_only(self):
        readable = [case for case in cases() if not case.has_unknown_enum]
        self.assert_all_arrive(our_client(self.envoy.http1_endpoint, "auto"), readable, arrives=THROUGH_ENVOY)

    def test_every_message_arrives_over_rest_through_our_proxy(self):
        self.assert_all_arrive(our_client(self.proxy.endpoint, "rest"), cases(), arrives=THROUGH_OUR_PROXY)

    def test_every_message_arrives_over_grpc_through_our_proxy(self):
        self.assert_all_arrive(our_client(self.proxy.endpoint, "grpc"), cases(), arrives=OVER_GRPC)

    def test_only_envoy_rejects_an_unknown_enum_number_in_a_query(self):
        unknown = [case for case in cases() if case.has_unknown_enum]
        self.assertNotEqual(unknown, [])
        for outcome in call_all(our_client(self.envoy.endpoint, "rest"), unknown):
            self.assertEqual(outcome.status.code, code_pb2.INVALID_ARGUMENT, outcome)

    def test_wait_operation_needs_grpc(self):
        request = operations_pb2.WaitOperationRequest(name="projects/p/locations/l/operations/o")
        wait = Case("wait", WAIT, request)
        self.assert_all_arrive(our_client(self.server.endpoint, "grpc"), [wait], arrives=OVER_GRPC)
        self.server.reset()
        (outcome,) = call_all(our_client(self.envoy.endpoint, "rest"), [wait])
        self.assertEqual(outcome.status.code, code_pb2.UNIMPLEMENTED, outcome)
        self.assertEqual(self.server.received(), [])

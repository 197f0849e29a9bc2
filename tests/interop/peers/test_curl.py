"""Our server side, called with curl: valid requests, and the errors of invalid ones."""

from google.cloud.apigateway.v1 import apigateway_pb2 as apigateway
from google.longrunning import operations_pb2
from google.protobuf import field_mask_pb2, json_format
from google.rpc import code_pb2, error_details_pb2

from canonical import canonical
from curl import Response, curl
from driver import wire
from every_method_fixture import HTTP_STATUS, EveryMethodTest
from every_method_server import response_to
from samples import Sampler
from script import Refusal

L = "projects/p/locations/l"
GATEWAYS = "/google.cloud.apigateway.v1.ApiGatewayService"
OPERATIONS = "/google.longrunning.Operations"


class CurlTest(EveryMethodTest):
    def curl(self, target: str, *options: str, version: str = "1.1") -> Response:
        return curl(f"{self.proxy.endpoint}{target}", *options, version=version)

    def assert_called(self, response: Response, path: str, request) -> None:
        """Checks that the server received only this request, and that the response is the one of the server."""
        self.assertEqual(response.status, 200, response)
        self.assertEqual(response.header("content-type"), ["application/json; charset=UTF-8"])
        (call,) = self.server.received()
        self.assertEqual((call.method, call.request), (path, request))
        expected = response_to(path, request)
        read = json_format.Parse(response.body, type(expected)())
        self.assertEqual(wire(canonical(read)), wire(canonical(expected)))

    def assert_refused(self, response: Response, http: int, status: str, *words: str) -> dict:
        """Checks that the response is an error body with these words, and that the server received nothing."""
        self.assertEqual(response.status, http, response)
        self.assertEqual(response.header("content-type"), ["application/json; charset=UTF-8"])
        self.assertEqual(set(response.json()), {"error"}, response)
        error = response.json()["error"]
        self.assertEqual((error["code"], error["status"]), (http, status), response)
        for word in words:
            self.assertIn(word, error["message"])
        self.assertEqual(self.server.received(), [])
        return error


class Requests(CurlTest):
    LIST = f"{GATEWAYS}/ListGateways"
    GET = f"{OPERATIONS}/GetOperation"

    def test_each_verb_is_served_over_either_version_of_http(self):
        create = apigateway.CreateApiRequest(parent=L, api_id="a", api={"display_name": "ü"})
        update = apigateway.UpdateApiRequest(
            update_mask=field_mask_pb2.FieldMask(paths=["display_name", "labels"]),
            api={"name": f"{L}/apis/a", "display_name": "b"},
        )
        calls = [
            (f"/v1/{L}/gateways?pageSize=2&orderBy=name", [], self.LIST,
             apigateway.ListGatewaysRequest(parent=L, page_size=2, order_by="name")),
            (f"/v1/{L}/apis?apiId=a", ["-X", "POST", "-d", '{"displayName": "ü"}'],
             f"{GATEWAYS}/CreateApi", create),
            (f"/v1/{L}/apis/a?updateMask=displayName,labels",
             ["-X", "PATCH", "-d", '{"displayName": "b"}'], f"{GATEWAYS}/UpdateApi", update),
            (f"/v1/{L}/apis/a", ["-X", "DELETE"], f"{GATEWAYS}/DeleteApi",
             apigateway.DeleteApiRequest(name=f"{L}/apis/a")),
        ]
        for target, options, path, request in calls:
            for version in ("1.1", "2"):
                with self.subTest(target=target, version=version):
                    self.server.reset()
                    response = self.curl(target, *options, version=version)
                    self.assertEqual(response.version, version)
                    self.assert_called(response, path, request)

    def test_the_queries_of_clients_are_accepted(self):
        request = apigateway.ListGatewaysRequest
        for query, expected in {
            "?": request(parent=L),
            "?pageToken=": request(parent=L),
            "?pageToken=a%2Bb%2F%3D%26": request(parent=L, page_token="a+b/=&"),
            "?pageToken=a+b%20c": request(parent=L, page_token="a b c"),
            "?page_size=3": request(parent=L, page_size=3),
            "?pageSize=3&filter=%C3%BC": request(parent=L, page_size=3, filter="ü"),
            "?pageSize=-1": request(parent=L, page_size=-1),
            "?page%53ize=3": request(parent=L, page_size=3),
        }.items():
            with self.subTest(query=query):
                self.server.reset()
                self.assert_called(self.curl(f"/v1/{L}/gateways{query}"), self.LIST, expected)

    def test_system_parameters_are_not_read_as_fields(self):
        for query in ("alt=json", "%24alt=json", "$alt=json", "prettyPrint=false", "key=k", "fields=a"):
            with self.subTest(query=query):
                self.server.reset()
                response = self.curl(f"/v1/{L}/gateways?{query}")
                self.assert_called(response, self.LIST, apigateway.ListGatewaysRequest(parent=L))

    def test_enums_are_numbers_if_the_query_asks_for_numbers(self):
        path = f"{GATEWAYS}/GetGateway"
        requests = [apigateway.GetGatewayRequest(name=f"{L}/gateways/g{n}") for n in range(100)]
        active = [r for r in requests if response_to(path, r).state == apigateway.Gateway.ACTIVE]
        for query, expected in {
            "": "ACTIVE",
            "?$alt=json": "ACTIVE",
            "?$alt=json;enum-encoding=int": 2,
            "?%24alt=json%3Benum-encoding%3Dint": 2,
            "?%24alt=json%3benum-encoding%3dint&": 2,
        }.items():
            with self.subTest(query=query):
                response = self.curl(f"/v1/{active[0].name}{query}")
                self.assertEqual(response.json()["state"], expected)

    def test_a_path_is_decoded_once_except_an_encoded_slash(self):
        for segment, expected in {
            "a%2Fb": "a%2Fb",
            "a%2fb": "a%2fb",
            "a%252Fb": "a%2Fb",
            "a%20b+c": "a b+c",
            "%C3%BC%3A%3F": "ü:?",
            "%63ancel": "cancel",
            "x%3Acancel": "x:cancel",
        }.items():
            with self.subTest(segment=segment):
                self.server.reset()
                request = operations_pb2.GetOperationRequest(name=f"{L}/operations/{expected}")
                response = self.curl(f"/v1/{L}/operations/{segment}")
                self.assert_called(response, self.GET, request)

    def test_a_body_is_read_as_json_with_any_content_type(self):
        create = apigateway.CreateApiRequest(parent=L, api_id="a", api={"display_name": "d"})
        for type in ("", "application/json", "application/json; charset=utf-8", "text/plain"):
            with self.subTest(type=type):
                self.server.reset()
                header = ["-H", f"Content-Type: {type}"] if type else []
                response = self.curl(f"/v1/{L}/apis?apiId=a", "-d", '{"display_name": "d"}', *header)
                self.assert_called(response, f"{GATEWAYS}/CreateApi", create)

    def test_a_cancel_needs_no_body(self):
        request = operations_pb2.CancelOperationRequest(name=f"{L}/operations/o")
        for options in (["-X", "POST"], ["-d", ""], ["-d", "{}"]):
            with self.subTest(options=options):
                self.server.reset()
                response = self.curl(f"/v1/{L}/operations/o:cancel", *options)
                self.assert_called(response, f"{OPERATIONS}/CancelOperation", request)
                self.assertEqual(response.body, b"{}")

    def test_headers_reach_the_server(self):
        sent = {"authorization": "Bearer t", "x-goog-request-params": "name=a%2Fb", "x-goog-user-project": "p"}
        options = [word for name, value in sent.items() for word in ("-H", f"{name}: {value}")]
        self.curl(f"/v1/{L}/operations/o:cancel", *options, "-d", "{}")
        (call,) = self.server.received()
        for name, value in sent.items():
            self.assertEqual(call.header(name), [value])
        # Headers of the connection are not forwarded.
        own = {"connection", "content-type", "host", "transfer-encoding"}
        self.assertEqual([key for key, _ in call.metadata if key in own], [])
        # `content-length` is the length of the gRPC body: the five bytes before a message, and the message.
        self.assertEqual(call.header("content-length"), [str(5 + call.request.ByteSize())])


class Refused(CurlTest):
    def test_an_unknown_path_is_not_found(self):
        for target in ("/", "/v1", "/v2/projects/p", f"/v1/{L}/toasters", f"/v1/{L}/operations/a/b",
                       f"/v1/{L}//gateways", f"/v1/{L}/operations/", "/v1/operations/o",
                       "/google.longrunning.Operations/GetOperation"):
            with self.subTest(target=target):
                self.assert_refused(self.curl(target), 404, "NOT_FOUND")

    def test_the_error_for_an_unsupported_verb_names_the_supported_verbs(self):
        for target, verb, allowed in [
            (f"/v1/{L}/gateways", "PUT", {"GET", "POST"}),
            (f"/v1/{L}/gateways/g", "POST", {"GET", "PATCH", "DELETE"}),
            (f"/v1/{L}/operations/o:cancel", "GET", {"POST"}),
            (f"/v1/{L}/operations/o:cancel", "DELETE", {"POST"}),
        ]:
            with self.subTest(target=target, verb=verb):
                response = self.curl(target, "-X", verb)
                (allow,) = response.header("allow")
                self.assertEqual({word.strip() for word in allow.split(",")} - {"HEAD", "OPTIONS"}, allowed)
                self.assert_refused(response, 405, "UNIMPLEMENTED")

    def test_a_path_with_an_invalid_name_is_refused(self):
        for segment in ("%", "%zz", "%FF", "..", "%2e%2E", "."):
            with self.subTest(segment=segment):
                response = self.curl(f"/v1/{L}/operations/{segment}")
                self.assert_refused(response, 400, "INVALID_ARGUMENT")

    def test_no_error_contains_a_key_or_a_token(self):
        for query in ("key=hush%FF", "access_token=hush%0A", "%24access_token=hush%zz"):
            with self.subTest(query=query):
                response = self.curl(f"/v1/{L}/gateways?{query}")
                error = self.assert_refused(response, 400, "INVALID_ARGUMENT")
                self.assertNotIn("hush", error["message"])

    def test_the_error_of_an_invalid_query_names_the_parameter(self):
        for query, word in {
            "nonsense=1": "nonsense",
            "pageSize=many": "pageSize",
            "pageSize=3000000000": "pageSize",
            "parent.name=a": "parent",
            "pageToken=%FF": "pageToken",
            "pageSize=": "pageSize",
            "filter=a&filter=b": "filter",
            "pageSize=1&page_size=1": "pageSize",
            "parent=a": "parent",
            "alt=media": "alt",
        }.items():
            with self.subTest(query=query):
                response = self.curl(f"/v1/{L}/gateways?{query}")
                self.assert_refused(response, 400, "INVALID_ARGUMENT", word)

    def test_the_error_of_an_invalid_body_names_the_field_or_the_position(self):
        for body, word in {
            '{"displayName": "a",}': "20",
            '{"displayName": 1}': "displayName",
            '{"displayName": ': "16",
            "displayName=a": "0",
            "[]": "0",
        }.items():
            with self.subTest(body=body):
                response = self.curl(f"/v1/{L}/apis?apiId=a", "-d", body)
                self.assert_refused(response, 400, "INVALID_ARGUMENT", word)

    def test_an_unexpected_body_is_refused(self):
        for options in (["-X", "GET", "-d", '{"pageSize": 1}'], ["-X", "GET", "-d", "[]"]):
            with self.subTest(options=options):
                response = self.curl(f"/v1/{L}/gateways", *options)
                self.assert_refused(response, 400, "INVALID_ARGUMENT", "body")

    def test_every_code_has_its_http_status_and_keeps_its_details(self):
        path = f"{OPERATIONS}/GetOperation"
        for code, http in HTTP_STATUS.items():
            with self.subTest(code=code):
                number = code_pb2.Code.Value(code)
                details = [Sampler(number).message(error_details_pb2.BadRequest)]
                self.server.refuse(path, Refusal(number, "Zürich 100%", *details))
                response = self.curl(f"/v1/{L}/operations/o")
                self.assertEqual(response.status, http)
                self.assertEqual(response.json(), {"error": {
                    "code": http,
                    "message": "Zürich 100%",
                    "status": code,
                    "details": [
                        {"@type": "type.googleapis.com/google.rpc.BadRequest",
                         **json_format.MessageToDict(details[0])}
                    ],
                }})

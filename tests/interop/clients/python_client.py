"""Runs the scenario with the official Python client.

    python python_client.py grpc|rest QUICK SLOW PROJECT DOCUMENT

The package has no client for some methods. They are called over gRPC only. For policies and WaitOperation, Google publishes
stubs in other packages; for locations, it publishes only the message classes.
"""

import json
import sys
from urllib.parse import urlsplit

import grpc
from google.api_core import grpc_helpers
from google.api_core.future.polling import DEFAULT_POLLING
from google.api_core.operations_v1 import OperationsClient
from google.auth.credentials import AnonymousCredentials
from google.cloud import apigateway_v1 as apigateway
from google.cloud.apigateway_v1.services.api_gateway_service.transports import (
    ApiGatewayServiceGrpcTransport,
    ApiGatewayServiceRestTransport,
)
from google.cloud.location import locations_pb2
from google.iam.v1 import iam_policy_pb2, iam_policy_pb2_grpc, policy_pb2
from google.longrunning import operations_pb2, operations_pb2_grpc
from google.protobuf import duration_pb2, field_mask_pb2

from python_outcome import bindings, contents, error, metadata, operation_state, resource

SECONDS = 120
OFTEN = DEFAULT_POLLING.with_delay(initial=0.05, maximum=0.05, multiplier=1)


def main() -> None:
    transport, quick, slow, project, document = sys.argv[1:]
    play = Play(transport, quick, project)
    if play.grpc:
        play.locations()
    play.apis()
    play.configurations(document)
    play.gateways()
    play.look_at_operations()
    play.bad_config()
    if play.grpc:
        play.wait()
        play.policies()
    play.errors()
    play.deletes()
    Play(transport, slow, project).slowly()


def report(step: str, outcome) -> None:
    print(json.dumps({"step": step, "outcome": outcome}), flush=True)


class NoCredentials(AnonymousCredentials):
    """Sends no credentials. The refresh after a 401 does nothing; with anonymous credentials it would raise an error."""

    def refresh(self, request) -> None:
        pass


class Play:
    def __init__(self, transport: str, endpoint: str, project: str) -> None:
        host = urlsplit(endpoint).netloc
        self.grpc = transport == "grpc"
        if self.grpc:
            self.channel = grpc.insecure_channel(host)
            connected = ApiGatewayServiceGrpcTransport(channel=self.channel)
        else:
            connected = ApiGatewayServiceRestTransport(
                host=host, url_scheme="http", credentials=NoCredentials()
            )
        self.client = apigateway.ApiGatewayServiceClient(transport=connected)
        # Over gRPC an OperationsClient, over REST an AbstractOperationsClient.
        self.operations = connected.operations_client
        assert isinstance(self.operations, OperationsClient) == self.grpc, self.operations
        self.project = f"projects/{project}"
        self.home = f"{self.project}/locations/global"
        self.region = f"{self.project}/locations/us-central1"
        self.api = f"{self.home}/apis/shop"
        self.configs = [f"{self.api}/configs/v{n}" for n in (1, 2, 3)]
        self.gateway = f"{self.region}/gateways/front"

    def locations(self) -> None:
        # No stub of this service is published, only its messages.
        service = "/google.cloud.location.Locations"
        every = self.channel.unary_unary(
            f"{service}/ListLocations",
            locations_pb2.ListLocationsRequest.SerializeToString,
            locations_pb2.ListLocationsResponse.FromString,
        )
        one = self.channel.unary_unary(
            f"{service}/GetLocation",
            locations_pb2.GetLocationRequest.SerializeToString,
            locations_pb2.Location.FromString,
        )
        listed = every(locations_pb2.ListLocationsRequest(name=self.project), timeout=SECONDS)
        report("list_locations", [location.location_id for location in listed.locations])
        found = one(locations_pb2.GetLocationRequest(name=self.region), timeout=SECONDS)
        report("get_location", {"name": found.name, "id": found.location_id})

    def apis(self) -> None:
        api = apigateway.Api(labels={"team": "blue"})
        creating = self.client.create_api(parent=self.home, api_id="shop", api=api)
        self.creating_api = creating.operation.name
        report("create_api", resource(ended(creating)))
        report("get_api", resource(self.client.get_api(name=self.api)))
        again = error(lambda: self.client.create_api(parent=self.home, api_id="shop", api=api))
        report("create_api_again", again)
        updating = self.client.update_api(
            api=apigateway.Api(name=self.api, display_name="Große Läden", labels={}),
            update_mask=field_mask_pb2.FieldMask(paths=["display_name", "labels"]),
        )
        report("update_api", resource(ended(updating)))
        report("list_apis", [api.name for api in self.client.list_apis(parent=self.home)])

    def configurations(self, document: str) -> None:
        created = []
        for name in self.configs:
            id = name.rpartition("/")[2]
            file = apigateway.ApiConfig.File(path="openapi.json", contents=document.encode())
            config = apigateway.ApiConfig(
                openapi_documents=[apigateway.ApiConfig.OpenApiDocument(document=file)]
            )
            creating = self.client.create_api_config(
                parent=self.api, api_config_id=id, api_config=config
            )
            created.append(resource(ended(creating)))
        report("create_configs", created)
        report("get_config_basic", contents(self.client.get_api_config(name=self.configs[0])))
        full = self.client.get_api_config(
            apigateway.GetApiConfigRequest(
                name=self.configs[0], view=apigateway.GetApiConfigRequest.ConfigView.FULL
            )
        )
        report("get_config_full", contents(full))

        def listed(size: int):
            request = apigateway.ListApiConfigsRequest(parent=self.api, page_size=size)
            return self.client.list_api_configs(request)

        pages = [[config.name for config in page.api_configs] for page in listed(1).pages]
        report("list_configs_by_page", pages)
        report("list_configs_by_item", [config.name for config in listed(2)])
        updating = self.client.update_api_config(
            api_config=apigateway.ApiConfig(name=self.configs[0], labels={"tier": "gold"}),
            update_mask=field_mask_pb2.FieldMask(paths=["labels"]),
        )
        report("update_config", resource(ended(updating)))

    def gateways(self) -> None:
        creating = self.client.create_gateway(
            parent=self.region,
            gateway_id="front",
            gateway=apigateway.Gateway(api_config=self.configs[0]),
        )
        self.creating_gateway = creating.operation.name
        report("create_gateway", resource(ended(creating)))
        report("get_gateway", resource(self.client.get_gateway(name=self.gateway)))
        switching = self.client.update_gateway(
            gateway=apigateway.Gateway(name=self.gateway, api_config=self.configs[1]),
            update_mask=field_mask_pb2.FieldMask(paths=["api_config"]),
        )
        report("switch_gateway", resource(ended(switching)))
        everywhere = self.client.list_gateways(parent=f"{self.project}/locations/-")
        report("list_gateways", [gateway.name for gateway in everywhere])

    def look_at_operations(self) -> None:
        # The client for gRPC accepts no page size.
        size = {} if self.grpc else {"page_size": 2}
        listed = self.operations.list_operations(self.home, "", **size)
        report("list_operations", [operation.done for operation in listed])
        report("get_operation", operation_state(self.operations.get_operation(self.creating_gateway)))
        self.operations.delete_operation(self.creating_api)
        gone = error(lambda: self.operations.get_operation(self.creating_api))
        report("delete_operation", gone)

    def bad_config(self) -> None:
        bad = apigateway.ApiConfig.File(path="openapi.json", contents=b"{}")
        config = apigateway.ApiConfig(
            openapi_documents=[apigateway.ApiConfig.OpenApiDocument(document=bad)]
        )
        creating = self.client.create_api_config(
            parent=self.api, api_config_id="bad", api_config=config
        )
        report("create_bad_config", error(lambda: ended(creating)))
        name = f"{self.api}/configs/bad"
        report("get_bad_config", resource(self.client.get_api_config(name=name)))
        ended(self.client.delete_api_config(name=name))

    def wait(self) -> None:
        stub = operations_pb2_grpc.OperationsStub(self.channel)

        def waited(operation) -> bool:
            request = operations_pb2.WaitOperationRequest(
                name=operation.operation.name, timeout=duration_pb2.Duration(seconds=SECONDS)
            )
            return stub.WaitOperation(request, timeout=SECONDS).done

        creating = self.client.create_api(
            parent=self.home, api_id="waited", api=apigateway.Api()
        )
        created = waited(creating)
        deleting = self.client.delete_api(name=f"{self.home}/apis/waited")
        report("wait_operation", [created, waited(deleting)])

    def policies(self) -> None:
        stub = iam_policy_pb2_grpc.IAMPolicyStub(self.channel)
        # The errors of the stub are converted to the errors of the clients.
        wrapped = grpc_helpers.wrap_errors(stub.SetIamPolicy)
        names = [self.api, self.configs[0], self.gateway]

        def policies() -> list[dict]:
            request = iam_policy_pb2.GetIamPolicyRequest
            responses = [stub.GetIamPolicy(request(resource=name), timeout=SECONDS) for name in names]
            return [bindings(policy) for policy in responses]

        def set_policy(name: str, etag: bytes):
            policy = policy_pb2.Policy(
                etag=etag,
                bindings=[policy_pb2.Binding(role="roles/viewer", members=["user:a@example.com"])],
            )
            request = iam_policy_pb2.SetIamPolicyRequest(resource=name, policy=policy)
            return wrapped(request, timeout=SECONDS)

        report("get_iam_policy", policies())
        answered = [set_policy(name, b"") for name in names]
        report("set_iam_policy", [bindings(policy) for policy in answered])
        report("get_iam_policy_again", policies())
        etag = answered[0].etag
        set_policy(self.api, etag)
        report("set_iam_policy_stale", error(lambda: set_policy(self.api, etag)))
        request = iam_policy_pb2.TestIamPermissionsRequest
        tested = [
            list(stub.TestIamPermissions(
                request(resource=name, permissions=["apigateway.apis.get"]), timeout=SECONDS
            ).permissions)
            for name in names
        ]
        report("test_iam_permissions", tested)

    def errors(self) -> None:
        report("not_found", error(lambda: self.client.get_api(name=f"{self.home}/apis/none")))
        wrong = apigateway.ListApisRequest(parent=self.home, filter="colour = red")
        report("invalid_argument", error(lambda: self.client.list_apis(wrong)))
        report("delete_api_in_use", error(lambda: self.client.delete_api(name=self.api)))
        report("delete_config_in_use", error(
            lambda: self.client.delete_api_config(name=self.configs[1])
        ))

    def deletes(self) -> None:
        ended(self.client.delete_gateway(name=self.gateway))
        report("delete_gateway", error(lambda: self.client.get_gateway(name=self.gateway)))
        deleting = [self.client.delete_api_config(name=name) for name in self.configs]
        for operation in deleting:
            ended(operation)
        left = self.client.list_api_configs(parent=self.api)
        report("delete_configs", [config.name for config in left])
        ended(self.client.delete_api(name=self.api))
        report("delete_api", [api.name for api in self.client.list_apis(parent=self.home)])

    def slowly(self) -> None:
        creating = self.client.create_api(parent=self.home, api_id="held", api=apigateway.Api())
        name = creating.operation.name
        report("start", {"done": creating.done(), **metadata(creating.metadata)})
        report("resume", operation_state(self.operations.get_operation(name)))
        running = self.operations.list_operations(self.home, "done = false")
        report("list_running", [operation_state(operation) for operation in running])
        report("busy", error(lambda: self.client.delete_api(name=f"{self.home}/apis/held")))
        assert creating.cancel()
        report("cancel", error(lambda: ended(creating)))
        report("cancelled", operation_state(self.operations.get_operation(name)))
        # Cancels by name, without a future.
        other = self.client.create_api(parent=self.home, api_id="other", api=apigateway.Api())
        self.operations.cancel_operation(other.operation.name)
        report("cancel_by_name", operation_state(self.operations.get_operation(other.operation.name)))

        def create(id: str):
            # By default some codes are retried.
            return self.client.create_api(
                parent=self.home, api_id=id, api=apigateway.Api(), retry=None
            )

        doomed = create("doomed")
        report("create_doomed", error(lambda: ended(doomed)))
        codes = [error(lambda: create(f"code-{number}")) for number in range(1, 17)]
        report("every_code", codes)


def ended(operation):
    """Returns the result of an operation; raises its error."""
    return operation.result(timeout=SECONDS, polling=OFTEN)


if __name__ == "__main__":
    main()

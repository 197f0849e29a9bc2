"""Standard output: the operation as proto3 JSON or YAML, the same over every route."""

import base64
import re

import yaml

import script
from fixture import PeersTest, over_every_route, without_false
from script import PARENT, name_of

TYPES = "type.googleapis.com/google.cloud.apigateway.v1"
RPC_TYPES = "type.googleapis.com/google.rpc"

CREATED = {
    "@type": f"{TYPES}.OperationMetadata",
    "createTime": "2026-01-02T03:04:05Z",
    "endTime": "2026-01-02T03:05:06.789012345Z",
    "target": f"{PARENT}/gateways/g",
    "verb": "create",
    "apiVersion": "v1",
}

DONE = {
    "name": name_of("done"),
    "metadata": CREATED | {
        "diagnostics": [{"location": "openapi.yaml:12", "message": "operation without an id"}],
    },
    "done": True,
    "response": {
        "@type": f"{TYPES}.Gateway",
        "name": f"{PARENT}/gateways/g",
        "labels": {"env": "prod", "team": "edge"},
        "displayName": "My gateway",
        "apiConfig": "projects/p/locations/global/apis/a/configs/c",
        "state": "ACTIVE",
        "defaultHostname": "g-1a2b3c.nw.gateway.dev",
    },
}

RUNNING = {
    "name": name_of("running"),
    "metadata": {
        "@type": f"{TYPES}.OperationMetadata",
        "createTime": "2026-01-02T03:04:05Z",
        "target": f"{PARENT}/apis/a",
        "verb": "create",
        "apiVersion": "v1",
    },
}

FAILED = {
    "name": name_of("failed"),
    "metadata": CREATED | {"statusMessage": "creation failed"},
    "done": True,
    "error": {
        "code": 9,
        "message": "service account missing",
        "details": [
            {
                "@type": f"{RPC_TYPES}.BadRequest",
                "fieldViolations": [
                    {"field": "gateway.api_config", "description": "the config has no service account"}
                ],
            },
            {
                "@type": f"{RPC_TYPES}.QuotaFailure",
                "violations": [
                    {
                        "subject": "project:p",
                        "description": "too many gateways",
                        "quotaValue": "9007199254740993",
                    }
                ],
            },
        ],
    },
}

DELETED = {
    "name": name_of("deleted"),
    "metadata": {
        "@type": f"{TYPES}.OperationMetadata",
        "createTime": "2026-01-02T03:04:05Z",
        "endTime": "2026-01-02T03:05:06.789012345Z",
        "target": f"{PARENT}/apis/a",
        "verb": "delete",
        "apiVersion": "v1",
    },
    "done": True,
    # The response of a delete is an Empty (AIP-151). Like the service, the command writes it without a `value` member.
    "response": {"@type": "type.googleapis.com/google.protobuf.Empty"},
}

UNKNOWN = {"@type": script.UNKNOWN_TYPE, "value": base64.b64encode(script.UNKNOWN_BYTES).decode()}


def gateway_operation(operation_id: str, **members) -> dict:
    response = {"@type": f"{TYPES}.Gateway", "name": f"{PARENT}/gateways/g", **members}
    return {"name": name_of(operation_id), "done": True, "response": response}


EVERYWHERE = {
    "done": DONE,
    "running": RUNNING,
    "failed": FAILED,
    "deleted": DELETED,
    "unicode": gateway_operation("unicode", displayName="Zürich – 東京 😀"),
    "awkward": gateway_operation("awkward", labels=script.AWKWARD_LABELS),
    "unknown-enum": gateway_operation("unknown-enum", state=99),
}

# Types unknown to Envoy make Envoy fail, so these two exist over gRPC only.
OVER_GRPC = {
    "unknown-any": {"name": name_of("unknown-any"), "metadata": UNKNOWN},
    "failed-unknown": FAILED | {
        "name": name_of("failed-unknown"),
        "error": FAILED["error"] | {"details": [*FAILED["error"]["details"], UNKNOWN]},
    },
}


class Yaml12(yaml.SafeLoader):
    """YAML 1.2, as gcloud writes it: `no` and `12:30:45` are strings."""

    BOOLEAN = "tag:yaml.org,2002:bool"
    INTEGER = "tag:yaml.org,2002:int"
    yaml_implicit_resolvers = {
        start: [
            (tag, pattern)
            for tag, pattern in resolvers
            if tag not in ("tag:yaml.org,2002:bool", "tag:yaml.org,2002:int")
        ]
        for start, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


Yaml12.add_implicit_resolver(Yaml12.BOOLEAN, re.compile("^(?:true|false)$"), list("tf"))
Yaml12.add_implicit_resolver(Yaml12.INTEGER, re.compile("^[-+]?[0-9]+$"), list("-+0123456789"))


class Output(PeersTest):
    maxDiff = None

    @over_every_route
    def test_json_is_the_operation_whatever_its_outcome(self, route):
        for operation_id, expected in EVERYWHERE.items():
            with self.subTest(operation=operation_id):
                outcome = self.describe(route, name_of(operation_id))
                self.assertEqual(self.assert_read(outcome), expected)

    @over_every_route
    def test_yaml_is_the_default_format(self, route):
        plain = self.describe(route, name_of("done"), "--format", "default")
        asked = self.describe(route, name_of("done"), "--format", "yaml")
        self.assertEqual((plain.exit_code, plain.stdout), (0, asked.stdout))

    def test_an_unknown_type_keeps_its_bytes_over_grpc(self):
        for operation_id, expected in OVER_GRPC.items():
            with self.subTest(operation=operation_id):
                outcome = self.describe(self.peers.grpc, name_of(operation_id))
                self.assertEqual(self.assert_read(outcome), expected)

    @over_every_route
    def test_yaml_reads_as_the_same_data(self, route):
        for operation_id, expected in EVERYWHERE.items():
            with self.subTest(operation=operation_id):
                outcome = self.describe(route, name_of(operation_id), "--format", "yaml")
                self.assertEqual(outcome.exit_code, 0, outcome)
                # Unquoted, a time would come back as a datetime.
                self.assertEqual(without_false(yaml.load(outcome.stdout, Yaml12)), expected)

    def test_yaml_is_not_json(self):
        outcome = self.describe(self.peers.grpc, name_of("done"), "--format", "yaml")
        self.assertFalse(outcome.stdout.lstrip().startswith("{"), outcome)

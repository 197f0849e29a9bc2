"""The messages of the JSON tests: random messages of every type, from fixed seeds."""

import every_kind_pb2
from google.api import annotations_pb2  # noqa: F401  registers the contract's own options
from google.cloud.apigateway.v1 import apigateway_pb2, apigateway_service_pb2
from google.cloud.location import locations_pb2
from google.iam.v1 import iam_policy_pb2, options_pb2, policy_pb2
from google.longrunning import operations_pb2
from google.protobuf import any_pb2, duration_pb2, empty_pb2, field_mask_pb2, struct_pb2
from google.protobuf import timestamp_pb2, wrappers_pb2
from google.rpc import error_details_pb2, status_pb2
from google.type import expr_pb2

from samples import Sampler, class_of

MODULES = [
    apigateway_pb2,
    apigateway_service_pb2,
    locations_pb2,
    iam_policy_pb2,
    options_pb2,
    policy_pb2,
    operations_pb2,
    error_details_pb2,
    status_pb2,
    expr_pb2,
    any_pb2,
    duration_pb2,
    empty_pb2,
    field_mask_pb2,
    struct_pb2,
    timestamp_pb2,
    wrappers_pb2,
    every_kind_pb2,
]
SEEDS = 20


def types() -> list:
    """Returns the classes of all messages, including nested messages, except the entries of maps."""
    found = []

    def add(descriptor) -> None:
        if not descriptor.GetOptions().map_entry:
            found.append(class_of(descriptor))
            for nested in descriptor.nested_types:
                add(nested)

    for module in MODULES:
        for descriptor in module.DESCRIPTOR.message_types_by_name.values():
            add(descriptor)
    return found


def messages() -> list:
    """Returns random messages of every type, sparse and full, and the empty message of every type except Value.

    The JSON form of an empty Value is `null`, which is not read back as the same message.
    """
    found = []
    for type in types():
        for seed in range(SEEDS):
            found.append(Sampler(seed, density=1 - seed / SEEDS).message(type))
        if type.DESCRIPTOR.full_name != "google.protobuf.Value":
            found.append(type())
    return found

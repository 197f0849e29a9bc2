"""Messages of any type, filled at random from a seed, so that each run has the same messages.

The values are difficult: the bounds of every number, texts with characters that have a meaning in URLs or JSON, enum numbers
without a name, and an Any of every type that all sides know.
"""

import random

from google.cloud.apigateway.v1 import apigateway_pb2
from google.iam.v1 import policy_pb2
from google.longrunning import operations_pb2
from google.protobuf import any_pb2, duration_pb2, empty_pb2, field_mask_pb2, struct_pb2
from google.protobuf import timestamp_pb2, wrappers_pb2
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message_factory import GetMessageClass
from google.rpc import error_details_pb2, status_pb2

TEXTS = [
    "plain",
    "Zürich – 東京 😀",
    "e\u0301 \u2028 \u202e \ufeff",
    'it\'s "quoted" \\ back / slash',
    "a+b=c&d;e?f#g%2F%zz h",
    "null",
    "1e3",
    "<&>",
    "..",
]
BYTES = [b"\0", b"\xfb\xff\xfe", b"ab", bytes(range(256))]

TYPE = FieldDescriptor
INTEGERS = {
    **dict.fromkeys(
        [TYPE.TYPE_INT32, TYPE.TYPE_SINT32, TYPE.TYPE_SFIXED32], [1, -1, 2**31 - 1, -(2**31)]
    ),
    **dict.fromkeys(
        [TYPE.TYPE_INT64, TYPE.TYPE_SINT64, TYPE.TYPE_SFIXED64],
        [1, -1, 2**53 + 1, 2**63 - 1, -(2**63)],
    ),
    **dict.fromkeys([TYPE.TYPE_UINT32, TYPE.TYPE_FIXED32], [1, 2**32 - 1]),
    **dict.fromkeys([TYPE.TYPE_UINT64, TYPE.TYPE_FIXED64], [1, 2**53 + 1, 2**64 - 1]),
}
# These lists omit three numbers. Python does not read back -0.0 and the largest float unchanged, and it writes the smallest
# float with too many digits. test_json_format.py tests these numbers separately.
DOUBLES = [0.1, 1e21, 5e-324, -1.7976931348623157e308]
FLOATS = [0.1, 16777216.0, 1.1754943508222875e-38, -3.3999999521443642e38]
NOT_FINITE = [float("inf"), float("-inf"), float("nan")]

# Seconds and nanos at the bounds of the JSON form, and fractions with 0, 3, 6 and 9 digits.
TIMES = [(0, 0), (-62135596800, 0), (253402300799, 999999999), (1, 500000000), (-1, 1000), (1, 1)]
DURATIONS = [(0, 0), (315576000000, 999999999), (-315576000000, -999999999), (0, -1), (1, 500000000)]
MASKS = [["display_name"], ["display_name", "labels", "api_config"], ["a_b.c_d", "e"]]

# The types in an Any. All of them are in the contract's descriptor set.
PACKED = [
    apigateway_pb2.Api,
    apigateway_pb2.ApiConfig,
    apigateway_pb2.Gateway,
    apigateway_pb2.OperationMetadata,
    operations_pb2.Operation,
    policy_pb2.Policy,
    error_details_pb2.QuotaFailure,
    error_details_pb2.ErrorInfo,
    status_pb2.Status,
    any_pb2.Any,
    timestamp_pb2.Timestamp,
    duration_pb2.Duration,
    field_mask_pb2.FieldMask,
    empty_pb2.Empty,
    struct_pb2.Struct,
    struct_pb2.Value,
    struct_pb2.ListValue,
    wrappers_pb2.StringValue,
    wrappers_pb2.Int64Value,
    wrappers_pb2.BytesValue,
    wrappers_pb2.DoubleValue,
]


class Sampler:
    """Fills messages. Each field is set with the probability `density`. Messages that are nested `depth` levels deep get
    scalars only.
    """

    def __init__(self, seed: int, *, density: float = 0.8, depth: int = 4) -> None:
        self._random = random.Random(seed)
        self._density = density
        self._depth = depth
        self._known = {
            "google.protobuf.Any": self._any,
            "google.protobuf.Timestamp": self._pair(TIMES),
            "google.protobuf.Duration": self._pair(DURATIONS),
            "google.protobuf.FieldMask": self._mask,
            "google.protobuf.Value": self._value,
        }

    def message(self, type):
        """Returns a message of the given class."""
        message = type()
        self._fill(message, 0)
        return message

    def _fill(self, message, depth: int) -> None:
        message.SetInParent()
        known = self._known.get(message.DESCRIPTOR.full_name)
        if known is not None:
            known(message, depth)
            return
        of_one = {
            oneof.name: self._random.choice(oneof.fields).name for oneof in message.DESCRIPTOR.oneofs
        }
        for field in message.DESCRIPTOR.fields:
            oneof = field.containing_oneof
            if oneof is not None and of_one[oneof.name] != field.name:
                continue
            if self._random.random() < self._density:
                self._set(message, field, depth)

    def _set(self, message, field, depth: int) -> None:
        nested = field.message_type
        if nested is not None and depth >= self._depth:
            return
        if nested is not None and nested.GetOptions().map_entry:
            self._set_map(getattr(message, field.name), nested, depth)
        elif field.is_repeated:
            items = getattr(message, field.name)
            for _ in range(self._random.randint(1, 3)):
                if nested is None:
                    items.append(self._scalar(field))
                else:
                    self._fill(items.add(), depth + 1)
        elif nested is not None:
            self._fill(getattr(message, field.name), depth + 1)
        else:
            setattr(message, field.name, self._scalar(field))

    def _set_map(self, items, entry, depth: int) -> None:
        key, value = entry.fields_by_name["key"], entry.fields_by_name["value"]
        for _ in range(self._random.randint(1, 3)):
            if value.message_type is None:
                items[self._scalar(key)] = self._scalar(value)
            else:
                self._fill(items[self._scalar(key)], depth + 1)

    def _scalar(self, field):
        choose = self._random.choice
        if field.type in INTEGERS:
            return choose(INTEGERS[field.type])
        match field.type:
            case TYPE.TYPE_STRING:
                return choose(TEXTS)
            case TYPE.TYPE_BYTES:
                return choose(BYTES)
            case TYPE.TYPE_BOOL:
                return choose([True, True, False])
            case TYPE.TYPE_DOUBLE:
                return choose(DOUBLES + NOT_FINITE)
            case TYPE.TYPE_FLOAT:
                return choose(FLOATS + NOT_FINITE)
            case TYPE.TYPE_ENUM if field.enum_type.full_name == "google.protobuf.NullValue":
                return 0
            case TYPE.TYPE_ENUM:
                numbers = [value.number for value in field.enum_type.values]
                return choose([*numbers, 99])
        raise ValueError(f"no samples for {field.full_name}")

    def _any(self, message, depth: int) -> None:
        inner = self._random.choice(PACKED)()
        self._fill(inner, depth + 1)
        message.Pack(inner, deterministic=True)

    def _pair(self, pairs):
        def fill(message, depth: int) -> None:
            message.seconds, message.nanos = self._random.choice(pairs)

        return fill

    def _mask(self, message, depth: int) -> None:
        message.paths.extend(self._random.choice(MASKS))

    def _value(self, message, depth: int) -> None:
        """Fills a Value. It always has a kind, and a number is finite.

        A Value without a kind has the JSON form `null`, which is not read back as the same message. A number that is not
        finite has no JSON form.
        """
        kinds = ["null_value", "number_value", "string_value", "bool_value"]
        kind = self._random.choice(kinds + ["struct_value", "list_value"] * (depth < self._depth))
        if kind == "number_value":
            message.number_value = self._random.choice(DOUBLES)
        elif kind in ("struct_value", "list_value"):
            self._fill(getattr(message, kind), depth + 1)
        else:
            setattr(message, kind, self._scalar(message.DESCRIPTOR.fields_by_name[kind]))


def class_of(descriptor):
    """The generated class of a message."""
    return GetMessageClass(descriptor)

"""A canonical form of messages.

The bytes in an Any may have the entries of a map in any order. A conversion to JSON and back encodes these bytes again, so
the order may change.
"""

from google.protobuf import any_pb2, descriptor_pool

from samples import class_of

POOL = descriptor_pool.Default()


def canonical(message):
    """Returns the message with the maps within each Any in the order of a deterministic encoder."""
    copy = type(message)()
    copy.CopyFrom(message)
    order(copy)
    return copy


def order(message) -> None:
    if isinstance(message, any_pb2.Any):
        order_any(message)
        return
    for field, value in message.ListFields():
        nested = field.message_type
        if nested is None:
            continue
        if nested.GetOptions().map_entry:
            if nested.fields_by_name["value"].message_type is not None:
                for item in value.values():
                    order(item)
        elif field.is_repeated:
            for item in value:
                order(item)
        else:
            order(value)


def order_any(message: any_pb2.Any) -> None:
    if not message.type_url:
        return
    name = message.type_url.rpartition("/")[2]
    inner = class_of(POOL.FindMessageTypeByName(name)).FromString(message.value)
    order(inner)
    message.value = inner.SerializeToString(deterministic=True)

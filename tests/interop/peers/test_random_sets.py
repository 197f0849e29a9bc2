"""Compares our JSON with that of protobuf, for random messages of random descriptor sets.

The sets are of proto2, proto3 and the editions 2023 and 2024, with features, groups, DELIMITED messages, extensions, maps,
oneofs and recursion (`../../common/random_sets`). The messages of half of the sets have an unusual encoding: in pieces, in any
order, with unknown fields, with numbers that closed enums do not have, and with values of another wire type.

RANDOM_SETS is the number of sets, RANDOM_SEED the first seed. A failure names its seed.
"""

import json
import os
import unittest

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

from command import without_repeats
from driver import driver_path, run_driver, to_wire

SETS = int(os.environ.get("RANDOM_SETS", "150"))
FIRST = int(os.environ.get("RANDOM_SEED", "0"))


def pool_of(descriptor_set: bytes) -> descriptor_pool.DescriptorPool:
    pool = descriptor_pool.DescriptorPool()
    for file in descriptor_pb2.FileDescriptorSet.FromString(descriptor_set).file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


def class_in(pool, name: str):
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(name))


def load(text: str):
    # JSON has 64-bit integers as texts. So every number has at most the precision of a double, and is compared as a double.
    return json.loads(text, object_pairs_hook=without_repeats, parse_int=float)


def without_empty_extensions(value):
    """Removes empty list extensions. If a packed list is empty, Python writes it as `[]` in an extension, and omits it in an
    ordinary field.
    """
    if isinstance(value, dict):
        items = value.items()
        return {
            name: without_empty_extensions(item)
            for name, item in items
            if not (name.startswith("[") and item == [])
        }
    if isinstance(value, list):
        return [without_empty_extensions(item) for item in value]
    return value


def canonical(message, pool) -> bytes:
    """One form for messages that are equal: without unknown fields, and each Any as a deterministic encoder has it."""
    copy = type(message)()
    copy.CopyFrom(message)
    copy.DiscardUnknownFields()
    order(copy, pool)
    return copy.SerializePartialToString(deterministic=True)


def order(message, pool) -> None:
    if message.DESCRIPTOR.full_name == "google.protobuf.Any":
        if message.type_url:
            inner = class_in(pool, message.type_url.rpartition("/")[2]).FromString(message.value)
            message.value = canonical(inner, pool)
        return
    if message.DESCRIPTOR.full_name == "google.protobuf.Value" and not message.ListFields():
        # A Value without a kind has the JSON form `null`.
        message.null_value = 0
        return
    for field, value in message.ListFields():
        nested = field.message_type
        if nested is None:
            continue
        if nested.GetOptions().map_entry:
            if nested.fields_by_name["value"].message_type is not None:
                for item in value.values():
                    order(item, pool)
        elif field.is_repeated:
            for item in value:
                order(item, pool)
        else:
            order(value, pool)


class RandomSets(unittest.TestCase):
    def check(self, wild: bool) -> None:
        driver = [driver_path("interop_random")]
        seeds = range(FIRST, FIRST + SETS)
        responses = run_driver(driver, [{"seed": seed, "wild": wild} for seed in seeds])
        read = run_driver(driver, [self.reads(seed, response) for seed, response in zip(seeds, responses, strict=True)])
        count = 0
        for seed, response, ours in zip(seeds, responses, read, strict=True):
            pool = pool_of(to_wire(response["set"]))
            for case, back in zip(response["cases"], ours["read"], strict=True):
                with self.subTest(seed=seed, **case):
                    self.compare(pool, case, back)
                    count += 1
        self.assertGreaterEqual(count, SETS)

    def reads(self, seed: int, response: dict) -> dict:
        """Returns the request that makes our engine read Python's JSON."""
        pool = pool_of(to_wire(response["set"]))
        reads = []
        for case in response["cases"]:
            with self.subTest(seed=seed, **case):
                message = class_in(pool, case["type"]).FromString(to_wire(case["wire"]))
                text = json_format.MessageToJson(message, descriptor_pool=pool)
                reads.append({"type": case["type"], "json": text})
        return {"seed": seed, "reads": reads}

    def compare(self, pool, case: dict, back: dict) -> None:
        message_class = class_in(pool, case["type"])
        message = message_class.FromString(to_wire(case["wire"]))
        wanted = canonical(message, pool)
        theirs = json_format.MessageToJson(message, descriptor_pool=pool)
        self.assertIn("json", case)
        ours = without_empty_extensions(load(case["json"]))
        self.assertEqual(ours, without_empty_extensions(load(theirs)))
        self.assertIn("wire", back, theirs)
        read = message_class.FromString(to_wire(back["wire"]))
        self.assertEqual(canonical(read, pool), wanted, "the message that we read from the JSON of Python")
        try:
            parsed = json_format.Parse(case["json"], message_class(), descriptor_pool=pool)
        except json_format.ParseError as error:
            # Python checks for required fields only within an Any.
            self.assertIn("is missing required fields", str(error))
            return
        self.assertEqual(canonical(parsed, pool), wanted, "the message that Python read from our JSON")

    def test_messages_in_the_usual_encoding_have_equal_json(self):
        self.check(wild=False)

    def test_messages_in_an_unusual_encoding_have_equal_json(self):
        self.check(wild=True)


if __name__ == "__main__":
    unittest.main()

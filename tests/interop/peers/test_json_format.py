"""Compares our JSON with that of protobuf, for messages of every type and handwritten texts."""

import json
import math
import os
import unittest
from pathlib import Path

from google.protobuf import json_format, symbol_database, wrappers_pb2

from canonical import canonical
from command import without_repeats
from driver import driver_path, run_driver, to_text, to_wire, wire
from json_corpus import SEEDS, messages, types
from json_texts import (
    DIFFERENT_MESSAGES,
    READ_ONLY_BY_PYTHON,
    READ_ONLY_BY_US,
    REJECTED_BY_BOTH,
    REJECTED_IF_STRICT,
    SAME_MESSAGE,
)
from samples import class_of
from stubs import EVERY_KIND_SET


def convert(requests: list[dict]) -> list[dict]:
    descriptor_set = Path(os.environ["INTEROP_WORK"]) / "generated" / EVERY_KIND_SET
    return run_driver([driver_path("interop_json"), descriptor_set], requests)


def class_named(name: str):
    return class_of(symbol_database.Default().pool.FindMessageTypeByName(name))


def load(text: str):
    return json.loads(text, object_pairs_hook=without_repeats)


class Messages(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.messages = messages()
        cls.names = [message.DESCRIPTOR.full_name for message in cls.messages]

    def check(self, requests: list[dict], member: str, same) -> None:
        """Converts all messages at once, and checks each response as a subtest."""
        responses = convert(requests)
        for name, message, response in zip(self.names, self.messages, responses, strict=True):
            with self.subTest(type=name, wire=to_text(wire(message))):
                self.assertIn(member, response)
                same(message, response[member])

    def requests(self) -> list[dict]:
        return [
            {"type": name, "wire": to_text(wire(message))}
            for name, message in zip(self.names, self.messages, strict=True)
        ]

    def test_there_are_messages_of_every_type(self):
        self.assertEqual(len(types()), 89)
        self.assertGreater(len(self.messages), SEEDS * len(types()))

    def test_we_read_the_json_of_protobuf_as_the_same_message(self):
        def same(message, ours: str) -> None:
            read = type(message).FromString(to_wire(ours))
            self.assertEqual(wire(canonical(read)), wire(canonical(message)))

        requests = [
            {"type": name, "json": json_format.MessageToJson(message)}
            for name, message in zip(self.names, self.messages, strict=True)
        ]
        self.check(requests, "wire", same)

    def test_protobuf_reads_our_json_as_the_same_message(self):
        def same(message, ours: str) -> None:
            read = json_format.Parse(ours, type(message)())
            self.assertEqual(wire(canonical(read)), wire(canonical(message)))

        self.check(self.requests(), "json", same)

    def test_we_write_the_same_json(self):
        def same(message, ours: str) -> None:
            self.assertEqual(load(ours), load(json_format.MessageToJson(message)))

        self.check(self.requests(), "json", same)

    def test_we_write_the_same_json_with_enums_as_numbers(self):
        def same(message, ours: str) -> None:
            theirs = json_format.MessageToJson(message, use_integers_for_enums=True)
            self.assertEqual(load(ours), with_null(load(theirs)))

        requests = [{**request, "enums_as_numbers": True} for request in self.requests()]
        self.check(requests, "json", same)


def with_null(value):
    """Replaces the 0 of a NullValue by null. With enums as numbers Python writes 0, but the JSON form is always `null`."""
    if isinstance(value, dict):
        return {name: None if name == "aNull" else with_null(item) for name, item in value.items()}
    return value


class Floats(unittest.TestCase):
    """The three numbers that Python does not read back unchanged, or writes with too many digits."""

    def ours(self, message) -> str:
        (response,) = convert([{"type": message.DESCRIPTOR.full_name, "wire": to_text(wire(message))}])
        return response["json"]

    def test_the_sign_of_zero_is_kept(self):
        text = self.ours(wrappers_pb2.DoubleValue(value=-0.0))
        (response,) = convert([{"type": "google.protobuf.DoubleValue", "json": text}])
        read = wrappers_pb2.DoubleValue.FromString(to_wire(response["wire"]))
        self.assertEqual(math.copysign(1, read.value), -1)

    def test_python_reads_our_text_of_the_largest_float_but_not_its_own(self):
        largest = wrappers_pb2.FloatValue(value=3.4028234663852886e38)
        self.assertEqual(json_format.Parse(self.ours(largest), wrappers_pb2.FloatValue()), largest)
        with self.assertRaises(json_format.ParseError):
            json_format.Parse(json_format.MessageToJson(largest), wrappers_pb2.FloatValue())

    def test_our_text_of_the_smallest_float_is_shorter_than_that_of_python(self):
        smallest = wrappers_pb2.FloatValue(value=1e-45)
        ours, theirs = self.ours(smallest), json_format.MessageToJson(smallest)
        self.assertLess(len(ours), len(theirs))
        for text in (ours, theirs):
            self.assertEqual(json_format.Parse(text, wrappers_pb2.FloatValue()), smallest)


class Texts(unittest.TestCase):
    def each(self, table: list, check, *, strict: bool = False) -> None:
        """Calls `check(theirs, ours)` for each text, as a subtest: with the bytes of the message that Python read, and of the
        message that we read. An argument is None if that side rejects the text.
        """
        requests = [{"type": entry[0], "json": entry[1], "strict": strict} for entry in table]
        for (name, text, *why), response in zip(table, convert(requests), strict=True):
            with self.subTest(type=name, json=text, why=why):
                check(read_by_python(name, text, strict), read_by_us(name, response))

    def test_texts_that_both_read_are_the_same_message(self):
        def check(theirs, ours) -> None:
            self.assertIsNotNone(theirs)
            self.assertEqual(ours, theirs)

        self.each(SAME_MESSAGE, check)

    def test_neither_side_reads_these_texts(self):
        self.each(REJECTED_BY_BOTH, lambda *read: self.assertEqual(read, (None, None)))

    def test_only_our_side_reads_these_texts(self):
        def check(theirs, ours) -> None:
            self.assertIsNone(theirs)
            self.assertIsNotNone(ours)

        self.each(READ_ONLY_BY_US, check)

    def test_only_python_reads_these_texts(self):
        def check(theirs, ours) -> None:
            self.assertIsNotNone(theirs)
            self.assertIsNone(ours)

        self.each(READ_ONLY_BY_PYTHON, check)

    def test_both_sides_read_these_texts_as_different_messages(self):
        def check(theirs, ours) -> None:
            self.assertNotIn(None, (theirs, ours))
            self.assertNotEqual(ours, theirs)

        self.each(DIFFERENT_MESSAGES, check)

    def test_these_texts_are_rejected_only_with_the_strict_option(self):
        self.each(REJECTED_IF_STRICT, lambda _, ours: self.assertIsNotNone(ours))
        self.each(REJECTED_IF_STRICT, lambda *read: self.assertEqual(read, (None, None)), strict=True)


def read_by_python(name: str, text: str, strict: bool) -> bytes | None:
    try:
        message = json_format.Parse(text, class_named(name)(), ignore_unknown_fields=not strict)
    except json_format.ParseError:
        return None
    return wire(canonical(message))


def read_by_us(name: str, response: dict) -> bytes | None:
    """Returns the bytes of the message that we read, or None if there is an error. Our engine reads an Any of an
    unknown type as an Any of a Struct, so `canonical` knows its type.
    """
    if "error" in response:
        return None
    return wire(canonical(class_named(name).FromString(to_wire(response["wire"]))))

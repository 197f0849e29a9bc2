"""Servers that misbehave: one clear error each, soon, and never a crash."""

import unittest
from concurrent.futures import Future, ThreadPoolExecutor

from fixture import assert_failed, describe
from hostile import (
    HostileServer, closing, dead_port, endless, garbage, html, responding, silent,
)
from hostile_http2 import INVALID_RESPONSES, MESSAGE, Http2
from script import name_of

NAME = name_of("done")
EVERY = ("grpc", "rest", "auto")
HTTP2 = ("grpc", "auto")

# The default deadline ends a call after 10 s, with all its attempts. This bound is far above it, since the machine may be
# busy.
BOUND_SECONDS = 60

# The codes that an invalid response may have.
INVALID_RESPONSE_CODES = ("UNKNOWN", "INTERNAL", "UNAVAILABLE")


class Hostile(unittest.TestCase):
    """Most of the time of a case is the wait between attempts, so several cases run at once."""

    outcomes: dict[tuple[str, str], Future]

    @classmethod
    def setUpClass(cls) -> None:
        pool = ThreadPoolExecutor(max_workers=8)
        cls.addClassCleanup(pool.shutdown, cancel_futures=True)
        cls.outcomes = {}
        for what, (behaviour, transports, options) in cls.cases().items():
            server = cls.enterClassContext(HostileServer(behaviour))
            for transport in transports:
                cls.outcomes[what, transport] = pool.submit(
                    describe, NAME, server.endpoint, transport, *options
                )
        dead = f"http://127.0.0.1:{dead_port()}"
        for transport in EVERY:
            cls.outcomes["dead port", transport] = pool.submit(describe, NAME, dead, transport)

    @staticmethod
    def cases() -> dict[str, tuple]:
        """Behaviour, transports and options by name."""
        deep = '{"a":' * 100_000 + "0" + "}" * 100_000
        return {
            "html 200": (html("200 OK"), EVERY, ()),
            "html 502": (html("502 Bad Gateway"), EVERY, ()),
            "html 404": (html("404 Not Found"), EVERY, ()),
            "garbage": (garbage, EVERY, ()),
            "silent": (silent, EVERY, ("--request-timeout", "2s")),
            "closing": (closing, EVERY, ()),
            "endless": (endless, ("rest",), ()),
            "truncated": (responding("200 OK", '{"name": "pro', content_length="1000"), ("rest",), ()),
            "invalid json": (responding("200 OK", '{"name": '), ("rest",), ()),
            "not an object": (responding("200 OK", '["name"]'), ("rest",), ()),
            "trailing": (responding("200 OK", f'{{"name": "{NAME}"}} and more'), ("rest",), ()),
            "invalid utf-8": (responding("200 OK", b'{"name": "\xff\xfe"}'), ("rest",), ()),
            "invalid gzip": (responding("200 OK", "{}", content_encoding="gzip"), ("rest",), ()),
            "deep": (responding("200 OK", f'{{"response": {deep}}}'), ("rest",), ()),
            "error 200": (
                responding(
                    "200 OK",
                    '{"error": {"code": 403, "message": "no", "status": "PERMISSION_DENIED"}}',
                ),
                ("rest",),
                (),
            ),
            **{f"h2 {what}": (Http2(response), HTTP2, ()) for what, response in INVALID_RESPONSES.items()},
        }

    def check(self, what: str, transports: tuple[str, ...], *codes: str) -> list[str]:
        """Checks that there is one error with these codes over each transport. Returns the output."""
        output = []
        for transport in transports:
            with self.subTest(server=what, transport=transport):
                outcome = self.outcomes[what, transport].result()
                assert_failed(self, outcome, *codes, name=NAME)
                self.assertLess(outcome.seconds, BOUND_SECONDS, outcome)
                self.assertNotRegex(outcome.stderr, r"[\x00-\x08\x0b-\x1f\x7f]", "control characters")
                self.assertLess(len(outcome.stderr), 4096, "the output is too long")
                output.append(outcome.stderr)
        return output

    def test_a_page_with_status_200_is_an_error(self):
        self.check("html 200", EVERY, *INVALID_RESPONSE_CODES)

    def test_the_error_for_a_page_contains_its_http_status(self):
        for output in self.check("html 502", ("rest", "auto"), "UNAVAILABLE"):
            self.assertIn("502", output)
        # An HTML page does not mean that the service has no such resource.
        for output in self.check("html 404", ("rest", "auto"), "UNAVAILABLE"):
            self.assertIn("404", output)
        self.check("html 502", ("grpc",), *INVALID_RESPONSE_CODES)
        self.check("html 404", ("grpc",), *INVALID_RESPONSE_CODES, "NOT_FOUND", "UNIMPLEMENTED")

    def test_garbage_is_an_error(self):
        self.check("garbage", EVERY, *INVALID_RESPONSE_CODES)

    def test_silence_ends_with_the_deadline(self):
        self.check("silent", EVERY, "DEADLINE_EXCEEDED")
        for transport in EVERY:
            outcome = self.outcomes["silent", transport].result()
            # The default deadline is 10 s.
            self.assertLess(outcome.seconds, 9.5, outcome)

    def test_a_closed_connection_and_a_dead_port_are_errors(self):
        self.check("closing", EVERY, *INVALID_RESPONSE_CODES)
        self.check("dead port", EVERY, "UNAVAILABLE")

    def test_reading_a_body_without_end_stops_at_the_limit(self):
        self.check("endless", ("rest",), *INVALID_RESPONSE_CODES, "RESOURCE_EXHAUSTED", "OUT_OF_RANGE")

    def test_a_body_that_is_not_an_operation_is_an_error(self):
        for what in ("truncated", "invalid json", "not an object", "trailing", "invalid utf-8", "invalid gzip", "deep"):
            self.check(what, ("rest",), *INVALID_RESPONSE_CODES, "DATA_LOSS")

    def test_an_error_body_with_status_200_is_reported_as_that_error(self):
        self.check("error 200", ("rest",), "PERMISSION_DENIED")

    def test_broken_details_do_not_hide_the_status(self):
        for place in ("in the headers", "in the trailers", "after a message"):
            for output in self.check(f"h2 broken details {place}", HTTP2, "NOT_FOUND"):
                self.assertIn(MESSAGE, output)
        for output in self.check("h2 details that are not a status", HTTP2, "NOT_FOUND"):
            self.assertIn(MESSAGE, output)
        # PROTOCOL-HTTP2: an invalid grpc-message must not hide the status.
        self.check("h2 message in invalid utf-8", HTTP2, "NOT_FOUND")

    def test_a_page_over_http2_is_an_error(self):
        self.check("h2 html", HTTP2, *INVALID_RESPONSE_CODES)
        self.check("h2 html 503", HTTP2, "UNAVAILABLE")

    def test_an_invalid_grpc_frame_is_an_error(self):
        self.check("h2 truncated frame", HTTP2, *INVALID_RESPONSE_CODES, "DATA_LOSS")
        self.check("h2 oversized length", HTTP2, "RESOURCE_EXHAUSTED", "OUT_OF_RANGE", "INTERNAL")
        self.check("h2 invalid protobuf", HTTP2, *INVALID_RESPONSE_CODES)
        self.check("h2 invalid gzip", HTTP2, *INVALID_RESPONSE_CODES, "UNIMPLEMENTED")

    def test_an_incomplete_response_is_an_error(self):
        self.check("h2 no trailers", HTTP2, *INVALID_RESPONSE_CODES)
        self.check("h2 no message", HTTP2, *INVALID_RESPONSE_CODES, "UNIMPLEMENTED")
        self.check("h2 status that is not a number", HTTP2, *INVALID_RESPONSE_CODES)
        self.check("h2 reset after the head", HTTP2, *INVALID_RESPONSE_CODES)


class Redirect(unittest.TestCase):
    def test_a_redirect_is_never_followed(self):
        with HostileServer(responding("200 OK", f'{{"name": "{NAME}"}}')) as elsewhere:
            for status in ("301 Moved Permanently", "302 Found", "307 Temporary Redirect"):
                redirect = responding(status, "", location=f"{elsewhere.endpoint}/v1/{NAME}")
                with self.subTest(status=status), HostileServer(redirect) as server:
                    outcome = describe(NAME, server.endpoint, "rest")
                    assert_failed(self, outcome, name=NAME)
                    self.assertIn(status[:3], outcome.stderr)
            self.assertEqual(elsewhere.connections(), [])

"""Names: an invalid one is rejected before anything is sent, and an unusual one arrives unchanged."""

from fixture import PeersTest, over_every_route
from script import PARENT, name_of

# Ids without a location. The command refuses them with gcloud's error.
IDS = ["done", ""]

# Rejected before anything is sent.
WRONG = [
    "operations/done",
    "projects/p/operations/done",
    "projects/p/locations/global",
    "projects/p/locations/global/operations",
    "projects/p/locations/global/operations/",
    "projects/p/locations/global/apis/a",
    "projects/p/locations/global/operations/done/extra",
    "/projects/p/locations/global/operations/done",
    "//apigateway.googleapis.com/projects/p/locations/global/operations/done",
    "projects//locations/global/operations/done",
    "projects/p/locations/../operations/done",
    "projects/p/locations/./operations/done",
    "projects/../locations/global/operations/done",
    "projects/p/locations/global/operations/..",
    "projects/p/locations/global/operations/.",
    "projects/p/locations/global/operations/do\nne",
    "projects/p/locations/global/operations/done\r\nx-evil: 1",
    "projects/p/locations/global/operations/\x7f",
]

# Characters with a meaning in URLs. A client may reject an id with such a character. If it sends the id, the server must
# receive exactly this name.
ODD = [
    "%2e%2e",
    "%2E.",
    "a%2Fb",
    "a%252Fb",
    "a:cancel",
    "a?b=c",
    "a#b",
    "a&b=c",
    "a+b",
    "a b",
    "a;b",
    "a\\b",
    "~a_b-c.d",
    "ünï",
]


class Names(PeersTest):
    @over_every_route
    def test_an_invalid_name_is_rejected_before_sending_and_the_error_shows_the_valid_form(self, route):
        for name in WRONG:
            with self.subTest(name=name):
                outcome = self.describe(route, name)
                self.assertIn(outcome.exit_code, (1, 2), outcome)
                self.assertEqual(outcome.stdout, "", outcome)
                self.assertRegex(
                    outcome.stderr, r"projects/[^/\s]+/locations/[^/\s]+/operations/[^/\s]+", outcome
                )
                self.assertEqual(self.server.received(), [])

    @over_every_route
    def test_an_id_without_a_location_is_refused_as_by_gcloud(self, route):
        for name in IDS:
            with self.subTest(name=name):
                outcome = self.describe(route, name)
                self.assertEqual((outcome.exit_code, outcome.stdout), (1, ""), outcome)
                self.assertIn("Failed to find attribute [location].", outcome.stderr, outcome)
                self.assertEqual(self.server.received(), [])

    def test_the_error_quotes_the_invalid_name(self):
        outcome = self.describe(self.peers.grpc, "operations/my-operation")
        self.assertIn("my-operation", outcome.stderr)
        self.assertNotIn("\x7f", self.describe(self.peers.grpc, name_of("\x7f")).stderr)

    @over_every_route
    def test_an_unusual_id_arrives_unchanged_or_is_rejected(self, route):
        for operation_id in ODD:
            with self.subTest(id=operation_id):
                self.server.reset()
                outcome = self.describe(route, name_of(operation_id))
                # The script has no response for these ids, so a request that arrives fails too, with NOT_FOUND.
                self.assertIn(outcome.exit_code, (1, 2), outcome)
                for received in self.server.received():
                    self.assertEqual(received.request.name, name_of(operation_id))

    @over_every_route
    def test_ordinary_ids_are_not_refused(self, route):
        for operation_id in ("operation-1700000000000-60a1b2c3d4e5f-1a2b3c4d-5e6f7a8b", "A.b_c~d-1"):
            self.server.reset()
            outcome = self.describe(route, f"{PARENT}/operations/{operation_id}")
            self.assert_failed(outcome, "NOT_FOUND", name=operation_id)
            self.assertEqual(len(self.server.received()), 1)

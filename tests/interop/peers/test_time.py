"""Deadlines and retries, as the server and the user see them."""

from fixture import PeersTest, over_every_route
from script import RETRY_DELAY_SECONDS, name_of

# Extra time for a busy machine.
SLACK = 0.5

# A busy machine may delay a run, so it is enough if one of these runs ends in time.
RUNS = 5

# The service's retry policy for operations: five attempts, and 10 s for all of them.
ATTEMPTS = 5


class Deadline(PeersTest):
    """`grpc-timeout` exists over gRPC only; over REST only the user's clock shows the deadline."""

    def assert_remaining(self, least: float, most: float, *options: str) -> None:
        """Checks the deadline that the server receives. It is shorter than the timeout by the time that the request
        takes to arrive, which is long on a busy machine.
        """
        seen = []
        for _ in range(RUNS):
            self.server.reset()
            self.assert_read(self.describe(self.peers.grpc, name_of("done"), *options))
            (received,) = self.server.received()
            self.assertIsNotNone(received.remaining, "the call had no deadline")
            self.assertLessEqual(received.remaining, most)
            seen.append(received.remaining)
            if received.remaining > least:
                return
        self.fail(f"not above {least}: {seen}")

    def test_the_default_timeout_is_the_one_of_the_service_config(self):
        self.assert_remaining(8, 10 + SLACK)

    def test_the_timeout_of_the_user_is_sent_as_the_deadline(self):
        self.assert_remaining(1.5, 3 + SLACK, "--request-timeout", "3s")

    def test_a_timeout_may_be_longer_than_the_default(self):
        self.assert_remaining(58, 60 + SLACK, "--request-timeout", "60s")

    @over_every_route
    def test_a_call_to_a_slow_server_ends_on_time_with_deadline_exceeded(self, route):
        for seconds in range(1, RUNS + 1):
            self.server.reset()
            outcome = self.describe(route, name_of("slow"), "--request-timeout", f"{seconds}s")
            self.assert_failed(outcome, "DEADLINE_EXCEEDED", name=name_of("slow"))
            self.assertGreater(outcome.seconds, seconds - 0.1, outcome)
            received = len(self.server.received())
            # The deadline of the call has passed, so there is no further attempt.
            self.assertLessEqual(received, 1)
            # On a busy machine, a call may not arrive within its deadline.
            if received == 1 and outcome.seconds < seconds + 3:
                return
        self.fail(f"late or not received: {outcome}")

    @over_every_route
    def test_the_deadline_covers_all_attempts(self, route):
        for _ in range(RUNS):
            outcome = self.describe(route, name_of("unavailable"), "--request-timeout", "1s")
            self.assert_failed(
                outcome, "UNAVAILABLE", "DEADLINE_EXCEEDED", name=name_of("unavailable")
            )
            if outcome.seconds < 3:
                return
        self.fail(f"late: {outcome}")


class Retry(PeersTest):
    @over_every_route
    def test_a_call_is_retried_until_it_succeeds(self, route):
        self.assert_read(self.describe(route, name_of("flaky")))
        received = self.server.received()
        self.assertEqual([r.over_rest for r in received], [route.rest] * 3)

    @over_every_route
    def test_the_retry_delay_of_the_server_is_a_minimum(self, route):
        self.assert_read(self.describe(route, name_of("flaky")))
        times = [received.at for received in self.server.received()]
        for before, after in zip(times, times[1:]):
            # The client measures the delay, and the server the time between two requests, so the check has a tolerance.
            self.assertGreater(after - before, RETRY_DELAY_SECONDS - 0.05)

    def test_each_attempt_has_the_remaining_deadline(self):
        self.assert_read(self.describe(self.peers.grpc, name_of("flaky")))
        first, *later = self.server.received()
        self.assertEqual(len(later), 2)
        for attempt in later:
            spent = attempt.at - first.at
            self.assertLess(attempt.remaining, first.remaining - spent + SLACK)

    @over_every_route
    def test_every_attempt_carries_the_same_headers(self, route):
        token = self.token_file("good-token")
        self.assert_read(self.describe(route, name_of("flaky"), "--access-token-file", token))
        for name in ("authorization", "x-goog-request-params", "x-goog-api-client", "user-agent"):
            values = [received.header(name) for received in self.server.received()]
            self.assertEqual(values, [values[0]] * 3, name)
            self.assertEqual(len(values[0]), 1, name)

    @over_every_route
    def test_a_call_to_an_unavailable_server_fails_after_the_attempts_of_the_policy(self, route):
        outcome = self.describe(route, name_of("unavailable"), "--request-timeout", "60s")
        output = self.assert_failed(outcome, "UNAVAILABLE", name=name_of("unavailable"))
        self.assertIn("down for maintenance", output)
        self.assertEqual(len(self.server.received()), ATTEMPTS)

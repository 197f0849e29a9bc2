"""Every client runs the scenario, which calls every method that the client has."""

import functools
import os
import unittest
from concurrent.futures import ThreadPoolExecutor

from play import Played, play
from scenario import CANNOT, CLIENTS, METHODS

PAIRS = [(client, transport) for client, transports in CLIENTS.items() for transport in transports]


@functools.cache
def all_played() -> dict[tuple[str, str], Played]:
    """Runs all clients, each with its own emulators. As many run at the same time as there are processors."""
    with ThreadPoolExecutor(max_workers=os.cpu_count() or 1) as pool:
        return dict(zip(PAIRS, pool.map(lambda pair: play(*pair), PAIRS), strict=True))


def called() -> dict[tuple[str, str], set[str]]:
    return {pair: played.called for pair, played in all_played().items()}


class Clients(unittest.TestCase):
    def assert_plays(self, client: str) -> None:
        for transport in CLIENTS[client]:
            played = all_played()[client, transport]
            for step, wrong in played.steps.items():
                with self.subTest(transport=transport, step=step):
                    self.assertIsNone(wrong)
            with self.subTest(transport=transport):
                if played.failure:
                    self.fail(played.failure)
                self.assertTrue(played.steps, "no step was played")

    def test_the_official_python_client_plays_the_scenario(self):
        self.assert_plays("python")

    def test_the_official_node_client_plays_the_scenario(self):
        self.assert_plays("node")

    def test_the_official_rust_client_plays_the_scenario(self):
        self.assert_plays("rust")

    def test_curl_plays_the_scenario(self):
        self.assert_plays("curl")

    def test_our_client_plays_the_scenario(self):
        self.assert_plays("ours")


class Matrix(unittest.TestCase):
    def test_every_client_calls_every_method_that_it_can(self):
        for (client, transport), methods in called().items():
            cannot = set(CANNOT.get((client, transport), {}))
            with self.subTest(client=client, transport=transport):
                self.assertEqual(set(METHODS) - cannot - methods, set(), "not called")
                self.assertEqual(methods & cannot, set(), "called, but listed in CANNOT")

    def test_every_method_is_called_over_grpc_and_all_but_one_over_rest(self):
        rest = {"rest", "http1", "h2c"}
        over_rest = [methods for (_, transport), methods in called().items() if transport in rest]
        over_grpc = [methods for (_, transport), methods in called().items() if transport == "grpc"]
        self.assertEqual(set().union(*over_grpc), set(METHODS))
        self.assertEqual(set().union(*over_rest), set(METHODS) - {"WaitOperation"})

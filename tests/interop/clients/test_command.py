"""The command line prints the same operation as curl, over every transport."""

import json
import os
import subprocess
import unittest

from curl import curl
from emulator import Emulator

HOME = "projects/p/locations/global"


def describe(name: str, endpoint: str, transport: str) -> dict:
    command = [os.environ["APIGW"], "operations", "describe", name, "--endpoint", endpoint]
    command += ["--transport", transport, "--format", "json"]
    environment = {"HOME": os.environ["INTEROP_WORK"], "PATH": os.environ["PATH"]}
    finished = subprocess.run(command, env=environment, capture_output=True, timeout=180)
    if finished.returncode != 0:
        raise AssertionError(f"{transport}: exit {finished.returncode}: {finished.stderr.decode()}")
    return json.loads(finished.stdout)


class Command(unittest.TestCase):
    def test_every_transport_returns_the_same_operation(self):
        with Emulator("1h") as emulator:
            url = f"{emulator.endpoint}/v1/{HOME}/apis?apiId=a"
            operation = curl(url, "-d", '{"labels": {"a": "ü"}}').json()
            for transport in ("grpc", "rest", "auto"):
                with self.subTest(transport=transport):
                    outcome = describe(operation["name"], emulator.endpoint, transport)
                    # A default value may be missing.
                    self.assertEqual(without_false(outcome), without_false(operation))


def without_false(value):
    if isinstance(value, dict):
        return {key: without_false(item) for key, item in value.items() if item is not False}
    return value

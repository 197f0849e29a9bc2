"""Runs a driver: a program that answers requests, one JSON object per line."""

import base64
import json
import os
import subprocess
from pathlib import Path

from google.rpc import code_pb2, status_pb2

from every_method_server import METHODS
from samples import class_of

# The header that identifies a received request.
CASE = "interop-case"

# Timeout of all requests of one run.
HANG_SECONDS = 400


def run_driver(command: list, requests: list[dict]) -> list[dict]:
    """Returns one response for each request."""
    home = Path(os.environ["INTEROP_WORK"]) / "home"
    home.mkdir(exist_ok=True)
    finished = subprocess.run(
        command,
        input="".join(json.dumps(request) + "\n" for request in requests).encode(),
        env={"HOME": str(home), "PATH": os.environ["PATH"]},
        cwd=home,
        capture_output=True,
        timeout=HANG_SECONDS,
    )
    output = finished.stderr.decode(errors="replace")
    if finished.returncode != 0:
        raise AssertionError(f"{command} exited {finished.returncode}\n{output}")
    # Not splitlines(), which ends a line at U+2028 as well.
    responses = [json.loads(line) for line in finished.stdout.decode().split("\n")[:-1]]
    if len(responses) != len(requests):
        raise AssertionError(f"{len(requests)} requests, {len(responses)} responses\n{output}")
    return responses


def driver_path(name: str) -> str:
    """The path of a driver that cargo built."""
    return str(Path(os.environ["INTEROP_DRIVERS"]) / name)


def to_text(wire: bytes) -> str:
    return base64.b64encode(wire).decode()


def to_wire(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


class Outcome:
    """The outcome of a call for the client: a response or a status."""

    def __init__(self, path: str, response: dict) -> None:
        self.response = self.status = None
        if "response" in response:
            self.response = class_of(METHODS[path].output_type).FromString(to_wire(response["response"]))
        else:
            self.status = status_pb2.Status.FromString(to_wire(response["details"]))
            self.status.code = response["code"]
            self.status.message = response["message"]

    def __str__(self) -> str:
        if self.status is None:
            return f"response {self.response}"
        return f"{code_pb2.Code.Name(self.status.code)}: {self.status}"


def call_all(command: list, cases: list) -> list[Outcome]:
    """Makes the calls in order in one process, each with its number as a header."""
    requests = [
        {"method": case.path, "request": to_text(wire(case.request)), "case": str(number)}
        for number, case in enumerate(cases)
    ]
    responses = run_driver(command, requests)
    return [Outcome(case.path, response) for case, response in zip(cases, responses, strict=True)]


def wire(message) -> bytes:
    """Returns the bytes of a message. Tests compare bytes instead of messages, since a NaN is not equal to itself."""
    return message.SerializeToString(deterministic=True)


def our_client(endpoint: str, transport: str) -> list:
    return [driver_path("interop_call"), endpoint, transport]

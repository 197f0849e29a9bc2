"""Runs a client's program, and compares its results with the scenario."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from emulator import Emulator
from scenario import DOCUMENT, METHODS, difference, faults, steps

# Timeout of one program. The scenario takes some seconds.
HANG_SECONDS = 400
# Times of the operations of the two emulators. A quick operation is not done at the first poll, but is done soon after.
QUICK, SLOW = "200ms", "1h"

HERE = Path(__file__).parent
PROGRAMS = {
    "python": [sys.executable, HERE / "python_client.py"],
    "node": ["node", HERE / "node_client.js"],
    "curl": [sys.executable, HERE / "curl_client.py"],
    "rust": [Path(os.environ["INTEROP_DRIVERS"]) / "interop_official"],
    "ours": [Path(os.environ["INTEROP_DRIVERS"]) / "interop_surface"],
}


@dataclass
class Played:
    """The results of a client's program."""

    # The difference from the expected result by step name; None if there is no difference.
    steps: dict[str, str | None] = field(default_factory=dict)
    # Failures outside of the steps.
    failure: str | None = None
    # The methods whose responses the client understood.
    understood: set[str] = field(default_factory=set)
    # The methods whose calls the emulator received, all over the transport of the client.
    received: set[str] = field(default_factory=set)

    @property
    def called(self) -> set[str]:
        return self.understood & self.received


def play(client: str, transport: str) -> Played:
    project = f"{client}-{transport}"
    work = Path(os.environ["INTEROP_WORK"])
    environment = {
        "HOME": str(work),
        "PATH": os.environ["PATH"],
        "PYTHONPYCACHEPREFIX": os.environ["PYTHONPYCACHEPREFIX"],
        "NODE_PATH": str(work / "node_modules"),
    }
    with Emulator(QUICK) as quick, Emulator(SLOW) as slow:
        for fault in faults(project):
            slow.fault(fault)
        command = [*PROGRAMS[client], transport, quick.endpoint, slow.endpoint, project, DOCUMENT]
        try:
            finished = subprocess.run(
                command,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                cwd=work,
                env=environment,
                timeout=HANG_SECONDS,
            )
        except subprocess.TimeoutExpired as hung:
            return Played(failure=f"the program hangs; its output: {(hung.stdout or b'').decode()}")
        calls = quick.calls() + slow.calls()
        unused = slow.unused()
    played = judge(client, transport, project, finished)
    played.received = {method for method in METHODS if received(calls, method, transport)}
    if unused and not played.failure:
        played.failure = f"these faults did not occur: {unused}"
    return played


def received(calls: list[dict], method: str, transport: str) -> bool:
    """Returns true if the emulator received calls of a method, all of them over the transport of the client."""
    name = f"{METHODS[method]}.{method}"
    transports = {call["transport"] for call in calls if call["method"] == name}
    return transports == {"GRPC" if transport == "grpc" else "REST"}


def judge(client: str, transport: str, project: str, finished: subprocess.CompletedProcess) -> Played:
    played = Played()
    # Not splitlines(), which ends a line at U+2028 as well.
    lines = [json.loads(line) for line in finished.stdout.decode().split("\n")[:-1]]
    outcome = {line["step"]: line["outcome"] for line in lines}
    missing = []
    for step in steps(client, transport, project):
        if step.name not in outcome:
            missing.append(step.name)
            continue
        wrong = difference(step.outcome, outcome.pop(step.name))
        played.steps[step.name] = wrong
        if wrong is None:
            played.understood.update(step.calls)
    # The client ran a step that the table `CANNOT` excludes, so the table is wrong.
    for name in outcome:
        played.steps[name] = "was not expected of this client"
    if finished.returncode != 0:
        output = finished.stderr.decode(errors="replace")
        played.failure = f"exit {finished.returncode}, not played: {missing}\n{output}"
    else:
        played.steps |= dict.fromkeys(missing, "was not played")
    return played

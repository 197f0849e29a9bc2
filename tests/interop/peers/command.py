"""Runs the command line under test, `$APIGW`, as a user's shell would."""

import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

# Longer than any deadline in these tests: a command that reaches it hangs.
HANG_SECONDS = 180


@dataclass(frozen=True)
class Outcome:
    """The result of one run, as a user sees it."""

    arguments: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str
    seconds: float

    def json(self):
        """Returns standard output as JSON. A duplicate member is an error."""
        return json.loads(self.stdout, object_pairs_hook=without_repeats)

    def __str__(self) -> str:
        return (
            f"apigw {' '.join(self.arguments)}\nexit {self.exit_code} after {self.seconds:.1f} s\n"
            f"--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"
        )


def apigw(*arguments: str, environment: dict[str, str] | None = None) -> Outcome:
    """Runs the command with an empty home folder, and without the credentials, proxies and settings of the machine."""
    home = Path(os.environ["INTEROP_WORK"]) / "home"
    home.mkdir(exist_ok=True)
    started = time.monotonic()
    finished = subprocess.run(
        [os.environ["APIGW"], *arguments],
        env={"HOME": str(home), "PATH": os.environ["PATH"], **(environment or {})},
        cwd=home,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=HANG_SECONDS,
    )
    return Outcome(
        arguments,
        finished.returncode,
        # Strict: output that is not UTF-8 fails the test.
        finished.stdout.decode(),
        finished.stderr.decode(),
        time.monotonic() - started,
    )


def without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError(f"repeated JSON members: {[name for name, _ in pairs]}")
    return members

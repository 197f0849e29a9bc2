"""Runs the command line under test, `$APIGW`, as a user's shell would."""

import json
import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

# Longer than any deadline in these tests: whoever reaches it hangs.
HANG_SECONDS = 180


@dataclass(frozen=True)
class Outcome:
    """What a user sees of one run."""

    arguments: tuple[str, ...]
    exit_code: int
    stdout: str
    stderr: str
    seconds: float

    def json(self):
        """Standard output as JSON. A repeated member would hide one value behind the other."""
        return json.loads(self.stdout, object_pairs_hook=without_repeats)

    def __str__(self) -> str:
        return (
            f"apigw {' '.join(self.arguments)}\nexit {self.exit_code} after {self.seconds:.1f} s\n"
            f"--- stdout\n{self.stdout}\n--- stderr\n{self.stderr}"
        )


def apigw(*arguments: str, environment: dict[str, str] | None = None) -> Outcome:
    """One run in an empty home: no credentials, proxies or settings of this machine reach it."""
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
        # Strict: output that is no UTF-8 fails the test.
        finished.stdout.decode(),
        finished.stderr.decode(),
        time.monotonic() - started,
    )


def without_repeats(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) != len(pairs):
        raise ValueError(f"repeated JSON members: {[name for name, _ in pairs]}")
    return members

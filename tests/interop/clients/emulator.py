"""The emulator as a user starts it, `apigw emulator`, on a port of its own."""

import json
import os
import subprocess
import urllib.request

LISTENING = "listening on "
HANG_SECONDS = 120


class Emulator:
    """A running emulator. It prints its address when it is ready."""

    def __init__(self, operation_time: str) -> None:
        self._process = subprocess.Popen(
            [os.environ["APIGW"], "emulator", "--listen", "127.0.0.1:0", "--operation-time", operation_time],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        line = self._process.stdout.readline().decode().strip()
        if not line.startswith(LISTENING):
            raise RuntimeError(f"the emulator did not start, exit {self._process.wait()}: {line}")
        self.endpoint = line.removeprefix(LISTENING)

    def calls(self) -> list[dict]:
        """Returns the received calls, the oldest first."""
        return self._admin("calls").get("calls", [])

    def fault(self, fault: dict) -> None:
        """Injects a fault."""
        self._admin("faults", fault)

    def unused(self) -> list[dict]:
        """Returns the faults that have not occurred."""
        faults = self._admin("faults").get("faults", [])
        return [fault for fault in faults if int(fault.get("used", 0)) == 0]

    def _admin(self, route: str, body: dict | None = None) -> dict:
        request = urllib.request.Request(
            f"{self.endpoint}/emulator/v1/{route}",
            data=None if body is None else json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=HANG_SECONDS) as response:
            return json.load(response)

    def __enter__(self) -> "Emulator":
        return self

    def __exit__(self, *_) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

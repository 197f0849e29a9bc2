"""The emulator as a user starts it, `apigw emulator`, on a port of its own."""

import os
import subprocess

LISTENING = "listening on "


class Emulator:
    """A running emulator. It says where it listens, and so when."""

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

    def __enter__(self) -> "Emulator":
        return self

    def __exit__(self, *_) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

"""HTTP requests as a user types them, by curl."""

import json
import os
import subprocess
from dataclasses import dataclass
from functools import cache

HANG_SECONDS = 120
# The HTTP versions, and the options of curl for them.
VERSIONS = {"http1": "--http1.1", "h2c": "--http2-prior-knowledge", "upgrade": "--http2"}


@dataclass(frozen=True)
class Response:
    version: str
    status: int
    headers: list[tuple[str, str]]
    body: bytes

    def header(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def json(self):
        return json.loads(self.body)


def curl(url: str, *options: str, over: str = "http1", body: bytes = b"") -> Response:
    """Sends one request. The URL is sent unchanged.

    `options` are those of curl. `body` is curl's standard input: an option such as `--data-binary @-` sends it.
    """
    check()
    finished = subprocess.run(
        [
            "curl", "--disable", "--silent", "--show-error", "--include", "--noproxy", "*",
            "--path-as-is", "--globoff", "--max-time", "20", VERSIONS[over], *options, url,
        ],
        input=body,
        capture_output=True,
        env={"PATH": os.environ["PATH"]},
        timeout=HANG_SECONDS,
    )
    if finished.returncode != 0:
        raise AssertionError(f"curl {url}: exit {finished.returncode}: {finished.stderr.decode()}")
    head, _, body = finished.stdout.partition(b"\r\n\r\n")
    # `100 Continue` comes before the response.
    while head.split(b" ")[1].startswith(b"1"):
        head, _, body = body.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    spoken, status, *_ = first.split(" ")
    pairs = [line.partition(":") for line in lines]
    headers = [(name.lower(), value.strip()) for name, _, value in pairs]
    return Response(spoken.removeprefix("HTTP/"), int(status), headers, body)


@cache
def check() -> None:
    """Fails if there is no curl, or if curl does not support HTTP/2."""
    try:
        version = subprocess.run(["curl", "--version"], capture_output=True, check=True).stdout.decode()
    except OSError as error:
        raise AssertionError(f"there is no curl: install it ({error})") from error
    features = next((line for line in version.splitlines() if line.startswith("Features:")), "")
    if "HTTP2" not in features.split():
        raise AssertionError(f"this curl speaks no HTTP/2: install one that does\n{version}")

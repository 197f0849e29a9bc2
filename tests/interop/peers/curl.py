"""HTTP requests as a user types them: by curl, or by Python over HTTP/1.1 if there is no curl."""

import http.client
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from urllib.parse import urlsplit

HANG_SECONDS = 120


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


def curl(url: str, *options: str, version: str = "1.1") -> Response:
    """Sends one request. `options` are those of curl: -X VERB, -d DATA and -H HEADER."""
    if shutil.which("curl") is None:
        if version != "1.1":
            raise AssertionError("HTTP/2 needs curl: install it")
        return by_python(url, *options)
    finished = subprocess.run(
        [
            "curl", "--disable", "--silent", "--show-error", "--include", "--noproxy", "*",
            # The URL is sent unchanged.
            "--path-as-is", "--globoff", "--max-time", "10",
            {"1.1": "--http1.1", "2": "--http2-prior-knowledge"}[version],
            *options,
            url,
        ],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        env={"PATH": os.environ["PATH"]},
        timeout=HANG_SECONDS,
    )
    if finished.returncode != 0:
        raise AssertionError(f"curl {url}: {finished.stderr.decode()}")
    head, _, body = finished.stdout.partition(b"\r\n\r\n")
    first, *lines = head.decode("latin-1").split("\r\n")
    spoken, status, *_ = first.split(" ")
    pairs = [line.partition(":") for line in lines]
    headers = [(name.lower(), value.strip()) for name, _, value in pairs]
    return Response(spoken.removeprefix("HTTP/"), int(status), headers, body)


def by_python(url: str, *options: str) -> Response:
    """Sends the request that curl would send for these options."""
    verb, data, headers = None, None, {}
    for option, value in zip(options[::2], options[1::2], strict=True):
        match option:
            case "-X":
                verb = value
            case "-d":
                data = value.encode()
                headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
            case "-H":
                name, _, text = value.partition(":")
                headers[name] = text.strip()
            case _:
                raise ValueError(option)
    parts = urlsplit(url)
    # The target is sent unchanged, even a bare question mark.
    target = url.removeprefix(f"{parts.scheme}://{parts.netloc}")
    connection = http.client.HTTPConnection(parts.netloc, timeout=HANG_SECONDS)
    try:
        connection.request(verb or ("GET" if data is None else "POST"), target, data, headers)
        response = connection.getresponse()
        pairs = [(name.lower(), value) for name, value in response.getheaders()]
        return Response("1.1", response.status, pairs, response.read())
    finally:
        connection.close()

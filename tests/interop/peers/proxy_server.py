"""Our own server side: a reverse proxy that accepts HTTP/JSON and gRPC and sends gRPC to grpcio."""

import subprocess

from driver import driver_path


class Proxy:
    """A running interop_proxy. It prints its address when it is ready."""

    def __init__(self, grpc_endpoint: str) -> None:
        self._process = subprocess.Popen(
            [driver_path("interop_proxy"), grpc_endpoint],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
        )
        self.endpoint = self._process.stdout.readline().decode().strip()
        if not self.endpoint:
            raise RuntimeError(f"the proxy did not start, exit {self._process.wait()}")

    def stop(self) -> None:
        self._process.kill()
        self._process.wait()
        self._process.stdout.close()

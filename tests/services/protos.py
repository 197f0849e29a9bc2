"""Python modules and descriptor sets from the protos of the npm packages.

    python protos.py PACKAGES_DIR OUT_DIR

OUT_DIR receives the Python modules. For each service it receives `NAME.fds`, the descriptor set of its protos, and
`NAME.transcoder.fds`, in which the routes of the mixin services are those of the service configuration.
"""

import importlib
import shutil
import sys
from importlib.resources import files
from pathlib import Path

import yaml

from catalog import MIXINS, SERVICES
from stubs import run_protoc, with_routes


def generate(packages: Path, out_dir: Path) -> None:
    shutil.rmtree(out_dir, ignore_errors=True)
    out_dir.mkdir(parents=True)
    # Every package has copies of the common protos. Those of google-gax are used.
    roots = sorted(packages.glob("*/build/protos"), key=lambda root: "google-gax" not in str(root))
    include = [f"--proto_path={root}" for root in [*roots, files("grpc_tools") / "_proto"]]
    common = [*MIXINS.values(), "google/api/annotations.proto"]
    for service in SERVICES:
        target = f"--descriptor_set_out={out_dir / service.name}.fds"
        run_protoc(*include, target, "--include_imports", *service.protos, *common)
    sets = {service.name: (out_dir / f"{service.name}.fds").read_bytes() for service in SERVICES}
    modules = sorted({name for data in sets.values() for name in files_of(data)})
    run_protoc(*include, f"--python_out={out_dir}", *modules)
    # Python may have cached that the folder did not exist, so the cache is cleared.
    sys.path.insert(0, str(out_dir))
    importlib.invalidate_caches()
    for service in SERVICES:
        config = yaml.safe_load(service.service_config.read_text())
        rules = config.get("http", {}).get("rules", [])
        transcoder = with_routes(sets[service.name], rules)
        (out_dir / f"{service.name}.transcoder.fds").write_bytes(transcoder)


def files_of(descriptor_set: bytes) -> list[str]:
    """The files of a set that Python's protobuf package does not contain."""
    from google.protobuf import descriptor_pb2

    names = [file.name for file in descriptor_pb2.FileDescriptorSet.FromString(descriptor_set).file]
    return [name for name in names if not name.startswith("google/protobuf/")]


if __name__ == "__main__":
    generate(Path(sys.argv[1]), Path(sys.argv[2]))

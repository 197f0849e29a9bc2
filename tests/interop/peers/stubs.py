"""Python stubs and Envoy's descriptor set, made from the repository's proto/ folder.

    python stubs.py PROTO_DIR OUT_DIR

The files in OUT_DIR are:

- the modules of all protos, such as `google/longrunning/operations_pb2.py`, and of `every_kind.proto`;
- `transcoder.fds`, the descriptor set with the HTTP rules of this service;
- `every_kind.fds`, which also has `every_kind.proto`.

The tests import the generated code, so this program runs before them.
"""

import json
import shutil
import sys
from importlib.resources import files
from pathlib import Path

from grpc_tools import protoc

SERVICE_CONFIG = "apigateway_v1.json"
TRANSCODER_SET = "transcoder.fds"
EVERY_KIND = Path(__file__).with_name("every_kind.proto")
EVERY_KIND_SET = "every_kind.fds"
# Well-known types that our protos do not use, but an Any may have. Their modules come with Python's
# protobuf, so only the descriptor sets must have them.
ANY_MAY_HOLD = ["google/protobuf/struct.proto", "google/protobuf/wrappers.proto"]


def generate(proto_dir: Path, out_dir: Path) -> None:
    """Compiles every proto of Google's under `proto_dir`, afresh each time."""
    shutil.rmtree(out_dir, ignore_errors=True)
    out_dir.mkdir(parents=True)
    # The other protos are of the emulator's admin service.
    protos = sorted((proto_dir / "google").rglob("*.proto"))
    if not protos:
        raise SystemExit(f"no .proto files under {proto_dir}/google")
    include = [
        f"--proto_path={proto_dir}",
        f"--proto_path={EVERY_KIND.parent}",
        f"--proto_path={files('grpc_tools') / '_proto'}",
    ]
    run_protoc(*include, f"--python_out={out_dir}", f"--grpc_python_out={out_dir}", *protos, EVERY_KIND)
    compiled = out_dir / "compiled.fds"
    imports = "--include_imports"
    run_protoc(*include, f"--descriptor_set_out={compiled}", imports, *protos, *ANY_MAY_HOLD)
    every = out_dir / EVERY_KIND_SET
    run_protoc(*include, f"--descriptor_set_out={every}", imports, *protos, EVERY_KIND)
    sys.path.insert(0, str(out_dir))
    rules = json.loads((proto_dir / SERVICE_CONFIG).read_text())["http"]["rules"]
    (out_dir / TRANSCODER_SET).write_bytes(with_routes(compiled.read_bytes(), rules))


def run_protoc(*arguments) -> None:
    if protoc.main(["protoc", *map(str, arguments)]) != 0:
        raise SystemExit(f"protoc failed: {arguments}")


def with_routes(descriptor_set: bytes, rules: list[dict]) -> bytes:
    """Replaces the annotations of the mixin services by the service configuration's rules.

    The proto of a mixin has HTTP rules that this service does not have (`/v1/{name=operations/**}`). So the annotation of a
    method is removed if the configuration has no rule for the method.
    """
    # The generated code, which exists only now, declares the extension.
    from google.api import annotations_pb2
    from google.protobuf import descriptor_pb2, json_format

    by_method = {rule["selector"]: rule for rule in rules}
    mixins = {selector.rpartition(".")[0] for selector in by_method}
    replaced = set()
    result = descriptor_pb2.FileDescriptorSet.FromString(descriptor_set)
    for file in result.file:
        for service in file.service:
            service_name = f"{file.package}.{service.name}"
            if service_name not in mixins:
                continue
            for method in service.method:
                method.options.ClearExtension(annotations_pb2.http)
                rule = by_method.get(f"{service_name}.{method.name}")
                if rule is not None:
                    json_format.ParseDict(rule, method.options.Extensions[annotations_pb2.http])
                    replaced.add(rule["selector"])
    if missing := set(by_method) - replaced:
        raise SystemExit(f"{SERVICE_CONFIG} has rules for unknown methods: {sorted(missing)}")
    return result.SerializeToString()


if __name__ == "__main__":
    generate(Path(sys.argv[1]), Path(sys.argv[2]))

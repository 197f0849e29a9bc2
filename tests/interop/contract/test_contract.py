"""Checks that the declarations in proto/ equal Google's, and that the comments are our own.

The npm packages of package.json contain Google's declarations: the protos, the retry settings that are generated from the gRPC
service config, and the HTTP rules that are generated from the service configuration. `./run` installs the packages and starts
this test.
"""

import difflib
import json
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

from google.protobuf import descriptor_pb2, descriptor_pool, json_format, message_factory

PROTO = Path(__file__).resolve().parents[3] / "proto"
DIR = Path(os.environ["CONTRACT_DIR"])
PACKAGES = [
    DIR / "node_modules/@google-cloud/api-gateway",
    DIR / "node_modules/google-gax",
]
PUBLISHED = [package / "build/protos" for package in PACKAGES]
CLIENT = PACKAGES[0] / "build/src/v1"

# The protos beside `google` are our own.
FILES = sorted(path.relative_to(PROTO).as_posix() for path in PROTO.glob("google/**/*.proto"))
GATEWAY = "google.cloud.apigateway.v1.ApiGatewayService"
MIXINS = [
    "google.cloud.location.Locations",
    "google.iam.v1.IAMPolicy",
    "google.longrunning.Operations",
]


class Definitions:
    """Compiled proto files. Options are read with the extensions that these files declare."""

    def __init__(self, roots, files, output):
        target = DIR / output
        subprocess.run(
            [sys.executable, "-m", "grpc_tools.protoc"]
            + [f"--proto_path={root}" for root in roots]
            + ["--include_imports", "--include_source_info", f"--descriptor_set_out={target}"]
            + files,
            check=True,
        )
        raw = target.read_bytes()
        self.pool = descriptor_pool.DescriptorPool()
        names = []
        for file in descriptor_pb2.FileDescriptorSet.FromString(raw).file:
            self.pool.AddSerializedFile(file.SerializeToString())
            names.append(file.name)
        # With classes of another pool, the options would be unknown fields.
        self.classes = message_factory.GetMessageClassesForFiles(names, self.pool)
        files = self.classes["google.protobuf.FileDescriptorSet"].FromString(raw).file
        self.files = {file.name: file for file in files}

    def methods(self):
        for name in FILES:
            file = self.files[name]
            for service in file.service:
                for method in service.method:
                    yield f"{file.package}.{service.name}.{method.name}", method

    def option(self, method, name):
        extension = self.pool.FindExtensionByName(name)
        options = method.options
        return options.Extensions[extension] if options.HasExtension(extension) else None


def setUpModule():
    global ours, theirs
    ours = Definitions([PROTO], FILES, "ours.fds")
    published = [f for f in FILES if any((root / f).is_file() for root in PUBLISHED)]
    theirs = Definitions(PUBLISHED, published + ["google/api/service.proto"], "theirs.fds")


def load(path):
    return json.loads(path.read_text())


class Declarations(unittest.TestCase):
    maxDiff = None

    def test_every_file_is_published(self):
        missing = [f for f in FILES if not any((root / f).is_file() for root in PUBLISHED)]
        self.assertEqual(missing, [], "no package of package.json has these files")

    def test_declarations_equal_the_published_ones(self):
        for name in FILES:
            with self.subTest(name):
                mine, other = bare(ours.files[name]), bare(theirs.files[name])
                if encoded(mine) != encoded(other):
                    self.fail(difference(name, other, mine))


def bare(file):
    copy = type(file)()
    copy.CopyFrom(file)
    copy.ClearField("source_code_info")
    for service in copy.service:
        for method in service.method:
            # `rpc … {}` has empty options, and `rpc …;` has none. Both are the same declaration.
            if not method.options.ListFields():
                method.ClearField("options")
    return copy


def encoded(message):
    return message.SerializeToString(deterministic=True)


def difference(name, published, mine):
    before, after = list(lines(published, "")), list(lines(mine, ""))
    diff = list(difflib.unified_diff(before, after, lineterm="", n=0))[2:]
    diff = [f"  {line[0]} {line[1:]}" for line in diff if not line.startswith("@@")]
    return "\n".join([f"{name} differs (- published, + proto/):"] + (diff or ["  encoding only"]))


def lines(message, path):
    """Yields one line for each property of a descriptor, with the path of its declaration."""
    for field, value in message.ListFields():
        name = f"({field.full_name})" if field.is_extension else field.name
        kind = name.removesuffix("_type").removesuffix("_decl")
        if field.message_type is None:
            yield f"{path}{name} = {value_of(field, value)}"
        elif not field.is_repeated:
            yield from lines(value, f"{path}{name}: ")
        else:
            labels = [getattr(item, "name", None) or str(i) for i, item in enumerate(value)]
            yield f"{path}order of {kind} = {', '.join(labels)}"
            for label, item in zip(labels, value):
                yield from lines(item, f"{path}{kind} {label}: ")


def value_of(field, value):
    if field.is_repeated:
        return [value_of_one(field, item) for item in value]
    return value_of_one(field, value)


def value_of_one(field, value):
    if field.enum_type and value in field.enum_type.values_by_number:
        return field.enum_type.values_by_number[value].name
    return value


class Words(unittest.TestCase):
    maxDiff = None
    RUN = 8

    def test_no_eight_words_in_a_row_are_copied(self):
        known = {}
        for name in FILES:
            for root in PUBLISHED:
                if (root / name).is_file():
                    known.update(dict.fromkeys(runs(comment_words(root / name), self.RUN), name))
        self.assertGreater(len(known), 5000, "the published comments were not found")
        for name in FILES:
            with self.subTest(name):
                words = comment_words(PROTO / name)
                copied = [run for run in runs(words, self.RUN) if run in known]
                self.assertEqual([f"{' '.join(run)} ({known[run]})" for run in copied], [])

    def test_every_declaration_has_a_comment(self):
        for name in FILES:
            file = ours.files[name]
            comments = {
                tuple(location.path): location.leading_comments
                for location in file.source_code_info.location
            }
            for path, declaration in declarations(file):
                with self.subTest(f"{name} {declaration}"):
                    self.assertTrue(comments.get(path, "").strip(), "no comment")

    def test_every_comment_is_valid_rustdoc(self):
        # rustdoc runs an indented line as a test, since it is code in Markdown. A URL or a bracket would be changed: prost writes
        # URLs as `<…>`, and a backslash before every bracket.
        harmful = re.compile(r"^\s*//(\s{4}|\s*```|.*https?://|.*\[)")
        for name in FILES:
            for number, line in enumerate((PROTO / name).read_text().splitlines(), 1):
                with self.subTest(f"{name}:{number}"):
                    self.assertNotRegex(line, harmful)


def comment_words(path):
    """Returns the words of the comments, without tokens that contain a slash, such as resource names and paths."""
    comments = re.findall(r"^\s*//(.*)$", path.read_text(), re.MULTILINE)
    tokens = [token for token in " ".join(comments).split() if "/" not in token]
    return re.findall(r"[a-z0-9_']+", " ".join(tokens).lower())


def runs(words, length):
    return [tuple(words[i : i + length]) for i in range(len(words) - length + 1)]


def declarations(message, path=(), name=""):
    """Returns the source path and the name of each named declaration in a file."""
    wanted = {
        "message_type", "nested_type", "enum_type", "field", "value", "oneof_decl", "extension",
        "service", "method",
    }
    synthetic = {f.oneof_index for f in getattr(message, "field", []) if f.proto3_optional}
    for field, items in message.ListFields():
        if field.name not in wanted:
            continue
        for index, item in enumerate(items):
            if field.name == "oneof_decl" and index in synthetic:
                continue
            if field.name == "nested_type" and item.options.map_entry:
                continue
            here, label = path + (field.number, index), f"{name}.{item.name}".lstrip(".")
            yield here, label
            yield from declarations(item, here, label)


class ServiceConfig(unittest.TestCase):
    """apigateway_grpc_service_config.json against the settings of the published client."""

    def setUp(self):
        self.entries = {}
        for config in load(PROTO / "apigateway_grpc_service_config.json")["methodConfig"]:
            for name in config["name"]:
                method = f"{name['service']}.{name['method']}"
                self.assertNotIn(method, self.entries, "two entries for one method")
                self.entries[method] = config

    def test_every_entry_is_for_a_method(self):
        self.assertLessEqual(set(self.entries), {name for name, _ in ours.methods()})

    def test_timeouts_and_retries_equal_the_published_ones(self):
        # The published settings cover only the methods of the gateway service. For the mixins, the client uses the defaults of
        # its library, which are not settings of this service.
        file = load(CLIENT / "api_gateway_service_client_config.json")
        settings = file["interfaces"][GATEWAY]
        methods = {name for name, _ in ours.methods() if name.startswith(GATEWAY + ".")}
        self.assertEqual(methods, {f"{GATEWAY}.{name}" for name in settings["methods"]})
        for name, method in settings["methods"].items():
            with self.subTest(name):
                entry = self.entries.get(f"{GATEWAY}.{name}")
                codes = settings["retry_codes"][method["retry_codes_name"]]
                if entry is None:
                    self.assertEqual((codes, method.get("timeout_millis")), ([], None))
                    continue
                params = settings["retry_params"][method["retry_params_name"]]
                retry = entry["retryPolicy"]
                self.assertEqual(millis(entry["timeout"]), method["timeout_millis"])
                self.assertEqual(sorted(retry["retryableStatusCodes"]), sorted(codes))
                first, most = millis(retry["initialBackoff"]), millis(retry["maxBackoff"])
                self.assertEqual(first, params["initial_retry_delay_millis"])
                self.assertEqual(most, params["max_retry_delay_millis"])
                self.assertEqual(retry["backoffMultiplier"], params["retry_delay_multiplier"])


def millis(duration):
    return float(duration.removesuffix("s")) * 1000


class ServiceConfiguration(unittest.TestCase):
    """apigateway_v1.json, parsed strictly as a google.api.Service."""

    maxDiff = None

    def setUp(self):
        service = theirs.classes["google.api.Service"]
        self.service = json_format.ParseDict(load(PROTO / "apigateway_v1.json"), service())
        self.methods = dict(ours.methods())

    def test_the_services_are_those_of_the_protos(self):
        self.assertEqual([api.name for api in self.service.apis], [GATEWAY] + MIXINS)
        services = {name.rpartition(".")[0] for name in self.methods}
        self.assertEqual({api.name for api in self.service.apis}, services)

    def test_the_http_rules_equal_the_published_ones(self):
        source = (CLIENT / "api_gateway_service_client.js").read_text()
        found = re.search(r"lroOptions\.httpRules = (\[.*?\]);\n", source, re.DOTALL)
        self.assertIsNotNone(found, "the client no longer has its rules there")
        script = f"process.stdout.write(JSON.stringify({found[1]}))"
        output = subprocess.run(["node", "-e", script], check=True, capture_output=True).stdout
        rules = json.loads(output)
        published = json_format.ParseDict({"rules": rules}, type(self.service.http)())
        self.assertEqual(list(lines(self.service.http, "")), list(lines(published, "")))

    def test_every_method_except_wait_has_a_route_whose_fields_exist(self):
        rules = {rule.selector: rule for rule in self.service.http.rules}
        unrouted = set()
        for name, method in self.methods.items():
            rule = rules.get(name) or ours.option(method, "google.api.http")
            if rule is None:
                unrouted.add(name)
                continue
            request = ours.pool.FindMessageTypeByName(method.input_type.lstrip("."))
            for binding in [rule, *rule.additional_bindings]:
                path = getattr(binding, binding.WhichOneof("pattern"))
                fields = re.findall(r"\{([^=}]+)", path)
                fields += [binding.body] if binding.body not in ("", "*") else []
                for field in fields:
                    with self.subTest(f"{name} {field}"):
                        self.assertTrue(has_field(request, field.split(".")))
        self.assertEqual(unrouted, {"google.longrunning.Operations.WaitOperation"})

    def test_every_method_has_a_deadline_and_a_scope(self):
        for name in self.methods:
            with self.subTest(name):
                deadline = last(self.service.backend.rules, name).deadline
                poll = name == "google.longrunning.Operations.GetOperation"
                self.assertEqual(deadline, 5.0 if poll else 60.0)
                scopes = last(self.service.authentication.rules, name).oauth.canonical_scopes
                self.assertEqual(scopes, "https://www.googleapis.com/auth/cloud-platform")


def has_field(message, path):
    field = message.fields_by_name.get(path[0]) if message else None
    return field is not None and (len(path) == 1 or has_field(field.message_type, path[1:]))


def last(rules, method):
    """Returns the rule for a method: the last rule whose selector matches."""
    service = method.rpartition(".")[0]
    return [rule for rule in rules if rule.selector in (method, f"{service}.*")][-1]


class MethodFacts(unittest.TestCase):
    """apigateway_method_facts.json against the names of the methods in the protos."""

    def setUp(self):
        self.facts = load(PROTO / "apigateway_method_facts.json")
        self.methods = dict(ours.methods())

    def test_the_idempotent_methods_are_those_with_an_idempotent_verb(self):
        verbs = re.compile(r"\.(Get|List|Wait|Cancel|Test|Delete)[A-Z]\w*$")
        self.assertEqual(set(self.facts["idempotent"]), set(filter(verbs.search, self.methods)))
        self.assertEqual(len(self.facts["idempotent"]), len(set(self.facts["idempotent"])))


if __name__ == "__main__":
    unittest.main()

"""Requests for every method that has an HTTP rule, at least one for each of its bindings.

The HTTP rules are read from the descriptor set that Envoy gets, so a new one needs no line here.
"""

import functools
import os
import re
from dataclasses import dataclass
from pathlib import Path

from google.api import annotations_pb2
from google.protobuf import descriptor_pb2

from every_method_server import METHODS
from samples import TEXTS, Sampler, class_of
from stubs import TRANSCODER_SET

VARIABLE = re.compile(r"\{([a-z_.]+)=([^}]+)\}")
SAMPLES_PER_BINDING = 6

# Segments of a path that a wrong encoder or decoder would change, or would read as a verb.
SEGMENTS = [
    "a b",
    "ü😀",
    "a%2Fb",
    "%25",
    "example.com:p",
    "a+b&c=d;e?f#g",
    "-._~!$'()*,@",
    "x:cancel",
    "x:getIamPolicy",
    "...",
    "operations",
]


@dataclass(frozen=True)
class Case:
    """A request, and its description."""

    what: str
    path: str
    request: object
    body: str = ""

    @property
    def through_envoy(self):
        """The request as it arrives over REST through Envoy. `body` names the field that is the HTTP body.

        This field is set even if the original request does not have it, since Envoy reads an absent body as an empty
        message.
        """
        sent = self.through_our_proxy
        if self.body not in ("", "*"):
            getattr(sent, self.body).SetInParent()
        return sent

    @property
    def through_our_proxy(self):
        """The request as it arrives over REST through our own proxy.

        An empty message outside the body is lost, since a query has no form for it. An absent body stays absent.
        """
        sent = type(self.request)()
        sent.CopyFrom(self.request)
        for field, value in self.request.ListFields():
            is_message = field.message_type is not None and not field.is_repeated
            if self.body not in ("*", field.name) and is_message and not value.ByteSize():
                sent.ClearField(field.name)
        return sent

    @property
    def has_unknown_enum(self) -> bool:
        """Returns true if an enum of the query has a number without a name."""
        return any(
            field.enum_type is not None and value not in field.enum_type.values_by_number
            for field, value in self.request.ListFields()
        )

    def __str__(self) -> str:
        return f"{self.path} {self.what}: {str(self.request).strip()!r}"


@dataclass(frozen=True)
class Binding:
    """A binding of a method: HTTP verb, template, and the variable of the template."""

    path: str
    verb: str
    template: str
    body: str

    @property
    def variable(self) -> str:
        return VARIABLE.search(self.template)[1]

    def resource(self, segment: str) -> str:
        """Returns a value for the variable, with the same segment for each wildcard."""
        return VARIABLE.search(self.template)[2].replace("*", segment)


@functools.cache
def bindings() -> list[Binding]:
    """Returns every binding of every method, in order."""
    descriptor_set = Path(os.environ["INTEROP_WORK"]) / "generated" / TRANSCODER_SET
    files = descriptor_pb2.FileDescriptorSet.FromString(descriptor_set.read_bytes()).file
    found = []
    for file in files:
        for service in file.service:
            for method in service.method:
                rule = method.options.Extensions[annotations_pb2.http]
                for each in (rule, *rule.additional_bindings):
                    if verb := each.WhichOneof("pattern"):
                        path = f"/{file.package}.{service.name}/{method.name}"
                        found.append(Binding(path, verb, getattr(each, verb), each.body))
    return found


@functools.cache
def cases() -> list[Case]:
    """Returns all requests, the same in every run."""
    found = []
    for number, binding in enumerate(bindings()):
        found.append(bare(binding))
        found += [with_segment(binding, segment) for segment in SEGMENTS]
        for sample in range(SAMPLES_PER_BINDING):
            found.append(filled(binding, seed=100 * number + sample))
        found += [with_text(binding, text) for text in TEXTS]
    # Removes duplicates: a message whose only text is its name gives the same request for each text.
    return list({(case.path, case.request.SerializeToString()): case for case in found}.values())


def bare(binding: Binding) -> Case:
    """Returns a request with only the name: required ids and bodies are empty."""
    return of_binding(binding, "bare", empty(binding), binding.resource("s"))


def with_segment(binding: Binding, segment: str) -> Case:
    return of_binding(binding, f"segment {segment!r}", empty(binding), binding.resource(segment))


def filled(binding: Binding, seed: int) -> Case:
    """Returns a request with random fields. No value is excluded. An enum may have a number without a name, which Envoy rejects
    in a query: see `has_unknown_enum`.
    """
    request = Sampler(seed).message(class_of(METHODS[binding.path].input_type))
    return of_binding(binding, f"seed {seed}", request, binding.resource("s"))


def with_text(binding: Binding, text: str) -> Case:
    """Returns a request with this text in every top-level text field. These fields are in the query."""
    request = empty(binding)
    for field in request.DESCRIPTOR.fields:
        if field.type == field.TYPE_STRING and not field.is_repeated:
            setattr(request, field.name, text)
    return of_binding(binding, f"texts {text!r}", request, binding.resource("s"))


def empty(binding: Binding):
    return class_of(METHODS[binding.path].input_type)()


def of_binding(binding: Binding, what: str, request, resource: str) -> Case:
    """Returns a case whose variable is set to `resource`. The variable may be in a nested message: `gateway.name`."""
    *parents, last = binding.variable.split(".")
    target = request
    for parent in parents:
        target = getattr(target, parent)
    setattr(target, last, resource)
    what = f"{binding.verb} {binding.template} {what}"
    return Case(what, binding.path, request, binding.body)

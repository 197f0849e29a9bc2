"""The four services: their protos, their methods, and the resources that the tests use."""

from dataclasses import dataclass
from pathlib import Path

CONTRACTS = Path(__file__).with_name("contracts")


@dataclass(frozen=True)
class Service:
    """A service, the two methods that its client calls, and the names in the requests."""

    name: str
    # Protos in addition to those of the mixins, by the names that an `import` uses.
    protos: tuple[str, ...]
    # gRPC services that are served in addition to the mixins.
    api: tuple[str, ...]
    # The method that reads a resource, the routing header of the call, and its timeout in seconds.
    get: str
    get_routing: str
    get_timeout: float
    # The method that starts an operation, and the routing header of the call.
    start: str
    start_routing: str
    # The resource that is read, and that the operation results in.
    resource: str
    resource_type: str
    metadata_type: str
    # The parent of the operations, and the methods of Operations that a client can call over REST.
    operations_parent: str
    rest_verbs: frozenset[str]
    # True if the `name` of a ListOperations request ends in `/operations`.
    list_collection: bool = False

    @property
    def operation(self) -> str:
        return f"{self.operations_parent}/operations/o"

    @property
    def list_name(self) -> str:
        """The `name` of a ListOperations request."""
        return f"{self.operations_parent}/operations" if self.list_collection else self.operations_parent

    @property
    def service_config(self) -> Path:
        return CONTRACTS / self.name / "service.yaml"

    @property
    def grpc_service_config(self) -> Path:
        return CONTRACTS / self.name / "grpc_service_config.json"


MIXINS = {
    "google.cloud.location.Locations": "google/cloud/location/locations.proto",
    "google.longrunning.Operations": "google/longrunning/operations.proto",
}

SPANNER = Service(
    name="spanner",
    protos=("google/spanner/admin/database/v1/spanner_database_admin.proto",),
    api=("google.spanner.admin.database.v1.DatabaseAdmin",),
    get="/google.spanner.admin.database.v1.DatabaseAdmin/GetDatabase",
    get_routing="name=projects%2Fp%2Finstances%2Fi%2Fdatabases%2Fd",
    get_timeout=3600,
    start="/google.spanner.admin.database.v1.DatabaseAdmin/CreateDatabase",
    start_routing="parent=projects%2Fp%2Finstances%2Fi",
    resource="projects/p/instances/i/databases/d",
    resource_type="google.spanner.admin.database.v1.Database",
    metadata_type="google.spanner.admin.database.v1.CreateDatabaseMetadata",
    operations_parent="projects/p/instances/i/databases/d",
    list_collection=True,
    rest_verbs=frozenset({"get", "list", "cancel"}),
)

# The protos have explicit routing annotations, and the service configuration has no route for cancel.
RUN = Service(
    name="run",
    protos=("google/cloud/run/v2/service.proto", "google/cloud/run/v2/revision.proto"),
    api=("google.cloud.run.v2.Services", "google.cloud.run.v2.Revisions"),
    get="/google.cloud.run.v2.Services/GetService",
    get_routing="location=l",
    get_timeout=10,
    start="/google.cloud.run.v2.Services/CreateService",
    start_routing="location=l",
    resource="projects/p/locations/l/services/s",
    resource_type="google.cloud.run.v2.Service",
    metadata_type="google.cloud.run.v2.Service",
    operations_parent="projects/p/locations/l",
    rest_verbs=frozenset({"get", "list"}),
)

SPEECH = Service(
    name="speech",
    protos=("google/cloud/speech/v2/cloud_speech.proto",),
    api=("google.cloud.speech.v2.Speech",),
    get="/google.cloud.speech.v2.Speech/GetRecognizer",
    get_routing="name=projects%2Fp%2Flocations%2Fl%2Frecognizers%2Fr",
    get_timeout=5000,
    start="/google.cloud.speech.v2.Speech/CreateRecognizer",
    start_routing="parent=projects%2Fp%2Flocations%2Fl",
    resource="projects/p/locations/l/recognizers/r",
    resource_type="google.cloud.speech.v2.Recognizer",
    metadata_type="google.cloud.speech.v2.OperationMetadata",
    operations_parent="projects/p/locations/l",
    rest_verbs=frozenset({"get", "list", "cancel"}),
)

FIRESTORE = Service(
    name="firestore",
    protos=("google/firestore/admin/v1/firestore_admin.proto",),
    api=("google.firestore.admin.v1.FirestoreAdmin",),
    get="/google.firestore.admin.v1.FirestoreAdmin/GetIndex",
    get_routing="name=projects%2Fp%2Fdatabases%2Fd%2FcollectionGroups%2Fc%2Findexes%2Fi",
    get_timeout=60,
    start="/google.firestore.admin.v1.FirestoreAdmin/CreateIndex",
    start_routing="parent=projects%2Fp%2Fdatabases%2Fd%2FcollectionGroups%2Fc",
    resource="projects/p/databases/d/collectionGroups/c/indexes/i",
    resource_type="google.firestore.admin.v1.Index",
    metadata_type="google.firestore.admin.v1.IndexOperationMetadata",
    operations_parent="projects/p/databases/d",
    rest_verbs=frozenset({"get", "list", "cancel"}),
)

SERVICES = [SPANNER, RUN, SPEECH, FIRESTORE]

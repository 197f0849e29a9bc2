//! Random requests of all methods: messages whose fields have usual or unusual values.

use std::sync::LazyLock;

use apigateway_grpc::contract::Method;
use apigateway_grpc::proto::FILE_DESCRIPTOR_SET;
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value,
};

/// The messages of the contract.
pub(super) static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("it is whole"));

/// Random numbers from a seed (SplitMix64).
pub(super) struct Random(pub(super) u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    pub(super) fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound as u64).expect("below a length")
    }

    pub(super) fn one_in(&mut self, count: usize) -> bool {
        self.below(count) == 0
    }

    fn of<'t, T: ?Sized>(&mut self, all: &[&'t T]) -> &'t T {
        all[self.below(all.len())]
    }

    fn odd(&mut self) -> String {
        const PARTS: [&str; 22] = [
            "a",
            "Z",
            "0",
            "-",
            "_",
            ".",
            "..",
            "~",
            ":",
            "%",
            "+",
            "&",
            "=",
            " ",
            "é",
            "\u{1f600}",
            "\"",
            "\\",
            "/",
            "?",
            "#",
            "`",
        ];
        let length = self.below(6);
        (0..length).map(|_| self.of(&PARTS)).collect()
    }
}

/// The names in earlier responses.
#[derive(Debug, Default)]
pub(super) struct Names {
    operations: Vec<String>,
    tokens: Vec<String>,
}

impl Names {
    pub(super) fn learn(&mut self, reply: &serde_json::Value) {
        let operations = texts(reply, "name");
        self.operations
            .extend(operations.filter(|name| name.contains("/operations/")));
        self.tokens.extend(texts(reply, "nextPageToken"));
    }
}

/// Returns the texts with this key in a response and in its items.
pub(super) fn texts<'r>(
    reply: &'r serde_json::Value,
    name: &'static str,
) -> impl Iterator<Item = String> + use<'r> {
    let members = reply.as_object().into_iter().flatten();
    let listed = members.flat_map(|(_, member)| member.as_array().into_iter().flatten());
    let all = std::iter::once(reply).chain(listed);
    all.filter_map(move |found| found[name].as_str().map(str::to_owned))
}

/// Chooses a method that has a REST route.
pub(super) fn method(random: &mut Random) -> &'static Method {
    let all: Vec<_> = Method::all()
        .iter()
        .filter(|method| !method.http().is_empty())
        .collect();
    // Creations are frequent, since other calls need resources.
    match random.below(4) {
        0 => random.of(&[
            Method::CREATE_API,
            Method::CREATE_API,
            Method::CREATE_API_CONFIG,
            Method::CREATE_GATEWAY,
        ]),
        _ => random.of(&all),
    }
}

pub(super) fn request(
    random: &mut Random,
    method: &'static Method,
    names: &Names,
) -> DynamicMessage {
    let of = POOL
        .get_message_by_name(method.input())
        .expect("of the contract");
    let mut arbitrary = Arbitrary {
        random,
        method,
        names,
    };
    arbitrary.message(&of, 4)
}

/// Returns a list request for a parent.
pub(super) fn list(method: &'static Method, parent: &str) -> DynamicMessage {
    let field = match method.input() {
        "google.longrunning.ListOperationsRequest" => "name",
        _ => "parent",
    };
    let mut list = of(method, field, parent);
    list.set_field_by_name("page_size", Value::I32(1000));
    list
}

/// Returns a request with one text field.
pub(super) fn of(method: &'static Method, field: &str, text: &str) -> DynamicMessage {
    let of = POOL
        .get_message_by_name(method.input())
        .expect("of the contract");
    let mut message = DynamicMessage::new(of);
    message.set_field_by_name(field, Value::String(text.to_owned()));
    message
}

struct Arbitrary<'a> {
    random: &'a mut Random,
    method: &'static Method,
    names: &'a Names,
}

impl Arbitrary<'_> {
    fn message(&mut self, of: &MessageDescriptor, depth: usize) -> DynamicMessage {
        if let Some(known) = self.well_known(of) {
            return known;
        }
        let mut message = DynamicMessage::new(of.clone());
        for field in of.fields() {
            let rarely = match field.name() {
                "name" | "parent" | "resource" | "update_mask" | "api" | "api_config"
                | "gateway" | "document" | "path" | "contents" => 20,
                name if name.ends_with("_id") => 20,
                "openapi_documents" => 6,
                "grpc_services"
                | "managed_service_configs"
                | "create_time"
                | "update_time"
                | "state" => 1,
                _ => 2,
            };
            let set = match rarely {
                1 => self.random.one_in(6),
                rarely => !self.random.one_in(rarely),
            };
            if depth > 0 && set {
                let value = self.value(&field, depth);
                // A query cannot have an empty message.
                let nothing = value
                    .as_message()
                    .is_some_and(|it| it.fields().count() == 0);
                if field.name() != "options" || !nothing {
                    message.set_field(&field, value);
                }
            }
        }
        message
    }

    fn well_known(&mut self, of: &MessageDescriptor) -> Option<DynamicMessage> {
        let mut message = DynamicMessage::new(of.clone());
        match of.full_name() {
            "google.protobuf.Timestamp" | "google.protobuf.Duration" => {
                let seconds = i64::try_from(self.random.below(1 << 30)).expect("it is small");
                let nanos = i32::try_from(self.random.below(1_000_000_000)).expect("it is small");
                message.set_field_by_number(1, Value::I64(seconds));
                message.set_field_by_number(2, Value::I32(nanos));
            }
            "google.protobuf.FieldMask" => {
                let count = [1, 1, 1, 2, 3, 0][self.random.below(6)];
                let paths = (0..count).map(|_| Value::String(self.path()));
                let paths = paths.collect();
                message.set_field_by_number(1, Value::List(paths));
            }
            _ => return None,
        }
        Some(message)
    }

    fn path(&mut self) -> String {
        const PATHS: [&str; 26] = [
            "display_name",
            "labels",
            "*",
            "labels.team_2",
            "labels.team_2",
            "labels.a__b",
            "labels.a_",
            "labels.a_b",
            "labels.`team_2`",
            "labels.`a.b`",
            "labels.`A,b`",
            "labels.a.b",
            "labels.",
            "labels._",
            "labels.\"x\\",
            "api_config",
            "managed_service",
            "name",
            "state",
            "update_time",
            "nonsense",
            "display_name_",
            // These paths have no JSON form.
            "displayName",
            "labels.A",
            "display_name,labels",
            "labels.`a",
        ];
        match self.random.one_in(12) {
            true => self.random.odd(),
            false => self.random.of(&PATHS).to_owned(),
        }
    }

    fn value(&mut self, field: &FieldDescriptor, depth: usize) -> Value {
        let kind = field.kind();
        if field.is_map() {
            const KEYS: [&str; 9] = [
                "team_2", "team_2", "a__b", "a_", "a_b", "x-y", "é", "a.b", "A",
            ];
            let count = self.random.below(4);
            let entries = (0..count).map(|_| {
                // Most labels are valid.
                let bound = if self.random.one_in(8) { 9 } else { 7 };
                let key = KEYS[self.random.below(bound)].to_owned();
                let value = self.random.of(&["x", "y", "", "z_1", "é"]).to_owned();
                (MapKey::String(key), Value::String(value))
            });
            Value::Map(entries.collect())
        } else if field.is_list() {
            let count = [1, 1, 1, 2, 0][self.random.below(5)];
            Value::List((0..count).map(|_| self.one(field, &kind, depth)).collect())
        } else {
            self.one(field, &kind, depth)
        }
    }

    fn one(&mut self, field: &FieldDescriptor, kind: &Kind, depth: usize) -> Value {
        match kind {
            Kind::Int32 => Value::I32(
                self.random
                    .of(&[&0, &1, &2, &3, &1000, &-1, &i32::MAX])
                    .to_owned(),
            ),
            Kind::Int64 => Value::I64(self.random.of(&[&0, &1, &-1, &i64::MAX]).to_owned()),
            Kind::Bool => Value::Bool(self.random.one_in(2)),
            Kind::String => Value::String(self.text(field)),
            Kind::Bytes => Value::Bytes(self.bytes(field).into()),
            Kind::Enum(of) => {
                let values: Vec<i32> = of.values().map(|value| value.number()).collect();
                // This includes unknown values.
                Value::EnumNumber(
                    *values
                        .get(self.random.below(values.len() + 1))
                        .unwrap_or(&77),
                )
            }
            Kind::Message(of) => Value::Message(self.message(of, depth - 1)),
            other => panic!("a field of the kind {other:?}"),
        }
    }

    fn bytes(&mut self, field: &FieldDescriptor) -> Vec<u8> {
        const DOCUMENT: &[u8] =
            b"swagger: '2.0'\ninfo: {title: t, version: '1'}\nhost: h.example.com\npaths: {}\n";
        match field.name() {
            "contents" if !self.random.one_in(8) => DOCUMENT.to_vec(),
            _ => self.random.odd().into_bytes(),
        }
    }

    fn text(&mut self, field: &FieldDescriptor) -> String {
        if self.random.one_in(16) {
            return self.random.odd();
        }
        let random = &mut *self.random;
        match field.name() {
            "name" | "parent" | "resource" => self.name(field),
            name if name.ends_with("_id") => random
                .of(&["a", "a", "b", "c-1", "", "A", "a/b"])
                .to_owned(),
            "page_token" if self.names.tokens.is_empty() || random.one_in(2) => {
                random.of(&["", "", "", "x"]).to_owned()
            }
            "page_token" => self.names.tokens[random.below(self.names.tokens.len())].clone(),
            "filter" => random
                .of(&[
                    "",
                    "state = ACTIVE",
                    "labels.team_2 = x",
                    "labels:a__b OR displayName=\"é\"",
                    "NOT labels.team_2:*",
                    "done = true",
                    "(",
                    "nonsense = 1",
                ])
                .to_owned(),
            "order_by" => random
                .of(&[
                    "",
                    "name desc",
                    "labels.team_2",
                    "displayName,name desc",
                    "nonsense",
                ])
                .to_owned(),
            "display_name" => random.of(&["", "n", "é \"n\"", "a\tb"]).to_owned(),
            "api_config" => "projects/p/locations/global/apis/a/configs/a".to_owned(),
            "role" => random.of(&["roles/viewer", "roles/owner", ""]).to_owned(),
            "members" => random
                .of(&["user:a@example.com", "allUsers", ""])
                .to_owned(),
            "permissions" => random.of(&["apigateway.apis.get", "*", ""]).to_owned(),
            "path" => random.of(&["o.yaml", "o.yaml", ""]).to_owned(),
            _ => random.odd(),
        }
    }

    /// Returns a name, usually of the kind that the method expects.
    fn name(&mut self, field: &FieldDescriptor) -> String {
        const GLOBAL: &str = "projects/p/locations/global";
        const REGION: &str = "projects/p/locations/us-central1";
        let random = &mut *self.random;
        let (api, id) = (random.of(&["a", "a", "b"]), random.of(&["a", "a", "b"]));
        let place = random.of(&[GLOBAL, GLOBAL, GLOBAL, REGION, "projects/p/locations/-"]);
        let operation = self.names.operations.last();
        let operation = operation
            .cloned()
            .unwrap_or(format!("{GLOBAL}/operations/o"));
        let all = [
            format!("{GLOBAL}/apis/{api}"),
            format!("{GLOBAL}/apis/{api}/configs/{id}"),
            format!("{REGION}/gateways/{id}"),
            operation,
            place.to_owned(),
            "projects/p".to_owned(),
            format!("{GLOBAL}/apis/-"),
            format!("{GLOBAL}/apis/{api}:getIamPolicy"),
            format!("{GLOBAL}/apis/{api}%2f{id}"),
            format!("{GLOBAL}//{api}"),
        ];
        let own = match (field.name(), self.method.name()) {
            _ if random.one_in(10) => random.below(all.len()),
            ("resource", _) => random.below(3),
            ("parent", "ListApiConfigs" | "CreateApiConfig") => 0,
            ("parent", "ListGateways" | "CreateGateway") if random.one_in(2) => {
                return REGION.to_owned();
            }
            ("parent", _) | (_, "ListOperations" | "GetLocation") => 4,
            (_, "ListLocations") => 5,
            (_, name) if name.ends_with("Operation") => 3,
            (_, name) if name.ends_with("ApiConfig") => 1,
            (_, name) if name.ends_with("Gateway") => 2,
            _ => 0,
        };
        all[own].clone()
    }
}

/// Returns true if a request has a JSON form. A mask path has none if it is empty, has an unclosed backtick, or has a
/// capital letter or a comma outside of backticks.
pub(super) fn has_rest_form(request: &DynamicMessage) -> bool {
    let Some(mask) = request.get_field_by_name("update_mask") else {
        return true;
    };
    let Some(mask) = mask.as_message() else {
        return true;
    };
    let paths = mask.get_field_by_number(1).expect("the paths").into_owned();
    let paths = paths.as_list().expect("a list").to_vec();
    paths.iter().all(|path| {
        let path = path.as_str().expect("a text");
        let parts: Vec<&str> = path.split('`').collect();
        let outside = parts.iter().step_by(2);
        !path.is_empty()
            && parts.len() % 2 == 1
            && outside
                .flat_map(|part| part.chars())
                .all(|char| !char.is_ascii_uppercase() && char != ',')
    })
}

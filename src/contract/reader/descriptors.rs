//! The parts of a `google.protobuf.FileDescriptorSet` that a contract needs, with the extensions that prost's own types drop.

use std::collections::BTreeMap;

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(super) struct FileSet {
    #[prost(message, repeated, tag = "1")]
    file: Vec<File>,
}

#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(string, tag = "2")]
    package: String,
    #[prost(message, repeated, tag = "4")]
    message_type: Vec<MessageType>,
    #[prost(message, repeated, tag = "6")]
    service: Vec<ServiceType>,
}

#[derive(Clone, PartialEq, Message)]
struct MessageType {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    field: Vec<FieldType>,
    #[prost(message, repeated, tag = "3")]
    nested_type: Vec<Self>,
}

#[derive(Clone, PartialEq, Message)]
struct FieldType {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(uint32, tag = "3")]
    number: u32,
    #[prost(int32, tag = "4")]
    label: i32,
    #[prost(int32, tag = "5")]
    kind: i32,
    #[prost(string, tag = "6")]
    type_name: String,
}

#[derive(Clone, PartialEq, Message)]
struct ServiceType {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    method: Vec<MethodType>,
    #[prost(message, optional, tag = "3")]
    options: Option<ServiceOptions>,
}

#[derive(Clone, PartialEq, Message)]
struct ServiceOptions {
    /// `google.api.default_host`.
    #[prost(string, tag = "1049")]
    default_host: String,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MethodType {
    #[prost(string, tag = "1")]
    pub(super) name: String,
    #[prost(string, tag = "2")]
    pub(super) input_type: String,
    #[prost(string, tag = "3")]
    pub(super) output_type: String,
    #[prost(message, optional, tag = "4")]
    pub(super) options: Option<MethodOptions>,
    #[prost(bool, tag = "5")]
    pub(super) client_streaming: bool,
    #[prost(bool, tag = "6")]
    pub(super) server_streaming: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(super) struct MethodOptions {
    /// `google.longrunning.operation_info`.
    #[prost(message, optional, tag = "1049")]
    pub(super) operation_info: Option<OperationInfo>,
    /// `google.api.http`.
    #[prost(message, optional, tag = "72295728")]
    pub(super) http: Option<HttpOption>,
    /// `google.api.routing`.
    #[prost(message, optional, tag = "72295729")]
    pub(super) routing: Option<RoutingRule>,
}

/// `google.longrunning.OperationInfo`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct OperationInfo {
    #[prost(string, tag = "1")]
    pub(super) response_type: String,
    #[prost(string, tag = "2")]
    pub(super) metadata_type: String,
}

/// `google.api.HttpRule`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct HttpOption {
    #[prost(oneof = "HttpPattern", tags = "2, 3, 4, 5, 6, 8")]
    pub(super) pattern: Option<HttpPattern>,
    #[prost(string, tag = "7")]
    pub(super) body: String,
    #[prost(message, repeated, tag = "11")]
    pub(super) additional_bindings: Vec<Self>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(super) enum HttpPattern {
    #[prost(string, tag = "2")]
    Get(String),
    #[prost(string, tag = "3")]
    Put(String),
    #[prost(string, tag = "4")]
    Post(String),
    #[prost(string, tag = "5")]
    Delete(String),
    #[prost(string, tag = "6")]
    Patch(String),
    #[prost(message, tag = "8")]
    Custom(CustomPattern),
}

/// `google.api.CustomHttpPattern`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct CustomPattern {
    #[prost(string, tag = "1")]
    pub(super) kind: String,
    #[prost(string, tag = "2")]
    pub(super) path: String,
}

/// `google.api.RoutingRule`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RoutingRule {
    #[prost(message, repeated, tag = "2")]
    pub(super) routing_parameters: Vec<RoutingParameter>,
}

/// `google.api.RoutingParameter`.
#[derive(Clone, PartialEq, Message)]
pub(super) struct RoutingParameter {
    #[prost(string, tag = "1")]
    pub(super) field: String,
    #[prost(string, tag = "2")]
    pub(super) path_template: String,
}

/// A service of the set.
#[derive(Clone, Debug)]
pub(super) struct Service<'a> {
    /// The full name.
    pub(super) name: String,
    pub(super) package: &'a str,
    pub(super) default_host: Option<&'a str>,
    pub(super) methods: &'a [MethodType],
}

impl FileSet {
    /// Returns the services in the order of declaration.
    pub(super) fn services(&self) -> Vec<Service<'_>> {
        let mut services = Vec::new();
        for file in &self.file {
            services.extend(file.service.iter().map(|service| {
                let host = service.options.as_ref();
                let host = host.map(|options| options.default_host.as_str());
                Service {
                    name: qualified(&file.package, &service.name),
                    package: &file.package,
                    default_host: host.filter(|host| !host.is_empty()),
                    methods: &service.method,
                }
            }));
        }
        services
    }
}

fn qualified(scope: &str, name: &str) -> String {
    match scope {
        "" => name.to_owned(),
        scope => format!("{scope}.{name}"),
    }
}

/// The messages of a set by their full names.
pub(super) struct Names<'a>(BTreeMap<String, &'a MessageType>);

/// `google.protobuf.FieldDescriptorProto.Type` and `Label`.
const TYPE_STRING: i32 = 9;
const TYPE_MESSAGE: i32 = 11;
const LABEL_REPEATED: i32 = 3;

impl<'a> Names<'a> {
    pub(super) fn of(set: &'a FileSet) -> Self {
        let mut names = Self(BTreeMap::new());
        for file in &set.file {
            for message in &file.message_type {
                names.add(&file.package, message);
            }
        }
        names
    }

    fn add(&mut self, scope: &str, message: &'a MessageType) {
        let name = qualified(scope, &message.name);
        for nested in &message.nested_type {
            self.add(&name, nested);
        }
        self.0.insert(name, message);
    }

    pub(super) fn has_message(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// Returns the full name of a message. `name` is from an option in a file of `package`. It is looked up as a full name
    /// first, and then in the scopes of the package, from the innermost outwards. If the set lacks the message, a name with a
    /// dot counts as a full name, and any other name as one of the package.
    pub(super) fn resolve(&self, name: &str, package: &str) -> String {
        let name = name.trim_start_matches('.');
        if name.is_empty() || self.has_message(name) {
            return name.to_owned();
        }
        let mut scope = Some(package);
        while let Some(outer) = scope {
            let candidate = qualified(outer, name);
            if self.has_message(&candidate) {
                return candidate;
            }
            scope = outer.rsplit_once('.').map(|(outer, _)| outer);
        }
        match name.contains('.') {
            true => name.to_owned(),
            false => qualified(package, name),
        }
    }

    /// Returns the field numbers that lead to a string field of a message. `path` is dotted.
    pub(super) fn string_field(&self, message: &str, path: &str) -> Result<Vec<u32>, String> {
        let mut message = message.trim_start_matches('.');
        let mut numbers = Vec::new();
        let mut names = path.split('.').peekable();
        while let Some(name) = names.next() {
            let known = self.0.get(message);
            let field = known.and_then(|known| known.field.iter().find(|field| field.name == name));
            let field =
                field.ok_or_else(|| format!("unknown field `{name}` of {message} in `{path}`"))?;
            if field.label == LABEL_REPEATED {
                return Err(format!("`{name}` in `{path}` is repeated"));
            }
            numbers.push(field.number);
            match (field.kind, names.peek()) {
                (TYPE_MESSAGE, Some(_)) => message = field.type_name.trim_start_matches('.'),
                (TYPE_STRING, None) => return Ok(numbers),
                (_, Some(_)) => return Err(format!("`{name}` in `{path}` is not a message")),
                (_, None) => return Err(format!("`{path}` is not a string")),
            }
        }
        Err(format!("invalid field path `{path}`"))
    }
}

//! Renders macro calls for the request messages: their method, response, name patterns, list items and updatable
//! fields.
//!
//! The calls contain only what differs between messages. The macros are in `src/client/request.rs`, `list.rs` and
//! `field_mask.rs`.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use prost_reflect::{DescriptorPool, FieldDescriptor, MessageDescriptor, MethodDescriptor};

use serde_json::Value as Json;

use super::Result;
use super::reader::ContractData;

/// A request message and its method.
pub(super) struct Request {
    /// Index of the method in the table.
    index: usize,
    method: MethodDescriptor,
    /// Patterns of the resource names that the HTTP rule binds, by field path.
    names: BTreeMap<String, Vec<Vec<String>>>,
    /// Collection after the parent's name in the path, such as `apis`.
    collection: String,
    /// Full name of the result type of the operation that the method starts.
    result: Option<String>,
}

impl Request {
    /// Reads the method with this index in the contract. If the method has no HTTP rule, `named_as` in `facts` names another
    /// method. The HTTP rule of this other method has the pattern of the resource name.
    pub(super) fn read(
        pool: &DescriptorPool,
        contract: &ContractData,
        facts: &Json,
        index: usize,
    ) -> Result<Self> {
        let entry = &contract.methods[index];
        let selector = format!("{}.{}", entry.service, entry.name);
        let service = pool
            .get_service_by_name(&entry.service)
            .ok_or_else(|| format!("unknown service of the method {selector}"))?;
        let method = service
            .methods()
            .find(|method| method.name() == entry.name)
            .ok_or_else(|| format!("unknown method {selector}"))?;
        let named = match facts["named_as"][&selector].as_str() {
            None => entry,
            Some(other) => contract
                .methods
                .iter()
                .find(|method| format!("{}.{}", method.service, method.name) == other)
                .ok_or_else(|| format!("`named_as` of {selector} is not a method"))?,
        };
        let mut names = BTreeMap::<_, Vec<_>>::new();
        let mut collection = String::new();
        for rule in &named.http {
            for variable in rule.template.split('{').skip(1) {
                let (variable, rest) = variable
                    .split_once('}')
                    .ok_or("a path variable has no closing brace")?;
                let (path, form) = variable.split_once('=').unwrap_or((variable, "*"));
                let form = form.split('/').map(str::to_owned).collect::<Vec<_>>();
                if form.iter().any(|segment| segment == "**") {
                    return Err(
                        format!("{selector}: `**` is not supported in a resource name").into(),
                    );
                }
                names.entry(path.to_owned()).or_default().push(form);
                rest.trim_start_matches('/').clone_into(&mut collection);
            }
        }
        if names.is_empty() {
            return Err(format!("{selector}: the HTTP rule binds no resource name").into());
        }
        let result = entry.operation.as_ref().map(|(result, _)| result.clone());
        Ok(Self {
            index,
            method,
            names,
            collection,
            result,
        })
    }

    /// Returns the field of a create request that has the new resource's id.
    fn id(&self) -> Option<String> {
        let input = self.method.input();
        let mut names = input.fields().map(|field| field.name().to_owned());
        names.find(|name| self.method.name().starts_with("Create") && name.ends_with("_id"))
    }

    /// Returns the words before the resource in an error, such as `get operation` or `list apis of`.
    fn action(&self) -> String {
        let words = snake(self.method.name()).replace('_', " ");
        match words.split_once(' ') {
            Some(("wait", noun)) => format!("wait for {noun}"),
            Some(("list", _)) => format!("{words} of"),
            _ if self.names.contains_key("resource") => format!("{words} of"),
            _ => words,
        }
    }

    /// Returns a Rust expression for the resource name of the request, a `String`.
    fn resource(&self) -> String {
        let names = self.names.keys().next().map(|path| access(path));
        let name = names.unwrap_or_default();
        match self.id() {
            Some(id) => format!(
                "format!(\"{{}}/{}/{{}}\", {name}, it.{id})",
                self.collection
            ),
            None => format!("{name}.to_owned()"),
        }
    }

    /// Returns Rust statements that check the request before it is sent.
    fn checks(&self) -> String {
        let mut out = String::new();
        for (path, forms) in &self.names {
            let forms = forms.iter().map(|form| format!("&{form:?}"));
            let forms = forms.collect::<Vec<_>>().join(", ");
            let name = access(path);
            out += &format!(" NamePatterns::check(&NamePatterns(&[{forms}]), {name})?;");
        }
        if let Some(id) = self.id() {
            out += &format!(" pattern::check_id({id:?}, &it.{id})?;");
        }
        if self.updated().is_some() {
            let resource = self.result.as_deref().map(path).unwrap_or_default();
            out += &format!(" field_mask::check::<{resource}>(it.update_mask.as_ref())?;");
        }
        out
    }

    /// Returns the result type of an update method, whose request has a field mask; `None` for any other method.
    fn updated(&self) -> Option<&str> {
        let masked = self.method.name().starts_with("Update");
        self.result.as_deref().filter(|_| masked)
    }

    /// Returns the field of the items and the response message, if the response is a page.
    fn page(&self) -> Option<(FieldDescriptor, MessageDescriptor)> {
        let page = self.method.output();
        page.get_field_by_name("next_page_token")?;
        let is_item =
            |field: &FieldDescriptor| field.is_list() && field.kind().as_message().is_some();
        let items = page.fields().find(is_item)?;
        Some((items, page))
    }
}

/// Renders one call of `request!` for each method.
pub(super) fn requests(requests: &[Request]) -> Result<String> {
    let mut out = String::new();
    for request in requests {
        let method = &request.method;
        let client = match method.parent_service().name() {
            "ApiGatewayService" => "service",
            "Operations" => "operations",
            "Locations" => "locations",
            "IAMPolicy" => "iam_policy",
            other => {
                return Err(
                    format!("unknown service {other}: the library has no client for it").into(),
                );
            }
        };
        let response = match &request.result {
            Some(result) => format!("Operation<{}>", path(result)),
            None => path(method.output().full_name()),
        };
        let returns = if request.result.is_some() {
            "operation"
        } else {
            "message"
        };
        writeln!(out, "request! {{")?;
        writeln!(
            out,
            "    {}, METHODS[{}], {:?},",
            path(method.input().full_name()),
            request.index,
            request.action()
        )?;
        let call = snake(method.name());
        writeln!(out, "    {client}.{call} {returns} {response},")?;
        writeln!(
            out,
            "    |it| resource {}; checks {{{} }}",
            request.resource(),
            request.checks()
        )?;
        writeln!(out, "}}")?;
    }
    Ok(out)
}

/// Renders one call of `decoders!`: the request message and the response message of each method, by the method's path.
pub(super) fn decoders(requests: &[Request]) -> Result<String> {
    let mut out = "decoders! {\n".to_owned();
    for Request { method, .. } in requests {
        let service = method.parent_service();
        let request = path(method.input().full_name());
        let response = path(method.output().full_name());
        writeln!(
            out,
            "    \"/{}/{}\": {request} => {response},",
            service.full_name(),
            method.name()
        )?;
    }
    Ok(out + "}\n")
}

/// Renders the calls of `list!` and `ordered!` for the methods whose responses are pages.
pub(super) fn lists(requests: &[Request]) -> Result<String> {
    let mut out = String::new();
    for request in requests {
        let Some((items, page)) = request.page() else {
            continue;
        };
        let item = items.kind();
        let item = item.as_message().ok_or("an item is not a message")?;
        let input = request.method.input();
        let partial = input.get_field_by_name("return_partial_success");
        let unreachable = ["unreachable", "unreachable_locations"];
        let unreachable = unreachable
            .into_iter()
            .find(|name| page.get_field_by_name(name).is_some());
        writeln!(
            out,
            "list! {{ {}: {} of {}, {}, {} }}",
            path(input.full_name()),
            items.name(),
            path(item.full_name()),
            unreachable.unwrap_or_default(),
            partial
                .map(|field| field.name().to_owned())
                .unwrap_or_default()
        )?;
        if input.get_field_by_name("order_by").is_some() {
            writeln!(out, "ordered! {{ {} }}", path(input.full_name()))?;
        }
    }
    Ok(out)
}

/// Renders one call of `resource!` for each resource that can be updated.
pub(super) fn resources(pool: &DescriptorPool, requests: &[Request]) -> Result<String> {
    let mut out = String::new();
    for name in requests.iter().filter_map(Request::updated) {
        let message = pool
            .get_message_by_name(name)
            .ok_or_else(|| format!("no message `{name}`"))?;
        let mut written = Vec::new();
        let (mut fields, mut maps) = (Vec::new(), Vec::new());
        for field in message.fields() {
            fields.push(field.name().to_owned());
            if field.is_map() {
                maps.push(field.name().to_owned());
            }
            if field.name() != "name" && !is_output_only(pool, &field)? {
                written.push(field.name().to_owned());
            }
        }
        writeln!(
            out,
            "resource! {{ {}, {:?}, fields {fields:?}, maps {maps:?}, written [{}] }}",
            path(name),
            message.name(),
            written.join(", ")
        )?;
    }
    Ok(out)
}

/// Returns true for a field with the behavior OUTPUT_ONLY, which only the server sets.
fn is_output_only(pool: &DescriptorPool, field: &FieldDescriptor) -> Result<bool> {
    const OUTPUT_ONLY: i32 = 3;
    let behaviours = pool
        .get_extension_by_name("google.api.field_behavior")
        .ok_or("no field_behavior")?;
    let options = field.options();
    let value = options.get_extension(&behaviours);
    let values = value.as_list().unwrap_or_default();
    Ok(values
        .iter()
        .any(|value| value.as_enum_number() == Some(OUTPUT_ONLY)))
}

/// Returns the Rust path of a generated message.
fn path(name: &str) -> String {
    match name {
        "google.protobuf.Empty" => "()".to_owned(),
        name => format!("crate::proto::{}", name.replace('.', "::")),
    }
}

/// Returns a Rust expression that reads a field of a request, such as `gateway.name`, as `&str`.
fn access(path: &str) -> String {
    match path.split_once('.') {
        None => format!("it.{path}.as_str()"),
        Some((message, field)) => {
            format!("it.{message}.as_ref().map_or(\"\", |it| it.{field}.as_str())")
        }
    }
}

/// Converts `GetIamPolicy` to `get_iam_policy`.
fn snake(name: &str) -> String {
    let mut out = String::new();
    for char in name.chars() {
        if char.is_uppercase() && !out.is_empty() {
            out.push('_');
        }
        out.extend(char.to_lowercase());
    }
    out
}

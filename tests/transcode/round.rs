//! The client sends a message as an HTTP request, and the server side reads the same message from that request.
//!
//! HTTP cannot express maps, lists of messages and empty messages in a query. The requests have none of these in a query.

use std::sync::LazyLock;

use apigateway_grpc::contract::{Body, Method};
use apigateway_grpc::proto::FILE_DESCRIPTOR_SET;
use apigateway_grpc::transcode::Rules;
use proptest::prelude::*;
use prost::Message as _;
use prost_reflect::{DescriptorPool, DynamicMessage, MessageDescriptor, Value};

use crate::arbitrary::Random;
use crate::client::Client;
use crate::fixture::{SHELF, Server, pool, rules};

/// A rule: the request's type, the template, and the field that is the body (`*` for all).
struct Case {
    path: String,
    input: MessageDescriptor,
    template: String,
    body: Option<String>,
}

static CONTRACT: LazyLock<Vec<Case>> = LazyLock::new(of_contract);
static SHELF_CASES: LazyLock<Vec<Case>> = LazyLock::new(of_shelf);

fn of_contract() -> Vec<Case> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("it is embedded");
    let methods = Method::all().iter();
    let rules = methods.flat_map(|method| method.http().iter().map(move |rule| (method, rule)));
    let cases = rules.map(|(method, rule)| Case {
        path: method.path().to_owned(),
        input: pool
            .get_message_by_name(method.input())
            .expect("in the set"),
        template: rule.template().to_owned(),
        body: match rule.body() {
            Body::None => None,
            Body::All => Some("*".to_owned()),
            Body::Field(name) => Some(name.to_owned()),
        },
    });
    cases.collect()
}

fn of_shelf() -> Vec<Case> {
    let pool = pool();
    let cases = [
        (
            "Find",
            "/v1/shelves/{shelf}/rows/{place.row}/{open}/{kind}:find",
            "FindRequest",
            None,
        ),
        (
            "Rename",
            "/v1/{name=shelves/**}",
            "RenameRequest",
            Some("title"),
        ),
        (
            "Fill",
            "/v1/{name=shelves/*}:fill",
            "FillRequest",
            Some("books"),
        ),
        ("Move", "/v1/{name=shelves/*}", "DownloadRequest", Some("*")),
    ];
    let cases = cases.map(|(method, template, input, body)| Case {
        path: format!("/{SHELF}.Shelf/{method}"),
        input: pool
            .get_message_by_name(&format!("{SHELF}.{input}"))
            .expect("in the set"),
        template: template.to_owned(),
        body: body.map(str::to_owned),
    });
    cases.into()
}

impl Case {
    fn request(&self, random: &mut Random) -> DynamicMessage {
        let mut message = random.message(&self.input, 4, self.body.is_none());
        if let Some(field) = self.body.as_deref().filter(|field| *field != "*") {
            // The body may be any message. All other fields are in the query.
            let whole = random.message(&self.input, 4, false);
            message = random.message(&self.input, 4, true);
            match whole.has_field_by_name(field) {
                true => {
                    let value = whole.get_field_by_name(field).expect("it is there");
                    message.set_field_by_name(field, value.into_owned());
                }
                false => message.clear_field_by_name(field),
            }
        }
        for variable in self.template.split('{').skip(1) {
            let variable = variable.split('}').next().expect("it is closed");
            let (field, pattern) = variable.split_once('=').unwrap_or((variable, "*"));
            set(&mut message, field, || random.name(pattern));
        }
        message
    }
}

/// Sets a field if it is a string.
fn set(message: &mut DynamicMessage, path: &str, value: impl FnOnce() -> String) {
    match path.split_once('.') {
        Some((outer, rest)) => {
            let field = message.get_field_by_name_mut(outer).expect("it is there");
            set(field.as_message_mut().expect("a message"), rest, value);
        }
        None if matches!(
            message.get_field_by_name(path).as_deref(),
            Some(Value::String(_))
        ) =>
        {
            message.set_field_by_name(path, Value::String(value()));
        }
        None => {}
    }
}

fn comes_back(cases: &[Case], rules: &Rules, seed: u64) -> Result<(), TestCaseError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let mut random = Random(seed);
    for _ in 0..4 {
        let case = &cases[random.below(cases.len())];
        let message = case.request(&mut random);
        let server = Server::with_empty_response();
        let mut client = Client::by(rules.clone(), server.behind(rules.clone()));
        let sent = runtime.block_on(client.call(&case.path, message.encode_to_vec()));
        prop_assert!(sent.is_ok(), "{}: {sent:?}: {message}", case.path);
        let received = server.only();
        prop_assert_eq!(&received.path, &case.path);
        let found = DynamicMessage::decode(case.input.clone(), &received.message[..]);
        // Compare as JSON, without defaults: required scalars are sent even if they have their default.
        let found = serde_json::to_value(found.expect("it is a message")).expect("JSON");
        prop_assert_eq!(found, serde_json::to_value(&message).expect("JSON"));
    }
    Ok(())
}

proptest! {
    #[test]
    fn every_request_of_the_contract_reaches_the_server_unchanged(seed: u64) {
        comes_back(&CONTRACT, &Rules::api_gateway(), seed)?;
    }

    #[test]
    fn requests_by_rules_of_every_form_reach_the_server_unchanged(seed: u64) {
        comes_back(&SHELF_CASES, &rules(), seed)?;
    }
}

#[test]
fn all_routed_methods_are_among_the_cases() {
    let mut paths: Vec<_> = of_contract().into_iter().map(|case| case.path).collect();
    paths.dedup();
    assert_eq!(paths.len(), 24);
}

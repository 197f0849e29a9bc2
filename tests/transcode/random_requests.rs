//! Requests of random types by random rules: the server side reads the message that the client was given.
//!
//! `RANDOM_SETS` is the number of descriptor sets, `RANDOM_SEED` the first seed. A failure shows its seed.

use apigateway_grpc::tonic::Code;
use apigateway_grpc::transcode::Rules;
use prost_reflect::{DescriptorPool, DynamicMessage};
use serde_json::{Value, json};

use crate::client::Client;
use crate::fixture::Server;
use crate::random_sets::{Random, Set, Wild};

fn setting(name: &str, default: u64) -> u64 {
    let text = std::env::var(name).ok();
    text.map_or(default, |text| text.parse().expect("a number"))
}

/// Removes empty messages, which a query cannot express.
fn prune(value: &mut Value) {
    match value {
        Value::Object(members) => {
            members.values_mut().for_each(prune);
            members.retain(|_, value| !value.as_object().is_some_and(serde_json::Map::is_empty));
        }
        Value::Array(items) => items.iter_mut().for_each(prune),
        _ => {}
    }
}

/// Sends requests of all types of a set. Returns two counts: the requests that were sent, and those that had no HTTP form.
async fn check(seed: u64) -> Result<(usize, usize), String> {
    let random = &mut Random(seed ^ 0x5eed);
    let set = Set::random(seed);
    let mut rules = Vec::new();
    for (of, message) in set.messages.iter().enumerate() {
        let Some(variable) = set.variable(random, of, 2) else {
            continue;
        };
        let body = match random.below(3) {
            0 => "",
            1 => "*",
            _ => &random.pick(&message.fields).name,
        };
        rules.push(json!({
            "selector": set.method(of).1,
            "post": format!("/v{of}/{{{variable}}}/x"),
            "body": body,
        }));
    }
    if rules.is_empty() {
        return Ok((0, 0));
    }
    let config = json!({"http": {"rules": rules}}).to_string();
    let encoded = set.encoded();
    let rules = Rules::builder(&encoded).service_config(&config).build();
    let rules = rules.map_err(|error| format!("{error}: {config}"))?;
    let pool =
        DescriptorPool::decode(&set.without_editions()[..]).map_err(|error| error.to_string())?;
    let (mut sent, mut refused) = (0, 0);
    for (of, message) in set.messages.iter().enumerate() {
        let described = pool
            .get_message_by_name(&message.name)
            .expect("it is in the set");
        for _ in 0..6 {
            let wild = Wild {
                pieces: true,
                ..Wild::default()
            };
            let wire = set.message(random, of, 3, wild);
            let server = Server::with_empty_response();
            let mut client = Client::by(rules.clone(), server.behind(rules.clone()));
            let call = client.call(&set.method(of).0, wire.clone()).await;
            let json_of = |bytes: &[u8]| {
                let message = DynamicMessage::decode(described.clone(), bytes);
                let mut json = serde_json::to_value(message.map_err(|error| error.to_string())?)
                    .map_err(|error| error.to_string())?;
                prune(&mut json);
                Ok::<_, String>(json)
            };
            match call {
                // prost-reflect does not write an empty `Any`.
                Ok(_)
                    if json_of(&wire).is_err_and(|why| why.contains("unsupported type url ''")) => {
                }
                Ok(_) => {
                    sent += 1;
                    let (found, wanted) = (json_of(&server.only().message), json_of(&wire));
                    if found != wanted {
                        let name = &message.name;
                        return Err(format!(
                            "{name}: {found:?} instead of {wanted:?}: {wire:02x?} {:02x?} {config}",
                            server.only().message
                        ));
                    }
                }
                // There is no route, or the route cannot express the message.
                Err(status) if server.received().is_empty() => {
                    let code = status.code();
                    if !matches!(code, Code::InvalidArgument | Code::Unimplemented) {
                        return Err(format!("{status:?}"));
                    }
                    for wrong in ["malformed", "truncated", "no such field", "the layer"] {
                        if status.message().contains(wrong) {
                            return Err(format!("{}: {status:?}: {wire:02x?}", message.name));
                        }
                    }
                    refused += 1;
                }
                Err(status) => return Err(format!("{status:?}")),
            }
        }
    }
    Ok((sent, refused))
}

#[tokio::test]
async fn requests_of_random_types_reach_the_server_unchanged() {
    let first = setting("RANDOM_SEED", 0);
    let (mut sent, mut refused) = (0, 0);
    for seed in first..first + setting("RANDOM_SETS", 120) {
        match check(seed).await {
            Ok((some, others)) => {
                sent += some;
                refused += others;
            }
            Err(why) => panic!("RANDOM_SEED={seed}: {why}"),
        }
    }
    assert!(sent > refused / 20, "{sent} sent, {refused} refused");
}

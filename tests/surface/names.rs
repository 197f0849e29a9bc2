//! Typed names: their patterns are those of the protos, and they convert to text and back.

use std::collections::{BTreeMap, HashSet};

use apigateway_grpc::Error;
use apigateway_grpc::contract::Method;
use apigateway_grpc::names::{
    ApiConfigName, ApiName, GatewayName, LocationName, OperationName, ProjectName,
};
use apigateway_grpc::proto::FILE_DESCRIPTOR_SET;
use proptest::prelude::*;
use prost_reflect::DescriptorPool;

/// Returns the patterns of the service's resources, by the name of the message.
fn annotated() -> BTreeMap<String, String> {
    let pool = DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("embedded at build time");
    let annotation = pool.get_extension_by_name("google.api.resource");
    let annotation = annotation.expect("an annotation");
    let messages = pool.all_messages().filter(|message| {
        let ours = message.package_name() == "google.cloud.apigateway.v1";
        ours && message.options().has_extension(&annotation)
    });
    let pattern = |message: prost_reflect::MessageDescriptor| {
        let options = message.options();
        let resource = options.get_extension(&annotation);
        let resource = resource.as_message().expect("a message");
        let patterns = resource.get_field_by_name("pattern").expect("a field");
        let [pattern] = patterns.as_list().expect("repeated") else {
            panic!("{} has several patterns", message.name());
        };
        let pattern = pattern.as_str().expect("text").to_owned();
        (message.name().to_owned(), pattern)
    };
    messages.map(pattern).collect()
}

#[test]
fn the_patterns_are_those_of_the_protos() {
    let ours = [
        ("Api", ApiName::PATTERN),
        ("ApiConfig", ApiConfigName::PATTERN),
        ("Gateway", GatewayName::PATTERN),
    ];
    let ours = ours.map(|(name, pattern)| (name.to_owned(), pattern.to_owned()));
    assert_eq!(annotated(), ours.into());
}

#[test]
fn the_patterns_of_other_services_are_those_of_the_http_rules() {
    let cases = [
        ("ListLocations", ProjectName::PATTERN),
        ("GetLocation", LocationName::PATTERN),
        ("GetOperation", OperationName::PATTERN),
    ];
    for (name, pattern) in cases {
        let method = Method::all().iter().find(|it| it.name() == name);
        let template = method.expect("a method").http()[0].template();
        let segments = pattern.split('/');
        let stars = segments.map(|it| if it.starts_with('{') { "*" } else { it });
        let stars = stars.collect::<Vec<_>>().join("/");
        assert!(
            template.contains(&format!("{{name={stars}}}")),
            "{template}"
        );
    }
}

#[test]
fn a_name_returns_the_parts_that_it_was_created_from() {
    let config = ApiConfigName::new("p", "a", "c").expect("parts");
    assert_eq!(
        config.as_str(),
        "projects/p/locations/global/apis/a/configs/c"
    );
    let parts = (config.project(), config.api(), config.api_config());
    assert_eq!(parts, ("p", "a", "c"));
    assert_eq!(config.id(), "c");
    let api = config.parent();
    assert_eq!(
        Ok(api.clone()),
        ApiName::new("p", "a").map_err(|it| it.to_string())
    );
    let location = api.parent();
    assert_eq!((location.project(), location.location()), ("p", "global"));
    assert_eq!(location.parent().as_str(), "projects/p");
    assert_eq!(location.parent().id(), "p");
    let gateway = GatewayName::new("p", "l", "g").expect("parts");
    assert_eq!((gateway.location(), gateway.gateway()), ("l", "g"));
    assert_eq!(gateway.parent().to_string(), "projects/p/locations/l");
    let operation = OperationName::new("p", "l", "o").expect("parts");
    assert_eq!((operation.operation(), operation.id()), ("o", "o"));
    assert_eq!(operation.parent(), gateway.parent());
    let names: HashSet<_> = [api.clone(), config.parent()].into();
    assert_eq!(names.len(), 1);
    assert_eq!(format!("{api:>40}"), format!("{:>40}", api.as_str()));
}

fn refused<T: std::fmt::Debug>(name: Result<T, Error>, pattern: &str) {
    let error = name.expect_err("it does not match the pattern");
    assert!(error.is_invalid_name(), "{error}");
    assert!(error.to_string().ends_with(pattern), "{error}");
}

#[test]
fn a_text_that_does_not_match_the_pattern_is_not_a_name() {
    let regional = "projects/p/locations/us-west1/apis/a";
    refused(regional.parse::<ApiName>(), ApiName::PATTERN);
    refused(ApiName::try_from("a"), ApiName::PATTERN);
    refused(ProjectName::try_from(String::new()), ProjectName::PATTERN);
    for part in ["", ".", "..", "a/b", "projects/p", "a\n"] {
        refused(ProjectName::new(part), ProjectName::PATTERN);
        refused(GatewayName::new("p", part, "g"), GatewayName::PATTERN);
        refused(GatewayName::new("p", "l", part), GatewayName::PATTERN);
    }
}

proptest! {
    #[test]
    fn a_name_of_random_parts_parses_again(parts in [r"[^/\pC]{1,12}", r"[a-z0-9-]{1,63}", r"[^/\pC]{1,12}"]) {
        let [project, location, id] = &parts;
        prop_assume!(parts.iter().all(|part| part != "." && part != ".."));
        let name = GatewayName::new(project, location, id).expect("parts");
        let back: GatewayName = name.to_string().parse().expect("it was written by a name");
        prop_assert_eq!(&back, &name);
        prop_assert_eq!([back.project(), back.location(), back.gateway()], [project, location, id]);
        prop_assert_eq!(String::from(name), format!("projects/{project}/locations/{location}/gateways/{id}"));
    }

    #[test]
    fn an_accepted_text_is_returned_unchanged(text in r"projects/[^/]{0,4}(/locations/[^/]{0,4})?(/[a-z]{0,3})?") {
        if let Ok(name) = LocationName::try_from(text.as_str()) {
            prop_assert_eq!(name.as_str(), &text);
            prop_assert_eq!(LocationName::new(name.project(), name.location()).expect("parts"), name);
        }
    }
}

//! The id of a config: a prefix, and a digest of the immutable content.

use apigateway_grpc::proto::google::cloud::apigateway::v1::ApiConfig;
use sha2::{Digest as _, Sha256};

/// Maximum length of the id of a config.
const LONGEST_ID: usize = 63;
/// Number of hexadecimal digits of the digest in an id.
const DIGEST_DIGITS: usize = 12;

/// Returns the id of a config: the prefix, and a digest of the content.
pub(crate) fn config_id(prefix: &str, kind: &str, config: &ApiConfig) -> String {
    let digest = digest(kind, config);
    let allowed = prefix.to_lowercase().replace(
        |char: char| !char.is_ascii_alphanumeric() && char != '-',
        "-",
    );
    let allowed = allowed.trim_start_matches('-');
    let kept = &allowed[..allowed.len().min(LONGEST_ID - DIGEST_DIGITS - 1)];
    match kept.trim_end_matches('-') {
        "" => format!("c-{}", &digest[..DIGEST_DIGITS]),
        kept => format!("{kept}-{}", &digest[..DIGEST_DIGITS]),
    }
}

/// Returns the SHA-256 of all immutable parts of a config: the kind, name, length and bytes of each file, and the service
/// account. The length of each part precedes the part, so that different configs have different inputs.
fn digest(kind: &str, config: &ApiConfig) -> String {
    let mut hash = Sha256::new();
    let mut part = |bytes: &[u8]| {
        hash.update((bytes.len() as u64).to_be_bytes());
        hash.update(bytes);
    };
    part(kind.as_bytes());
    let openapi = config
        .openapi_documents
        .iter()
        .map(|document| ("openapi", document.document.as_ref()));
    let grpc = config
        .grpc_services
        .iter()
        .map(|service| ("descriptors", service.file_descriptor_set.as_ref()));
    let managed = config
        .managed_service_configs
        .iter()
        .map(|file| ("service", Some(file)));
    for (kind, file) in openapi.chain(grpc).chain(managed) {
        let Some(file) = file else { continue };
        part(kind.as_bytes());
        part(file.path.as_bytes());
        part(&file.contents);
    }
    // The service returns the full name of the account, even if the account was set by its email.
    let account = config
        .gateway_service_account
        .rsplit('/')
        .next()
        .unwrap_or_default();
    part(b"account");
    part(account.as_bytes());
    hash.finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

/// Returns true if an existing config has the desired content. Descriptor sets and the kind of the files are not compared,
/// since the service does not return them. The digest in the id of a config usually covers both.
pub(crate) fn has_content_of(existing: &ApiConfig, desired: &ApiConfig) -> bool {
    let returned = |config: &ApiConfig| {
        let mut config = config.clone();
        config.grpc_services.clear();
        digest("", &config)
    };
    returned(existing) == returned(desired)
}

#[cfg(test)]
mod tests {
    use apigateway_grpc::proto::google::cloud::apigateway::v1::api_config::{
        File, OpenApiDocument,
    };

    use super::*;

    fn config(path: &str, contents: &str, account: &str) -> ApiConfig {
        let document = Some(File {
            path: path.to_owned(),
            contents: contents.into(),
        });
        ApiConfig {
            openapi_documents: vec![OpenApiDocument { document }],
            gateway_service_account: account.to_owned(),
            ..ApiConfig::default()
        }
    }

    #[test]
    fn the_id_of_a_config_depends_on_its_immutable_content() {
        let id = |path: &str, contents: &str, account: &str| {
            config_id("a", "openapi", &config(path, contents, account))
        };
        let one = id("a.yaml", "x", "");
        assert_eq!(one, id("a.yaml", "x", ""));
        for other in [
            id("b.yaml", "x", ""),
            id("a.yaml", "y", ""),
            id("a.yaml", "x", "sa"),
            id("a.yam", "lx", ""),
        ] {
            assert_ne!(one, other);
        }
        assert_eq!(
            id("a.yaml", "x", "sa@p"),
            id("a.yaml", "x", "projects/-/serviceAccounts/sa@p")
        );
    }

    #[test]
    fn the_id_of_a_config_is_valid_for_every_prefix() {
        for prefix in ["a", "", "-", "Hello World", &"x".repeat(90), "é"] {
            let id = config_id(prefix, "openapi", &ApiConfig::default());
            assert!(id.len() <= LONGEST_ID && !id.starts_with('-'), "{id}");
            assert!(
                id.chars()
                    .all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || char == '-'),
                "{id}"
            );
        }
    }
}

//! Descriptor sets of gRPC services.

use std::collections::HashSet;

use super::findings::{Findings, excerpt};
use prost::Message as _;

/// The services of all descriptor sets of a config, by their full names.
#[derive(Debug, Default)]
pub(super) struct Services {
    names: HashSet<String>,
    /// A set could not be read, so that what is missing is not known.
    unclear: bool,
}

impl Services {
    /// Adds those of one set, and tells what is wrong with it.
    pub(super) fn add(&mut self, contents: &[u8], findings: &mut Findings) {
        let set = match Outline::decode(contents) {
            Ok(set) => set,
            Err(error) => {
                self.unclear = true;
                let error = excerpt(&error.to_string());
                findings.whole(format_args!("is no FileDescriptorSet: {error}"));
                return;
            }
        };
        if set.file.is_empty() {
            self.unclear = true;
            findings.whole("is no FileDescriptorSet, or an empty one");
            return;
        }
        let files: HashSet<_> = set.file.iter().map(|file| file.name.as_str()).collect();
        if files.contains("") {
            findings.whole("has a file without a name");
        }
        let mut services = 0;
        for file in &set.file {
            for import in &file.dependency {
                if !files.contains(import.as_str()) {
                    let (file, import) = (excerpt(&file.name), excerpt(import));
                    findings.whole(format_args!(
                        "`{file}` imports `{import}`, which is not in the set: compile with --include_imports"
                    ));
                }
            }
            for service in &file.service {
                services += 1;
                self.names.insert(match file.package.as_str() {
                    "" => service.name.clone(),
                    package => format!("{package}.{}", service.name),
                });
            }
        }
        if services == 0 {
            findings.whole("has no service");
        }
    }

    /// Whether a name may be one of theirs.
    pub(super) fn may_have(&self, name: &str) -> bool {
        self.unclear || self.names.contains(name)
    }
}

/// What is looked at in a `google.protobuf.FileDescriptorSet`. Decoded whole, a set of a few megabytes can be made
/// that takes a gigabyte.
#[derive(Clone, PartialEq, prost::Message)]
struct Outline {
    #[prost(message, repeated, tag = "1")]
    file: Vec<FileOutline>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct FileOutline {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(string, tag = "2")]
    package: String,
    #[prost(string, repeated, tag = "3")]
    dependency: Vec<String>,
    #[prost(message, repeated, tag = "6")]
    service: Vec<ServiceOutline>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct ServiceOutline {
    #[prost(string, tag = "1")]
    name: String,
}

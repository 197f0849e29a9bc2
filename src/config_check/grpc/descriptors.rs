//! Descriptor sets of gRPC services.

use std::collections::HashSet;

use prost::Message as _;

use crate::config_check::diagnostic::{Report, excerpt};
use crate::config_check::rules;

/// The services of all descriptor sets of a config, by their full names.
#[derive(Debug, Default)]
pub(in crate::config_check) struct Services {
    names: HashSet<String>,
    /// True if a set could not be read. The unread set may have any service.
    has_unread_set: bool,
}

impl Services {
    /// Adds the services of a descriptor set, and reports its errors.
    pub(in crate::config_check) fn add(&mut self, contents: &[u8], report: &mut Report) {
        let set = match Outline::decode(contents) {
            Ok(set) => set,
            Err(error) => {
                self.has_unread_set = true;
                let error = excerpt(&error.to_string());
                report.whole(
                    &rules::DESCRIPTOR_SET,
                    format_args!("invalid FileDescriptorSet: {error}"),
                );
                return;
            }
        };
        if set.file.is_empty() {
            self.has_unread_set = true;
            report.whole(&rules::DESCRIPTOR_SET, "the FileDescriptorSet has no file");
            return;
        }
        let files: HashSet<_> = set.file.iter().map(|file| file.name.as_str()).collect();
        if files.contains("") {
            report.whole(
                &rules::DESCRIPTOR_SET,
                "each file of the set must have a name",
            );
        }
        let mut services = 0;
        for file in &set.file {
            for import in &file.dependency {
                if !files.contains(import.as_str()) {
                    let (file, import) = (excerpt(&file.name), excerpt(import));
                    report.whole(&rules::DESCRIPTOR_SET, format_args!(
                        "`{file}` imports `{import}`, which is not in the set: compile with `--include_imports`"
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
            report.whole(&rules::DESCRIPTOR_SET, "the set must have a service");
        }
    }

    /// Returns true if a descriptor set has a service of this name, or may have it.
    pub(in crate::config_check) fn may_have(&self, name: &str) -> bool {
        self.has_unread_set || self.names.contains(name)
    }
}

/// Returns the names of the files of a descriptor set, or nothing if it cannot be decoded.
pub(in crate::config_check) fn file_names(contents: &[u8]) -> Vec<String> {
    let set = Outline::decode(contents).unwrap_or_default();
    set.file.into_iter().map(|file| file.name).collect()
}

/// The fields of a `google.protobuf.FileDescriptorSet` that are checked. A crafted set of a few megabytes would decode to a
/// gigabyte, so only these fields are decoded.
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

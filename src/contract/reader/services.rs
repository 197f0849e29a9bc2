//! The services of a descriptor set.

use super::descriptor::{FileSet, MethodType};
use super::names::qualified;

/// A service of a set.
#[derive(Clone, Debug)]
pub(super) struct Service<'a> {
    /// The full name.
    pub(super) name: String,
    pub(super) package: &'a str,
    pub(super) default_host: Option<&'a str>,
    pub(super) methods: &'a [MethodType],
}

/// Returns the services of a set, in the order of declaration.
pub(super) fn services(set: &FileSet) -> Vec<Service<'_>> {
    let mut services = Vec::new();
    for file in &set.file {
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

//! Reads the files of a config from paths, as `gcloud api-gateway api-configs create` does.

use std::collections::HashMap;
use std::fmt::{self, Display};
use std::path::{Component, Path, PathBuf};

use super::grpc;
use crate::proto::google::cloud::apigateway::v1::ApiConfig;
use crate::proto::google::cloud::apigateway::v1::api_config::{
    File, GrpcServiceDefinition, OpenApiDocument,
};

/// The kind of a file of a config, by the extension of its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FileKind {
    /// An OpenAPI document or a service configuration: `.json`, `.yaml` or `.yml`.
    Text,
    /// A compiled descriptor set: `.descriptor` or `.pb`.
    DescriptorSet,
    /// A `.proto` source, which must be compiled.
    Proto,
}

impl FileKind {
    /// Returns the kind of a file by the extension of its name, or `None` for an unknown extension.
    #[must_use]
    pub fn from_path(path: &Path) -> Option<Self> {
        match path.extension()?.to_str()? {
            "json" | "yaml" | "yml" => Some(Self::Text),
            "descriptor" | "pb" => Some(Self::DescriptorSet),
            "proto" => Some(Self::Proto),
            _ => None,
        }
    }
}

/// A file that cannot be loaded.
#[derive(Debug)]
pub struct LoadError {
    path: PathBuf,
    message: String,
    source: Option<std::io::Error>,
}

impl LoadError {
    fn new(path: &Path, message: impl Into<String>) -> Self {
        Self {
            path: path.to_owned(),
            message: message.into(),
            source: None,
        }
    }

    /// Returns the path of the file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.path.display(), self.message)
    }
}

impl std::error::Error for LoadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}

/// Loads OpenAPI documents from files. As with `gcloud`, the config has only the file name of each document, without its
/// folders.
///
/// Use this function before [`check`](super::check), or if users choose the files: it rejects files that cannot be OpenAPI
/// documents. [`ApiConfig::from_openapi_files`] reads any files, and needs no feature.
///
/// ```
/// # let folder = std::env::temp_dir().join(format!("load-openapi-{}", std::process::id()));
/// # std::fs::create_dir_all(&folder).expect("a temporary folder");
/// # let path = folder.join("shop.yaml");
/// # std::fs::write(&path, "swagger: '2.0'\ninfo: {title: Shop}\npaths: {}\n").expect("a temporary file");
/// use apigateway_grpc::config_check::{check, load_openapi};
///
/// let config = load_openapi([&path])?;
/// for diagnostic in check(&config) {
///     println!("{}: {diagnostic}", diagnostic.severity);
/// #   assert_eq!(diagnostic.to_string(), "shop.yaml:2:7: missing field `version` in `info`");
/// }
/// # std::fs::remove_dir_all(&folder).expect("it is there");
/// # Ok::<(), apigateway_grpc::config_check::LoadError>(())
/// ```
///
/// This function blocks while it reads the files.
///
/// # Errors
///
/// Returns an error if a file cannot be read, if two files have the same name, or if an extension is not `.json`, `.yaml` or
/// `.yml`.
pub fn load_openapi<P: AsRef<Path>>(
    paths: impl IntoIterator<Item = P>,
) -> Result<ApiConfig, LoadError> {
    let mut config = ApiConfig::default();
    let mut names = HashMap::new();
    for path in paths {
        let path = path.as_ref();
        if FileKind::from_path(path) != Some(FileKind::Text) {
            let message = "not an OpenAPI document: the name must end in .json, .yaml or .yml";
            return Err(LoadError::new(path, message));
        }
        let document = Some(file(path, &mut names)?);
        config.openapi_documents.push(OpenApiDocument { document });
    }
    Ok(config)
}

/// Loads descriptor sets (`.descriptor`, `.pb`) and service configurations (`.json`, `.yaml`, `.yml`) from files.
///
/// As with `gcloud`, the `.proto` sources of a descriptor set are attached if they are in the folder of the set or in a
/// subfolder. The path of a source in the config is the last part of its name in the set. The service uses the sources for
/// display only. A source that does not exist is omitted.
///
/// ```no_run
/// use apigateway_grpc::config_check::{check, load_grpc};
///
/// // Made by `protoc --include_imports --include_source_info --descriptor_set_out=api.pb api.proto`.
/// let config = load_grpc(["api.pb", "api_config.yaml"])?;
/// let found = check(&config);
/// assert!(found.iter().all(|diagnostic| !diagnostic.is_error()), "{found:?}");
/// # Ok::<(), apigateway_grpc::config_check::LoadError>(())
/// ```
///
/// This function blocks while it reads the files.
///
/// # Errors
///
/// Returns an error if a file cannot be read, if two files have the same name, if a file is a `.proto` source, or if an
/// extension is unknown.
pub fn load_grpc<P: AsRef<Path>>(
    paths: impl IntoIterator<Item = P>,
) -> Result<ApiConfig, LoadError> {
    let mut config = ApiConfig::default();
    let mut names = HashMap::new();
    for path in paths {
        let path = path.as_ref();
        match FileKind::from_path(path) {
            Some(FileKind::DescriptorSet) => {
                let set = file(path, &mut names)?;
                config.grpc_services.push(GrpcServiceDefinition {
                    source: sources(path, &set.contents)?,
                    file_descriptor_set: Some(set),
                });
            }
            Some(FileKind::Text) => config.managed_service_configs.push(file(path, &mut names)?),
            Some(FileKind::Proto) => {
                let message = "a .proto source must be compiled: run `protoc --include_imports --descriptor_set_out`";
                return Err(LoadError::new(path, message));
            }
            None => {
                let message = "unknown kind of file: the name must end in .descriptor, .json, .pb, .yaml or .yml";
                return Err(LoadError::new(path, message));
            }
        }
    }
    Ok(config)
}

/// Reads the sources of a descriptor set. `check` reports a set that cannot be decoded.
fn sources(set: &Path, contents: &[u8]) -> Result<Vec<File>, LoadError> {
    let folder = set.parent().unwrap_or(Path::new(""));
    let mut sources = Vec::new();
    for name in grpc::file_names(contents) {
        let name = Path::new(&name);
        // A name that points outside of the folder is skipped: otherwise a crafted set could attach any file of this machine.
        let within = name
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        let source = folder.join(name);
        if within && source.is_file() {
            sources.push(read(&source)?);
        }
    }
    Ok(sources)
}

fn file(path: &Path, names: &mut HashMap<String, PathBuf>) -> Result<File, LoadError> {
    let file = read(path)?;
    if let Some(other) = names.insert(file.path.clone(), path.to_owned()) {
        let other = other.display();
        let message =
            format!("the files of a config must have different names: {other} has the same name");
        return Err(LoadError::new(path, message));
    }
    Ok(file)
}

fn read(path: &Path) -> Result<File, LoadError> {
    File::from_path(path).map_err(|source| LoadError {
        source: Some(source),
        ..LoadError::new(path, "cannot read the file")
    })
}

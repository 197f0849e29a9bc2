//! Seed files: a state in YAML or JSON, with which an emulator starts.

use std::fs;
use std::io::{self, Read as _};
use std::path::Path;
use std::time::SystemTime;

use prost::{Message as _, Name as _};
use serde_json::Value;

use crate::config_check::as_json;
use crate::emulator::admin::transfer::check;
use crate::emulator::api::decompress::MAX_JSON_REQUEST;
use crate::emulator::messages::StateExport;
use crate::emulator::messages::json::{RULES, options};
use crate::emulator::state::clock::Moment;
use crate::error::Error;
use crate::proto::google::cloud::apigateway::v1::api_config::File;

impl StateExport {
    /// Reads and checks a state from a file in YAML or JSON. If a file of a config has a `path` but no `contents`, the
    /// contents are read from this path, relative to the seed file.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, has more than 32 MiB, or is invalid. The error names the file and the place.
    pub fn read(file: impl AsRef<Path>) -> Result<Self, Error> {
        read(file.as_ref(), SystemTime::now().into())
    }
}

/// Maximum size of a seed file, which is the maximum size of an imported state in JSON.
const MAX_SIZE: usize = MAX_JSON_REQUEST;

/// The fields of a config that are lists of files, or of entries with files. The second element names the members of an entry
/// that are files. If it is empty, the entry itself is a file.
const FILES: [(&str, &[&str]); 3] = [
    ("openapiDocuments", &["document"]),
    ("grpcServices", &["fileDescriptorSet", "source"]),
    ("managedServiceConfigs", &[]),
];

/// Reads and checks a seed file.
///
/// # Errors
///
/// If the file cannot be read or is invalid. The error names the place.
pub(super) fn read(path: &Path, now: Moment) -> Result<StateExport, Error> {
    let shown = path.display().to_string();
    let failed = |why: &dyn std::fmt::Display| {
        Error::configuration(format!("invalid `seed` {shown}: {why}"))
    };
    let contents = read_file(path).map_err(|error| failed(&error))?;
    let mut json = as_json(&shown, &contents).map_err(|why| failed(&why))?;
    let folder = path.parent().unwrap_or(Path::new(""));
    add_contents(&mut json, folder).map_err(|why| failed(&why))?;
    let name = StateExport::full_name();
    let wire = RULES
        .schema()
        .converted_to_wire(&name, json.to_string().as_bytes(), options());
    let wire = wire.map_err(|error| failed(&error))?;
    let state = StateExport::decode(wire.as_slice()).map_err(|error| failed(&error))?;
    check(state.clone(), now).map_err(|status| failed(&status.message()))?;
    Ok(state)
}

/// Reads a file up to [`MAX_SIZE`]. A file without an end, such as a device, must not fill the memory.
fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    let mut contents = Vec::new();
    let mut file = fs::File::open(path)?.take(MAX_SIZE as u64 + 1);
    file.read_to_end(&mut contents)?;
    if contents.len() > MAX_SIZE {
        let text = "larger than 32 MiB: give the files of configs by `path`, not by `contents`";
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, text));
    }
    Ok(contents)
}

/// Reads the files that have a path and no contents. Paths are relative to the seed file.
fn add_contents(json: &mut Value, folder: &Path) -> Result<(), String> {
    let Some(Value::Array(configs)) = json.get_mut("apiConfigs") else {
        return Ok(());
    };
    for config in configs {
        for (list, members) in FILES {
            let Some(Value::Array(entries)) = config.get_mut(list) else {
                continue;
            };
            for entry in entries {
                if members.is_empty() {
                    add_content(entry, folder)?;
                }
                for member in members {
                    match entry.get_mut(member) {
                        Some(Value::Array(files)) => {
                            for file in files {
                                add_content(file, folder)?;
                            }
                        }
                        Some(file) => add_content(file, folder)?,
                        None => {}
                    }
                }
            }
        }
    }
    Ok(())
}

fn add_content(file: &mut Value, folder: &Path) -> Result<(), String> {
    use base64::Engine as _;
    let Value::Object(file) = file else {
        // The value is invalid. It is rejected when the message is read.
        return Ok(());
    };
    let path = match (file.get("path"), file.get("contents")) {
        (Some(Value::String(path)), None) => folder.join(path),
        _ => return Ok(()),
    };
    let read = File::from_path(&path);
    let read = read.map_err(|error| format!("{}: {error}", path.display()))?;
    let contents = base64::engine::general_purpose::STANDARD.encode(read.contents);
    file.insert("contents".to_owned(), Value::String(contents));
    Ok(())
}

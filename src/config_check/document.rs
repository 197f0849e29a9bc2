//! Reads a text file into a tree, as JSON or as YAML.

use std::rc::Rc;

use super::diagnostic::{Report, excerpt};
use super::node::Node;
use super::yaml::position;
use super::{json, rules, yaml};

/// Maximum number of aliases in an OpenAPI document, from the documented limitations of the service.
const MAX_ALIASES: usize = 200;

/// The format of a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Format {
    Json,
    Yaml,
}

/// Reads an OpenAPI document. As in the service, the extension of its name determines the format.
pub(super) fn openapi(
    path: &str,
    contents: &[u8],
    allowance: &mut usize,
    report: &mut Report,
) -> Option<Rc<Node>> {
    let Some(format) = format(path) else {
        let path = excerpt(path);
        let text = format!(
            "the name of an OpenAPI document must end in .json, .yaml or .yml, not `{path}`"
        );
        report.whole(&rules::FILE_EXTENSION, text);
        return None;
    };
    read(format, contents, allowance, MAX_ALIASES, report)
}

/// Reads a service configuration. If its name has no known extension, the format is YAML.
pub(super) fn service_config(
    path: &str,
    contents: &[u8],
    allowance: &mut usize,
    report: &mut Report,
) -> Option<Rc<Node>> {
    let format = format(path).unwrap_or(Format::Yaml);
    read(format, contents, allowance, usize::MAX, report)
}

fn format(path: &str) -> Option<Format> {
    let (_, extension) = path.rsplit_once('.')?;
    match extension {
        "json" => Some(Format::Json),
        "yaml" | "yml" => Some(Format::Yaml),
        _ => None,
    }
}

/// Reads a file. Returns `None` after reporting why it cannot be read.
fn read(
    format: Format,
    contents: &[u8],
    allowance: &mut usize,
    max_aliases: usize,
    report: &mut Report,
) -> Option<Rc<Node>> {
    let text = match std::str::from_utf8(contents) {
        Ok(text) => text,
        Err(error) => {
            let valid = String::from_utf8_lossy(&contents[..error.valid_up_to()]);
            let line = valid.rsplit('\n').next().unwrap_or_default();
            let at = position(valid.matches('\n').count() + 1, line.chars().count() + 1);
            report.at(&rules::ENCODING, at, "invalid UTF-8");
            return None;
        }
    };
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    if text.trim_start().is_empty() {
        report.whole(&rules::EMPTY_FILE, "the file is empty");
        return None;
    }
    let before = *allowance;
    let read = match format {
        Format::Json => json::read(text, allowance, report).map(Some),
        Format::Yaml if text.trim_start().starts_with('{') => {
            // JSON in a YAML file is read as JSON: unlike the YAML parser, the JSON reader does not limit the length of keys
            // and strings.
            match json::read(text, allowance, &mut Report::default()) {
                Ok(_) => {
                    *allowance = before;
                    json::read(text, allowance, report).map(Some)
                }
                Err(_) => {
                    *allowance = before;
                    yaml::read(text, allowance, max_aliases, report)
                }
            }
        }
        Format::Yaml => yaml::read(text, allowance, max_aliases, report),
    };
    match read {
        Ok(Some(root)) => Some(root),
        Ok(None) => {
            report.whole(&rules::EMPTY_FILE, "the file is empty");
            None
        }
        Err((rule, at, message)) => {
            report.at(rule, at, message);
            None
        }
    }
}

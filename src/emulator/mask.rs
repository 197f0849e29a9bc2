//! What an update changes.

use prost_types::FieldMask;
use tonic::Status;

use super::refusal;
use super::resource::Resource;

const FIELD: &str = "update_mask";

/// Takes over the fields of a mask. Their names may be spelled as in the proto or as in JSON; `*` is all
/// that can be changed.
pub(super) fn apply<R: Resource>(
    mask: Option<&FieldMask>,
    onto: &mut R,
    from: &mut R,
) -> Result<(), Status> {
    let paths = mask.map(|mask| mask.paths.as_slice()).unwrap_or_default();
    if paths.is_empty() {
        return Err(refusal::invalid(FIELD, "must name a field"));
    }
    for path in paths {
        if path == "*" {
            for field in ["labels", "display_name", "api_config"] {
                take(field, onto, from);
            }
        } else if !take(&snake(path), onto, from) {
            let why = format!("`{path}` is no field that can be changed");
            return Err(refusal::invalid(FIELD, &why));
        }
    }
    Ok(())
}

fn take<R: Resource>(field: &str, onto: &mut R, from: &mut R) -> bool {
    match field {
        "labels" => onto.common().labels.clone_from(from.common().labels),
        "display_name" => {
            let name = from.common().display_name;
            onto.common().display_name.clone_from(name);
        }
        _ => return onto.take(field, from),
    }
    true
}

/// The name as the proto spells it.
pub(super) fn snake(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 2);
    for char in name.chars() {
        if char.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(char.to_ascii_lowercase());
    }
    snake
}

//! Labels and display names, and gcloud's syntax for lists and maps in a flag.

use std::collections::HashMap;

use clap::Args;

use crate::failure::Failure;

/// The flags that label a new resource.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct CreateFlags {
    /// Labels of the resource; repeatable. `^;^a=b;c=d` chooses another separator.
    #[arg(long, value_name = "KEY=VALUE,…")]
    labels: Vec<String>,
}

/// The flags that change the display name and the labels of a resource.
#[derive(Clone, Debug, Default, Args)]
pub(crate) struct UpdateFlags {
    /// New human-readable name; an empty one clears it.
    #[arg(long, value_name = "DISPLAY_NAME")]
    display_name: Option<String>,
    /// Labels to add or to overwrite; repeatable.
    #[arg(long, value_name = "KEY=VALUE,…")]
    update_labels: Vec<String>,
    /// Labels to remove; repeatable.
    #[arg(long, value_name = "KEY,…", conflicts_with = "clear_labels")]
    remove_labels: Vec<String>,
    /// Remove all labels first.
    #[arg(long)]
    clear_labels: bool,
}

impl CreateFlags {
    pub(crate) fn labels(&self) -> Result<HashMap<String, String>, Failure> {
        map("--labels", &self.labels)
    }
}

impl UpdateFlags {
    /// Checks the labels, before anything is sent.
    ///
    /// # Errors
    ///
    /// If a label is invalid.
    pub(crate) fn check(&self) -> Result<(), Failure> {
        map("--update-labels", &self.update_labels).map(drop)
    }

    /// Changes the display name and the labels. The order for labels is: clear all, set some, remove some.
    ///
    /// # Errors
    ///
    /// If a label is invalid.
    pub(crate) fn apply(
        &self,
        display_name: &mut String,
        labels: &mut HashMap<String, String>,
    ) -> Result<(), Failure> {
        if let Some(new) = &self.display_name {
            display_name.clone_from(new);
        }
        if self.clear_labels {
            labels.clear();
        }
        labels.extend(map("--update-labels", &self.update_labels)?);
        for key in self.remove_labels.iter().flat_map(|flag| list(flag)) {
            labels.remove(&key);
        }
        Ok(())
    }
}

/// Splits a list at commas, or at the separator that is between carets at its start.
pub(crate) fn list(text: &str) -> Vec<String> {
    let (separator, rest) = match text.strip_prefix('^').and_then(|rest| rest.split_once('^')) {
        Some((separator, rest)) if !separator.is_empty() => (separator, rest),
        _ => (",", text),
    };
    let parts = rest.split(separator).map(|part| part.trim().to_owned());
    parts.filter(|part| !part.is_empty()).collect()
}

fn map(flag: &str, texts: &[String]) -> Result<HashMap<String, String>, Failure> {
    let mut map = HashMap::new();
    for part in texts.iter().flat_map(|text| list(text)) {
        let Some((key, value)) = part.split_once('=') else {
            return Err(Failure::usage(format!(
                "argument {flag}: invalid label `{part}`: expected KEY=VALUE"
            )));
        };
        check(flag, key, value)?;
        map.insert(key.to_owned(), value.to_owned());
    }
    Ok(map)
}

/// Checks a label as the service does, so that an invalid label is not sent.
fn check(flag: &str, key: &str, value: &str) -> Result<(), Failure> {
    let is_allowed = |char: char| {
        char.is_numeric()
            || matches!(char, '-' | '_')
            || (char.is_alphabetic() && !char.is_uppercase())
    };
    let starts_well = key
        .chars()
        .next()
        .is_some_and(|char| char.is_alphabetic() && !char.is_uppercase());
    if !starts_well || key.chars().count() > 63 || !key.chars().all(is_allowed) {
        return Err(Failure::usage(format!(
            "argument {flag}: invalid key `{key}`: must be at most 63 lowercase letters, digits, `_` and `-`, a letter first"
        )));
    }
    if value.chars().count() > 63 || !value.chars().all(is_allowed) {
        return Err(Failure::usage(format!(
            "argument {flag}: invalid value `{value}`: must be at most 63 lowercase letters, digits, `_` and `-`"
        )));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_separator_may_be_chosen_and_blanks_do_not_count() {
        assert_eq!(list("a.yaml, b.yaml"), ["a.yaml", "b.yaml"]);
        assert_eq!(list("^;^a=b,c;d=e"), ["a=b,c", "d=e"]);
        assert_eq!(list("^a"), ["^a"]);
    }

    #[test]
    fn labels_are_cleared_then_set_then_removed() {
        let flags = UpdateFlags {
            display_name: None,
            update_labels: vec!["a=1,b=2".to_owned()],
            remove_labels: vec!["b".to_owned()],
            clear_labels: true,
        };
        let mut labels = HashMap::from([("old".to_owned(), "x".to_owned())]);
        let mut display_name = "as it was".to_owned();
        flags.apply(&mut display_name, &mut labels).expect("valid");
        assert_eq!(labels, HashMap::from([("a".to_owned(), "1".to_owned())]));
        assert_eq!(display_name, "as it was");
    }

    #[test]
    fn invalid_labels_are_wrong_usage() {
        for text in ["a", "A=b", "1=b", "=b", "a=B", "a=b c"] {
            let error = map("--labels", &[text.to_owned()]).expect_err(text);
            assert!(
                error.to_string().starts_with("argument --labels: invalid "),
                "{error}"
            );
        }
    }
}

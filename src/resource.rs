//! Resource names, checked before anything is sent.

use crate::error::Error;

/// The form of a resource's name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    /// What it names, with its article: `an operation`.
    what: &'static str,
    /// Collections, each followed by `*` for an id in it.
    segments: &'static [&'static str],
}

pub(crate) const OPERATION: Form = Form {
    what: "an operation",
    segments: &["projects", "*", "locations", "*", "operations", "*"],
};

pub(crate) const LOCATION: Form = Form {
    what: "a location",
    segments: &["projects", "*", "locations", "*"],
};

impl Form {
    /// # Errors
    ///
    /// If the name is not of the form; the error shows the form and what is wrong.
    pub(crate) fn check(&self, name: &str) -> Result<(), Error> {
        if self.fits(name) {
            return Ok(());
        }
        let what = self.what;
        let pattern = self.pattern();
        let shown = name.escape_debug();
        let why = find_fault(name);
        Err(Error::name(format!(
            "`{shown}` is not the name of {what}: {why}; its form is {pattern}"
        )))
    }

    /// `projects/{project}/locations/{location}`.
    fn pattern(&self) -> String {
        let mut collection = "";
        let shown = self.segments.iter().map(|segment| match *segment {
            "*" => format!("{{{}}}", collection.trim_end_matches('s')),
            literal => {
                collection = literal;
                literal.to_owned()
            }
        });
        shown.collect::<Vec<_>>().join("/")
    }

    /// On the way of every call, so over bytes: that all of them are plain is told without a branch.
    fn fits(&self, name: &str) -> bool {
        let bytes = name.as_bytes();
        let mut segments = bytes.split(|byte| *byte == b'/');
        let fit = self.segments.iter().all(|wanted| {
            let segment = segments.next();
            match *wanted {
                "*" => !matches!(segment, None | Some(b"" | b"." | b"..")),
                literal => segment == Some(literal.as_bytes()),
            }
        });
        let plain = || {
            bytes
                .iter()
                .fold(true, |plain, byte| plain & matches!(byte, b' '..=b'~'))
        };
        fit && segments.next().is_none() && (plain() || !name.chars().any(char::is_control))
    }
}

/// What is wrong with a name that does not fit.
fn find_fault(name: &str) -> String {
    if name.is_empty() {
        return "it is empty".to_owned();
    }
    if name.chars().any(char::is_control) {
        return "it has a control character".to_owned();
    }
    if !name.contains('/') {
        return "an id is not a full name".to_owned();
    }
    let refused = name
        .split('/')
        .find(|segment| matches!(*segment, "" | "." | ".."));
    refused.map_or_else(
        || "it is of another form".to_owned(),
        |segment| format!("it has the segment `{segment}`"),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_full_name_of_the_form_is_taken() {
        assert!(
            OPERATION
                .check("projects/p/locations/l/operations/o")
                .is_ok()
        );
        assert!(
            OPERATION
                .check("projects/p/locations/l/operations/é")
                .is_ok()
        );
        assert!(LOCATION.check("projects/p/locations/-").is_ok());
        let refused = [
            "",
            "o",
            "operations/o",
            "projects/p/locations/l/operations",
            "projects/p/locations/l/operations/",
            "projects/p/locations/l/operations/o/x",
            "projects/p/locations/l/gateways/g",
            "projects/p/locations/../operations/o",
            "projects/p/locations/./operations/o",
            "/projects/p/locations/l/operations/o",
            "projects/p/locations/l/operations/o\n",
            "projects/p/locations/l/operations/\u{85}",
        ];
        for name in refused {
            let error = OPERATION.check(name).expect_err(name);
            assert!(error.to_string().contains(&OPERATION.pattern()), "{error}");
            assert!(!error.to_string().contains('\n'), "{error}");
        }
        let pattern = "projects/{project}/locations/{location}/operations/{operation}";
        assert_eq!(OPERATION.pattern(), pattern);
    }
}

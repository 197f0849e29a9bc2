//! Resource names, checked before anything is sent.

use crate::error::Error;

/// The form of a resource's name.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Form {
    /// What it names, with its article: `an operation`.
    what: &'static str,
    pattern: &'static str,
}

pub(crate) const OPERATION: Form = Form {
    what: "an operation",
    pattern: "projects/{project}/locations/{location}/operations/{operation}",
};

pub(crate) const LOCATION: Form = Form {
    what: "a location",
    pattern: "projects/{project}/locations/{location}",
};

impl Form {
    /// # Errors
    ///
    /// If the name is not of the form; the error shows the form and what is wrong.
    pub(crate) fn check(&self, name: &str) -> Result<(), Error> {
        let Self { what, pattern } = self;
        self.find_fault(name).map_or(Ok(()), |why| {
            let shown = name.escape_debug();
            Err(Error::name(format!(
                "`{shown}` is not the name of {what}: {why}; its form is {pattern}"
            )))
        })
    }

    fn find_fault(&self, name: &str) -> Option<String> {
        if name.is_empty() {
            return Some("it is empty".to_owned());
        }
        if name.chars().any(char::is_control) {
            return Some("it has a control character".to_owned());
        }
        if !name.contains('/') {
            return Some("an id is not a full name".to_owned());
        }
        if let Some(segment) = name
            .split('/')
            .find(|segment| matches!(*segment, "" | "." | ".."))
        {
            return Some(format!("it has the segment `{segment}`"));
        }
        let mut segments = name.split('/');
        let fits = self.pattern.split('/').all(|wanted| {
            let found = segments.next();
            if wanted.starts_with('{') {
                found.is_some()
            } else {
                found == Some(wanted)
            }
        });
        (!fits || segments.next().is_some()).then(|| "it is of another form".to_owned())
    }
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
        ];
        for name in refused {
            let error = OPERATION.check(name).expect_err(name);
            assert!(error.to_string().contains(OPERATION.pattern), "{error}");
            assert!(!error.to_string().contains('\n'), "{error}");
        }
    }
}

//! The environment of the resources: locations that do not answer, service accounts, and limits.

use std::collections::BTreeSet;

use tonic::Status;

use super::limits::Limits;
use super::location::LOCATIONS;
use crate::emulator::error;

/// By default, all locations answer, any service account exists, and there are no limits.
#[derive(Clone, Debug, Default)]
pub(crate) struct World {
    unreachable: BTreeSet<String>,
    /// The emails of those that exist.
    accounts: Option<BTreeSet<String>>,
    pub(crate) limits: Option<Limits>,
}

impl World {
    /// What is no location cannot be unreachable.
    pub(crate) fn lose(&mut self, location: String) {
        if LOCATIONS.contains(&location.as_str()) {
            self.unreachable.insert(location);
        }
    }

    pub(crate) fn accept(&mut self, accounts: impl Iterator<Item = String>) {
        let emails = accounts.map(|account| email(&account).to_owned());
        self.accounts.get_or_insert_default().extend(emails);
    }

    /// Whether the location of a name answers.
    pub(crate) fn reaches(&self, name: &str) -> bool {
        self.unreachable.is_empty() || !self.unreachable.contains(location(name))
    }

    /// # Errors
    ///
    /// UNAVAILABLE if the location of a name does not answer.
    pub(crate) fn check_reachable(&self, name: &str) -> Result<(), Status> {
        if self.reaches(name) {
            return Ok(());
        }
        Err(error::unreachable(location(name)))
    }

    /// The locations that a list of all is without.
    pub(crate) fn missed(&self, parent: &str) -> Vec<String> {
        match parent.split_once("/locations/-") {
            Some((project, "")) => self.named(project),
            Some((project, below)) if below.starts_with('/') => self.named(project),
            _ => Vec::new(),
        }
    }

    fn named(&self, project: &str) -> Vec<String> {
        let names = self.unreachable.iter();
        names
            .map(|location| format!("{project}/locations/{location}"))
            .collect()
    }

    /// # Errors
    ///
    /// FAILED_PRECONDITION if what has a service account has none that exists.
    pub(crate) fn check_account(
        &self,
        kind: &str,
        name: &str,
        account: &str,
    ) -> Result<(), Status> {
        let email = email(account);
        match &self.accounts {
            Some(accounts) if !accounts.contains(email) => {
                Err(error::no_account(kind, name, email))
            }
            _ => Ok(()),
        }
    }
}

/// The location of `projects/*/locations/*` and of what is below.
fn location(name: &str) -> &str {
    let mut segments = name.split('/').skip(2);
    match segments.next() {
        Some("locations") => segments.next().unwrap_or_default(),
        _ => "",
    }
}

/// The email of an account that is given by it or by its name, `projects/*/serviceAccounts/*`.
fn email(account: &str) -> &str {
    match account.split('/').collect::<Vec<_>>()[..] {
        ["projects", _, "serviceAccounts", email] => email,
        _ => account,
    }
}

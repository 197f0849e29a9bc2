//! The environment of the resources: unreachable locations, service accounts, and limits.

use std::collections::BTreeSet;

use tonic::Status;

use super::limits::Limits;
use super::location::LOCATIONS;
use crate::emulator::error;
use crate::emulator::error::violations::Violations;
use crate::error::Error;

/// The settings of the environment. By default all locations are reachable, every service account exists, and there are no
/// limits.
#[derive(Clone, Debug, Default)]
pub(crate) struct Environment {
    unreachable: BTreeSet<String>,
    /// The emails of the accounts that exist; `None` if every account exists.
    accounts: Option<BTreeSet<String>>,
    /// The first account that is neither an email nor a name.
    invalid_account: Option<String>,
    pub(crate) limits: Option<Limits>,
}

impl Environment {
    /// Adds an unreachable location. An unknown location is ignored.
    pub(crate) fn add_unreachable(&mut self, location: String) {
        if LOCATIONS.contains(&location.as_str()) {
            self.unreachable.insert(location);
        }
    }

    pub(crate) fn add_accounts(&mut self, accounts: impl Iterator<Item = String>) {
        let emails = self.accounts.get_or_insert_default();
        for account in accounts {
            emails.insert(email(&account).to_owned());
            if self.invalid_account.is_none() && check_form(&account).is_err() {
                self.invalid_account = Some(account);
            }
        }
    }

    /// Checks the form of the accounts that exist.
    ///
    /// # Errors
    ///
    /// If an account is neither an email nor a name. No config can have this account.
    pub(crate) fn check_accounts(&self) -> Result<(), Error> {
        let checked = self.invalid_account.as_deref().map_or(Ok(()), check_form);
        checked.map_err(|status| {
            let why = status.message();
            let why = why.strip_prefix(ACCOUNT).unwrap_or(why);
            Error::configuration(format!("invalid `service_accounts`{why}"))
        })
    }

    /// Returns the unreachable locations.
    pub(crate) fn unreachable(&self) -> impl Iterator<Item = &String> {
        self.unreachable.iter()
    }

    /// Returns the emails of the accounts that exist; `None` if every account exists.
    pub(crate) fn accounts(&self) -> Option<&BTreeSet<String>> {
        self.accounts.as_ref()
    }

    /// Returns true if the location of a name is reachable.
    pub(crate) fn is_reachable(&self, name: &str) -> bool {
        self.unreachable.is_empty() || !self.unreachable.contains(location(name))
    }

    /// Checks that the location of a name is reachable.
    ///
    /// # Errors
    ///
    /// UNAVAILABLE if the location of a name is unreachable.
    pub(crate) fn check_reachable(&self, name: &str) -> Result<(), Status> {
        if self.is_reachable(name) {
            return Ok(());
        }
        Err(error::unreachable(location(name)))
    }

    /// Returns the unreachable locations of a list over all locations.
    pub(crate) fn unreachable_locations(&self, parent: &str) -> Vec<String> {
        match parent.split_once("/locations/-") {
            Some((project, "")) => self.unreachable_in(project),
            Some((project, below)) if below.starts_with('/') => self.unreachable_in(project),
            _ => Vec::new(),
        }
    }

    fn unreachable_in(&self, project: &str) -> Vec<String> {
        let names = self.unreachable.iter();
        names
            .map(|location| format!("{project}/locations/{location}"))
            .collect()
    }

    /// Checks that the service account of a resource exists.
    ///
    /// # Errors
    ///
    /// FAILED_PRECONDITION if the service account of a resource does not exist.
    pub(crate) fn check_account(
        &self,
        kind: &str,
        name: &str,
        account: &str,
    ) -> Result<(), Status> {
        let email = email(account);
        match &self.accounts {
            Some(accounts) if !accounts.contains(email) => {
                Err(error::account_not_found(kind, name, email))
            }
            _ => Ok(()),
        }
    }
}

/// The field name with which the errors of [`check_form`] begin. `Environment::check_accounts` removes it.
const ACCOUNT: &str = "account";

/// Checks that an account is an email or a name.
fn check_form(account: &str) -> Result<(), Status> {
    let mut violations = Violations::default();
    violations.account(ACCOUNT, account);
    violations.check()
}

/// Returns the location of `projects/*/locations/*` or a name below it.
fn location(name: &str) -> &str {
    let mut segments = name.split('/').skip(2);
    match segments.next() {
        Some("locations") => segments.next().unwrap_or_default(),
        _ => "",
    }
}

/// Returns the email of an account, from its email or its name `projects/*/serviceAccounts/*`.
fn email(account: &str) -> &str {
    match account.split('/').collect::<Vec<_>>()[..] {
        ["projects", _, "serviceAccounts", email] => email,
        _ => account,
    }
}

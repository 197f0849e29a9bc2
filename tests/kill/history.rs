//! The acknowledged changes of an api, and a check that none of them is lost.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, api};
use apigateway_grpc::proto::google::iam::v1::{Binding, Policy};
use apigateway_grpc::proto::google::longrunning::Operation;
use apigateway_grpc::proto::google::longrunning::operation::Result as Outcome;
use apigateway_grpc::{ApiGateway, Error};

use crate::random_below;

/// Duration of an operation in the emulator.
pub(crate) const OPERATION_TIME: Duration = Duration::from_millis(200);

/// Maximum time until an operation ends or an api is active.
const END_TIMEOUT: Duration = Duration::from_secs(120);

/// An api, and everything about it that the emulator has acknowledged.
#[derive(Debug)]
pub(crate) struct ApiHistory {
    parent: String,
    id: String,
    started: Vec<StartedOperation>,
    policy: Option<Policy>,
    /// The call in flight. If it gets no response, it may have been processed or not.
    in_flight: Option<Action>,
}

/// An operation that was started.
#[derive(Debug)]
struct StartedOperation {
    name: String,
    action: Action,
    /// The ended operation, if a response has shown it.
    ended: Option<Operation>,
    /// True if a request to cancel the operation was acknowledged.
    cancel_requested: bool,
    /// True if that request was acknowledged while the operation was certainly running.
    cancelled: bool,
    deleted: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Action {
    Create,
    Rename(String),
    Delete,
    SetPolicy(String),
    CancelOperation,
    DeleteOperation,
}

/// The final state of an api and of its operations.
#[derive(Debug, PartialEq)]
pub(crate) struct FinalState {
    name: String,
    api: Option<Api>,
    pub(crate) policy: Option<Policy>,
    /// The operations by name; `None` if an operation is not found.
    pub(crate) operations: BTreeMap<String, Option<Operation>>,
}

impl ApiHistory {
    pub(crate) fn new(project: &str, number: usize) -> Self {
        Self {
            parent: format!("{project}/locations/global"),
            id: format!("a{number}"),
            started: Vec::new(),
            policy: None,
            in_flight: None,
        }
    }

    fn name(&self) -> String {
        format!("{}/apis/{}", self.parent, self.id)
    }

    /// Creates the api and changes it at random. Returns the error of the first failed call.
    pub(crate) async fn run(&mut self, client: &ApiGateway) -> Result<(), Error> {
        self.start_operation(client, Action::Create).await?;
        // Most operations are not awaited, so that more changes are in progress at a time.
        if random_below(4) > 0 {
            return Ok(());
        }
        self.wait_for_end(client).await?;
        if !self.started[0].ended.as_ref().is_some_and(is_applied) {
            return Ok(());
        }
        for number in 0..1 + random_below(3) {
            self.set_policy(client, format!("roles/r{number}")).await?;
            self.start_operation(client, Action::Rename(format!("n{number}")))
                .await?;
            self.wait_for_end(client).await?;
            if random_below(3) == 0 {
                self.delete_last_operation(client).await?;
            }
        }
        self.start_operation(client, Action::Delete).await?;
        match random_below(3) {
            // The operation continues.
            0 => Ok(()),
            1 => self.delete_last_operation(client).await,
            _ => self.wait_for_end(client).await,
        }
    }

    async fn start_operation(&mut self, client: &ApiGateway, action: Action) -> Result<(), Error> {
        let began = Instant::now();
        self.in_flight = Some(action.clone());
        let api = |display_name: &str| Api {
            name: self.name(),
            display_name: display_name.to_owned(),
            ..Default::default()
        };
        let name = match &action {
            Action::Create => {
                let made = client.create_api(&self.parent, &self.id, api("")).await?;
                made.name().to_owned()
            }
            Action::Rename(to) => {
                let update = client.update_api(api(to), ["display_name"]).await?;
                update.name().to_owned()
            }
            _ => client.delete_api(self.name()).await?.name().to_owned(),
        };
        self.started.push(StartedOperation {
            name: name.clone(),
            action,
            ended: None,
            cancel_requested: false,
            cancelled: false,
            deleted: false,
        });
        self.in_flight = None;
        if random_below(5) == 0 {
            self.in_flight = Some(Action::CancelOperation);
            client.cancel_operation(&name).await?;
            self.in_flight = None;
            self.last_operation().cancel_requested = true;
            self.last_operation().cancelled = began.elapsed() < OPERATION_TIME;
            self.wait_for_end(client).await?;
        }
        Ok(())
    }

    /// Polls the last operation until it has ended.
    async fn wait_for_end(&mut self, client: &ApiGateway) -> Result<(), Error> {
        loop {
            let operation = client.get_operation(&self.last_operation().name).await?;
            if operation.done {
                self.last_operation().ended = Some(operation);
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn set_policy(&mut self, client: &ApiGateway, role: String) -> Result<(), Error> {
        let policy = Policy {
            bindings: vec![Binding {
                role: role.clone(),
                members: vec!["allUsers".into()],
                ..Default::default()
            }],
            ..Default::default()
        };
        self.in_flight = Some(Action::SetPolicy(role));
        self.policy = Some(client.set_iam_policy(self.name(), policy).await?);
        self.in_flight = None;
        Ok(())
    }

    async fn delete_last_operation(&mut self, client: &ApiGateway) -> Result<(), Error> {
        self.in_flight = Some(Action::DeleteOperation);
        let name = self.last_operation().name.clone();
        client.delete_operation(name).await?;
        self.last_operation().deleted = true;
        self.in_flight = None;
        Ok(())
    }

    fn last_operation(&mut self) -> &mut StartedOperation {
        self.started.last_mut().expect("an operation was started")
    }

    /// Checks everything that was acknowledged, and that operations in progress end.
    pub(crate) async fn check(&self, client: &ApiGateway) -> FinalState {
        let mut operations = BTreeMap::new();
        // The display names that the api may have; `None` stands for a missing api.
        let mut expected = vec![None];
        for (index, started) in self.started.iter().enumerate() {
            let last = index + 1 == self.started.len();
            let in_flight = self.in_flight.as_ref().filter(|_| last);
            let found = ended_operation(client, &started.name).await;
            let applied = started.check(found.as_ref(), in_flight);
            let before = expected.clone();
            expected = match (&started.action, applied) {
                (Action::Create, true) => vec![Some(self.id.clone())],
                (Action::Rename(to), true) => vec![Some(to.clone())],
                (Action::Delete, true) => vec![None],
                (_, false) => before,
                (action, true) => panic!("{action:?} starts no operation"),
            };
            operations.insert(started.name.clone(), found);
        }
        match &self.in_flight {
            Some(Action::Create) => expected.push(Some(self.id.clone())),
            Some(Action::Rename(to)) => expected.push(Some(to.clone())),
            Some(Action::Delete) => expected.push(None),
            _ => {}
        }
        let api = active_api(client, &self.name()).await;
        let display_name = api.as_ref().map(|api| api.display_name.clone());
        assert!(
            expected.contains(&display_name),
            "unexpected display name: {self:#?}\nfound {api:#?}"
        );
        let policy = match &api {
            Some(api) => self.check_policy(client, api).await,
            None => None,
        };
        FinalState {
            name: self.name(),
            api,
            policy,
            operations,
        }
    }

    async fn check_policy(&self, client: &ApiGateway, api: &Api) -> Option<Policy> {
        let found = client.get_iam_policy(&api.name).await;
        let found = found.expect("the api exists");
        let role = found.bindings.first().map(|binding| binding.role.clone());
        let in_flight =
            matches!(&self.in_flight, Some(Action::SetPolicy(to)) if Some(to) == role.as_ref());
        let same = match &self.policy {
            Some(policy) => found == *policy,
            None => role.is_none(),
        };
        assert!(
            same || in_flight,
            "unexpected policy: {self:#?}\nfound {found:#?}"
        );
        role.map(|_| found)
    }
}

impl StartedOperation {
    /// Checks the end of the operation. Returns true if the operation was applied.
    fn check(&self, found: Option<&Operation>, in_flight: Option<&Action>) -> bool {
        let cancel_sent = self.cancel_requested || in_flight == Some(&Action::CancelOperation);
        let Some(found) = found else {
            let deleted = self.deleted || in_flight == Some(&Action::DeleteOperation);
            assert!(deleted, "the operation is lost: {self:#?}");
            return self.ended.as_ref().map_or(!self.cancelled, is_applied);
        };
        assert!(
            !self.deleted,
            "the deleted operation is found again: {self:#?}"
        );
        if let Some(ended) = &self.ended {
            assert_eq!(found, ended);
        }
        let applied = is_applied(found);
        assert!(
            !(self.cancelled && applied),
            "the cancelled operation was applied: {self:#?}\nfound {found:#?}"
        );
        // Without a request to cancel, an operation whose end was not seen must have been applied.
        assert!(
            applied || cancel_sent || self.ended.is_some(),
            "the operation was not applied: {self:#?}\nfound {found:#?}"
        );
        applied
    }
}

impl FinalState {
    /// Checks that nothing has changed.
    pub(crate) async fn check(&self, client: &ApiGateway) {
        let mut operations = BTreeMap::new();
        for name in self.operations.keys() {
            operations.insert(name.clone(), ended_operation(client, name).await);
        }
        let api = active_api(client, &self.name).await;
        let policy = match &self.policy {
            Some(_) => client.get_iam_policy(&self.name).await.ok(),
            None => None,
        };
        let found = Self {
            name: self.name.clone(),
            api,
            policy,
            operations,
        };
        assert_eq!(found, *self);
    }
}

fn is_applied(ended: &Operation) -> bool {
    matches!(ended.result, Some(Outcome::Response(_)))
}

/// Waits for the end of an operation and returns the operation, or `None` if it is not found.
async fn ended_operation(client: &ApiGateway, name: &str) -> Option<Operation> {
    let began = Instant::now();
    loop {
        match client.get_operation(name).await {
            Ok(operation) if operation.done => return Some(operation),
            Ok(_) => {}
            Err(error) if error.is_not_found() => return None,
            Err(error) => panic!("{name}: {error:?}"),
        }
        assert!(began.elapsed() < END_TIMEOUT, "{name} does not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Waits until an api is active and returns it, or `None` if it is not found.
async fn active_api(client: &ApiGateway, name: &str) -> Option<Api> {
    let began = Instant::now();
    loop {
        match client.get_api(name).await {
            Ok(api) if api.state() == api::State::Active => return Some(api),
            Ok(_) => {}
            Err(error) if error.is_not_found() => return None,
            Err(error) => panic!("{name}: {error:?}"),
        }
        assert!(
            began.elapsed() < END_TIMEOUT,
            "{name} does not become active"
        );
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

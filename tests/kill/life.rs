//! The life of an api, and a check of everything that was acknowledged.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, api};
use apigateway_grpc::proto::google::iam::v1::{Binding, Policy};
use apigateway_grpc::proto::google::longrunning::Operation;
use apigateway_grpc::proto::google::longrunning::operation::Result as Outcome;
use apigateway_grpc::{ApiGateway, Error};

use crate::dice;

/// The time of an operation.
pub(crate) const RUNS: Duration = Duration::from_millis(200);

/// Maximum time until an operation ends or an api is active.
const PATIENCE: Duration = Duration::from_secs(120);

/// An api, and everything about it that the emulator has acknowledged.
#[derive(Debug)]
pub(crate) struct Life {
    parent: String,
    id: String,
    begun: Vec<Begun>,
    policy: Option<Policy>,
    /// The call in progress. Without a response it may have been processed or not.
    unsure: Option<Act>,
}

/// An operation that was started.
#[derive(Debug)]
struct Begun {
    name: String,
    does: Act,
    /// The ended operation, if a response has shown it.
    ended: Option<Operation>,
    /// A request to cancel the operation was acknowledged.
    asked: bool,
    /// The request was acknowledged while the operation was certainly running.
    cancelled: bool,
    forgotten: bool,
}

#[derive(Clone, Debug, PartialEq)]
enum Act {
    Create,
    Rename(String),
    Delete,
    Permit(String),
    Cancel,
    Forget,
}

/// The final state of a life.
#[derive(Debug, PartialEq)]
pub(crate) struct Settled {
    name: String,
    api: Option<Api>,
    pub(crate) policy: Option<Policy>,
    /// By name; `None` if the operation is not found.
    pub(crate) operations: BTreeMap<String, Option<Operation>>,
}

impl Life {
    pub(crate) fn new(project: &str, number: usize) -> Self {
        Self {
            parent: format!("{project}/locations/global"),
            id: format!("a{number}"),
            begun: Vec::new(),
            policy: None,
            unsure: None,
        }
    }

    fn name(&self) -> String {
        format!("{}/apis/{}", self.parent, self.id)
    }

    /// Runs the life to its end, or until the emulator is killed.
    pub(crate) async fn lead(&mut self, client: &ApiGateway) -> Result<(), Error> {
        self.begin(client, Act::Create).await?;
        // Most operations are not awaited, so that more changes are in progress at a time.
        if dice(4) > 0 {
            return Ok(());
        }
        self.end(client).await?;
        if !self.begun[0].ended.as_ref().is_some_and(is_applied) {
            return Ok(());
        }
        for number in 0..1 + dice(3) {
            self.permit(client, format!("roles/r{number}")).await?;
            self.begin(client, Act::Rename(format!("n{number}")))
                .await?;
            self.end(client).await?;
            if dice(3) == 0 {
                self.forget(client).await?;
            }
        }
        self.begin(client, Act::Delete).await?;
        match dice(3) {
            // The operation continues.
            0 => Ok(()),
            1 => self.forget(client).await,
            _ => self.end(client).await,
        }
    }

    async fn begin(&mut self, client: &ApiGateway, act: Act) -> Result<(), Error> {
        let began = Instant::now();
        self.unsure = Some(act.clone());
        let api = |display_name: &str| Api {
            name: self.name(),
            display_name: display_name.to_owned(),
            ..Default::default()
        };
        let name = match &act {
            Act::Create => {
                let made = client.create_api(&self.parent, &self.id, api("")).await?;
                made.name().to_owned()
            }
            Act::Rename(to) => {
                let update = client.update_api(api(to), ["display_name"]).await?;
                update.name().to_owned()
            }
            _ => client.delete_api(self.name()).await?.name().to_owned(),
        };
        self.begun.push(Begun {
            name: name.clone(),
            does: act,
            ended: None,
            asked: false,
            cancelled: false,
            forgotten: false,
        });
        self.unsure = None;
        if dice(5) == 0 {
            self.unsure = Some(Act::Cancel);
            client.cancel_operation(&name).await?;
            self.unsure = None;
            self.last().asked = true;
            self.last().cancelled = began.elapsed() < RUNS;
            self.end(client).await?;
        }
        Ok(())
    }

    /// Polls the last operation until it has ended.
    async fn end(&mut self, client: &ApiGateway) -> Result<(), Error> {
        loop {
            let operation = client.get_operation(&self.last().name).await?;
            if operation.done {
                self.last().ended = Some(operation);
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn permit(&mut self, client: &ApiGateway, role: String) -> Result<(), Error> {
        let policy = Policy {
            bindings: vec![Binding {
                role: role.clone(),
                members: vec!["allUsers".into()],
                ..Default::default()
            }],
            ..Default::default()
        };
        self.unsure = Some(Act::Permit(role));
        self.policy = Some(client.set_iam_policy(self.name(), policy).await?);
        self.unsure = None;
        Ok(())
    }

    async fn forget(&mut self, client: &ApiGateway) -> Result<(), Error> {
        self.unsure = Some(Act::Forget);
        let name = self.last().name.clone();
        client.delete_operation(name).await?;
        self.last().forgotten = true;
        self.unsure = None;
        Ok(())
    }

    fn last(&mut self) -> &mut Begun {
        self.begun.last_mut().expect("an operation was begun")
    }

    /// Checks everything that was acknowledged, and that operations in progress end.
    pub(crate) async fn check(&self, client: &ApiGateway) -> Settled {
        let mut operations = BTreeMap::new();
        // The display names that the api may have; `None` stands for a missing api.
        let mut expected = vec![None];
        for (index, begun) in self.begun.iter().enumerate() {
            let last = index + 1 == self.begun.len();
            let unsure = self.unsure.as_ref().filter(|_| last);
            let found = ended(client, &begun.name).await;
            let applied = begun.check(found.as_ref(), unsure);
            let before = expected.clone();
            expected = match (&begun.does, applied) {
                (Act::Create, true) => vec![Some(self.id.clone())],
                (Act::Rename(to), true) => vec![Some(to.clone())],
                (Act::Delete, true) => vec![None],
                (_, false) => before,
                (act, true) => panic!("{act:?} starts no operation"),
            };
            operations.insert(begun.name.clone(), found);
        }
        match &self.unsure {
            Some(Act::Create) => expected.push(Some(self.id.clone())),
            Some(Act::Rename(to)) => expected.push(Some(to.clone())),
            Some(Act::Delete) => expected.push(None),
            _ => {}
        }
        let api = at_rest(client, &self.name()).await;
        let display_name = api.as_ref().map(|api| api.display_name.clone());
        assert!(
            expected.contains(&display_name),
            "unexpected display name: {self:#?}\nfound {api:#?}"
        );
        let policy = match &api {
            Some(api) => self.check_policy(client, api).await,
            None => None,
        };
        Settled {
            name: self.name(),
            api,
            policy,
            operations,
        }
    }

    async fn check_policy(&self, client: &ApiGateway, api: &Api) -> Option<Policy> {
        let found = client.get_iam_policy(&api.name).await;
        let found = found.expect("the api is there");
        let role = found.bindings.first().map(|binding| binding.role.clone());
        let unsure = matches!(&self.unsure, Some(Act::Permit(to)) if Some(to) == role.as_ref());
        let same = match &self.policy {
            Some(policy) => found == *policy,
            None => role.is_none(),
        };
        assert!(
            same || unsure,
            "unexpected policy: {self:#?}\nfound {found:#?}"
        );
        role.map(|_| found)
    }
}

impl Begun {
    /// Checks the end of an operation. Returns true if it had its effect.
    fn check(&self, found: Option<&Operation>, unsure: Option<&Act>) -> bool {
        let cancelling = self.asked || unsure == Some(&Act::Cancel);
        let Some(found) = found else {
            let forgotten = self.forgotten || unsure == Some(&Act::Forget);
            assert!(forgotten, "the operation is lost: {self:#?}");
            return self.ended.as_ref().map_or(!self.cancelled, is_applied);
        };
        assert!(
            !self.forgotten,
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
            applied || cancelling || self.ended.is_some(),
            "the operation was not applied: {self:#?}\nfound {found:#?}"
        );
        applied
    }
}

impl Settled {
    /// Checks that nothing has changed.
    pub(crate) async fn check(&self, client: &ApiGateway) {
        let mut operations = BTreeMap::new();
        for name in self.operations.keys() {
            operations.insert(name.clone(), ended(client, name).await);
        }
        let api = at_rest(client, &self.name).await;
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

/// Returns an operation after its end, or `None` if it is not found.
async fn ended(client: &ApiGateway, name: &str) -> Option<Operation> {
    let began = Instant::now();
    loop {
        match client.get_operation(name).await {
            Ok(operation) if operation.done => return Some(operation),
            Ok(_) => {}
            Err(error) if error.is_not_found() => return None,
            Err(error) => panic!("{name}: {error:?}"),
        }
        assert!(began.elapsed() < PATIENCE, "{name} does not end");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Returns an api without a running operation, or `None` if it is not found.
async fn at_rest(client: &ApiGateway, name: &str) -> Option<Api> {
    let began = Instant::now();
    loop {
        match client.get_api(name).await {
            Ok(api) if api.state() == api::State::Active => return Some(api),
            Ok(_) => {}
            Err(error) if error.is_not_found() => return None,
            Err(error) => panic!("{name}: {error:?}"),
        }
        assert!(began.elapsed() < PATIENCE, "{name} does not become active");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

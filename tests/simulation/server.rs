//! The server of a simulation: an emulator that can crash, and is then started again with its state or without.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::Duration;

use apigateway_grpc::ApiGateway;
use apigateway_grpc::contract::Method;
use apigateway_grpc::emulator::Emulator;
use apigateway_grpc::proto::google::cloud::apigateway::v1::Api;
use tokio::time::Instant;

use crate::network::incoming;

pub(crate) const PARENT: &str = "projects/p/locations/global";
pub(crate) const API: &str = "projects/p/locations/global/apis/a";

/// How long an operation runs: longer than most faults last.
pub(crate) const RUNS: Duration = Duration::from_secs(150);

/// What outlives the server's process.
#[derive(Clone, Default)]
pub(crate) struct Server(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    emulator: Option<(Emulator, Instant)>,
    /// When each create was received, by the clock of its emulator and the emulator's number.
    creates: BTreeMap<String, Vec<(usize, Duration)>>,
    emulators: usize,
    /// How many creates were received in all.
    received: u64,
}

impl Server {
    /// The process, from its start to its end.
    pub(crate) async fn run(self) -> turmoil::Result {
        let emulator = self.emulator().await?;
        emulator.serve_with_incoming(incoming().await?).await?;
        Ok(())
    }

    async fn emulator(&self) -> turmoil::Result<Emulator> {
        let kept = self.0.borrow().emulator.clone();
        let now = turmoil::sim_elapsed().unwrap_or_default();
        if let Some((emulator, began)) = kept {
            // The clock of a host that is started again begins anew, that of the emulator's state goes on.
            let behind = (began + now).saturating_duration_since(Instant::now());
            tokio::time::advance(behind).await;
            return Ok(emulator);
        }
        let emulator = Emulator::builder()
            .operation_time_of(Method::CREATE_API, RUNS)
            .build();
        let within = ApiGateway::builder()
            .transport_service(emulator.service())
            .anonymous()
            .build()?;
        let _ends_by_itself = within.create_api(PARENT, "a", Api::default()).await?;
        let began = Instant::now() - now;
        let mut state = self.0.borrow_mut();
        state.emulators += 1;
        state.emulator = Some((emulator.clone(), began));
        Ok(emulator)
    }

    /// Notes which creates were received: the emulator keeps its last calls alone.
    pub(crate) fn note(&self) {
        let mut state = self.0.borrow_mut();
        let State {
            emulator,
            creates,
            emulators,
            ..
        } = &mut *state;
        let Some((emulator, _)) = emulator else {
            return;
        };
        for call in emulator.calls() {
            if call.method.path == Method::CREATE_API.path && call.name != API {
                let times = creates.entry(call.name).or_default();
                if !times.contains(&(*emulators, call.at)) {
                    times.push((*emulators, call.at));
                }
            }
        }
    }

    /// Its state goes with the process.
    pub(crate) fn lose(&self) {
        self.note();
        let mut state = self.0.borrow_mut();
        if let Some((emulator, _)) = state.emulator.take() {
            // Its own create is none of the client's.
            state.received += emulator.count(Method::CREATE_API) - 1;
        }
    }

    /// What was created more than once, and whether all creates were looked at.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.lose();
        let state = self.0.borrow();
        let noted: usize = state.creates.values().map(Vec::len).sum();
        let repeated = state.creates.iter().filter(|(_, times)| times.len() > 1);
        let mut complaints: Vec<String> = repeated
            .map(|(name, times)| format!("{name} was asked for {} times", times.len()))
            .collect();
        if noted as u64 != state.received {
            complaints.push(format!("{noted} of {} creates were noted", state.received));
        }
        complaints
    }
}

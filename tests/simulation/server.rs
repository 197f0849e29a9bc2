//! The server of a simulation: an emulator that can crash and restart, with or without its state.

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

/// The time of an operation, which is longer than most faults.
pub(crate) const RUNS: Duration = Duration::from_secs(150);

/// The state that survives the server's process.
#[derive(Clone, Default)]
pub(crate) struct Server(Rc<RefCell<State>>);

#[derive(Default)]
struct State {
    emulator: Option<(Emulator, Instant)>,
    /// The received creates by resource name. Each create has the number of the emulator that received it, and its time.
    creates: BTreeMap<String, Vec<(usize, Duration)>>,
    emulators: usize,
    /// Number of creates that were received.
    received: u64,
}

impl Server {
    /// Runs the process from its start to its end.
    pub(crate) async fn run(self) -> turmoil::Result {
        let emulator = self.emulator().await?;
        emulator.serve_with_incoming(incoming().await?).await?;
        Ok(())
    }

    async fn emulator(&self) -> turmoil::Result<Emulator> {
        let kept = self.0.borrow().emulator.clone();
        let now = turmoil::sim_elapsed().unwrap_or_default();
        if let Some((emulator, began)) = kept {
            // The clock of a restarted host starts at zero; the clock of the emulator's state continues.
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

    /// Records the creates that were received, since the emulator records its last calls only.
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
            if call.method.path() == Method::CREATE_API.path() && call.name != API {
                let times = creates.entry(call.name).or_default();
                if !times.contains(&(*emulators, call.at)) {
                    times.push((*emulators, call.at));
                }
            }
        }
    }

    /// Drops the emulator with its state, and counts the creates that it received.
    pub(crate) fn lose(&self) {
        self.note();
        let mut state = self.0.borrow_mut();
        if let Some((emulator, _)) = state.emulator.take() {
            // The test's own create is not counted.
            state.received += emulator.call_count(Method::CREATE_API) - 1;
        }
    }

    /// Returns a complaint about each API that was created more than once, and one if `note` missed a create.
    pub(crate) fn complaints(&self) -> Vec<String> {
        self.lose();
        let state = self.0.borrow();
        let noted: usize = state.creates.values().map(Vec::len).sum();
        let repeated = state.creates.iter().filter(|(_, times)| times.len() > 1);
        let mut complaints: Vec<String> = repeated
            .map(|(name, times)| format!("{} creates of {name} were received", times.len()))
            .collect();
        if noted as u64 != state.received {
            complaints.push(format!("{noted} of {} creates were noted", state.received));
        }
        complaints
    }
}

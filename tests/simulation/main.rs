//! Faults of the network and the server over days of simulated time. `README.md` beside this file lists what is checked.

// Compiled only with this feature: the test runs for minutes, and one set of features is enough.
#![cfg(feature = "cli")]

mod client;
#[path = "../chaos/failures.rs"]
mod failures;
mod network;
mod plan;
mod row;
mod server;

use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use apigateway_grpc::Transport;
use futures_util::future::join_all;

use client::{Client, Weather};
use network::{CLIENT, SERVER};
use plan::{Chance, Fault, Plan};
use row::{Row, named, table};
use server::Server;

const TRANSPORTS: [Transport; 3] = [
    Transport::Grpc,
    Transport::Rest,
    Transport::GrpcWithRestFallback,
];

/// Number of simulations of each kind of fault. Together they simulate a week, which is 10,000 minutes.
const SEEDS: u64 = 23;

/// Number of simulations with finer ticks: the first simulation of each kind.
const FINE: u64 = Fault::ALL.len() as u64;

/// Maximum time of a simulation, long after the last fault.
const END: Duration = Duration::from_secs(75 * 60);

/// Interval between reads of the server's received calls.
const LOOK: Duration = Duration::from_secs(120);

#[test]
fn in_a_week_of_failures_each_call_ends_in_time_and_each_wait_has_its_result() {
    let began = Instant::now();
    let only: Option<u64> = variable("SIMULATION_SEED");
    let seeds = variable("SIMULATION_SEEDS").unwrap_or(SEEDS);
    let all = (0..Fault::ALL.len() * seeds as usize).map(|number| {
        let fault = Fault::ALL[number % Fault::ALL.len()];
        (fault, number as u64)
    });
    let all: Vec<(Fault, u64)> = all
        .filter(|(_, seed)| only.is_none_or(|only| only == *seed))
        .collect();
    let left = Mutex::new(all.into_iter());
    let done: Mutex<Vec<Done>> = Mutex::default();
    let at_once = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..at_once {
            scope.spawn(|| {
                loop {
                    let next = left.lock().expect("not poisoned").next();
                    let Some((fault, seed)) = next else {
                        return;
                    };
                    let ended = catch_unwind(AssertUnwindSafe(|| simulate(fault, seed)));
                    let ended = ended.unwrap_or_else(|_| Done::panicked(fault, seed));
                    done.lock().expect("not poisoned").push(ended);
                }
            });
        }
    });
    let done = done.into_inner().expect("not poisoned");
    let (rows, minutes) = report(&done, began.elapsed());
    if only.is_none() && seeds >= SEEDS {
        assert!(minutes >= 10_000, "only {minutes} minutes were simulated");
        for (fault, transport, row) in rows {
            let what = format!("{fault:?} over {transport:?}");
            assert!(
                row.failed > 0 && row.failed < row.calls,
                "{what}: {} of {} calls failed, but some must fail and not all",
                row.failed,
                row.calls
            );
        }
    }
}

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().expect("a number"))
}

/// The result of a simulation.
struct Done {
    fault: Fault,
    seed: u64,
    took: Duration,
    /// By transport.
    rows: Vec<Row>,
    complaints: Vec<String>,
}

impl Done {
    fn panicked(fault: Fault, seed: u64) -> Self {
        Self {
            fault,
            seed,
            took: Duration::ZERO,
            rows: Vec::new(),
            complaints: vec!["it panicked".into()],
        }
    }
}

/// Simulates one server, and a client of each transport, with faults.
fn simulate(fault: Fault, seed: u64) -> Done {
    let panics = failures::panics();
    let mut chance = Chance(seed);
    let mut plan = Plan::new(fault, &mut chance);
    // A tick is the resolution of time; a longer tick is cheaper.
    let tick = if seed < FINE { 100 } else { 500 };
    let mut sim = turmoil::Builder::new()
        .rng_seed(chance.next())
        .tick_duration(Duration::from_millis(tick))
        .simulation_duration(2 * END)
        // Held messages arrive all at once, so the buffer must have room for them.
        .tcp_capacity(1024)
        .build();
    plan::calm(&sim);
    network::cut(false);
    let server = Server::default();
    let host = server.clone();
    sim.host(SERVER, move || host.clone().run());
    let weather = Rc::new(Weather::default());
    let rows: Vec<Rc<RefCell<Row>>> = TRANSPORTS.iter().map(|_| Rc::default()).collect();
    let clients = TRANSPORTS
        .into_iter()
        .zip(&rows)
        .map(|(transport, row)| Client {
            transport,
            fault,
            chance: Chance(chance.next()),
            weather: Rc::clone(&weather),
            row: Rc::clone(row),
            first: None,
        });
    let clients: Vec<Client> = clients.collect();
    let left = Rc::new(RefCell::new(None));
    let leaves = Rc::clone(&left);
    sim.client(CLIENT, async move {
        join_all(clients.into_iter().map(Client::run)).await;
        tokio::time::sleep(Duration::from_secs(60)).await;
        let tasks = tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks();
        *leaves.borrow_mut() = Some(tasks);
        Ok(())
    });

    let mut complaints = Vec::new();
    let mut look = LOOK;
    loop {
        let bad = plan.follow(&mut sim, &server);
        if bad {
            weather.bad.set(sim.elapsed());
        }
        weather.over.set(plan.is_over());
        if sim.elapsed() > look {
            server.note();
            look += LOOK;
        }
        match sim.step() {
            Ok(false) if sim.elapsed() < END => {}
            Ok(false) => {
                complaints.push("it did not end".into());
                break;
            }
            Ok(true) => break,
            Err(error) => {
                complaints.push(format!("it failed: {error}"));
                break;
            }
        }
    }
    let took = sim.elapsed();
    // Dropping the simulation also drops the tasks of the hosts.
    drop(sim);
    complaints.extend(server.complaints());
    if let Some(tasks) = left.take().filter(|tasks| *tasks > 0) {
        complaints.push(format!("the clients left {tasks} tasks"));
    }
    if failures::panics() > panics {
        complaints.push("something panicked".into());
    }
    Done {
        fault,
        seed,
        took,
        rows: rows.iter().map(|row| row.take()).collect(),
        complaints,
    }
}

/// Prints the table, fails if there are unexpected results, and returns the rows and the number of simulated minutes.
fn report(done: &[Done], took: Duration) -> (Vec<(Fault, Transport, Row)>, u64) {
    let mut rows = Vec::new();
    for fault in Fault::ALL {
        for (number, transport) in TRANSPORTS.into_iter().enumerate() {
            let mut sum = Row::default();
            let its = done.iter().filter(|done| done.fault == fault);
            its.filter_map(|done| done.rows.get(number))
                .for_each(|row| sum.add(row));
            rows.push((fault, transport, sum));
        }
    }
    println!("{}", table(&rows));
    let minutes = done
        .iter()
        .map(|done| done.took)
        .sum::<Duration>()
        .as_secs()
        / 60;
    println!(
        "{minutes} minutes in {} simulations took {took:.1?}",
        done.len()
    );
    let complaints: Vec<String> = done
        .iter()
        .flat_map(|done| {
            let what = format!("SIMULATION_SEED={} ({})", done.seed, done.fault.name());
            let by_transport = done
                .rows
                .iter()
                .zip(TRANSPORTS)
                .flat_map(|(row, transport)| {
                    let its = row.complaints.iter();
                    its.map(move |it| format!("{}: {it}", named(transport)))
                });
            let all = by_transport.chain(done.complaints.iter().cloned());
            all.map(move |it| format!("{what}: {it}"))
        })
        .collect();
    let shown = complaints.len().min(60);
    assert!(
        complaints.is_empty(),
        "{} complaints:\n{}",
        complaints.len(),
        complaints[..shown].join("\n")
    );
    (rows, minutes)
}

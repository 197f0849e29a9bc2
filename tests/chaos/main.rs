//! Faults of real networks, over real sockets, from a proxy that causes them. `README.md` beside this file
//! lists the faults that other tests have.

#![cfg(all(feature = "auth", feature = "emulator", feature = "rest"))]

mod failures;
mod fault;
mod front;
mod hostile;
mod liar;
mod lies;
#[path = "../common/linger.rs"]
mod linger;
mod name;
mod proxy;
mod rig;
mod row;
mod run;
#[path = "../common/seen.rs"]
mod seen;
mod silent;
mod soak;
mod source;
mod storm;

use std::sync::{Mutex, MutexGuard, PoisonError};

use apigateway_grpc::Transport;

use fault::{FAULTS, Fault};
use lies::LIES;
use row::{Row, named, table};

/// Number of faults that are tested at the same time. Most of their time is waiting.
const AT_ONCE: usize = 6;

#[test]
fn each_call_ends_in_time_with_its_expected_result_under_every_fault() {
    let _alone = alone();
    let only = std::env::var("CHAOS_FAULT").unwrap_or_default();
    let all: Vec<(&'static Fault, Transport)> = FAULTS
        .iter()
        .chain(LIES)
        .filter(|fault| fault.name.contains(&only))
        .flat_map(|fault| {
            let all = [
                Transport::Grpc,
                Transport::Rest,
                Transport::GrpcWithRestFallback,
            ];
            let its = all.into_iter().filter(|it| fault.outcome(*it).is_some());
            its.map(move |transport| (fault, transport))
        })
        .collect();
    let servers = servers();
    let left = Mutex::new(all.into_iter().enumerate());
    let rows: Mutex<Vec<(usize, Row)>> = Mutex::default();
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = left.lock().expect("not poisoned").next();
                    let Some((number, (fault, transport))) = next else {
                        return;
                    };
                    let alone = tokio::runtime::Builder::new_current_thread()
                        .enable_all()
                        .build()
                        .expect("a runtime");
                    let row = alone.block_on(run::run(fault, transport, servers.handle()));
                    rows.lock().expect("not poisoned").push((number, row));
                }
            });
        }
    });
    let mut rows = rows.into_inner().expect("not poisoned");
    rows.sort_by_key(|(number, _)| *number);
    let rows: Vec<Row> = rows.into_iter().map(|(_, row)| row).collect();
    println!("{}", table(&rows));
    let complaints: Vec<String> = rows
        .iter()
        .flat_map(|row| {
            let what = format!("{} over {}", row.fault.name, named(row.transport));
            row.complaints.iter().map(move |it| format!("{what}: {it}"))
        })
        .collect();
    assert!(complaints.is_empty(), "{}", complaints.join("\n"));
}

/// Held by tests that must not run at the same time.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// The runtime of emulators and proxies, apart from the clients.
fn servers() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

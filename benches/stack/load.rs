//! A closed loop of calls, and its measurement.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

/// Clock ticks per second of the CPU time that Linux reports.
const TICKS: f64 = 100.0;

/// The result of one round of one client.
#[derive(Clone, Copy)]
pub(crate) struct Measured {
    /// Seconds of CPU per call.
    pub(crate) cpu: f64,
    /// Calls per second.
    pub(crate) throughput: f64,
    /// Latencies in milliseconds.
    pub(crate) p50: f64,
    pub(crate) p99: f64,
    pub(crate) p999: f64,
}

impl Measured {
    /// Reads what [`fmt::Display`](std::fmt::Display) wrote.
    pub(crate) fn parse(text: &str) -> Self {
        let numbers = text.split_whitespace().map(str::parse);
        let numbers: Vec<f64> = numbers.collect::<Result<_, _>>().expect("numbers");
        let [cpu, throughput, p50, p99, p999] = numbers[..] else {
            panic!("five numbers are expected, not {text:?}");
        };
        Self {
            cpu,
            throughput,
            p50,
            p99,
            p999,
        }
    }
}

impl std::fmt::Display for Measured {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            cpu,
            throughput,
            p50,
            p99,
            p999,
        } = self;
        write!(f, "{cpu} {throughput} {p50} {p99} {p999}")
    }
}

/// Makes `calls` calls, `in_flight` at a time. Each worker begins its next call when its previous one has ended.
pub(crate) async fn load<F>(
    in_flight: usize,
    calls: usize,
    call: impl Fn() -> F + Clone + Send + 'static,
) -> Measured
where
    F: Future<Output = ()> + Send + 'static,
{
    for _ in 0..3 {
        call().await;
    }
    let (began, ticks_before) = (Instant::now(), ticks());
    let left = Arc::new(AtomicUsize::new(calls));
    let workers = (0..in_flight).map(|_| {
        let (call, left) = (call.clone(), Arc::clone(&left));
        tokio::spawn(work(call, left, calls / in_flight))
    });
    let workers: Vec<_> = workers.collect();
    let mut latencies = Vec::with_capacity(calls);
    for worker in workers {
        latencies.extend(worker.await.expect("the worker did not panic"));
    }
    let (took, ticks) = (began.elapsed(), ticks() - ticks_before);
    latencies.sort_unstable();
    let percentile = |per_mille: usize| {
        let at = (latencies.len() * per_mille / 1000).min(latencies.len() - 1);
        latencies[at].as_secs_f64() * 1e3
    };
    Measured {
        cpu: ticks / TICKS / number(calls),
        throughput: number(calls) / took.as_secs_f64(),
        p50: percentile(500),
        p99: percentile(990),
        p999: percentile(999),
    }
}

/// Makes calls until none is left. Returns the duration of each call.
async fn work<F>(call: impl Fn() -> F, left: Arc<AtomicUsize>, expected: usize) -> Vec<Duration>
where
    F: Future<Output = ()>,
{
    let mut latencies = Vec::with_capacity(2 * expected);
    let take = |left: usize| left.checked_sub(1);
    while left
        .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take)
        .is_ok()
    {
        let began = Instant::now();
        call().await;
        latencies.push(began.elapsed());
    }
    latencies
}

/// Returns the process's CPU time, user and system: the 14th and 15th field of `/proc/self/stat`.
fn ticks() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").expect("Linux");
    let (_, fields) = stat.rsplit_once(')').expect("the name is in parentheses");
    let times = fields.split_whitespace().skip(11).take(2);
    times.map(|it| it.parse::<f64>().expect("a number")).sum()
}

fn number(count: usize) -> f64 {
    f64::from(u32::try_from(count).expect("a small number"))
}

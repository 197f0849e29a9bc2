//! Many operations: reading one does not read all.

use std::time::{Duration, Instant};

use apigateway_grpc::ApiGateway;
use apigateway_grpc::emulator::Emulator;

use crate::{create, operations, over};

const HOUR: Duration = Duration::from_secs(3600);

/// An emulator with a number of operations that run for an hour.
struct Filled {
    client: ApiGateway,
    /// The name of the last operation.
    name: String,
}

impl Filled {
    async fn with(count: usize) -> Self {
        let emulator = Emulator::builder().operation_time(HOUR).build();
        let client = over(&emulator);
        let mut name = String::new();
        for number in 0..count {
            let created = create(&client, &format!("a{number}")).await;
            name = created.expect("a new api").name;
        }
        Self { client, name }
    }

    /// Returns the time that some reads of one operation take, and the time that some pages take.
    async fn read(&self) -> (Duration, Duration) {
        let began = Instant::now();
        for _ in 0..100 {
            self.client
                .get_operation(&self.name)
                .await
                .expect("it exists");
        }
        let gets = began.elapsed();
        let began = Instant::now();
        let mut token = String::new();
        for _ in 0..2 {
            (_, token) = operations(&self.client, 10, &token).await;
            assert!(!token.is_empty());
        }
        (gets, began.elapsed())
    }
}

#[tokio::test(start_paused = true)]
async fn a_get_and_a_page_do_not_read_all_operations() {
    let (few, many) = (Filled::with(100).await, Filled::with(20_000).await);
    // The shortest of several times has no pauses of a busy machine in it.
    let (mut of_few, mut of_many) = (
        (Duration::MAX, Duration::MAX),
        (Duration::MAX, Duration::MAX),
    );
    for _ in 0..20 {
        for (filled, shortest) in [(&few, &mut of_few), (&many, &mut of_many)] {
            let (gets, pages) = filled.read().await;
            *shortest = (shortest.0.min(gets), shortest.1.min(pages));
        }
    }
    // With 200 times as many operations, reading all of them would take far longer.
    assert!(of_many.0 < of_few.0 * 10, "{of_few:?}, then {of_many:?}");
    assert!(of_many.1 < of_few.1 * 10, "{of_few:?}, then {of_many:?}");
    tokio::time::advance(HOUR).await;
    let ended = many.client.get_operation(&many.name).await;
    assert!(ended.expect("it exists").done);
}

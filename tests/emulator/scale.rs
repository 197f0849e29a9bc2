//! Many operations: reading one does not read all.

use std::time::{Duration, Instant};

use apigateway_grpc::emulator::Emulator;

use crate::{create, operations, over};

/// Far more than reading one operation or a page takes, and far less than reading all would take.
const LIMIT: Duration = Duration::from_secs(5);

#[tokio::test(start_paused = true)]
async fn a_get_and_a_page_do_not_read_all_operations() {
    let hour = Duration::from_secs(3600);
    let emulator = Emulator::builder().operation_time(hour).build();
    let client = over(&emulator);
    let mut name = String::new();
    for number in 0..20_000 {
        name = create(&client, &format!("a{number}"))
            .await
            .expect("a new api")
            .name;
    }
    let began = Instant::now();
    for _ in 0..2_000 {
        client.get_operation(&name).await.expect("it");
    }
    let mut token = String::new();
    for _ in 0..20 {
        (_, token) = operations(&client, 10, &token).await;
        assert!(!token.is_empty());
    }
    assert!(began.elapsed() < LIMIT, "{:?}", began.elapsed());
    tokio::time::advance(hour).await;
    assert!(client.get_operation(&name).await.expect("it").done);
}

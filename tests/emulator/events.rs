//! Events, over both protocols.

use std::time::{Duration, SystemTime};

use apigateway_grpc::ApiGateway;
use apigateway_grpc::contract::Method;
use apigateway_grpc::emulator::messages::event::Event as Kind;
use apigateway_grpc::emulator::messages::{
    Event, GetStateRequest, Resource, WatchEventsRequest, resource,
};
use apigateway_grpc::emulator::{Emulator, Server};
use apigateway_grpc::model::Api;
use apigateway_grpc::proto::google::iam::v1::Policy;
use apigateway_grpc::tonic::Status;
use futures_util::StreamExt as _;
use serde_json::Value;
use tokio::io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines};
use tokio::net::{TcpSocket, TcpStream};

use crate::http::ok;
use crate::state::{admin, client, fill, served};
use crate::{API, PARENT, create, over};

const LIMIT: Duration = Duration::from_secs(120);

/// A stream of server-sent events over a raw connection.
pub(crate) struct Sse(Lines<BufReader<TcpStream>>);

impl Sse {
    pub(crate) async fn open(server: &Server, query: &str, headers: &str) -> Self {
        let stream = TcpStream::connect(server.address()).await;
        let mut stream = stream.expect("it listens");
        let request =
            format!("GET /emulator/v1/events{query} HTTP/1.1\r\nhost: localhost\r\n{headers}\r\n");
        stream.write_all(request.as_bytes()).await.expect("sent");
        let mut lines = BufReader::new(stream).lines();
        let head = lines.next_line().await.expect("read").expect("a head");
        assert_eq!(head, "HTTP/1.1 200 OK");
        let mut is_stream = false;
        while let Some(line) = lines.next_line().await.expect("read")
            && !line.is_empty()
        {
            is_stream |= line == "content-type: text/event-stream";
        }
        assert!(is_stream);
        Self(lines)
    }

    /// Returns the name, the id and the data of the next event. `None` at the end.
    pub(crate) async fn next(&mut self) -> Option<(String, String, Value)> {
        let (mut name, mut id) = (String::new(), String::new());
        loop {
            let line = tokio::time::timeout(LIMIT, self.0.next_line()).await;
            let line = line.expect("a line in time").ok()??;
            if let Some(rest) = line.strip_prefix("event: ") {
                rest.clone_into(&mut name);
            } else if let Some(rest) = line.strip_prefix("id: ") {
                rest.clone_into(&mut id);
            } else if let Some(data) = line.strip_prefix("data: ") {
                let data: Value = serde_json::from_str(data).expect("JSON");
                assert_eq!(data["number"], id.as_str());
                return Some((name, id, data));
            }
        }
    }

    /// Returns the next event of a name.
    async fn find(&mut self, wanted: &str) -> (String, Value) {
        loop {
            let (name, id, data) = self.next().await.expect("an event");
            if name == wanted {
                return (id, data);
            }
        }
    }
}

#[tokio::test]
async fn a_server_that_stops_closes_a_stream_that_is_not_read() {
    let server = served(Emulator::builder()).await;
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_recv_buffer_size(4096).expect("set");
    let mut client = socket.connect(server.address()).await.expect("it listens");
    let request = b"GET /emulator/v1/events HTTP/1.1\r\nhost: localhost\r\n\r\n";
    client.write_all(request).await.expect("sent");
    client.readable().await.expect("a response");
    // More than the buffers of the connection hold.
    let status = Status::unavailable("x".repeat(60_000));
    for _ in 0..300 {
        let emulator = server.emulator();
        emulator.on(Method::GET_API).fail(status.clone()).leave();
        tokio::task::yield_now().await;
    }
    let stopped = tokio::time::timeout(LIMIT, server.stop()).await;
    stopped
        .expect("the connection is closed")
        .expect("it served");
}

#[tokio::test]
async fn a_change_of_a_policy_is_a_change_of_its_resource() {
    let emulator = Emulator::builder().build();
    let client = ApiGateway::builder().transport_service(emulator.service());
    let client = client.anonymous().build().expect("valid settings");
    let created = client.create_api(PARENT, "a", Api::default()).await;
    let api = created.expect("started").await.expect("created");
    let mut events = emulator.events_after(emulator.state().revision);
    client
        .set_iam_policy(API, Policy::default())
        .await
        .expect("set");
    let Some(Kind::Resource(change)) = events.next().await.and_then(|event| event.event) else {
        panic!("the first event is not a change of a resource");
    };
    assert_eq!(change.name, API);
    let resource = Resource {
        kind: Some(resource::Kind::Api(api)),
    };
    assert_eq!(change.was, Some(resource.clone()));
    assert_eq!(change.is, Some(resource));
    // The deletion of a resource with a policy is one change.
    client
        .delete_api(API)
        .await
        .expect("started")
        .await
        .expect("deleted");
    let mut changes = Vec::new();
    let end = emulator.state().revision;
    while let Some(event) = events.next().await
        && event.number < end
    {
        changes.extend(match event.event {
            Some(Kind::Resource(change)) => Some(change.is.is_some()),
            _ => None,
        });
    }
    assert_eq!(changes, [true, false]);
}

#[tokio::test]
async fn events_are_server_sent_whatever_the_form_of_the_query() {
    let server = served(Emulator::builder()).await;
    for query in [
        "?after=0&key=k",
        "?prettyPrint=true&after=0",
        "?after=%30",
        "?after=0&",
    ] {
        let mut events = Sse::open(&server, query, "").await;
        let (name, ..) = events.next().await.expect("an event");
        assert_eq!(name, "lost", "{query}");
    }
    let (query, header) = ("?$.xgafv=2", "last-event-id: 1\r\n");
    let mut events = Sse::open(&server, query, header).await;
    let (_, _, lost) = events.next().await.expect("an event");
    assert_eq!(lost["lost"]["from"], "1");
}

#[tokio::test]
async fn changes_and_calls_are_server_sent_events() {
    let server = served(Emulator::builder()).await;
    let client = client(&server);
    let mut events = Sse::open(&server, "", "").await;
    let (name, _, hello) = events.next().await.expect("hello");
    assert_eq!(name, "hello");
    assert_eq!(hello["hello"]["version"], env!("CARGO_PKG_VERSION"));

    let create = client.create_api(PARENT, "a", apigateway_grpc::model::Api::default());
    let creation = create.await.expect("starts");
    let (_, created) = events.find("resource").await;
    assert_eq!(created["resource"]["name"], API);
    assert!(created["resource"].get("was").is_none());
    assert_eq!(created["resource"]["is"]["api"]["state"], "CREATING");
    let (_, started) = events.find("operation").await;
    let operation = &started["operation"]["operation"];
    assert_eq!(operation["name"], creation.name());
    assert!(operation.get("done").is_none());
    let (_, call) = events.find("call").await;
    assert_eq!(call["call"]["resource"], API);
    assert!(call["call"].get("request").is_none());
    // No call is needed: while a stream of events is open, the emulator ends due operations by itself.
    let (_, ended) = events.find("operation").await;
    assert_eq!(ended["operation"]["operation"]["done"], true, "{ended}");

    let fault = r#"{"method": "GetApi", "fail": {"code": 14}}"#;
    ok(&server, "POST /emulator/v1/faults", fault).await;
    let (_, set) = events.find("fault").await;
    assert!(set["fault"].get("removed").is_none());
    crate::http::send(&server, &format!("GET /v1/{API}"), "", "").await;
    let (_, used) = events.find("fault").await;
    assert_eq!(used["fault"]["removed"], true);
    let (_, failed) = events.find("call").await;
    assert_eq!(failed["call"]["status"]["code"], 14);
    ok(&server, "POST /emulator/v1/calls:clear", "{}").await;
    events.find("calls_cleared").await;
    ok(&server, "POST /emulator/v1/reset", "{}").await;
    let (_, reset) = events.find("reset").await;
    assert!(reset.get("resource").is_none());
    ok(
        &server,
        "POST /emulator/v1/clock:advance",
        r#"{"by": "60s"}"#,
    )
    .await;
    let (_, clock) = events.find("clock").await;
    assert_eq!(clock["clock"]["advanced"], "60s");
}

#[tokio::test]
async fn a_stream_continues_after_a_lost_connection() {
    let server = served(Emulator::builder()).await;
    let client = client(&server);
    let mut events = Sse::open(&server, "", "").await;
    fill(&client).await;
    let (last, _) = events.find("resource").await;
    drop(events);
    let header = format!("last-event-id: {last}\r\n");
    let mut again = Sse::open(&server, "?after=1", &header).await;
    let (_, id, _) = again.next().await.expect("an event");
    assert_eq!(
        id.parse::<u64>().ok(),
        last.parse::<u64>().ok().map(|it| it + 1)
    );

    // The revision of a state is the number of its last event, so `after` accepts it.
    let state = server.emulator().state();
    client.get_api(API).await.expect("it exists");
    let mut after = Sse::open(&server, &format!("?after={}", state.revision), "").await;
    let (name, _, call) = after.next().await.expect("an event");
    assert_eq!(name, "call");
    assert_eq!(
        call["call"]["method"],
        "google.cloud.apigateway.v1.ApiGatewayService.GetApi"
    );
}

/// The client of a stream of events.
#[derive(Clone, Copy, Debug)]
enum Face {
    Grpc,
    Rest,
}

impl Face {
    const ALL: [Self; 2] = [Self::Grpc, Self::Rest];

    /// Returns the revision of the state.
    async fn revision(self, server: &Server) -> u64 {
        match self {
            Self::Grpc => {
                let mut admin = admin(server).await;
                let state = admin.get_state(GetStateRequest::default()).await;
                state.expect("a state").into_inner().revision
            }
            Self::Rest => {
                let state = ok(server, "GET /emulator/v1/state", "").await;
                let revision = state["revision"].as_str().expect("a number");
                revision.parse().expect("a number")
            }
        }
    }

    /// Returns the first event after `number`: its name, its number, and for `lost` the value of `from`.
    async fn first_after(self, server: &Server, number: u64) -> (String, u64, Option<u64>) {
        match self {
            Self::Grpc => {
                let after = Some(number);
                let request = WatchEventsRequest { after };
                let watch = admin(server).await.watch_events(request).await;
                let next = watch.expect("a stream").into_inner().next().await;
                let event: Event = next.expect("an event").expect("no error");
                let (name, lost) = match event.event {
                    Some(Kind::Lost(lost)) => ("lost", Some(lost.from)),
                    Some(Kind::Call(_)) => ("call", None),
                    other => panic!("{other:?}"),
                };
                (name.to_owned(), event.number, lost)
            }
            Self::Rest => {
                let mut events = Sse::open(server, &format!("?after={number}"), "").await;
                let (name, id, data) = events.next().await.expect("an event");
                let lost = data["lost"]["from"].as_str();
                let lost = lost.map(|from| from.parse().expect("a number"));
                (name, id.parse().expect("a number"), lost)
            }
        }
    }
}

#[tokio::test]
async fn a_client_that_misses_events_gets_a_lost_event_and_recovers() {
    let server = served(Emulator::builder()).await;
    let client = client(&server);
    fill(&client).await;
    for face in Face::ALL {
        let first = face.revision(&server).await;
        for _ in 0..1100 {
            client.get_api(API).await.expect("it exists");
        }
        let (name, after, lost) = face.first_after(&server, first).await;
        assert_eq!((name.as_str(), lost), ("lost", Some(first)), "{face:?}");
        assert!(after > first, "{face:?}");
        // The client reads the state, and continues after the revision of the state.
        let revision = face.revision(&server).await;
        client.get_api(API).await.expect("it exists");
        let next = face.first_after(&server, revision).await;
        assert_eq!(next, ("call".to_owned(), revision + 1, None), "{face:?}");
        // A stream after an event number of another process begins with `lost`.
        for number in [1, u64::MAX] {
            let (name, _, lost) = face.first_after(&server, number).await;
            assert_eq!((name.as_str(), lost), ("lost", Some(number)), "{face:?}");
        }
    }
    let mut other = Sse::open(&server, "", "last-event-id: x\r\n").await;
    let (name, ..) = other.next().await.expect("an event");
    assert_eq!(name, "lost");
}

#[tokio::test]
async fn the_event_numbers_of_a_later_emulator_are_larger_even_if_its_clock_is_earlier() {
    let at = SystemTime::UNIX_EPOCH + Duration::from_secs(1_577_836_800);
    let emulator = Emulator::builder().begins_at(at).build();
    let first = emulator.state().revision;
    create(&over(&emulator), "a").await.expect("created");
    let last = emulator.state().revision;
    let later = Emulator::builder().begins_at(at).build().state().revision;
    assert!(first < last && last < later, "{first} {last} {later}");
}

#[tokio::test]
async fn a_server_that_stops_ends_its_streams() {
    let server = served(Emulator::builder()).await;
    let mut events = Sse::open(&server, "", "").await;
    events.next().await.expect("hello");
    let mut admin = admin(&server).await;
    let watch = admin.watch_events(WatchEventsRequest::default()).await;
    let mut watch = watch.expect("a stream").into_inner();
    watch.next().await.expect("hello").expect("no error");
    let stopped = tokio::time::timeout(LIMIT, server.stop()).await;
    stopped.expect("it stops in time").expect("it served");
    assert!(events.next().await.is_none());
    assert!(watch.next().await.is_none_or(|end| end.is_err()));
}

#[tokio::test]
async fn a_slow_listener_gets_a_lost_event_and_then_the_last_1024_events() {
    let emulator = Emulator::builder().build();
    let client = crate::over(&emulator);
    let mut events = emulator.events();
    let first = events.next().await.expect("hello");
    for _ in 0..3000 {
        crate::get(&client, API).await.expect_err("none");
    }
    let next = events.next().await.expect("an event");
    let Some(Kind::Lost(lost)) = next.event else {
        panic!("{next:?}");
    };
    assert_eq!(lost.from, first.number);
    // The last 1,024 events follow.
    for number in 1..=1024 {
        let event = events.next().await.expect("an event");
        assert_eq!(event.number, next.number + number);
    }
    assert_eq!(emulator.state().revision, next.number + 1024);
}

#[tokio::test(start_paused = true)]
async fn a_listener_sees_progress_and_the_end_without_a_call() {
    use apigateway_grpc::contract::Method;
    use apigateway_grpc::emulator::OperationPlan;

    let emulator = crate::emulator();
    let client = crate::over(&emulator);
    let half = Duration::from_secs(5);
    let plan = OperationPlan::default().progress(half, "half");
    let _plan = emulator.on(Method::CREATE_API).operation(plan);
    crate::create(&client, "a").await.expect("it starts");
    let started = tokio::time::Instant::now();
    let revision = emulator.state().revision;
    let mut events = emulator.events_after(revision);
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let event = events.next().await.expect("an event");
        let text = match event.event.expect("an event") {
            Kind::Operation(state) => {
                let operation = state.operation.expect("an operation");
                let message = crate::metadata(&operation).status_message;
                format!("operation {} {message}", operation.done)
            }
            Kind::Resource(change) => change.name,
            other => panic!("{other:?}"),
        };
        seen.push((started.elapsed(), text));
    }
    let end = crate::RUNS;
    let expected = [
        (half, "operation false half".to_owned()),
        (end, API.to_owned()),
        (end, "operation true half".to_owned()),
    ];
    let near = |one: Duration, other: Duration| one.abs_diff(other) < Duration::from_millis(5);
    for ((at, text), (due, expected)) in seen.iter().zip(&expected) {
        assert!(near(*at, *due) && text == expected, "{seen:?}");
    }
}

#[tokio::test]
async fn recording_stops_after_1024_events_without_a_listener() {
    let emulator = Emulator::builder().build();
    let client = crate::over(&emulator);
    let before = emulator.state().revision;
    crate::get(&client, API).await.expect_err("none");
    assert_eq!(emulator.state().revision, before + 1);
    for _ in 0..1500 {
        crate::get(&client, API).await.expect_err("none");
    }
    // `state` restarted the count above. Then 1,024 events were recorded, and one more event only got a number.
    assert_eq!(emulator.state().revision, before + 1 + 1025);
    // A listener that continues gets `lost`.
    let mut events = emulator.events_after(before);
    let next = events.next().await.expect("an event");
    assert!(matches!(next.event, Some(Kind::Lost(_))), "{next:?}");
}

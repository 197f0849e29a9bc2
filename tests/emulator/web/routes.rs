//! Every route of the admin service has the checks of access, over raw streams.

use apigateway_grpc::emulator::Emulator;

use super::raw::{Link, Port, Way};

/// The routes over HTTP/JSON.
const ROUTES: [&str; 20] = [
    "GET /emulator/v1/state",
    "GET /emulator/v1/state:export",
    "POST /emulator/v1/state:import",
    "GET /emulator/v1/projects/p/locations/global/apis/a/configs/c:files",
    "GET /emulator/v1/events",
    "GET /emulator/v1/events?after=1",
    "GET /%65mulator/v1/events",
    "GET /emulator/v1/faults",
    "POST /emulator/v1/faults",
    "PATCH /emulator/v1/faults/1",
    "DELETE /emulator/v1/faults/1",
    "GET /emulator/v1/calls",
    "POST /emulator/v1/calls:clear",
    "GET /emulator/v1/clock",
    "POST /emulator/v1/clock:advance",
    "POST /emulator/v1/clock:pause",
    "POST /emulator/v1/clock:resume",
    "POST /emulator/v1/operations:finish",
    "POST /emulator/v1/reset",
    "HEAD /emulator/v1/events",
];

/// The methods over gRPC.
const METHODS: [&str; 17] = [
    "GetState",
    "GetConfigFiles",
    "WatchEvents",
    "CreateFault",
    "ListFaults",
    "UpdateFault",
    "DeleteFault",
    "ListCalls",
    "ClearCalls",
    "GetClock",
    "AdvanceClock",
    "PauseClock",
    "ResumeClock",
    "FinishOperation",
    "ExportState",
    "ImportState",
    "Reset",
];

const LOCAL: &str = "Host: localhost";
const JSON: &str = "Content-Type: application/json";

/// The headers of a request, its connection, and the expected status and reason.
const CHECKS: [(Link, &[&str], &str); 5] = [
    (
        Link::Tcp,
        &["Host: evil.example", JSON],
        "421 HOST_NOT_ALLOWED",
    ),
    (
        Link::Tcp,
        &[LOCAL, JSON, "Origin: http://evil.example"],
        "403 ORIGIN_NOT_ALLOWED",
    ),
    (
        Link::Tcp,
        &[LOCAL, JSON, "Sec-Fetch-Site: cross-site"],
        "403 ORIGIN_NOT_ALLOWED",
    ),
    (
        Link::Tcp,
        &[LOCAL, JSON, "Sec-Fetch-Site: same-site"],
        "403 ORIGIN_NOT_ALLOWED",
    ),
    (Link::Remote, &[LOCAL, JSON], "401 ADMIN_TOKEN_REQUIRED"),
];

#[tokio::test]
async fn every_route_of_the_admin_service_is_checked() {
    let builder = Emulator::builder().admin_token("adm1n");
    let port = Port::start(builder).await;
    for route in ROUTES {
        let is_head = route.starts_with("HEAD");
        for (link, headers, expected) in CHECKS {
            for way in [Way::Http1, Way::Http2] {
                let answer = port.send(link, way, route, headers).await;
                let short = answer.short();
                let seen = match is_head {
                    true => expected.starts_with(&short),
                    false => expected == short,
                };
                assert!(seen, "{route} {headers:?}: {short}");
                let media = answer.headers.get("content-type");
                assert!(media.is_none_or(|media| media != "text/event-stream"));
            }
        }
        if !route.starts_with("GET") && !is_head {
            let text = [
                LOCAL,
                "Sec-Fetch-Site: same-origin",
                "Content-Type: text/plain",
            ];
            let answer = port.send(Link::Tcp, Way::Http1, route, &text).await;
            assert_eq!(answer.short(), "415 CONTENT_TYPE_NOT_ALLOWED", "{route}");
        }
    }
    for method in METHODS {
        let line = format!("POST /apigateway_grpc.emulator.v1.Admin/{method}");
        for (link, headers, expected) in CHECKS {
            let headers: Vec<_> = headers.iter().copied().filter(|one| *one != JSON).collect();
            let answer = port.send(link, Way::Grpc, &line, &headers).await;
            let (_, reason) = expected.split_once(' ').expect("a reason");
            assert!(
                answer.short().ends_with(reason),
                "{method} {headers:?}: {}",
                answer.short()
            );
        }
    }
    assert_eq!(port.calls(), 0);
}

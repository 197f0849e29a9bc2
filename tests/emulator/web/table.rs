//! The table of requests and expected responses, `table.txt`. `--nocapture` prints it with the actual responses.

use apigateway_grpc::emulator::{Emulator, EmulatorBuilder};

use super::raw::{Link, Port, Way};
use crate::PARENT;

const TABLE: &str = include_str!("table.txt");
const TOKEN: &str = "adm1n-s3cr3t";
const ALLOWED: &str = "Origin: http://app.test:3000";

struct Row {
    link: Link,
    way: Way,
    line: &'static str,
    headers: Vec<&'static str>,
    expected: &'static str,
}

/// Returns the rows of a section.
fn rows(section: &str) -> Vec<Row> {
    let all = TABLE.lines().map(str::trim);
    let from = all
        .skip_while(|line| *line != format!("[{section}]"))
        .skip(1);
    let lines = from.take_while(|line| !line.starts_with('['));
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let rows: Vec<_> = lines.map(row).collect();
    assert!(rows.len() > 10, "the rows were not found: {section}");
    rows
}

fn row(text: &'static str) -> Row {
    let cells: Vec<_> = text.split(" | ").map(str::trim).collect();
    let [over, line, headers, expected] = cells[..] else {
        panic!("not four columns: {text}");
    };
    let headers = headers.split(" + ").filter(|header| !header.is_empty());
    let (link, way) = match over {
        "Tcp Http1" => (Link::Tcp, Way::Http1),
        "Tcp Http2" => (Link::Tcp, Way::Http2),
        "Tcp Grpc" => (Link::Tcp, Way::Grpc),
        "Remote Http1" => (Link::Remote, Way::Http1),
        "Remote Http2" => (Link::Remote, Way::Http2),
        "Remote Grpc" => (Link::Remote, Way::Grpc),
        "Pipe Http1" => (Link::Pipe, Way::Http1),
        "Pipe Grpc" => (Link::Pipe, Way::Grpc),
        other => encrypted(other),
    };
    Row {
        link,
        way,
        line,
        headers: headers.collect(),
        expected,
    }
}

#[cfg(feature = "tls")]
fn encrypted(over: &str) -> (Link, Way) {
    let way = match over {
        "Tls Http1" => Way::Http1,
        "Tls Http2" => Way::Http2,
        "Tls Grpc" => Way::Grpc,
        other => panic!("no such link and protocol: {other}"),
    };
    (Link::Tls, way)
}

#[cfg(not(feature = "tls"))]
fn encrypted(over: &str) -> (Link, Way) {
    panic!("no such link and protocol: {over}");
}

/// Sends each request of a section, and prints the table.
async fn check(section: &str, builder: EmulatorBuilder) {
    let port = Port::start(builder).await;
    let apis = format!("/v1/{PARENT}/apis");
    let mut wrong = Vec::new();
    println!("\n| {section} | request | headers | expected | seen |\n|---|---|---|---|---|");
    for (number, row) in rows(section).into_iter().enumerate() {
        let Row {
            link,
            way,
            line,
            headers,
            expected,
        } = row;
        let new = format!("{apis}?apiId=a{number}");
        let path = line.replace("NEW", &new).replace("APIS", &apis);
        let before = port.calls();
        let answer = port.send(link, way, &path, &headers).await;
        let (seen, text) = (answer.short(), answer.message());
        let shown = headers.join(" + ");
        println!("| {link:?} {way:?} | {line} | {shown} | {expected} | {seen} |");
        if seen != expected {
            wrong.push(format!("{line} {shown}: {seen}, not {expected}: {text}"));
        }
        let ends = ["_NOT_ALLOWED", "_REQUIRED", "HOST_INVALID"];
        if ends.iter().any(|end| seen.ends_with(end)) {
            let names = text.contains("`--") || text.contains("`Content-Type: application/json`");
            assert!(
                names && !text.contains(". "),
                "must name a setting or the content type, in one sentence: {text}"
            );
            assert!(!text.contains(TOKEN), "{text}");
            assert_eq!(port.calls(), before, "{line} {shown} reached the API");
        }
        let is_told = answer.headers.contains_key("access-control-allow-origin");
        let origins = headers.iter().filter(|header| header.starts_with("Origin"));
        let is_allowed = section == "settings" && origins.eq([&ALLOWED]);
        assert_eq!(is_told, is_allowed, "{line} {shown}: {:?}", answer.headers);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[tokio::test]
async fn the_admin_service_accepts_localhost_only() {
    check("admin", Emulator::builder()).await;
}

#[tokio::test]
async fn the_api_accepts_all_clients_except_web_pages() {
    check("other", Emulator::builder()).await;
}

#[tokio::test]
async fn settings_allow_hosts_origins_and_other_machines() {
    let builder = Emulator::builder()
        .host("emulator.test")
        .allow_origin("http://app.test:3000")
        .admin_token(TOKEN);
    check("settings", builder).await;
}

#[cfg(feature = "emulator-ui")]
#[tokio::test]
async fn the_page_accepts_the_same_requests_as_the_admin_service() {
    check("page", Emulator::builder()).await;
}

#[cfg(feature = "emulator-ui")]
#[tokio::test]
async fn the_files_of_the_page_need_no_token_on_other_machines() {
    let builder = Emulator::builder().host("emulator.test").admin_token(TOKEN);
    check("page of other machines", builder).await;
}

#[cfg(feature = "emulator-ui")]
#[tokio::test]
async fn without_the_page_its_paths_are_unknown() {
    check("no page", Emulator::builder().page(false)).await;
}

#[cfg(feature = "tls")]
#[tokio::test]
async fn access_is_decided_by_the_same_rules_over_tls() {
    check("tls", Emulator::builder()).await;
}

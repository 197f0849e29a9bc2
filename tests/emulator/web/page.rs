//! The responses of the page: headers, ETags, and the size of its files. `table.txt` says which clients can read the page.

use apigateway_grpc::ApiGateway;
use apigateway_grpc::contract::Method;
use apigateway_grpc::emulator::Emulator;
use serde_json::Value;

use super::raw::{Answer, Link, Port, Way};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; \
                      require-trusted-types-for 'script'";
/// Maximum size of the files in the binary, without the table of methods, which is made from the contract.
const MAX_SIZE: usize = 69 << 10;

async fn get(port: &Port, path: &str, headers: &[&str]) -> Answer {
    let all = [&["Host: localhost", "Accept: text/html"], headers].concat();
    port.send(Link::Tcp, Way::Http1, &format!("GET {path}"), &all)
        .await
}

/// Returns the page and the files that the page and its modules name, each as its path and its response.
async fn files(port: &Port) -> Vec<(String, Answer)> {
    let page = get(port, "/", &[]).await;
    let quoted = |text: &str| -> Vec<String> {
        let parts = text.split(['"', '\'']);
        let names = parts.filter(|part| {
            part.ends_with(".js") || part.ends_with(".css") || part.ends_with(".json")
        });
        let names = names.map(|name| {
            format!(
                "/ui/{}",
                name.trim_start_matches("./").trim_start_matches("ui/")
            )
        });
        names.collect()
    };
    let mut open = quoted(&page.text);
    let mut found = vec![("/".to_owned(), page)];
    while let Some(path) = open.pop() {
        if found.iter().all(|(name, _)| *name != path) {
            let file = get(port, &path, &[]).await;
            open.extend(quoted(&file.text));
            found.push((path, file));
        }
    }
    found
}

#[tokio::test]
async fn every_file_of_the_page_has_its_type_and_the_security_headers() {
    let port = Port::start(Emulator::builder()).await;
    let files = files(&port).await;
    assert!(files.len() > 10, "{}", files.len());
    let none = get(&port, "/ui/none", &[]).await;
    assert_eq!(none.status, 404);
    for (path, answer) in &files {
        assert_eq!(answer.status, 200, "{path}");
        let media = match path.rsplit('.').next() {
            Some("js") => "text/javascript; charset=utf-8",
            Some("css") => "text/css; charset=utf-8",
            Some("json") => "application/json",
            _ => "text/html; charset=utf-8",
        };
        assert_eq!(answer.headers["content-type"], media, "{path}");
        assert!(
            answer.headers["etag"]
                .to_str()
                .expect("text")
                .starts_with('"')
        );
    }
    for (path, answer) in files.iter().chain([&("none".to_owned(), none)]) {
        for (name, value) in [
            ("content-security-policy", POLICY),
            ("x-content-type-options", "nosniff"),
            ("referrer-policy", "no-referrer"),
            ("cross-origin-opener-policy", "same-origin"),
            ("cross-origin-resource-policy", "same-origin"),
            ("cache-control", "no-cache"),
        ] {
            let values: Vec<_> = answer.headers.get_all(name).iter().collect();
            assert_eq!(values, [value], "{path} {name}");
        }
        assert!(!answer.headers.contains_key("access-control-allow-origin"));
    }
    let stored = files.iter().filter(|(path, _)| !path.ends_with(".json"));
    let size: usize = stored.map(|(_, file)| file.text.len()).sum();
    println!("{} files with {size} bytes", files.len());
    assert!(size < MAX_SIZE, "{size}");
}

#[tokio::test]
async fn a_file_that_the_browser_has_is_not_sent_again() {
    let port = Port::start(Emulator::builder()).await;
    let first = get(&port, "/ui/main.js", &[]).await;
    let tag = first.headers["etag"].to_str().expect("text");
    for same in [
        tag.to_owned(),
        format!("W/{tag}"),
        format!("\"a\", {tag}"),
        "*".to_owned(),
    ] {
        let again = get(&port, "/ui/main.js", &[&format!("If-None-Match: {same}")]).await;
        assert_eq!((again.status, again.text.as_str()), (304, ""), "{same}");
        assert_eq!(again.headers["etag"], tag);
        assert_eq!(again.headers["content-security-policy"], POLICY);
    }
    let css = get(&port, "/ui/app.css", &[&format!("If-None-Match: {tag}")]).await;
    assert_eq!(css.status, 200);
    let all = ["Host: localhost", "Accept: text/html"];
    let head = port.send(Link::Tcp, Way::Http1, "HEAD /", &all).await;
    let page = get(&port, "/", &[]).await;
    assert_eq!((head.status, head.text.as_str()), (200, ""));
    assert_eq!(head.headers["content-length"], page.text.len().to_string());
    assert_eq!(
        (&head.headers["etag"], &head.headers["vary"]),
        (&page.headers["etag"], &page.headers["vary"])
    );
}

#[tokio::test]
async fn the_methods_of_the_page_are_those_of_the_contract() {
    let port = Port::start(Emulator::builder()).await;
    let methods = get(&port, "/ui/methods.json", &[]).await.body;
    let methods = methods.as_array().expect("a list");
    let names: Vec<_> = methods
        .iter()
        .map(|method| method["name"].as_str())
        .collect();
    let expected: Vec<_> = Method::all()
        .iter()
        .map(|method| Some(method.name()))
        .collect();
    assert_eq!(names, expected);
    let create = methods
        .iter()
        .find(|method| method["name"] == "CreateApiConfig");
    let create = create.expect("a method");
    assert_eq!(create["verb"], "POST");
    assert_eq!(create["body"], "api_config");
    assert_eq!(
        create["template"],
        "/v1/{parent=projects/*/locations/*/apis/*}/configs"
    );
    let get = methods.iter().find(|method| method["name"] == "GetApi");
    assert_eq!(get.expect("a method")["body"], Value::Null);
}

/// Runs the statements. Returns the variable that they set, and the source text of the statements without white space.
macro_rules! run {
    ($variable:ident; $($program:tt)*) => {{
        $($program)*
        ($variable, stringify!($($program)*).replace(char::is_whitespace, ""))
    }};
}

#[tokio::test]
async fn the_rust_program_of_the_page_compiles_and_reaches_the_emulator()
-> Result<(), apigateway_grpc::Error> {
    let port = Port::start(Emulator::builder()).await;
    let origin = port.server.endpoint();
    let (client, text) = run! { client;
        let client = apigateway_grpc::ApiGateway::builder().endpoint(origin).anonymous().build()?;
    };
    let client: ApiGateway = client;
    client
        .list_apis("projects/demo/locations/global")
        .first_page()
        .await?;
    assert_eq!(port.calls(), 1);
    let page = get(&port, "/ui/copy.js", &[]).await.text;
    let page = page
        .replace("\"${origin}\"", "origin")
        .replace(char::is_whitespace, "");
    assert!(page.contains(&text), "{text}");
    Ok(())
}

#[tokio::test]
async fn the_page_is_not_recorded_and_loads_nothing_from_elsewhere() {
    let port = Port::start(Emulator::builder().require_token("t")).await;
    for (path, file) in files(&port).await {
        for name in [" src=\"", " href=\"", "from '", "import('", " url("] {
            for target in file.text.split(name).skip(1) {
                let own = ["ui/", "./", "#", "data:"];
                let is_own = own.iter().any(|start| target.starts_with(start));
                assert!(is_own, "{path}: {name}{}", &target[..20.min(target.len())]);
            }
        }
        for sink in [
            "innerHTML",
            "outerHTML",
            "insertAdjacentHTML",
            "document.write",
            "eval(",
        ] {
            assert!(!file.text.contains(sink), "{path}: {sink}");
        }
    }
    assert_eq!(port.calls(), 0);
}

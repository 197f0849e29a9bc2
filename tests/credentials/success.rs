//! Each source with working endpoints: the token that arrives, its scope and the quota project.

use base64::Engine as _;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::api_server::Call;
use crate::credential_file::EMAIL;
use crate::process::Client;
use crate::setup::{Found, Setup};
use crate::source::{
    AUTHORIZED_USER, EXTERNAL_FILE_TEXT, ExpectedRequest, IMPERSONATED_FROM_USER, METADATA_SERVER,
    SERVICE_ACCOUNT, SOURCES, Source, Token,
};
use crate::token_server::TokenRequest;

/// The places where a quota project is set, and the project that the service must receive.
#[derive(Clone, Copy)]
struct Quota {
    name: &'static str,
    in_file: bool,
    by_variable: Option<&'static str>,
    by_builder: bool,
    arrives: &'static str,
}

const NO_QUOTA: Quota = Quota {
    name: "none",
    in_file: false,
    by_variable: None,
    by_builder: false,
    arrives: "",
};

const BY_FILE: Quota = Quota {
    name: "file",
    in_file: true,
    arrives: "of-the-file",
    ..NO_QUOTA
};

const BY_VARIABLE: Quota = Quota {
    name: "variable",
    by_variable: Some("of-the-variable"),
    arrives: "of-the-variable",
    ..NO_QUOTA
};

const BY_BUILDER: Quota = Quota {
    name: "builder",
    by_builder: true,
    arrives: "of-the-builder",
    ..NO_QUOTA
};

const VARIABLE_OVER_FILE: Quota = Quota {
    name: "variable, file",
    in_file: true,
    ..BY_VARIABLE
};

const EMPTY_VARIABLE: Quota = Quota {
    name: "empty variable, file",
    by_variable: Some(""),
    ..BY_FILE
};

const BUILDER_OVER_ALL: Quota = Quota {
    name: "builder, variable, file",
    in_file: true,
    by_variable: Some("of-the-variable"),
    ..BY_BUILDER
};

struct Row {
    source: Source,
    found: Found,
    quota: Quota,
}

fn rows() -> Vec<Row> {
    let row = |source, found, quota| Row {
        source,
        found,
        quota,
    };
    let mut rows = Vec::new();
    for &source in SOURCES {
        rows.push(row(source, Found::ByVariable, NO_QUOTA));
    }
    for source in [
        AUTHORIZED_USER,
        SERVICE_ACCOUNT,
        IMPERSONATED_FROM_USER,
        EXTERNAL_FILE_TEXT,
    ] {
        rows.push(row(source, Found::AtWellKnownPath, NO_QUOTA));
    }
    for found in [Found::DespiteEmptyVariable, Found::InFolderOfGcloud] {
        rows.push(row(AUTHORIZED_USER, found, NO_QUOTA));
    }
    for source in [AUTHORIZED_USER, IMPERSONATED_FROM_USER, EXTERNAL_FILE_TEXT] {
        for quota in [
            BY_FILE,
            VARIABLE_OVER_FILE,
            EMPTY_VARIABLE,
            BUILDER_OVER_ALL,
        ] {
            rows.push(row(source, Found::ByVariable, quota));
        }
    }
    for source in [METADATA_SERVER, SERVICE_ACCOUNT] {
        for quota in [BY_VARIABLE, BY_BUILDER] {
            rows.push(row(source, Found::ByVariable, quota));
        }
    }
    rows
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_source_provides_the_token_the_scope_and_the_quota_project() {
    let mut cells = JoinSet::new();
    for (number, row) in rows().into_iter().enumerate() {
        for (column, client) in Client::ALL.into_iter().enumerate() {
            // The command has no flag for the quota project.
            if client.is_library() || !row.quota.by_builder {
                let Row {
                    source,
                    found,
                    quota,
                } = row;
                cells.spawn(
                    async move { (number, column, cell(source, found, quota, client).await) },
                );
            }
        }
    }
    let mut table = vec![[const { String::new() }; 4]; rows().len()];
    while let Some(cell) = cells.join_next().await {
        let (number, column, text) = cell.expect("no panic");
        table[number][column] = text;
    }
    print(&table);
    let wrong = table
        .iter()
        .flatten()
        .filter(|cell| cell.starts_with("WRONG"));
    assert_eq!(wrong.count(), 0, "see the table");
}

/// Prints the table as Markdown.
fn print(table: &[[String; 4]]) {
    println!(
        "| source | quota project by | library gRPC | library REST | apigw gRPC | apigw REST |"
    );
    println!("|---|---|---|---|---|---|");
    for (row, cells) in rows().iter().zip(table) {
        let found = match row.found {
            Found::ByVariable => "",
            Found::AtWellKnownPath => ", well-known file",
            Found::DespiteEmptyVariable => ", well-known file, empty variable",
            Found::InFolderOfGcloud => ", CLOUDSDK_CONFIG",
        };
        let cells = cells.join(" | ");
        println!(
            "| {}{found} | {} | {cells} |",
            row.source.name, row.quota.name
        );
    }
}

/// Runs one client and describes the received token, scope and quota project.
async fn cell(source: Source, found: Found, quota: Quota, client: Client) -> String {
    let mut setup = Setup::start(None, None).await;
    setup.source(&source, found);
    if quota.in_file {
        let mut file = source.file.expect("it has a file")(&setup.place);
        file["quota_project_id"] = json!("of-the-file");
        setup.file(&file, found);
    }
    if let Some(project) = quota.by_variable {
        setup.variable("GOOGLE_CLOUD_QUOTA_PROJECT", project);
    }
    setup.scenario.quota_project = quota.by_builder.then_some("of-the-builder");
    let run = setup.run(client).await;
    if let Some(secret) = setup.secret_in(&run.printed) {
        return format!("WRONG: {secret} was printed");
    }
    match check(&source, quota, client, &setup) {
        Ok(arrived) if run.calls.iter().all(|call| call.ok) => arrived,
        Ok(arrived) => format!("WRONG: {arrived}, but {}", run.printed.replace('\n', " ")),
        Err(problem) => format!("WRONG: {problem}; {}", run.printed.replace('\n', " ")),
    }
}

fn check(source: &Source, quota: Quota, client: Client, setup: &Setup) -> Result<String, String> {
    let requests = setup.tokens.requests();
    let paths = |text: &mut dyn Iterator<Item = &str>| text.collect::<Vec<_>>().join(" ");
    let received = paths(&mut requests.iter().map(|request| request.path.as_str()));
    let expected = paths(&mut source.requests.iter().map(|request| request.path));
    if received != expected {
        return Err(format!("requests to [{received}] instead of [{expected}]"));
    }
    for (request, expected) in requests.iter().zip(source.requests) {
        check_request(request, expected)?;
    }
    let calls = setup.api.calls();
    let [call] = &calls[..] else {
        return Err(format!("{} calls arrived", calls.len()));
    };
    check_call(call, source, quota, client)
}

fn check_request(request: &TokenRequest, expected: &ExpectedRequest) -> Result<(), String> {
    let path = expected.path;
    if request.scope != expected.scope {
        return Err(format!(
            "{path}: scope {:?} instead of {:?}",
            request.scope, expected.scope
        ));
    }
    if !request.subject.contains(expected.subject) {
        return Err(format!("{path}: subject {:?}", request.subject));
    }
    check_token(&request.bearer, expected.bearer).map_err(|problem| format!("{path}: {problem}"))
}

fn check_call(
    call: &Call,
    source: &Source,
    quota: Quota,
    client: Client,
) -> Result<String, String> {
    if call.grpc != client.is_grpc() {
        return Err("arrived by the other transport".to_owned());
    }
    let authorization = call.header("authorization");
    let token = authorization.strip_prefix("Bearer ");
    let token = token.ok_or_else(|| format!("authorization: {authorization:?}"))?;
    check_token(token, source.token)?;
    let project = call.header("x-goog-user-project");
    if project != quota.arrives {
        return Err(format!(
            "quota project {project:?} instead of {:?}",
            quota.arrives
        ));
    }
    let token = match source.token {
        Token::SelfSigned(_) => "signed JWT",
        Token::Is(token) => token,
        Token::None => "none",
    };
    let project = if project.is_empty() { "–" } else { &project };
    Ok(format!("{token}, {project}"))
}

fn check_token(token: &str, expected: Token) -> Result<(), String> {
    match expected {
        Token::None if token.is_empty() => Ok(()),
        Token::Is(expected) if token == expected => Ok(()),
        Token::SelfSigned(scope) => check_jwt(token, scope),
        Token::None | Token::Is(_) => Err(format!("token {token:?}")),
    }
}

/// Checks issuer and scope of a JWT. A real service would check its signature.
fn check_jwt(token: &str, scope: &str) -> Result<(), String> {
    let claims = token.split('.').nth(1).unwrap_or_default();
    let claims = BASE64_URL_SAFE_NO_PAD.decode(claims).unwrap_or_default();
    let claims: Value = serde_json::from_slice(&claims).unwrap_or_default();
    let fits = claims["iss"] == EMAIL && claims["sub"] == EMAIL && claims["scope"] == scope;
    fits.then_some(()).ok_or_else(|| format!("claims {claims}"))
}

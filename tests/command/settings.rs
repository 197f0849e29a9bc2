//! The sources of settings: flags, the environment, gcloud's configuration.

use std::path::PathBuf;
use std::process::Command;

use super::emulator::Emulator;
use super::running::within_some_timeout;
use super::{apigw, err, exits, on, out};

/// Creates a gcloud folder with the configurations `default` and `other`.
fn gcloud(test: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("gcloud-{test}"));
    let files = folder.join("configurations");
    std::fs::create_dir_all(&files).expect("a folder");
    let text = "[core]\nproject = from-file\nformat = json\ndisable_prompts = true\n[auth]\nimpersonate_service_account = sa@p\n";
    std::fs::write(files.join("config_default"), text).expect("a file");
    std::fs::write(
        files.join("config_other"),
        "[core]\nproject = other-project\n",
    )
    .expect("a file");
    folder
}

fn shown(command: &mut Command, setting: &str) -> String {
    let output = command.output().expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let line = out(&output)
        .lines()
        .find(|line| line.starts_with(&format!("{setting}\t")));
    line.unwrap_or_else(|| panic!("{setting}: {}", out(&output)))
        .to_owned()
}

#[test]
fn config_show_prints_no_password_of_a_url() {
    for (variable, value) in [
        (
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_APIGATEWAY",
            "https://user:hunter2@127.0.0.1:9/",
        ),
        ("APIGATEWAY_EMULATOR_HOST", "user:hunter2@127.0.0.1:9"),
    ] {
        let mut command = apigw(&["config", "show", "--format=value(setting,value,source)"]);
        command
            .env("CLOUDSDK_CONFIG", gcloud("password"))
            .env(variable, value);
        let line = shown(&mut command, "endpoint");
        assert!(line.contains("…@127.0.0.1:9"), "{line}");
        assert!(!line.contains("hunter2"), "{line}");
    }
}

#[test]
fn config_show_prints_each_setting_with_its_source() {
    let folder = gcloud("show");
    let show = || {
        let mut command = apigw(&["config", "show", "--format=value(setting,value,source)"]);
        command.env("CLOUDSDK_CONFIG", &folder);
        command
    };
    let file = "core/project of gcloud configuration default";
    assert_eq!(
        shown(&mut show(), "project"),
        format!("project\tfrom-file\t{file}")
    );
    assert_eq!(
        shown(show().env("GOOGLE_CLOUD_PROJECT", "late"), "project"),
        format!("project\tfrom-file\t{file}")
    );
    assert_eq!(
        shown(show().env("CLOUDSDK_CORE_PROJECT", "env"), "project"),
        "project\tenv\tCLOUDSDK_CORE_PROJECT"
    );
    let flagged = &mut show();
    assert_eq!(
        shown(
            flagged
                .env("CLOUDSDK_CORE_PROJECT", "env")
                .arg("--project=flag"),
            "project"
        ),
        "project\tflag\t--project"
    );
    assert_eq!(
        shown(show().arg("--configuration=other"), "project"),
        "project\tother-project\tcore/project of gcloud configuration other"
    );
    assert_eq!(
        shown(
            show().env("CLOUDSDK_ACTIVE_CONFIG_NAME", "other"),
            "project"
        ),
        "project\tother-project\tcore/project of gcloud configuration other"
    );
    assert_eq!(
        shown(
            show()
                .env("CLOUDSDK_ACTIVE_CONFIG_NAME", "NONE")
                .env("GOOGLE_CLOUD_PROJECT", "late"),
            "project"
        ),
        "project\tlate\tGOOGLE_CLOUD_PROJECT"
    );
    assert_eq!(
        shown(&mut show(), "impersonate_service_account"),
        "impersonate_service_account\tsa@p\tauth/impersonate_service_account of gcloud configuration default"
    );
    let missing = show()
        .arg("--configuration=none-such")
        .output()
        .expect("it runs");
    assert!(err(&missing).starts_with("WARNING: "), "{}", err(&missing));
}

#[test]
fn the_project_of_the_credentials_has_the_lowest_precedence() {
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("adc.json");
    std::fs::write(
        &file,
        r#"{"type": "authorized_user", "quota_project_id": "of-credentials"}"#,
    )
    .expect("a file");
    let show = || {
        let mut command = apigw(&["config", "show", "--format=value(setting,value,source)"]);
        command.env("GOOGLE_APPLICATION_CREDENTIALS", &file);
        command
    };
    assert_eq!(
        shown(&mut show(), "project"),
        format!("project\tof-credentials\t{}", file.display())
    );
    assert_eq!(
        shown(show().env("GOOGLE_CLOUD_PROJECT", "late"), "project"),
        "project\tlate\tGOOGLE_CLOUD_PROJECT"
    );
}

#[test]
fn without_a_project_nothing_is_sent_and_the_error_says_how_to_set_one() {
    let output = apigw(&["apis", "list", "--endpoint=http://127.0.0.1:1"])
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(err(&output).starts_with(
        "ERROR: (apigw.apis.list) The required property [project] is not currently set.\n"
    ));
}

#[test]
fn the_configuration_sets_the_format_and_disables_prompts() {
    let emulator = Emulator::start("0s");
    let folder = gcloud("format");
    exits(0, &emulator, "apis create a");
    let output = on(&emulator, "apis describe a")
        .env("CLOUDSDK_CONFIG", &folder)
        .output()
        .expect("it runs");
    assert!(out(&output).starts_with("{\n"), "{}", out(&output));
    let output = on(&emulator, "apis describe a")
        .env("CLOUDSDK_CORE_FORMAT", "value(name)")
        .output()
        .expect("it runs");
    assert_eq!(out(&output), "projects/p/locations/global/apis/a\n");
    let deleted = on(&emulator, "apis delete a")
        .env("CLOUDSDK_CONFIG", &folder)
        .output()
        .expect("it runs");
    assert_eq!(deleted.status.code(), Some(0), "{}", err(&deleted));
}

#[test]
fn an_endpoint_override_with_a_path_is_refused_and_two_endpoints_cause_a_warning() {
    let emulator = Emulator::start("0s");
    let output = apigw(&["apis", "list", "--project=p"])
        .env(
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_APIGATEWAY",
            "http://127.0.0.1:1/path/",
        )
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).contains("must not have a path"),
        "{}",
        err(&output)
    );
    let output = apigw(&["apis", "list", "--project=p"])
        .env(
            "APIGATEWAY_EMULATOR_HOST",
            emulator.endpoint.trim_start_matches("http://"),
        )
        .env(
            "CLOUDSDK_API_ENDPOINT_OVERRIDES_APIGATEWAY",
            "http://127.0.0.1:1/",
        )
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert!(
        err(&output).starts_with("WARNING: APIGATEWAY_EMULATOR_HOST is used; "),
        "{}",
        err(&output)
    );
}

#[test]
fn the_token_of_a_file_that_the_environment_names_is_sent() {
    let emulator = Emulator::with(&["--require-token", "good"]);
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("token");
    std::fs::write(&file, "good\n").expect("a file");
    let list = || {
        let mut command = on(&emulator, "apis list");
        command.env_remove("CLOUDSDK_AUTH_DISABLE_CREDENTIALS");
        command
    };
    let output = list()
        .env("CLOUDSDK_AUTH_ACCESS_TOKEN_FILE", &file)
        .output()
        .expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    assert_eq!(
        list()
            .arg("--credentials=none")
            .output()
            .expect("it runs")
            .status
            .code(),
        Some(1)
    );
}

#[test]
#[cfg(unix)]
fn the_token_of_gcloud_auth_login_is_requested_from_gcloud() {
    use std::os::unix::fs::PermissionsExt as _;
    let emulator = Emulator::with(&["--require-token", "good"]);
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("bin");
    std::fs::create_dir_all(&folder).expect("a folder");
    let program = folder.join("gcloud");
    std::fs::write(
        &program,
        "#!/bin/sh\n[ \"$1 $2\" = 'auth print-access-token' ] && echo good\n",
    )
    .expect("a file");
    std::fs::set_permissions(&program, std::fs::Permissions::from_mode(0o755))
        .expect("the mode is set");
    let list = |path: &str| {
        let mut command = on(&emulator, "apis list --credentials=gcloud");
        command
            .env_remove("CLOUDSDK_AUTH_DISABLE_CREDENTIALS")
            .env("PATH", path)
            .output()
            .expect("it runs")
    };
    let output = list(&format!("{}:/usr/bin:/bin", folder.display()));
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    std::fs::write(&program, "#!/bin/sh\necho no account >&2\nexit 1\n").expect("a file");
    let output = list(&format!("{}:/usr/bin:/bin", folder.display()));
    let text =
        "failed: no account; check the account with `gcloud auth list`, or run `gcloud auth login`";
    assert!(err(&output).contains(text), "{}", err(&output));
    let output = list("/nowhere");
    assert_eq!(output.status.code(), Some(1));
    assert!(
        err(&output).contains("`gcloud` was not found in PATH"),
        "{}",
        err(&output)
    );
}

#[test]
fn impersonation_excludes_anonymous_and_needs_the_name_of_an_account() {
    let both = [
        "apis",
        "list",
        "--impersonate-service-account=a@p",
        "--anonymous",
    ];
    assert_eq!(
        apigw(&both).output().expect("it runs").status.code(),
        Some(2)
    );
    let none = apigw(&[
        "apis",
        "list",
        "--project=p",
        "--impersonate-service-account=,",
    ])
    .output()
    .expect("it runs");
    assert_eq!(none.status.code(), Some(2));
    assert!(
        err(&none).contains("no service account is named"),
        "{}",
        err(&none)
    );
}

#[test]
fn a_project_number_is_accepted() {
    let emulator = Emulator::start("0s");
    let output = exits(
        0,
        &emulator,
        "apis create a --project=123456 --format=value(name)",
    );
    assert_eq!(out(&output), "projects/123456/locations/global/apis/a\n");
}

#[test]
fn the_billing_project_is_sent() {
    use std::io::{BufRead as _, BufReader, Write as _};
    let server = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let endpoint = format!("http://{}", server.local_addr().expect("bound"));
    let headers = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().expect("a connection");
        let lines = BufReader::new(stream.try_clone().expect("a socket")).lines();
        let lines: Vec<String> = lines
            .map(|line| line.expect("text").to_lowercase())
            .take_while(|line| !line.is_empty())
            .collect();
        let response =
            "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{}";
        stream.write_all(response.as_bytes()).expect("it reads");
        lines
    });
    let output = apigw(&[
        "apis",
        "list",
        "--project=p",
        "--billing-project=payer",
        "--transport=rest",
        "--anonymous",
        "--endpoint",
        &endpoint,
    ])
    .output()
    .expect("it runs");
    assert_eq!(output.status.code(), Some(0), "{}", err(&output));
    let headers = headers.join().expect("a request");
    assert!(
        headers.contains(&"x-goog-user-project: payer".to_owned()),
        "{headers:#?}"
    );
}

#[test]
fn the_universe_domain_is_part_of_the_host() {
    within_some_timeout(|timeout| {
        let output = apigw(&[
            "apis",
            "list",
            "--project=p",
            "--universe-domain=universe.invalid",
            "--anonymous",
            "--no-proxy",
            "--transport=grpc",
            "--request-timeout",
            timeout,
        ])
        .output()
        .expect("it runs");
        assert_eq!(output.status.code(), Some(1));
        match err(&output).contains("https://apigateway.universe.invalid") {
            true => Ok(()),
            false => Err(err(&output).to_owned()),
        }
    });
}

#[test]
fn the_verbosity_sets_the_level_of_the_log() {
    let emulator = Emulator::start("0s");
    let logged = |flag: &str| {
        let output = exits(0, &emulator, &format!("apis list --format=none {flag}"));
        err(&output).contains("DEBUG")
    };
    assert!(logged("--verbosity=debug"));
    assert!(!logged("--verbosity=none"));
    assert!(!logged(""));
}

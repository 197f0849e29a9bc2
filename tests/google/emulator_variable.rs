//! The environment variable that a user chooses for the emulator of a service. Each case runs in a child process, because a test
//! cannot set variables of its own process.

use std::process::Command;

use apigateway_grpc::contract::Contract;
use apigateway_grpc::google::Client;
use apigateway_grpc::proto::{FILE_DESCRIPTOR_SET, SERVICE_CONFIG};

const VARIABLE: &str = "SHELF_EMULATOR_HOST";
/// If this variable is set, the process is the child.
const CHILD: &str = "EMULATOR_VARIABLE_CHILD";
const TEST: &str =
    "emulator_variable::no_credential_is_sent_to_an_emulator_on_another_host_that_a_variable_names";

#[tokio::test]
async fn no_credential_is_sent_to_an_emulator_on_another_host_that_a_variable_names() {
    if std::env::var_os(CHILD).is_some() {
        return report();
    }
    let withheld = "`SHELF_EMULATOR_HOST` is http://emulator.test:9010, but a credential is not sent to an emulator \
                    that is not a loopback address, or through a proxy that is not; use `anonymous` or `no_proxy`, \
                    or set the address as `endpoint`";
    for (host, with_token) in [
        ("emulator.test:9010", withheld),
        ("127.0.0.1:9010", "built"),
        ("", "built"),
    ] {
        let child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", TEST, "--nocapture"])
            .env(CHILD, "1")
            .env(VARIABLE, host)
            // This client must ignore the variable of API Gateway.
            .env("APIGATEWAY_EMULATOR_HOST", "other.test:1")
            .output()
            .expect("it runs");
        let output = String::from_utf8(child.stdout).expect("text");
        assert!(child.status.success(), "{output}");
        let reported = |name: &str| {
            let found = output.lines().find_map(|line| line.strip_prefix(name));
            found
                .unwrap_or_else(|| panic!("{name}: {output}"))
                .to_owned()
        };
        // An empty variable names no emulator, so the result depends on the default credentials of this machine.
        if !host.is_empty() {
            assert_eq!(reported("default: "), "built", "{host}");
        }
        assert_eq!(reported("token: "), with_token, "{host}");
        assert_eq!(reported("anonymous: "), "built", "{host}");
    }
}

/// Prints the result of building a client with each kind of credential.
fn report() {
    let contract = Contract::builder(FILE_DESCRIPTOR_SET)
        .service_config(SERVICE_CONFIG)
        .build()
        .expect("valid sources");
    let builder = || Client::builder(contract.clone()).emulator_variable(VARIABLE);
    for (name, client) in [
        ("default", builder().build()),
        ("token", builder().access_token("s3cr3t").build()),
        ("anonymous", builder().anonymous().build()),
    ] {
        match client {
            Ok(_) => println!("\n{name}: built"),
            Err(error) => println!("\n{name}: {error}"),
        }
    }
}

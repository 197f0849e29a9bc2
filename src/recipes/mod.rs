//! Complete programs for tasks that combine several parts of this crate, and the dependencies of each.
//!
//! The tests of this crate run every program on this page.
#![cfg_attr(
    feature = "rest",
    doc = "

# A tonic service over gRPC and REST on one port

The service is a plain tonic service. [`TranscodeLayer`](crate::transcode::TranscodeLayer) accepts HTTP/JSON in front of it, by
the `google.api.http` annotations of its proto. It needs the protos `google/api/annotations.proto` and `google/api/http.proto`
of [googleapis](https://github.com/googleapis/googleapis/tree/master/google/api) in the folder `proto`, next to this
`proto/greeter.proto`:

```proto"
)]
#![cfg_attr(feature = "rest", doc = include_str!("rest_face/greeter.proto"))]
#![cfg_attr(
    feature = "rest",
    doc = "```

```toml
[dependencies]
apigateway-grpc = { version = \"0.1\", default-features = false, features = [\"rest\"] }
prost = \"0.14\"
tokio = { version = \"1\", features = [\"full\"] }
tonic = \"0.14\"
tonic-prost = \"0.14\"

[build-dependencies]
protox = \"0.10\"
tonic-prost-build = \"0.14\"
```

`build.rs` writes the generated code, and the descriptor set with the annotations:

```text"
)]
#![cfg_attr(feature = "rest", doc = include_str!("rest_face/build.rs"))]
#![cfg_attr(
    feature = "rest",
    doc = "```

`src/main.rs` begins with

```text
mod greeter {
    tonic::include_proto!(\"greeter.v1\");
}
const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!(\"OUT_DIR\"), \"/greeter.bin\"));

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    serve(tokio::net::TcpListener::bind(\"127.0.0.1:8080\").await?).await
}
```

and continues with

```text"
)]
#![cfg_attr(feature = "rest", doc = include_str!("rest_face/serve.rs"))]
#![cfg_attr(
    feature = "rest",
    doc = "```

Then `curl -d '{\"name\": \"you\"}' http://127.0.0.1:8080/v1/greetings` and any gRPC client reach the same service."
)]
#![cfg_attr(
    all(feature = "auth", feature = "emulator", feature = "tls"),
    doc = "

# Google credentials for another generated client

[`AuthLayer`](crate::layer::auth::AuthLayer) wraps the channel of any tonic client, here of `googleapis-tonic-google-longrunning`.
tonic needs a feature for TLS, such as `tls-aws-lc`, and one for the roots, such as `tls-native-roots`.

```rust,no_run"
)]
#![cfg_attr(all(feature = "auth", feature = "emulator", feature = "tls"), doc = include_str!("auth_layer.rs"))]
#![cfg_attr(
    all(feature = "auth", feature = "emulator", feature = "tls"),
    doc = "```"
)]
#![cfg_attr(
    feature = "emulator",
    doc = "

# The emulator in a test

```toml
[dev-dependencies]
apigateway-grpc = { version = \"0.1\", features = [\"emulator\"] }
tokio = { version = \"1\", features = [\"macros\", \"rt\", \"test-util\"] }
```

The emulator runs within the test, without a port. `start_paused` makes its operations end at once.

```rust,no_run"
)]
#![cfg_attr(feature = "emulator", doc = include_str!("emulator_in_a_test.rs"))]
#![cfg_attr(
    feature = "emulator",
    doc = "```

# Trace context from a layer

The layer sends the `traceparent` header of [W3C Trace Context](https://www.w3.org/TR/trace-context/) with every attempt.
Here it comes from a task-local value. With OpenTelemetry, use the layer `layer::propagation::PropagationLayer` of the feature
`propagation` instead.

```rust,no_run"
)]
#![cfg_attr(feature = "emulator", doc = include_str!("trace_context.rs"))]
#![cfg_attr(feature = "emulator", doc = "```")]

//! Builds without TLS, or without a crypto provider: an `https` address is an error of `build` that names the
//! features to enable, and never a panic in a task.

use apigateway_grpc::ApiGateway;

#[tokio::test]
async fn the_error_of_an_https_address_names_the_features_to_enable() {
    for endpoint in [None, Some("https://127.0.0.1:1"), Some("example.com:443")] {
        let builder = ApiGateway::builder().anonymous();
        let built = match endpoint {
            Some(endpoint) => builder.endpoint(endpoint).build(),
            None => builder.build(),
        };
        let error = built.expect_err("there is no TLS");
        assert!(error.is_invalid_setting(), "{error}");
        let text = error.to_string();
        let why = if cfg!(feature = "tls") {
            "no rustls crypto provider"
        } else {
            "this build has no TLS"
        };
        assert!(
            text.contains(why) && text.contains("`tls-aws-lc`"),
            "{text}"
        );
    }
}

#[test]
fn a_plaintext_address_needs_no_tls() {
    let builder = ApiGateway::builder()
        .endpoint("http://127.0.0.1:1")
        .anonymous();
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let _inside = runtime.enter();
    builder.build().expect("valid");
}

#[cfg(not(feature = "tls"))]
#[test]
fn the_error_of_an_https_proxy_names_the_features_to_enable() {
    let builder = ApiGateway::builder().endpoint("http://gateway.test");
    let builder = builder.anonymous().proxy("https://me:s3cr3t@proxy.test");
    let error = builder.build().expect_err("no TLS");
    assert!(error.is_invalid_setting(), "{error}");
    let expected = "invalid `proxy` https://proxy.test:443: this build has no TLS; enable the feature `tls-aws-lc` or `tls-ring`";
    assert!(error.to_string().starts_with(expected), "{error}");
}

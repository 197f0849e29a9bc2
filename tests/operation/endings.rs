//! Ends of an operation: with a result, with an error, or with neither.

use apigateway_grpc::operation::{Metadata, MissingResult, OperationErrorKind};
use apigateway_grpc::proto::google::cloud::apigateway::v1::operation_metadata::Diagnostic;
use apigateway_grpc::proto::google::cloud::apigateway::v1::{Api, Gateway, OperationMetadata};
use apigateway_grpc::proto::google::longrunning::Operation as Message;
use apigateway_grpc::proto::google::longrunning::operation::Result as Ending;
use prost::Message as _;
use prost_types::Any;
use tonic::{Code, Status};
use tonic_types::{ErrorDetail, ErrorDetails, StatusExt as _, pb};

use crate::common::NAME;
use crate::play::{
    active, each_way, ended, failed, fails, get, line, metadata, packed, running, succeeded,
};

#[tokio::test(start_paused = true)]
async fn a_result_type_is_matched_by_its_full_name_after_any_url_prefix() {
    for prefix in ["type.googleapis.com/", "example.com/types/"] {
        let mut any = packed(&active());
        any.type_url = format!("{prefix}google.cloud.apigateway.v1.Api");
        let script = || vec![get(&ended(Ending::Response(any.clone())))];
        each_way(script, async |client| {
            let operation = client.operation::<Api>(NAME).expect("a name");
            assert_eq!(operation.await.expect("it succeeded"), active());
        })
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_result_of_another_type_is_an_error_with_the_result() {
    each_way(|| vec![get(&succeeded())], async |client| {
        let operation = client.operation::<Gateway>(NAME).expect("a name");
        let error = operation.await.expect_err("it is an api");
        let OperationErrorKind::WrongResult { expected, found } = error.kind() else {
            panic!("{error:?}");
        };
        assert_eq!(expected, "google.cloud.apigateway.v1.Gateway");
        assert_eq!(*found, packed(&active()));
        assert!(!error.may_still_run());
        let types = "result type is google.cloud.apigateway.v1.Api, expected google.cloud.apigateway.v1.Gateway";
        assert!(error.to_string().ends_with(types), "{error}");
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_delete_accepts_every_form_of_an_empty_result() {
    let empty = |any: Any| ended(Ending::Response(any));
    let padded = Any {
        value: b"\x08\x01".to_vec(),
        ..packed(&())
    };
    let grpc_only = crate::play::WAYS[0];
    for message in [empty(packed(&())), empty(padded)] {
        let (client, mut server) = crate::play::talk(grpc_only);
        let operation = client.operation::<()>(NAME).expect("a name");
        let (result, ()) = tokio::join!(operation.into_future(), async {
            let (_, answer) = server.next_request().await;
            answer.send_response(crate::common::ok(&message));
        });
        result.expect("it succeeded");
    }
    each_way(
        || vec![get(&empty(packed(&())))],
        async |client| {
            let operation = client.operation::<()>(NAME).expect("a name");
            operation.await.expect("it succeeded");
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_delete_may_end_without_a_result() {
    let (client, mut server) = crate::play::talk(crate::play::WAYS[0]);
    let operation = client.operation::<()>(NAME).expect("a name");
    let operation = operation.on_missing_result(MissingResult::Empty);
    let (result, ()) = tokio::join!(operation.into_future(), async {
        server
            .next_request()
            .await
            .1
            .send_response(crate::common::done());
    });
    result.expect("an empty result");
}

#[tokio::test(start_paused = true)]
async fn the_policy_decides_about_an_operation_that_is_done_without_a_result() {
    let nothing = || Message {
        done: true,
        ..running()
    };
    each_way(
        || vec![get(&nothing())],
        async |client| {
            let operation = client.operation::<Api>(NAME).expect("a name");
            let result = operation.on_missing_result(MissingResult::Empty).await;
            assert_eq!(result.expect("an empty one"), Api::default());
        },
    )
    .await;
    each_way(
        || vec![get(&nothing())],
        async |client| {
            let operation = client.operation::<Api>(NAME).expect("a name");
            let error = operation
                .on_missing_result(MissingResult::Fail)
                .await
                .expect_err("no result");
            assert!(
                matches!(error.kind(), OperationErrorKind::MissingResult),
                "{error}"
            );
        },
    )
    .await;
    each_way(
        || vec![get(&nothing()), line("GetApi", &active())],
        async |client| {
            let operation = client.operation::<Api>(NAME).expect("a name");
            assert_eq!(operation.await.expect("its api is there"), active());
        },
    )
    .await;
    let silent = [
        Status::not_found("no such api"),
        Status::permission_denied("not for you"),
        Status::unauthenticated("who are you?"),
        Status::unimplemented("not here"),
    ];
    for status in silent {
        each_way(
            || vec![get(&nothing()), fails("GetApi", status.clone())],
            async |client| {
                let operation = client.operation::<Api>(NAME).expect("a name");
                let error = operation.await.expect_err("the target proves nothing");
                assert!(
                    matches!(error.kind(), OperationErrorKind::MissingResult),
                    "{error}"
                );
                assert!(!error.may_still_run(), "{error}");
            },
        )
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_is_never_a_success_whatever_its_code() {
    let cases = [
        (9, Code::FailedPrecondition, "failed precondition: no"),
        (0, Code::Unknown, "code 0: no"),
        (17, Code::Unknown, "code 17: no"),
        (-1, Code::Unknown, "code -1: no"),
        (2, Code::Unknown, "unknown: no"),
    ];
    for (number, code, text) in cases {
        each_way(
            || vec![get(&failed(number, "no"))],
            async |client| {
                let operation = client.operation::<Api>(NAME).expect("a name");
                let error = operation.await.expect_err("it failed");
                assert!(
                    matches!(error.kind(), OperationErrorKind::Failed(_)),
                    "{error:?}"
                );
                assert_eq!(error.code(), Some(code));
                assert_eq!(error.status().map(|status| status.code), Some(number));
                assert!(error.to_string().ends_with(text), "{error}");
                assert!(!error.may_still_run());
            },
        )
        .await;
    }
}

#[tokio::test(start_paused = true)]
async fn details_and_diagnostics_are_part_of_the_error() {
    let details = ErrorDetails::with_bad_request_violation("paths", "none");
    let status = Status::with_error_details(Code::InvalidArgument, "bad document", details);
    let mut status = pb::Status::decode(status.details()).expect("just written");
    let unknown = Any {
        type_url: "type.googleapis.com/google.protobuf.Duration".to_owned(),
        value: b"\x08\x07".to_vec(),
    };
    status.details.insert(0, unknown);
    let metadata = OperationMetadata {
        diagnostics: vec![Diagnostic {
            location: "api.yaml:3".to_owned(),
            message: "no such operation".to_owned(),
        }],
        ..metadata("create")
    };
    let message = || Message {
        metadata: Some(packed(&metadata)),
        ..ended(Ending::Error(status.clone()))
    };
    each_way(
        || vec![get(&message())],
        async |client| {
            let operation = client.operation::<Api>(NAME).expect("a name");
            let error = operation.await.expect_err("it failed");
            assert_eq!(error.status(), Some(&status));
            let [ErrorDetail::BadRequest(typed)] = &error.details()[..] else {
                panic!("{:?}", error.details());
            };
            assert_eq!(typed.field_violations[0].field, "paths");
            assert_eq!(error.diagnostics(), metadata.diagnostics);
            let end = "bad document\n  api.yaml:3: no such operation";
            assert!(error.to_string().ends_with(end), "{error}");
        },
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_wait_succeeds_with_metadata_of_any_type_and_the_metadata_can_be_read() {
    let unknown = Any {
        type_url: "type.googleapis.com/google.protobuf.Duration".to_owned(),
        value: b"\x08\x07".to_vec(),
    };
    for (any, expected) in [
        (None, Metadata::Absent),
        (Some(unknown.clone()), Metadata::Unknown(unknown)),
        (
            Some(packed(&metadata("create"))),
            Metadata::Known(Box::new(metadata("create"))),
        ),
    ] {
        let message = || Message {
            metadata: any.clone(),
            ..succeeded()
        };
        each_way(
            || vec![get(&message())],
            async |client| {
                let mut operation = client.operation::<Api>(NAME).expect("a name");
                assert_eq!(operation.wait().await.expect("it succeeded"), active());
                assert_eq!(operation.snapshot().metadata(), expected);
            },
        )
        .await;
    }
    let malformed = Any {
        value: vec![0xff],
        ..packed(&metadata("create"))
    };
    let message = Message {
        metadata: Some(malformed.clone()),
        ..succeeded()
    };
    let (client, mut server) = crate::play::talk(crate::play::WAYS[0]);
    let mut operation = client.operation::<Api>(NAME).expect("a name");
    let (result, ()) = tokio::join!(operation.wait(), async {
        server
            .next_request()
            .await
            .1
            .send_response(crate::common::ok(&message));
    });
    assert_eq!(result.expect("it succeeded"), active());
    assert_eq!(
        operation.snapshot().metadata(),
        Metadata::Malformed(malformed)
    );
}

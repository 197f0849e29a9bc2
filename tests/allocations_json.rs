//! The allocations of JSON conversion do not grow with the number of fields. This file has no other test, because the counter
//! is the allocator of the process.

#![cfg(feature = "rest")]

use apigateway_grpc::proto::FILE_DESCRIPTOR_SET;
use apigateway_grpc::transcode::{JsonOptions, Schema};

#[global_allocator]
static ALLOCATOR: dhat::Alloc = dhat::Alloc;

/// The number of reallocations of a list that grows tenfold, with a margin.
const GROWTH: u64 = 10;

/// Returns a list of operations with everything that could need an allocation of its own: maps, `Any`s, times, masks, bytes,
/// numbers, a Struct, and unknown fields.
fn list(count: usize) -> String {
    let gateway = concat!(
        r#"{"@type":"type.googleapis.com/google.cloud.apigateway.v1.Gateway","#,
        r#""name":"projects/p/locations/l/gateways/g","createTime":"2026-01-02T03:04:05.123456789Z","#,
        r#""labels":{"z":"1","a":"2","m":"3"},"state":"ACTIVE","unheardOf":[1,{"a":null}]}"#
    );
    let structure = concat!(
        r#"{"@type":"type.googleapis.com/google.protobuf.Struct","#,
        r#""value":{"z":[1,2.5,true,null,{"b":"c"}],"a":"d"}}"#
    );
    let request = concat!(
        r#"{"@type":"type.googleapis.com/google.iam.v1.SetIamPolicyRequest","#,
        r#""updateMask":"displayName,a.b","policy":{"version":3,"etag":"+/8="}}"#
    );
    let operations = [gateway, structure, request].map(|response| {
        format!(
            r#"{{"name":"o","metadata":{{"@type":"un/known","b":1,"a":2}},"done":true,"response":{response}}}"#
        )
    });
    let all: Vec<_> = operations.iter().cycle().take(count).cloned().collect();
    format!(r#"{{"operations":[{}]}}"#, all.join(","))
}

#[test]
fn the_number_of_allocations_does_not_grow_with_the_number_of_fields() {
    let schema = Schema::new(FILE_DESCRIPTOR_SET).expect("it is whole");
    let name = "google.longrunning.ListOperationsResponse";
    let _profiler = dhat::Profiler::builder().testing().build();
    let blocks = || dhat::HeapStats::get().total_blocks;
    let costs = [60, 600].map(|count| {
        let json = list(count);
        let before = blocks();
        let wire = schema.json_to_wire(name, json.as_bytes(), JsonOptions::default());
        let wire = wire.expect("the message of the JSON");
        let read = blocks() - before;
        let before = blocks();
        let written = schema.wire_to_json(name, &wire, JsonOptions::default());
        let wrote = blocks() - before;
        drop(written.expect("it has a JSON form"));
        (read, wrote)
    });
    let [(read, wrote), (read_more, wrote_more)] = costs;
    assert!(read_more <= read + GROWTH, "{read}, {read_more} to read");
    assert!(
        wrote_more <= wrote + GROWTH,
        "{wrote}, {wrote_more} to write"
    );
    println!("allocations for 60 and 600 operations: {costs:?} to read and to write");
}

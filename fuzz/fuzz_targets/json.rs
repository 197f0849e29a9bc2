#![no_main]

#[path = "../../tests/corpus/targets/mod.rs"]
#[allow(dead_code, reason = "the other targets are there too")]
mod targets;

libfuzzer_sys::fuzz_target!(|data: &[u8]| targets::json::run(data));

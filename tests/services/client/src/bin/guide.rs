//! The program of the page `google::guide`.

include!("../../../../../src/google/guide/program.rs");

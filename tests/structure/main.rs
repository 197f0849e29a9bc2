//! Checks of the repository: the order of imports, and the table of tests.

mod checklist;
mod imports;

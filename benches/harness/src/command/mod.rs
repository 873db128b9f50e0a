//! The commands of `ringmain-bench`.

pub mod find_max;
pub mod host;
pub mod options;
pub mod report;
pub mod run;

//! The binary `ringmain-bench`.

fn main() {}

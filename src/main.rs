//! The one binary.

fn main() -> std::process::ExitCode {
    ringmain::cli::run()
}

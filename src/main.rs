//! creel: a terminal inspector for webhook deliveries.

fn main() -> std::process::ExitCode {
    creel::cli::main()
}

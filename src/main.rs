//! creel: a terminal inspector for webhook deliveries.

use creel::cli::Screen;
use creel::domain::failure::Failure;
use creel::engine::Engine;
use futures_util::FutureExt as _;

fn main() -> std::process::ExitCode {
    creel::cli::main(|engine, screen| inspect(engine, screen).boxed())
}

/// Opens the inspector.
async fn inspect(_: Engine, _: Screen) -> Result<(), Failure> {
    Ok(())
}

//! creel: a terminal inspector for webhook deliveries.

use std::sync::Arc;

use creel::cli::InspectorOptions;
use creel::clock::System;
use creel::domain::failure::Failure;
use creel::engine::Engine;
use creel::tui::keymap::OwnKeys;
use creel::tui::look::Zone;
use creel::tui::run::{ColorChoice, Settings, run};
use futures_util::FutureExt as _;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> std::process::ExitCode {
    creel::cli::main(|engine, screen| inspect(engine, screen).boxed())
}

/// Opens the inspector.
async fn inspect(engine: Engine, screen: InspectorOptions) -> Result<(), Failure> {
    let settings = Settings {
        color: if screen.color {
            ColorChoice::Always
        } else {
            ColorChoice::Never
        },
        ascii: screen.ascii,
        mouse: true,
        zone: Zone::Local,
        keys: screen.keys.map(|(name, text)| OwnKeys { name, text }),
        clock: Arc::new(System),
        notes: screen.notes,
    };
    run(engine, settings).await
}

//! Opens an engine, either of the creel that runs on the data directory or of
//! this process, and starts the receiver.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::args::{Global, Receiving};
use crate::clock::{Clock, System};
use crate::config::{self, Config, Overrides};
use crate::control::{api::Api, client};
use crate::domain::failure::Failure;
use crate::domain::timestamp::Timestamp;
use crate::engine::command::Reply;
use crate::engine::local::Local;
use crate::engine::{Engine, demo};
use crate::{server, store};

/// How long a command waits for a creel that is starting or ending.
const LOCK_TIMEOUT: Duration = Duration::from_secs(3);

/// An engine, and the store of this process if it is open.
pub(super) struct Session {
    pub(super) engine: Engine,
    own: Option<Arc<Local>>,
}

/// Connects to the creel that runs on the data directory, or opens the store.
pub(super) async fn open(global: &Global) -> Result<Session, Failure> {
    let config = config::load(&overrides(global, &Receiving::default()))?;
    let begun = tokio::time::Instant::now();
    loop {
        if let Some(engine) = client::connect(&config.data_dir).await? {
            return Ok(Session { engine, own: None });
        }
        match Local::open_for_command(&config, Arc::new(System)) {
            Ok((local, _)) => {
                return Ok(Session {
                    engine: local.engine(),
                    own: Some(local),
                });
            }
            // Another process has locked the data and does not respond yet: it
            // is starting or ending.
            Err(failure)
                if begun.elapsed() > LOCK_TIMEOUT || !Local::is_locked(&config.data_dir) =>
            {
                return Err(failure);
            }
            Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
}

impl Session {
    /// Closes the store.
    pub(super) async fn close(self) {
        if let Some(local) = self.own {
            local.close().await;
        }
    }
}

/// A running receiver.
pub(super) struct Receiver {
    pub(super) local: Arc<Local>,
    pub(super) address: SocketAddr,
    shutdown: CancellationToken,
    tasks: TaskTracker,
    _demo_folder: Option<demo::DemoFolder>,
}

/// Opens the store, binds the port and starts receiving.
///
/// Calls `notes` with warnings and notes.
pub(super) async fn receive(
    mut config: Config,
    with_demo: bool,
    notes: &mut dyn FnMut(String),
) -> Result<Receiver, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(System);
    let folder = with_demo.then(|| demo::prepare(&mut config)).transpose()?;
    config::check_pass_through(&config)?;
    for warning in &config.warnings {
        notes(warning.clone());
    }
    if clock.now() < Timestamp(0) {
        notes("The clock is set before 1970: nothing is received until it is right.".to_owned());
    }
    for warning in store::tighten(&config.data_dir) {
        notes(warning);
    }
    let (local, opened) = Local::open(&config, Arc::clone(&clock), with_demo)?;
    for note in opened.notes().into_iter().chain(local.pin_notes()) {
        notes(note);
    }
    let listener = match server::bind(config.listen).await {
        // The demo does not need a certain port.
        Err(_) if with_demo && !config.listen_chosen => {
            server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?
        }
        bound => bound?,
    };
    let address = listener.local_addr();
    local.set_listening(address);
    local.refuse_loops(address).await?;
    let api = Api::bind(&config.data_dir).map_err(|error| {
        Failure::cannot(
            "The control socket could not be created.",
            format!("{}: {error}.", config.data_dir.display()),
            "Use a data directory on a local disk:  --data-dir DIR",
        )
    })?;
    let (shutdown, tasks) = (CancellationToken::new(), TaskTracker::new());
    tasks.spawn(api.serve(local.engine(), shutdown.clone()));
    let limits = server::Limits {
        max_body: config.max_body,
        ..server::Limits::default()
    };
    tasks.spawn(server::serve(
        listener,
        limits,
        local.intake(),
        Arc::clone(&clock),
        shutdown.clone(),
    ));
    tasks.spawn(Arc::clone(&local).retain(shutdown.clone()));
    tasks.spawn(Arc::clone(&local).resume_retries());
    if with_demo {
        demo::start(&local, address, &tasks, &shutdown).await?;
    }
    local.forward(&tasks, &shutdown);
    tasks.close();
    Ok(Receiver {
        local,
        address,
        shutdown,
        tasks,
        _demo_folder: folder,
    })
}

impl Receiver {
    /// Returns the data directory.
    pub(super) fn data_dir(&self) -> &Path {
        self.local.data_dir()
    }

    /// Stops receiving, finishes requests in flight and closes the store.
    pub(super) async fn stop(self) {
        self.shutdown.cancel();
        self.tasks.wait().await;
        self.local.close().await;
    }
}

/// Returns the values of flags and environment variables.
pub(super) fn overrides(global: &Global, receiving: &Receiving) -> Overrides {
    Overrides {
        config: global.config.clone(),
        data_dir: global.data_dir.clone(),
        listen: receiving.listen.clone(),
        target: receiving.target.clone(),
        mode: receiving.mode.clone(),
        secrets: receiving.secrets.clone(),
        provider: receiving.provider.clone(),
        max_body: receiving.max_body.clone(),
        answer_status: receiving.answer_status,
        answer_body: receiving.answer_body.clone(),
        insecure: receiving.sending.insecure,
        allow_link_local: receiving.sending.allow_link_local,
    }
}

/// Sets up the log, to a file or to standard error.
pub(super) fn log(global: &Global, file: Option<&Path>) {
    use std::os::unix::fs::OpenOptionsExt as _;
    let level = match (global.quiet, global.verbose) {
        (true, _) => tracing::Level::ERROR,
        (_, 0) => tracing::Level::WARN,
        (_, 1) => tracing::Level::INFO,
        _ => tracing::Level::DEBUG,
    };
    let builder = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_target(false)
        .with_ansi(false)
        // Reporting a failed write panics if standard error is closed too.
        .log_internal_errors(false);
    let file = file.and_then(|path| {
        std::fs::OpenOptions::new()
            .create(true)
            .append(true)
            .mode(0o600)
            .open(path)
            .ok()
    });
    // Tests may install a second subscriber in one process.
    let _ = match file {
        Some(file) => builder.with_writer(std::sync::Mutex::new(file)).try_init(),
        None => builder.with_writer(std::io::stderr).try_init(),
    };
}

/// Returns the failure for a reply of the wrong type.
pub(super) fn unexpected(reply: &Reply) -> Failure {
    let _ = reply;
    Failure::cannot(
        "The creel that owns the data sent an unexpected reply.",
        "It may be another version.",
        "Use the same version for both.",
    )
}

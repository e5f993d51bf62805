//! Runs `--demo`: sends signed deliveries of five providers and answers them
//! with a small app.
//!
//! Deliveries go over real sockets and are received, stored, verified and
//! forwarded like any other. The app is down from time to time. The data
//! directory is temporary.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::local::Local;
use super::sample::{event_id, signed};
use crate::clock::random_bits;
use crate::config::Config;
use crate::domain::endpoint::Endpoint;
use crate::domain::failure::Failure;
use crate::domain::headers::Headers;
use crate::domain::provider::Provider;
use crate::domain::request::Request;
use crate::domain::response_plan::ResponsePlan;
use crate::domain::route::{ForwardMode, PathMode};
use crate::domain::sample::{Sample, samples};
use crate::domain::secret::Secret;
use crate::domain::timestamp::Timestamp;
use crate::domain::verification::Status;
use crate::{outbound, server};

/// The providers, their endpoints and their secrets.
const SYSTEMS: [(&str, &str, &str); 5] = [
    ("stackryze", "dns", "demo_stackryze_4b7c1f0a9d"),
    ("porkbun", "domains", "demo_porkbun_sk1_e83a5d2c71"),
    ("tenant-platform", "tenants", "demo_tenant_signing_key_19f6"),
    (
        "zyra",
        "devices",
        "5f1d0c9ab2e84c7796d3a0f4be126c88d7a95b03e2614f7fa8c0937be5d214aa",
    ),
    (
        "stack-auth",
        "users",
        "whsec_Y3JlZWwtZGVtby1zdGFjay1hdXRoLXNlY3JldA==",
    ),
];

/// The secret of a second Stack Auth project, used for the first one by
/// mistake.
const STAGING: (&str, &str, &str) = (
    "users-staging",
    "/hooks/users-staging",
    "whsec_Y3JlZWwtZGVtby1zdGFnaW5nLXNlY3JldC1rZXk=",
);

/// Interval between two deliveries after the first ones.
const DELIVERY_INTERVAL: Duration = Duration::from_millis(2_500);

/// How long the app runs at first, and between its downtimes.
const APP_UPTIMES: [Duration; 2] = [Duration::from_secs(25), Duration::from_secs(90)];

/// How long the app is down.
const APP_DOWNTIME: Duration = Duration::from_secs(12);

/// Number of deliveries that are sent at once at the start.
const INITIAL_DELIVERIES: usize = 14;

/// The temporary data directory of the demo; removed when dropped.
#[derive(Debug)]
pub struct DemoFolder(Option<PathBuf>);

impl Drop for DemoFolder {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

/// The kind of a demo delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scene {
    /// Valid, as the provider sends it.
    Valid,
    /// The body was changed after signing.
    Forged,
    /// Signed twenty minutes ago.
    Stale,
    /// Signed with the secret of another endpoint.
    OtherSecret,
    /// A retry of the provider's last event.
    Retried,
    /// A binary body.
    Binary,
    /// An unsigned request of a scanner.
    Unsigned,
}

/// The deliveries, sent in a loop: the index in [`SYSTEMS`] and the kind.
const SCENARIO: [(usize, Scene); 16] = [
    (0, Scene::Valid),
    (1, Scene::Valid),
    (4, Scene::Valid),
    (3, Scene::Valid),
    (2, Scene::Valid),
    (1, Scene::Stale),
    (4, Scene::OtherSecret),
    (3, Scene::Valid),
    (0, Scene::Valid),
    (0, Scene::Retried),
    (2, Scene::Binary),
    (3, Scene::Forged),
    (1, Scene::Valid),
    (4, Scene::Valid),
    (2, Scene::Unsigned),
    (3, Scene::Valid),
];

/// Sets the endpoints, secrets and data directory of the demo.
///
/// # Errors
/// Returns a [`Failure`] if the directory cannot be created.
pub fn prepare(config: &mut Config) -> Result<DemoFolder, Failure> {
    let path = std::env::temp_dir().join(format!("creel-demo-{:016x}", random_bits() as u64));
    make_folder(&path).map_err(|error| {
        Failure::cannot(
            "The demo cannot create its data directory.",
            format!("{}: {error}.", path.display()),
            "Set TMPDIR to a writable directory.",
        )
    })?;
    config.data_dir.clone_from(&path);
    config.endpoints.clear();
    config.secrets.clear();
    config.provider = None;
    config.routes.clear();
    config.path_mode = PathMode::Auto;
    config.mode = ForwardMode::AckFirst;
    config.answer = ResponsePlan::default();
    for (provider, name, secret) in SYSTEMS {
        add_endpoint(config, name, &format!("/hooks/{name}"), provider, secret);
    }
    let (name, path_of, secret) = STAGING;
    add_endpoint(config, name, path_of, "stack-auth", secret);
    Ok(DemoFolder(Some(path)))
}

fn make_folder(path: &std::path::Path) -> io::Result<()> {
    use std::os::unix::fs::DirBuilderExt as _;
    std::fs::DirBuilder::new().mode(0o700).create(path)
}

fn add_endpoint(config: &mut Config, name: &str, path: &str, provider: &str, secret: &str) {
    config.endpoints.push(Endpoint {
        name: name.to_owned(),
        path: path.to_owned(),
        provider: Some(provider.to_owned()),
        ..Endpoint::default()
    });
    config
        .secrets
        .push(Secret::new(name, "the demonstration", secret));
}

/// Starts the app and sends deliveries to `address` until `shutdown`.
///
/// # Errors
/// Returns a [`Failure`] if there is no free port for the app.
pub async fn start(
    local: &Arc<Local>,
    address: SocketAddr,
    tasks: &TaskTracker,
    shutdown: &CancellationToken,
) -> Result<(), Failure> {
    let listener = server::bind(SocketAddr::from(([127, 0, 0, 1], 0))).await?;
    local.set_default_target(format!("http://{}", listener.local_addr()));
    tasks.spawn(run_app(Arc::clone(local), listener, shutdown.clone()));
    let (local, shutdown) = (Arc::clone(local), shutdown.clone());
    tasks.spawn(async move {
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = run_scenario(&local, address) => {}
        }
    });
    Ok(())
}

/// Runs the app, with downtimes, until `shutdown`.
async fn run_app(local: Arc<Local>, mut listener: server::Listener, shutdown: CancellationToken) {
    let address = listener.local_addr();
    let mut time = APP_UPTIMES[0];
    loop {
        let end = shutdown.child_token();
        let serving = tokio::spawn(server::serve(
            listener,
            server::Limits::default(),
            app(&local),
            Arc::clone(&local.clock),
            end.clone(),
        ));
        tokio::select! {
            () = shutdown.cancelled() => {}
            () = tokio::time::sleep(time) => {}
        }
        end.cancel();
        let _ = serving.await;
        tokio::select! {
            () = shutdown.cancelled() => return,
            () = tokio::time::sleep(APP_DOWNTIME) => {}
        }
        match server::bind(address).await {
            Ok(again) => listener = again,
            Err(failure) => {
                tracing::warn!(%failure, "the demo app could not be restarted");
                return;
            }
        }
        time = APP_UPTIMES[1];
    }
}

/// Creates the handler of the app: it refuses invalid signatures and fails
/// sometimes.
fn app(local: &Arc<Local>) -> server::Intake {
    let local = Arc::clone(local);
    Arc::new(move |arrival| {
        let local = Arc::clone(&local);
        Box::pin(async move {
            let name = arrival
                .request
                .path
                .strip_prefix("/hooks/")
                .unwrap_or_default();
            let verdict = local
                .assessor()
                .assess(Some(name), &arrival.request, arrival.received_at)
                .verification;
            let (status, text) = match verdict.status {
                Status::Valid if arrival.request.body.len() % 7 == 3 => {
                    (500, "{\"error\":\"database is locked\"}")
                }
                Status::Valid => (200, "{\"ok\":true}"),
                Status::Stale => (400, "{\"error\":\"timestamp outside the tolerance\"}"),
                _ => (401, "{\"error\":\"signature mismatch\"}"),
            };
            let headers = [("content-type", "application/json")].into_iter().collect();
            server::SenderResponse {
                headers,
                body: Bytes::from_static(text.as_bytes()),
                ..server::SenderResponse::new(status)
            }
        })
    })
}

/// Sends the scenario in a loop.
async fn run_scenario(local: &Arc<Local>, address: SocketAddr) {
    let client = outbound::Client::default();
    let mut last: [Option<Request>; SYSTEMS.len()] = Default::default();
    for turn in 0.. {
        let (system, scene) = SCENARIO[turn % SCENARIO.len()];
        let request = match scene {
            Scene::Retried => last[system].clone(),
            _ => None,
        };
        let request = request.or_else(|| scene_request(local, system, scene, turn));
        if let Some(request) = request {
            send(&client, address, &request).await;
            last[system] = Some(request);
        }
        if turn >= INITIAL_DELIVERIES {
            tokio::time::sleep(DELIVERY_INTERVAL).await;
        }
    }
}

/// Creates the request of one scene.
fn scene_request(local: &Local, system: usize, scene: Scene, turn: usize) -> Option<Request> {
    let (name, endpoint, secret) = SYSTEMS[system];
    let path = format!("/hooks/{endpoint}");
    if scene == Scene::Unsigned {
        return Some(Request {
            method: "GET".to_owned(),
            path: "/.env".to_owned(),
            query: None,
            http_version: "1.1".to_owned(),
            headers: [("user-agent", "curious/0.1 \u{1b}[31mred\u{1b}[0m")]
                .into_iter()
                .collect::<Headers>(),
            body: Bytes::new(),
        });
    }
    let assessor = local.assessor();
    let provider: &Provider = assessor.catalog.get(name)?;
    let all = samples(name);
    let mut sample: Sample = all.get((turn * 7 + system) % all.len().max(1))?.clone();
    if scene == Scene::Binary {
        sample.body = (0u16..640)
            .map(|n| (n.wrapping_mul(37) >> 2) as u8)
            .collect();
    }
    let secret = Secret::new(
        endpoint,
        "the demonstration",
        if scene == Scene::OtherSecret {
            STAGING.2
        } else {
            secret
        },
    );
    let now = local.clock.now();
    let at = if scene == Scene::Stale {
        Timestamp(now.0 - 1_200_000_000)
    } else {
        now
    };
    let mut request = signed(
        provider,
        &secret,
        &sample,
        &path,
        at,
        &event_id(provider, random_bits()),
    )
    .ok()?;
    if scene == Scene::Binary {
        request
            .headers
            .set("content-type", "application/octet-stream");
    }
    if scene == Scene::Forged {
        let mut body = request.body.to_vec();
        if let Some(byte) = body.iter_mut().rev().find(|byte| byte.is_ascii_digit()) {
            *byte = if *byte == b'9' { b'0' } else { *byte + 1 };
        }
        request.body = body.into();
    }
    Some(request)
}

async fn send(client: &outbound::Client, address: SocketAddr, request: &Request) {
    let Ok(outgoing) = outbound::prepare(
        request,
        &format!("http://{address}"),
        request.headers.clone(),
    ) else {
        return;
    };
    // A separate client: creel would take requests of its own client for a
    // loop.
    let exchange = client
        .send(&outgoing, outbound::SendOptions::default())
        .await;
    if let Some(error) = exchange.error {
        tracing::debug!(error, "a demo delivery did not arrive");
    }
}

//! Processes that a benchmark starts.

use std::io::{BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};

use super::say::say;

/// A process that ends with this.
pub(crate) struct Process(Child);

impl Process {
    /// Starts it and returns its first line.
    pub(crate) fn start(command: &mut Command) -> (Self, String) {
        let mut child = command
            .stdout(Stdio::piped())
            .spawn()
            .expect("the process starts");
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().expect("its output"))
            .read_line(&mut line)
            .expect("its first line");
        (Self(child), line.trim().to_owned())
    }

    /// Starts this program once more, as what the variable says.
    pub(crate) fn again(variable: &str, value: &str) -> (Self, String) {
        let program = std::env::current_exe().expect("this program");
        Self::start(Command::new(program).env(variable, value))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Serves every request with a handler at an address, and says which.
pub(crate) async fn serve(address: &str, app: axum::Router) {
    let listener = tokio::net::TcpListener::bind(address)
        .await
        .expect("a port");
    say!(
        "ready http://{}",
        listener.local_addr().expect("an address")
    );
    axum::serve(listener, app).await.expect("serving");
}

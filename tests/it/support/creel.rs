//! The real binary: started, asked, stopped, killed.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::Value;
use tempfile::TempDir;

/// Returns a command of the binary under test, in a clean environment and an
/// empty folder, with its data in `data_dir`.
pub(crate) fn command(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_creel"));
    command
        .env_clear()
        .env("HOME", home)
        .env("CREEL_DATA_DIR", home.join("data"))
        .current_dir(home);
    command
}

/// A folder that serves as home, and a `creel serve` that may run in it.
pub(crate) struct Creel {
    pub(crate) home: TempDir,
    child: Option<Child>,
    pub(crate) address: SocketAddr,
}

impl Creel {
    /// Starts `creel serve` with more arguments, on a free port.
    pub(crate) fn serve(args: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        Self::serve_in(home, args)
    }

    /// Starts it in a home that is there already.
    pub(crate) fn serve_in(home: TempDir, args: &[&str]) -> Self {
        let mut child = command(home.path())
            .args(["serve", "--listen", "127.0.0.1:0"])
            .args(args)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap())
            .read_line(&mut line)
            .unwrap();
        let Some(address) = line.trim().strip_prefix("ready http://") else {
            let mut said = String::new();
            child
                .stderr
                .take()
                .unwrap()
                .read_to_string(&mut said)
                .unwrap();
            panic!("creel serve is not ready: {line:?} {said}");
        };
        let address = address.parse().unwrap();
        Self {
            home,
            child: Some(child),
            address,
        }
    }

    /// Kills it as a power cut would.
    pub(crate) fn kill(mut self) -> TempDir {
        let mut child = self.child.take().unwrap();
        let _ = child.kill();
        child.wait().unwrap();
        std::mem::replace(&mut self.home, tempfile::tempdir().unwrap())
    }

    /// Gives its home to the next one, where it has ended.
    pub(crate) fn home(mut self) -> TempDir {
        assert!(self.child.is_none(), "it still runs");
        std::mem::replace(&mut self.home, tempfile::tempdir().unwrap())
    }

    /// Returns its process's number.
    pub(crate) fn process(&self) -> u32 {
        self.child.as_ref().unwrap().id()
    }

    /// Kills it while others still use it.
    pub(crate) fn kill_now(&self) {
        let id = self.process().to_string();
        assert!(
            Command::new("kill")
                .args(["-KILL", &id])
                .status()
                .unwrap()
                .success()
        );
    }

    /// Posts a body; `None` where no whole answer comes.
    pub(crate) fn try_post(&self, path: &str, body: &[u8]) -> Option<u16> {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        let mut stream = TcpStream::connect(self.address).ok()?;
        stream.write_all(&[head.as_bytes(), body].concat()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        answer
            .contains("\r\n\r\n")
            .then(|| answer.split(' ').nth(1)?.parse().ok())
            .flatten()
    }

    /// Sends it a signal and returns its exit code.
    pub(crate) fn signal(&mut self, signal: &str) -> Option<i32> {
        let mut child = self.child.take().unwrap();
        let sent = Command::new("kill")
            .args([signal, &child.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
        child.wait().unwrap().code()
    }

    /// Runs another command on its data.
    pub(crate) fn run(&self, args: &[&str]) -> Ran {
        run(self.home.path(), args, b"")
    }

    /// Sends a request as it is written and returns the whole answer.
    pub(crate) fn raw(&self, request: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(10)))
            .unwrap();
        stream.write_all(request).unwrap();
        stream.shutdown(std::net::Shutdown::Write).unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).unwrap();
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// Posts a body with headers and returns the answer's status.
    pub(crate) fn post(&self, path: &str, headers: &str, body: &[u8]) -> u16 {
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: hooks.example.test\r\nConnection: close\r\nContent-Length: {}\r\n{headers}\r\n",
            body.len()
        );
        let answer = self.raw(&[head.as_bytes(), body].concat());
        answer
            .split(' ')
            .nth(1)
            .unwrap_or_default()
            .parse()
            .unwrap_or_else(|_| panic!("no status: {answer:?}"))
    }

    /// Lists what it keeps.
    pub(crate) fn list(&self) -> Vec<Value> {
        self.run(&["list", "--json"]).lines()
    }
}

impl Drop for Creel {
    fn drop(&mut self) {
        if let Some(child) = &mut self.child {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

/// How a command ended and what it said.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Ran {
    /// Reads standard output as one JSON value a line.
    pub(crate) fn lines(&self) -> Vec<Value> {
        assert_eq!(self.code, 0, "{self:?}");
        self.out
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}")))
            .collect()
    }
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

/// Runs a command in a home, with standard input.
pub(crate) fn run(home: &Path, args: &[&str], input: &[u8]) -> Ran {
    let mut child = command(home)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A command that ends without reading it closes the pipe.
    let _ = child.stdin.take().unwrap().write_all(input);
    child.wait_with_output().unwrap().into()
}

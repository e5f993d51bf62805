//! Serves the engine's commands over a socket, so that a second process can use
//! the creel that owns the data.
//!
//! The socket is in the data directory, which only its owner may enter. Both
//! sides write one JSON object per line ([`protocol`]).

// Serves an engine to other processes of the same user.
pub mod api;
// Connects to the creel that owns the data.
pub mod client;
// Defines the messages of the control socket.
mod protocol;

use std::io;
use std::path::{Path, PathBuf};

/// The name of the socket in the data directory.
const SOCKET: &str = "control.sock";

/// Maximum length of a socket's path on all supported systems, in bytes.
const MAX_SOCKET_PATH_BYTES: usize = 100;

/// A path to the socket in a data directory, and the open directory that it
/// needs.
///
/// The system limits the path of a socket to about 100 bytes. A longer path is
/// replaced by one through the open directory.
struct SocketPath {
    path: PathBuf,
    _folder: Option<std::fs::File>,
}

impl SocketPath {
    fn of(data_dir: &Path) -> io::Result<Self> {
        let path = data_dir.join(SOCKET);
        if path.as_os_str().len() <= MAX_SOCKET_PATH_BYTES {
            return Ok(Self {
                path,
                _folder: None,
            });
        }
        let folder = std::fs::File::open(data_dir)?;
        let number = std::os::fd::AsRawFd::as_raw_fd(&folder);
        let path = PathBuf::from(format!("/proc/self/fd/{number}")).join(SOCKET);
        Ok(Self {
            path,
            _folder: Some(folder),
        })
    }
}

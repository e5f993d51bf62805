//! The engine's commands over a socket, so that a second process can use the
//! creel that owns the data.
//!
//! The socket lies in the data directory, which only its owner may enter.
//! Both sides write one JSON object a line ([`protocol`]).

pub mod api;
pub mod client;
mod protocol;

use std::io;
use std::path::{Path, PathBuf};

/// The socket's name in the data directory.
const SOCKET: &str = "control.sock";

/// The longest path a socket may have on any system creel runs on, in bytes.
const MAX_SOCKET_PATH_BYTES: usize = 100;

/// A path by which the socket in `data_dir` can be reached, and what must
/// stay open meanwhile.
///
/// The system limits a socket's path to about a hundred bytes. A deeper
/// folder is opened and the socket reached through the open folder.
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

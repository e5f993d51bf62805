//! A real terminal: the binary runs in it, the screen is read as a person would.

use std::io::{Read as _, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use portable_pty::{Child, CommandBuilder, MasterPty, PtySize, native_pty_system};
use vt100::Parser;

/// How long something may take to show up.
const PATIENCE: Duration = Duration::from_secs(20);

/// A program in a terminal.
pub(crate) struct Pty {
    master: Box<dyn MasterPty + Send>,
    child: Program,
    input: Option<Box<dyn Write + Send>>,
    seen: Arc<Mutex<Seen>>,
    closing: Arc<AtomicBool>,
    reader: Option<JoinHandle<()>>,
}

struct Seen {
    parser: Parser,
    raw: Vec<u8>,
}

impl Pty {
    /// Starts creel with arguments in a home, on a screen of that size.
    pub(crate) fn start(
        home: &Path,
        args: &[&str],
        columns: u16,
        rows: u16,
        env: &[(&str, &str)],
    ) -> Self {
        let pair = native_pty_system()
            .openpty(PtySize {
                rows,
                cols: columns,
                pixel_width: 0,
                pixel_height: 0,
            })
            .unwrap();
        let mut command = CommandBuilder::new(env!("CARGO_BIN_EXE_creel"));
        command.env_clear();
        command.env("HOME", home);
        command.env("CREEL_DATA_DIR", home.join("data"));
        command.env("TERM", "xterm-256color");
        for (name, value) in env {
            command.env(name, value);
        }
        command.cwd(home);
        command.args(args);
        let child = pair.slave.spawn_command(command).unwrap();
        drop(pair.slave);
        let seen = Arc::new(Mutex::new(Seen {
            parser: Parser::new(rows, columns, 0),
            raw: Vec::new(),
        }));
        let mut output = pair.master.try_clone_reader().unwrap();
        let shared = Arc::clone(&seen);
        let closing = Arc::new(AtomicBool::new(false));
        let closed = Arc::clone(&closing);
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 8192];
            while let Ok(count @ 1..) = output.read(&mut bytes)
                && !closed.load(Ordering::SeqCst)
            {
                let mut seen = shared.lock().unwrap();
                seen.parser.process(&bytes[..count]);
                seen.raw.extend_from_slice(&bytes[..count]);
            }
        });
        let input = pair.master.take_writer().unwrap();
        Self {
            master: pair.master,
            child: Program(child),
            input: Some(input),
            seen,
            closing,
            reader: Some(reader),
        }
    }

    /// Closes the terminal, as closing its window does. Returns what waits for
    /// the end of the program in it.
    pub(crate) fn close(mut self) -> Closed {
        self.closing.store(true, Ordering::SeqCst);
        // The program draws for its new size, or the terminal echoes the key:
        // either wakes the reader.
        self.resize(90, 20);
        self.keys(" ");
        self.reader.take().unwrap().join().unwrap();
        self.input = None;
        Closed(self.child)
    }

    /// Types characters, control characters among them.
    pub(crate) fn keys(&mut self, keys: &str) {
        let input = self.input.as_mut().unwrap();
        input.write_all(keys.as_bytes()).unwrap();
        input.flush().unwrap();
    }

    /// Gives the terminal another size.
    pub(crate) fn resize(&self, columns: u16, rows: u16) {
        self.seen
            .lock()
            .unwrap()
            .parser
            .screen_mut()
            .set_size(rows, columns);
        self.master
            .resize(PtySize {
                rows,
                cols: columns,
                pixel_width: 0,
                pixel_height: 0,
            })
            .unwrap();
    }

    /// Returns the process's number.
    pub(crate) fn id(&self) -> u32 {
        self.child.0.process_id().unwrap()
    }

    /// Sends the process a signal.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = std::process::Command::new("kill")
            .args([signal, &self.id().to_string()])
            .status()
            .unwrap();
        assert!(sent.success());
    }

    /// Returns what the screen shows.
    pub(crate) fn screen(&self) -> String {
        self.seen.lock().unwrap().parser.screen().contents()
    }

    /// Returns every byte that was written to the terminal.
    pub(crate) fn raw(&self) -> Vec<u8> {
        self.seen.lock().unwrap().raw.clone()
    }

    /// Says whether the terminal is as a program leaves it: no alternate
    /// screen, no mouse, no bracketed paste, the cursor visible.
    pub(crate) fn restored(&self) -> bool {
        let seen = self.seen.lock().unwrap();
        let screen = seen.parser.screen();
        !screen.alternate_screen()
            && !screen.hide_cursor()
            && !screen.bracketed_paste()
            && screen.mouse_protocol_mode() == vt100::MouseProtocolMode::None
    }

    /// Waits until the screen's text fulfils a condition, and returns it.
    pub(crate) fn wait(&self, what: &str, mut until: impl FnMut(&str) -> bool) -> String {
        let begun = Instant::now();
        loop {
            let screen = self.screen();
            if until(&screen) {
                return screen;
            }
            assert!(
                begun.elapsed() < PATIENCE,
                "waited in vain for {what}; the screen shows\n{screen}"
            );
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Waits until the screen shows a text.
    pub(crate) fn shows(&self, text: &str) -> String {
        self.wait(text, |screen| screen.contains(text))
    }

    /// Waits until the terminal is as it was before.
    pub(crate) fn given_back(&self) {
        self.wait("the terminal as it was", |_| self.restored());
    }

    /// Waits for the end of the process and returns its exit code.
    pub(crate) fn ended(&mut self) -> u32 {
        self.child.ended()
    }
}

/// A program whose terminal was closed.
pub(crate) struct Closed(Program);

impl Closed {
    /// Waits for the end of the process and returns its exit code.
    pub(crate) fn ended(&mut self) -> u32 {
        self.0.ended()
    }
}

/// A child process, killed where it is still there when this is dropped.
struct Program(Box<dyn Child + Send + Sync>);

impl Program {
    fn ended(&mut self) -> u32 {
        let begun = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().unwrap() {
                return status.exit_code();
            }
            assert!(begun.elapsed() < PATIENCE, "the program does not end");
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

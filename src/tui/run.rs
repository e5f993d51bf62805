//! The loop: waits for something to happen, updates, does what is to be
//! done, draws.
//!
//! A screen is drawn at most every 16 ms, and only when something happened.
//! Nothing ticks unless what is on the screen ages.

mod wait;

use std::sync::Arc;
use std::time::Duration;

use crossterm::event::{Event as TerminalEvent, EventStream};
use tokio::sync::broadcast;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::Instant;

use crate::clock::Clock;
use crate::domain::failure::Failure;
use crate::engine::Engine;
use crate::engine::command::{Command, Event, Reply, ResendRequest, Selection};

use super::app::{App, update, waiting};
use super::editor::Editor;
use super::effect::Effect;
use super::keymap::{Keymap, OwnKeys};
use super::look::{ASCII, Look, UNICODE, Zone};
use super::msg::Msg;
use super::terminal::Session;
use super::theme::Theme;
use super::view::view;
use wait::{Signals, after, ended, next_event, next_input, until};

/// The shortest time between two screens.
const FRAME: Duration = Duration::from_millis(16);
/// How long a change is held back while the selected delivery is being read,
/// so that one that is read quickly appears at once and whole.
const MAX_HOLD_BACK: Duration = Duration::from_millis(60);
/// How much that is queued is taken in before a screen is drawn.
const BATCH: usize = 512;

/// What the screen looks at: a creel, in this process or in another.
pub trait Inspected: Clone + Send + Sync + 'static {
    /// Asks something of it.
    fn call(&self, command: Command) -> impl Future<Output = Result<Reply, Failure>> + Send;

    /// Hears what happens in it from now on.
    fn subscribe(&self) -> broadcast::Receiver<Event>;
}

impl Inspected for Engine {
    async fn call(&self, command: Command) -> Result<Reply, Failure> {
        Self::call(self, command).await
    }

    fn subscribe(&self) -> broadcast::Receiver<Event> {
        Self::subscribe(self)
    }
}

/// Whether there are colours.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorChoice {
    /// Unless `NO_COLOR` is set, or the terminal is called `dumb`.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl ColorChoice {
    /// Decides by what the environment says: the values of `NO_COLOR` and `TERM`.
    pub fn colours(self, no_color: Option<&str>, term: Option<&str>) -> bool {
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto => no_color.is_none_or(str::is_empty) && term != Some("dumb"),
        }
    }
}

/// How the screen is to be.
#[derive(Clone)]
pub struct Settings {
    /// Whether there are colours.
    pub color: ColorChoice,
    /// Whether only ASCII may be written.
    pub ascii: bool,
    /// Whether creel takes the mouse.
    pub mouse: bool,
    /// The zone local times are shown in.
    pub zone: Zone,
    /// The user's own keys.
    pub keys: Option<OwnKeys>,
    /// What tells the time.
    pub clock: Arc<dyn Clock>,
    /// What should be known at the start, as sentences.
    pub notes: Vec<String>,
}

/// Takes the screen and shows the inspector until the user leaves or a
/// signal (SIGTERM, SIGHUP, SIGINT) comes. The terminal is given back as it
/// was in every case, a panic included.
///
/// It draws on the thread that calls it, so that a panic there is known from
/// one in a task.
///
/// # Errors
/// A usage failure where the user's own keys are wrong, before the screen is
/// taken; else where the terminal cannot be had or written to.
pub async fn run(engine: impl Inspected, settings: Settings) -> Result<(), Failure> {
    let keys = Keymap::load(settings.keys.as_ref())?;
    let no_color = std::env::var("NO_COLOR").ok();
    let term = std::env::var("TERM").ok();
    let colours = settings.color.colours(no_color.as_deref(), term.as_deref());
    let look = Look {
        theme: if colours { Theme::Ansi } else { Theme::Plain },
        glyphs: if settings.ascii { &ASCII } else { &UNICODE },
        zone: settings.zone,
    };
    crossterm::style::force_color_output(colours);
    let mut signals = Signals::new().map_err(|e| lost(&e))?;
    let (panics_in, panics) = unbounded_channel();
    let session = Session::enter(settings.mouse, panics_in).map_err(|error| {
        Failure::cannot(
            "The inspector needs a terminal.",
            error.to_string(),
            "Start it in one, or receive without a screen: creel serve",
        )
    })?;
    let (answers_in, answers) = unbounded_channel();
    let mut screen = Screen {
        app: App::new(look, keys, settings.mouse).noting(&settings.notes),
        events: Some(engine.subscribe()),
        engine,
        clock: settings.clock,
        session,
        input: Some(EventStream::new()),
        editor: None,
        answers_in,
        answers,
        panics,
        dirty: Some(Instant::now()),
        drawn: None,
    };
    let result = screen.run(&mut signals).await;
    screen.session.leave();
    match result {
        // The window was closed; the signal that says so may come later.
        Err(error) if is_closed(&error) => Ok(()),
        result => result.map_err(|e| lost(&e)),
    }
}

/// Returns whether an error says that the terminal's other end is gone.
fn is_closed(error: &std::io::Error) -> bool {
    use rustix::io::Errno;
    let closed = [Errno::IO, Errno::NXIO, Errno::PIPE, Errno::BADF];
    let code = error.raw_os_error();
    closed
        .iter()
        .any(|errno| code == Some(errno.raw_os_error()))
}

fn lost(error: &std::io::Error) -> Failure {
    Failure::cannot(
        "The terminal is gone.",
        error.to_string(),
        "What was received is kept; start creel again to see it.",
    )
}

/// Whether the inspector goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Flow {
    On,
    Leave,
}

/// The state, the terminal, and all the ways something can happen.
struct Screen<E> {
    app: App,
    engine: E,
    clock: Arc<dyn Clock>,
    session: Session,
    input: Option<EventStream>,
    /// The editor that has the terminal.
    editor: Option<Editor>,
    events: Option<broadcast::Receiver<Event>>,
    answers_in: UnboundedSender<Msg>,
    answers: UnboundedReceiver<Msg>,
    panics: UnboundedReceiver<String>,
    /// Since when the state differs from what is drawn.
    dirty: Option<Instant>,
    drawn: Option<Instant>,
}

/// What woke the loop.
enum Woken {
    Message(Box<Msg>),
    Time,
    Draw,
    Edited(Result<Vec<u8>, Failure>),
    InputEnded,
    Signalled,
    EngineEnded,
}

impl Woken {
    fn message(msg: Msg) -> Self {
        Self::Message(Box::new(msg))
    }
}

impl<E: Inspected> Screen<E> {
    async fn run(&mut self, signals: &mut Signals) -> std::io::Result<()> {
        let size = self.session.size()?;
        if self.take(Msg::Resize(size.width, size.height))? == Flow::Leave {
            return Ok(());
        }
        loop {
            if self.next_frame().is_some_and(|at| at <= Instant::now()) {
                self.draw()?;
            }
            let flow = match self.wait(signals).await {
                Woken::Message(msg) => self.take(*msg)?,
                Woken::Time => self.tick()?,
                Woken::Draw => Flow::On,
                Woken::Edited(left) => self.edited(left)?,
                Woken::InputEnded | Woken::Signalled => Flow::Leave,
                Woken::EngineEnded => {
                    // A closed channel answers at once, for ever.
                    self.events = None;
                    self.take(Msg::Engine(Event::Gone))?
                }
            };
            if flow == Flow::Leave || self.drain()? == Flow::Leave {
                return Ok(());
            }
        }
    }

    /// Waits until something happens.
    async fn wait(&mut self, signals: &mut Signals) -> Woken {
        let lent = self.editor.is_some();
        let next_frame = self.next_frame();
        let next_tick = self.app.next_tick().map(Duration::from_micros);
        let input = self.input.as_mut();
        tokio::select! {
            biased;
            () = signals.any(lent) => Woken::Signalled,
            text = ended(self.editor.as_mut()) => Woken::Edited(text),
            event = next_input(input) => match event {
                Some(Ok(event)) => read(event).map_or(Woken::Draw, Woken::message),
                Some(Err(_)) | None => Woken::InputEnded,
            },
            Some(what) = self.panics.recv() => Woken::message(Msg::Panicked(what)),
            event = next_event(self.events.as_mut()) => match event {
                Ok(event) => Woken::message(Msg::Engine(event)),
                Err(RecvError::Lagged(_)) => Woken::message(Msg::Engine(Event::Missed)),
                Err(RecvError::Closed) => Woken::EngineEnded,
            },
            Some(msg) = self.answers.recv() => Woken::message(msg),
            () = until(next_frame) => Woken::Draw,
            () = after(next_tick) => Woken::Time,
        }
    }

    /// Returns when the screen is to be drawn; `None` where it is as it should
    /// be, or an editor has the terminal.
    fn next_frame(&self) -> Option<Instant> {
        let dirty = self.dirty.filter(|_| self.editor.is_none())?;
        let frame = self.drawn.map_or(dirty, |drawn| dirty.max(drawn + FRAME));
        let loading = self.drawn.is_some() && self.app.detail.is_loading();
        Some(if loading {
            frame.max(dirty + MAX_HOLD_BACK)
        } else {
            frame
        })
    }

    /// Takes in what is queued, so that one screen shows all of it.
    fn drain(&mut self) -> std::io::Result<Flow> {
        for _ in 0..BATCH {
            let event = self.events.as_mut().map(broadcast::Receiver::try_recv);
            let msg = match event {
                Some(Ok(event)) => Some(Msg::Engine(event)),
                Some(Err(TryRecvError::Lagged(_))) => Some(Msg::Engine(Event::Missed)),
                Some(Err(TryRecvError::Empty | TryRecvError::Closed)) | None => {
                    self.answers.try_recv().ok()
                }
            };
            let Some(msg) = msg else {
                break;
            };
            if self.take(msg)? == Flow::Leave {
                return Ok(Flow::Leave);
            }
        }
        Ok(Flow::On)
    }

    /// Updates the state by a message, at the time it is now.
    fn take(&mut self, msg: Msg) -> std::io::Result<Flow> {
        if self.tick()? == Flow::Leave {
            return Ok(Flow::Leave);
        }
        let effects = update(&mut self.app, msg);
        self.change();
        self.carry_out(effects)
    }

    /// Notes that the state differs from what is drawn.
    fn change(&mut self) {
        self.dirty.get_or_insert_with(Instant::now);
    }

    fn tick(&mut self) -> std::io::Result<Flow> {
        let effects = update(&mut self.app, Msg::Tick(self.clock.now()));
        self.change();
        self.carry_out(effects)
    }

    fn draw(&mut self) -> std::io::Result<()> {
        let app = &self.app;
        self.session.draw(|frame| {
            let size = frame.area().as_size();
            let areas = super::layout::layout(size, app);
            view(app, &areas, frame);
        })?;
        self.dirty = None;
        self.drawn = Some(Instant::now());
        Ok(())
    }

    fn carry_out(&mut self, effects: Vec<Effect>) -> std::io::Result<Flow> {
        for effect in effects {
            match effect {
                Effect::Info => self.ask(Command::Info, |answer| {
                    Msg::Info(answer.and_then(|reply| match reply {
                        Reply::Info(info) => Ok(*info),
                        other => Err(strange(&other)),
                    }))
                }),
                Effect::Load(query) => self.ask(Command::List(query.clone()), |answer| {
                    Msg::Loaded(query, answer.and_then(page))
                }),
                Effect::Seek(query) => self.ask(Command::List(query.clone()), |answer| {
                    Msg::Sought(query, answer.and_then(page))
                }),
                Effect::Show(seq, id) => self.ask(Command::Show(id), move |answer| {
                    Msg::Shown(seq, answer.and_then(detail))
                }),
                Effect::Examine(seq, id) => self.ask(Command::Examine(id), move |answer| {
                    Msg::Shown(seq, answer.and_then(detail))
                }),
                Effect::Secret(order) => self.ask(Command::Secret(order), |answer| {
                    Msg::Adopted(answer.and_then(|reply| match reply {
                        Reply::Adopted(adopted) => Ok(adopted),
                        other => Err(strange(&other)),
                    }))
                }),
                Effect::Locate(order, targets) => {
                    self.ask(Command::Locate(order.clone()), |answer| {
                        Msg::Located(
                            order,
                            targets,
                            answer.and_then(|reply| match reply {
                                Reply::Places(places) => Ok(places),
                                other => Err(strange(&other)),
                            }),
                        )
                    });
                }
                Effect::Resend(order) => self.send(order),
                Effect::Stop(job) => self.ask(Command::Stop(job), |answer| {
                    Msg::Stopped(answer.and_then(done))
                }),
                Effect::CountWaiting => self.ask(Command::List(waiting()), |answer| {
                    Msg::Waiting(answer.and_then(|reply| match reply {
                        Reply::Page(page) => Ok(page.matching as u64),
                        other => Err(strange(&other)),
                    }))
                }),
                Effect::GiveUp(which) => self.ask(Command::GiveUp(which), |answer| {
                    Msg::GivenUp(answer.and_then(|reply| match reply {
                        Reply::GivenUp(count) => Ok(count),
                        other => Err(strange(&other)),
                    }))
                }),
                Effect::TrustClock => self.ask(Command::TrustClock, |answer| {
                    Msg::Trusted(answer.and_then(done))
                }),
                Effect::Mark(order) => self.ask(Command::Mark(order.clone()), |answer| {
                    Msg::Marked(order, answer.and_then(done))
                }),
                Effect::Sample => self.ask(Command::Sample(None), |answer| {
                    Msg::Sampled(answer.and_then(done))
                }),
                Effect::Answer(order) => self.ask(Command::Answer(order.clone()), |answer| {
                    Msg::Answered(order, answer.and_then(done))
                }),
                Effect::Preview(order) => self.ask(Command::Preview(order.clone()), |answer| {
                    Msg::Previewed(
                        order,
                        answer.and_then(|reply| match reply {
                            Reply::Preview(preview) => Ok(preview),
                            other => Err(strange(&other)),
                        }),
                    )
                }),
                Effect::Edit(text) => self.lend(&text)?,
                Effect::Copy(bytes) => self.session.copy(&bytes)?,
                Effect::Mouse(on) => self.session.mouse(on)?,
                Effect::Repaint => self.session.repaint()?,
                Effect::Suspend => self.suspend()?,
                Effect::Quit => return Ok(Flow::Leave),
            }
        }
        Ok(Flow::On)
    }

    /// Begins to send deliveries; what comes of a single one is asked for.
    fn send(&self, order: ResendRequest) {
        let one = matches!(&order.which, Selection::Ids(ids) if ids.len() == 1);
        let followed = one && order.retry.is_none();
        let (engine, answers) = (self.engine.clone(), self.answers_in.clone());
        let command = ResendRequest {
            followed,
            ..order.clone()
        };
        self.ask(Command::Resend(command), move |answer| {
            let begun = answer.and_then(|reply| match reply {
                Reply::Job(job) => Ok(job),
                other => Err(strange(&other)),
            });
            if let (Ok(job), true) = (&begun, followed) {
                tokio::spawn(follow(engine, job.id, answers));
            }
            Msg::Begun(order, begun)
        });
    }

    /// Asks the creel in a task of its own; the answer comes as a message.
    fn ask(
        &self,
        command: Command,
        msg: impl FnOnce(Result<Reply, Failure>) -> Msg + Send + 'static,
    ) {
        let (engine, answers) = (self.engine.clone(), self.answers_in.clone());
        tokio::spawn(async move {
            // A task of its own again, so that a panic in it is an answer too.
            let asked = tokio::spawn(async move { engine.call(command).await });
            let answer = asked.await.unwrap_or_else(|_| {
                Err(Failure::cannot(
                    "creel could not answer.",
                    "A part of it failed; the rest goes on.",
                    "",
                ))
            });
            let _ = answers.send(msg(answer));
        });
    }

    /// Lends the terminal to the user's editor. Whatever happens meanwhile is
    /// taken in and not drawn.
    fn lend(&mut self, text: &[u8]) -> std::io::Result<()> {
        // Nothing may read what is typed to the editor.
        self.input = None;
        self.session.lend();
        match Editor::start(text) {
            Ok(editor) => self.editor = Some(editor),
            Err(failure) => {
                self.session.take_back()?;
                self.input = Some(EventStream::new());
                let _ = self.answers_in.send(Msg::Edited(Err(failure)));
            }
        }
        Ok(())
    }

    /// Takes the terminal again from an editor.
    fn edited(&mut self, left: Result<Vec<u8>, Failure>) -> std::io::Result<Flow> {
        self.editor = None;
        self.session.take_back()?;
        self.input = Some(EventStream::new());
        let size = self.session.size()?;
        if self.take(Msg::Resize(size.width, size.height))? == Flow::Leave {
            return Ok(Flow::Leave);
        }
        self.take(Msg::Edited(left))
    }

    /// Gives the terminal back, stops, and takes it again when the shell says so.
    fn suspend(&mut self) -> std::io::Result<()> {
        // While it is stopped nothing may read what is typed to the shell.
        self.input = None;
        self.session.suspend()?;
        self.input = Some(EventStream::new());
        let size = self.session.size()?;
        let now = self.clock.now();
        for msg in [
            Msg::Tick(now),
            Msg::Resize(size.width, size.height),
            Msg::Resumed,
        ] {
            let effects = update(&mut self.app, msg);
            self.carry_out(effects)?;
        }
        self.change();
        Ok(())
    }
}

/// Passes on what comes of a job, to its end.
async fn follow<E: Inspected>(engine: E, job: u64, answers: UnboundedSender<Msg>) {
    while let Ok(Reply::Results(results)) = engine.call(Command::Results(job)).await {
        for sent in results.sent {
            let _ = answers.send(Msg::Sent(Box::new(sent)));
        }
        if results.last {
            return;
        }
    }
}

/// Turns what the terminal says into a message; what does not concern the
/// state is none.
fn read(event: TerminalEvent) -> Option<Msg> {
    match event {
        TerminalEvent::Key(key) if key.is_release() => None,
        TerminalEvent::Key(key) => Some(Msg::Key(key)),
        TerminalEvent::Mouse(event) => Some(Msg::Mouse(event)),
        TerminalEvent::Paste(text) => Some(Msg::Paste(text)),
        TerminalEvent::Resize(width, height) => Some(Msg::Resize(width, height)),
        TerminalEvent::FocusGained | TerminalEvent::FocusLost => None,
    }
}

fn page(reply: Reply) -> Result<crate::engine::command::Page, Failure> {
    match reply {
        Reply::Page(page) => Ok(page),
        other => Err(strange(&other)),
    }
}

fn detail(reply: Reply) -> Result<Box<crate::engine::command::Detail>, Failure> {
    match reply {
        Reply::Detail(detail) => Ok(detail),
        other => Err(strange(&other)),
    }
}

fn done(reply: Reply) -> Result<(), Failure> {
    match reply {
        Reply::Done => Ok(()),
        other => Err(strange(&other)),
    }
}

fn strange(reply: &Reply) -> Failure {
    let kind = match reply {
        Reply::Info(_) => "what it is",
        Reply::Page(_) | Reply::Listing(_) => "a list",
        Reply::Detail(_) => "a delivery",
        Reply::Job(_) => "a job",
        Reply::Places(_) => "where its targets are",
        Reply::Results(_) => "results",
        Reply::Adopted(_) => "what a secret changed",
        Reply::Preview(_) => "what would be sent",
        Reply::Ids(_) => "which deliveries are meant",
        Reply::GivenUp(_) => "how many were given up",
        Reply::Done => "that it is done",
    };
    Failure::cannot(
        "creel answered something else than was asked.",
        format!("It answered {kind}."),
        "Two versions of creel may be talking; restart the older one.",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flag_over_environment_over_guess() {
        let cases = [
            (ColorChoice::Auto, None, Some("xterm"), true),
            (ColorChoice::Auto, Some("1"), Some("xterm"), false),
            (ColorChoice::Auto, Some(""), Some("xterm"), true),
            (ColorChoice::Auto, None, Some("dumb"), false),
            (ColorChoice::Always, Some("1"), Some("dumb"), true),
            (ColorChoice::Never, None, Some("xterm"), false),
        ];
        for (choice, no_color, term, colours) in cases {
            assert_eq!(
                choice.colours(no_color, term),
                colours,
                "{choice:?} {no_color:?} {term:?}"
            );
        }
    }
}

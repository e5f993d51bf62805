//! The inspector's state and how it changes.
//!
//! [`update`] is the only way in: a message changes the state and returns
//! effects. It does no IO and asks no clock; the time comes with
//! [`Msg::Tick`]. The same messages give the same state.

mod answer;
mod edit;
mod engine;
mod give_up;
mod keys;
mod mouse;
mod perform;
mod secret;
mod send;
mod toast;

use std::collections::BTreeSet;

use ratatui::layout::Size;

use crate::domain::timestamp::Timestamp;
use crate::engine::command::{Info, Job};

use super::effect::Effect;
use super::keymap::Keymap;
use super::layout::{Areas, layout};
use super::look::Look;
use super::msg::Msg;
use super::overlay::Overlay;
use super::overlay::resend::ResendForm;
use super::pane::Ctx;
use super::pane::detail::{DetailPane, Tab};
use super::pane::list::ListPane;

pub use give_up::waiting;
pub use toast::{SIGN, Toast, ToastKind};

/// How often at the most a creel is asked what it is, in microseconds.
const INFO_EVERY: i64 = 1_000_000;

/// The inspector's state.
#[derive(Clone, Debug)]
pub struct App {
    /// How things are written.
    pub look: Look,
    /// Which key does what.
    pub keys: Keymap,
    /// How large the screen is.
    pub size: Size,
    /// The time of the last tick.
    pub now: Timestamp,
    /// What the creel is that is looked at.
    pub info: Info,
    /// The list.
    pub list: ListPane,
    /// The delivery.
    pub detail: DetailPane,
    /// The pane that has the keys.
    pub focus: Focus,
    /// Whether that pane is shown alone.
    pub zoom: bool,
    /// What lies over the panes.
    pub overlay: Option<Overlay>,
    /// The last word on something.
    pub toast: Option<Toast>,
    /// Whether creel has the mouse.
    pub mouse: bool,
    /// What is being sent because somebody asked.
    pub jobs: Vec<Job>,
    hosts: BTreeSet<String>,
    /// The form that a question is about.
    parked: Option<Box<ResendForm>>,
    editing: Option<edit::Editing>,
    /// The delivery to edit as soon as it is read.
    edit_next: Option<u64>,
    info_wish: Wish,
    /// How many rows of the list the screen had when it last showed the list.
    last_list_height: usize,
}

/// Which pane has the keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Focus {
    /// The list.
    List,
    /// The delivery.
    Detail,
}

/// Whether something should be asked for anew, whether an answer is under
/// way, and when it may be asked for again.
#[derive(Clone, Copy, Debug)]
struct Wish {
    stale: bool,
    asked: bool,
    not_before: Timestamp,
}

impl Wish {
    const fn open(self) -> bool {
        self.stale && !self.asked
    }
}

impl App {
    /// Makes the state of a screen that has shown nothing yet.
    pub fn new(look: Look, keys: Keymap, mouse: bool) -> Self {
        Self {
            look,
            keys,
            size: Size::default(),
            now: Timestamp::default(),
            info: Info::default(),
            list: ListPane::following(),
            detail: DetailPane::default(),
            focus: Focus::List,
            zoom: false,
            overlay: None,
            toast: None,
            mouse,
            jobs: Vec::new(),
            hosts: BTreeSet::new(),
            parked: None,
            editing: None,
            edit_next: None,
            info_wish: Wish {
                stale: true,
                asked: false,
                not_before: Timestamp::default(),
            },
            last_list_height: 1,
        }
    }

    /// Says whether there is no delivery at all.
    pub fn is_empty(&self) -> bool {
        let list = &self.list;
        list.loaded
            && list.rows.total() == 0
            && list.rows.matching() == 0
            && list.filter().is_empty()
    }

    /// Returns what the panes may look at.
    pub fn ctx(&self) -> Ctx<'_> {
        Ctx {
            look: &self.look,
            now: self.now,
            info: &self.info,
            keys: &self.keys,
        }
    }

    /// Returns where things are on the screen.
    pub fn areas(&self) -> Areas {
        layout(self.size, self)
    }

    /// Returns how many rows of the list the screen has, or had before the
    /// delivery was shown alone.
    fn list_height(&self) -> usize {
        let areas = self.areas();
        match areas.list {
            Some(_) => areas.list_height(),
            None => self.last_list_height,
        }
    }

    /// Returns in how many microseconds the screen changes by the passing of
    /// time alone; `None` where it does not.
    pub fn next_tick(&self) -> Option<u64> {
        let toast = self.toast.as_ref().and_then(|t| t.until);
        let toast = toast.map(|until| until.0 - self.now.0);
        let info = self.info_wish.not_before.0 - self.now.0;
        let info = self.info_wish.open().then_some(info);
        let next = [toast, info, self.next_age()].into_iter().flatten().min();
        next.map(|us| u64::try_from(us).unwrap_or(0).max(1_000))
    }

    /// Returns in how many microseconds an age on the screen changes: that of
    /// the delivery in the detail, or of one that waits for its app.
    fn next_age(&self) -> Option<i64> {
        let detail = self.detail.tab == Tab::Overview && self.areas().detail.is_some();
        let shown = self.detail.shown.as_ref().filter(|_| detail);
        let received = shown.map(|shown| shown.detail.delivery.received_at);
        let oldest = self.info.apps.iter().filter_map(|app| app.oldest);
        let changes = oldest.chain(received).map(|since| self.next_age_of(since));
        changes.min()
    }

    fn next_age_of(&self, since: Timestamp) -> i64 {
        // Ages are counted from whole second to whole second.
        let age = self.now.unix_seconds() - since.unix_seconds();
        let to_next_second = 1_000_000 - self.now.0.rem_euclid(1_000_000);
        let unit = match age {
            ..60 => 1,
            60..3_600 => 60,
            _ => 3_600,
        };
        let seconds = unit - 1 - age.rem_euclid(unit);
        to_next_second + seconds * 1_000_000
    }

    /// Asks for whatever is missing now.
    fn wishes(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        let height = self.list_height();
        if height != self.last_list_height {
            self.last_list_height = height;
            self.list.resize(height);
        }
        effects.extend(self.list.wants(height).map(Effect::Load));
        if self.is_empty() {
            self.detail.clear();
            self.focus = Focus::List;
            self.zoom = false;
        }
        let wish = self.detail.wants(self.list.selected());
        effects.extend(wish.map(|(seq, id)| match self.detail.examined {
            Some(examined) if examined == seq => Effect::Examine(seq, id),
            _ => Effect::Show(seq, id),
        }));
        if let Some(Overlay::Resend(form)) = &mut self.overlay {
            effects.extend(form.wants().map(Effect::Preview));
        }
        effects
    }
}

/// Changes the state by what happened and returns what is to be done.
pub fn update(app: &mut App, msg: Msg) -> Vec<Effect> {
    let mut effects = match msg {
        Msg::Tick(now) => app.tick(now),
        Msg::Key(key) => app.key(key),
        Msg::Mouse(event) => app.mouse(event),
        Msg::Paste(text) => app.paste(&text),
        Msg::Resize(width, height) => app.resize(Size::new(width, height)),
        Msg::Engine(event) => app.event(event),
        Msg::Info(answer) => app.take_info(answer),
        Msg::Loaded(query, answer) => app.take_page(query, answer),
        Msg::Sought(query, answer) => app.take_sought(&query, answer),
        Msg::Shown(seq, answer) => app.take_detail(seq, answer),
        Msg::Located(order, targets, answer) => app.take_places(order, &targets, answer),
        Msg::Begun(order, answer) => app.take_begun(&order, answer),
        Msg::Sent(sent) => app.take_sent(&sent),
        Msg::Stopped(answer) => app.take_stopped(answer),
        Msg::Previewed(order, answer) => app.take_preview(&order, answer),
        Msg::Edited(left) => app.take_edited(left),
        Msg::Waiting(answer) => app.take_waiting(answer),
        Msg::GivenUp(answer) => app.take_given_up(answer),
        Msg::Trusted(answer) => app.take_trusted(answer),
        Msg::Marked(order, answer) => app.take_marked(&order, answer),
        Msg::Adopted(answer) => app.take_adopted(answer),
        Msg::Sampled(answer) => app.take_sampled(answer),
        Msg::Answered(order, answer) => app.take_answered(&order, answer),
        Msg::Resumed => {
            app.say("creel goes on; while it was stopped it received nothing");
            vec![Effect::Repaint]
        }
        Msg::Panicked(what) => {
            let what = app.look.own(&what).into_owned();
            app.fail(&format!(
                "A part of creel failed and the rest goes on: {what}"
            ));
            Vec::new()
        }
    };
    effects.extend(app.wishes());
    effects
}

impl App {
    fn tick(&mut self, now: Timestamp) -> Vec<Effect> {
        self.now = now;
        let over = |toast: &Toast| toast.until.is_some_and(|until| until <= now);
        if self.toast.as_ref().is_some_and(over) {
            self.toast = None;
        }
        if self.info_wish.open() && self.info_wish.not_before <= now {
            self.info_wish = Wish {
                stale: false,
                asked: true,
                not_before: Timestamp(now.0 + INFO_EVERY),
            };
            return vec![Effect::Info];
        }
        Vec::new()
    }

    fn resize(&mut self, size: Size) -> Vec<Effect> {
        self.size = size;
        let height = self.list_height();
        self.list.resize(height);
        Vec::new()
    }
}

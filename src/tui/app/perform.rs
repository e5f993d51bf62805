//! What each action does.

use crate::domain::body::ViewMode;
use crate::engine::command::MarkRequest;
use crate::tui::action::Action;
use crate::tui::copy;
use crate::tui::effect::Effect;
use crate::tui::overlay::Overlay;
use crate::tui::overlay::confirm::{Confirm, Then};
use crate::tui::overlay::prompt::{Prompt, Purpose};
use crate::tui::pane::detail::Tab;

use super::{App, Focus};

/// As far as there is.
const ALL: isize = isize::MAX / 4;

impl App {
    /// Does what an action says.
    pub(super) fn perform(&mut self, action: Action) -> Vec<Effect> {
        // A letter after the key for copying ends the choice.
        if matches!(self.overlay, Some(Overlay::Copy)) && action != Action::Help {
            self.overlay = None;
            if matches!(action, Action::Close | Action::Back) {
                return Vec::new();
            }
        }
        match action {
            Action::Help => self.toggle_help(),
            Action::Palette => self.toggle_palette(),
            Action::Back => self.back(),
            Action::Close => return self.close(),
            Action::Quit => return vec![Effect::Quit],
            Action::Suspend => return vec![Effect::Suspend],
            Action::Repaint => return vec![Effect::Repaint],
            Action::Mouse => return self.toggle_mouse(),

            Action::Down => self.move_by(1),
            Action::Up => self.move_by(-1),
            Action::HalfDown => self.move_by(self.page() / 2),
            Action::HalfUp => self.move_by(-self.page() / 2),
            Action::PageDown => self.move_by(self.page()),
            Action::PageUp => self.move_by(-self.page()),
            Action::First => self.move_by(-ALL),
            Action::Last => self.move_by(ALL),
            Action::Open => self.open(),
            Action::FocusNext | Action::FocusPrevious => self.other_pane(),
            Action::Zoom => self.zoom = !self.zoom,
            Action::Find => self.find(),
            Action::Next => return self.next(true),
            Action::Previous => return self.next(false),
            Action::TabOverview => self.show(Tab::Overview),
            Action::TabHeaders => self.show(Tab::Headers),
            Action::TabBody => self.show(Tab::Body),
            Action::TabSignature => self.show(Tab::Signature),
            Action::TabTries => self.show(Tab::Tries),
            Action::Resend => {
                self.list.follow = false;
                return self.resend();
            }
            Action::Stop => return self.stop(),
            Action::TrustClock => self.trust_clock(),
            Action::GiveUp => return self.give_up(),
            Action::ResendWith => {
                self.list.follow = false;
                self.open_form();
            }
            Action::Edit => return self.edit(),
            Action::Copy => {
                self.list.follow = false;
                self.overlay = Some(Overlay::Copy);
            }
            Action::Verify => self.verify(),
            Action::Secret => self.open_secret(),
            Action::Mark => return self.mark(),
            Action::Follow => self.follow(),
            Action::Sample => return vec![Effect::Sample],

            Action::Select => self.select(),
            Action::SelectNone => self.select_none(),
            Action::Answer => self.open_answer(),

            Action::TabLeft => self.show(self.detail.tab.turned(-1)),
            Action::TabRight => self.show(self.detail.tab.turned(1)),
            Action::Pretty => self.toggle_raw(),
            Action::Hex => self.toggle_hex(),
            Action::Wrap => self.toggle_wrap(),

            Action::CopyBody
            | Action::CopyHeaders
            | Action::CopyCurl
            | Action::CopyId
            | Action::CopySignature
            | Action::CopyProof
            | Action::CopyAddress => return self.copy(action),
        }
        Vec::new()
    }

    /// Moves the cursor of the list, or scrolls the delivery.
    pub(super) fn move_by(&mut self, by: isize) {
        let height = self.list_height();
        match self.focus {
            Focus::List => self.list.step(by, height),
            Focus::Detail if self.detail.tab == Tab::Tries && by.abs() == 1 => self.step_tries(by),
            Focus::Detail => self.scroll(by),
        }
    }

    /// Scrolls the delivery.
    pub(super) fn scroll(&mut self, by: isize) {
        let content = self.areas().content();
        let mut detail = std::mem::take(&mut self.detail);
        detail.scroll(by, self.ctx(), content);
        self.detail = detail;
    }

    /// Goes to another try; where there is none further, the text scrolls.
    fn step_tries(&mut self, by: isize) {
        let Some(shown) = &self.detail.shown else {
            return;
        };
        let before = self.detail.tries.at;
        self.detail.tries.step(by, shown.detail.attempts.len());
        if self.detail.tries.at == before {
            self.scroll(by);
        } else {
            self.detail.top = 0;
        }
    }

    /// Returns how many lines a page of the pane with the focus has.
    fn page(&self) -> isize {
        let areas = self.areas();
        let height = match self.focus {
            Focus::List => areas.list_height(),
            Focus::Detail => usize::from(areas.content().height),
        };
        height.saturating_sub(1).max(1).cast_signed()
    }

    /// Gives the delivery the keys, and once more shows it alone.
    fn open(&mut self) {
        if self.list.selected().is_none() {
            return;
        }
        self.list.follow = false;
        match self.focus {
            Focus::List => self.focus = Focus::Detail,
            Focus::Detail => self.zoom = true,
        }
    }

    fn other_pane(&mut self) {
        if self.is_empty() {
            return;
        }
        self.focus = match self.focus {
            Focus::List => Focus::Detail,
            Focus::Detail => Focus::List,
        };
    }

    /// Shows a tab; where only the list is on the screen, the delivery comes.
    pub(super) fn show(&mut self, tab: Tab) {
        if self.is_empty() {
            return;
        }
        self.list.follow = false;
        self.detail.go(tab);
        if self.areas().detail.is_none() {
            self.focus = Focus::Detail;
        }
    }

    /// Goes back one step.
    fn back(&mut self) {
        match &self.overlay {
            Some(Overlay::Prompt(_)) => self.cancel_prompt(),
            Some(_) => self.close_overlay(),
            None if self.focus == Focus::Detail && self.detail.body.search.is_some() => {
                self.detail.body.search = None;
            }
            None if self.zoom => self.zoom = false,
            None if self.focus == Focus::Detail => self.focus = Focus::List,
            None if !self.list.chosen.is_empty() => self.list.chosen.clear(),
            None if !self.list.filter().is_empty() => self.list.set_filter(""),
            None => {
                let key = self.keys.key(Action::Close);
                self.say(&format!("Nothing to go back to; {key} quits"));
            }
        }
    }

    /// Closes what is open; at the top, leaves.
    fn close(&mut self) -> Vec<Effect> {
        if self.overlay.is_some() {
            self.close_overlay();
            return Vec::new();
        }
        if self.zoom {
            self.zoom = false;
            return Vec::new();
        }
        // On a small screen the delivery covers the list.
        if self.focus == Focus::Detail && self.areas().list.is_none() {
            self.focus = Focus::List;
            return Vec::new();
        }
        self.leave()
    }

    fn toggle_mouse(&mut self) -> Vec<Effect> {
        self.mouse = !self.mouse;
        if self.mouse {
            self.say("The mouse is creel's; hold Shift to select text");
        } else {
            self.say("The mouse is the terminal's: it selects text");
        }
        vec![Effect::Mouse(self.mouse)]
    }

    /// Opens the text field of the pane.
    fn find(&mut self) {
        let prompt = match self.focus {
            Focus::List => Prompt::new(Purpose::Filter, self.list.filter()),
            Focus::Detail => {
                self.detail.go(Tab::Body);
                let text = self.detail.body.search.as_ref().map_or("", |s| &s.text);
                Prompt::new(Purpose::Search, text)
            }
        };
        self.overlay = Some(Overlay::Prompt(prompt));
    }

    /// Goes to the next problem, or to the next match.
    fn next(&mut self, down: bool) -> Vec<Effect> {
        if self.focus == Focus::List {
            let height = self.list_height();
            let hunted = self.list.hunt(down, height);
            return self.hunted(hunted);
        }
        self.detail.go(Tab::Body);
        let content = self.areas().content();
        let by = if down { 1 } else { -1 };
        if !self.detail.body.next_match(by, &self.look, content) {
            let key = self.keys.key(Action::Find);
            self.say(&format!("Nothing is searched for or found; {key} searches"));
        }
        Vec::new()
    }

    fn verify(&mut self) {
        self.list.follow = false;
        match self.list.seq() {
            Some(seq) => self.detail.examine(seq),
            None => self.say("Nothing to verify: no delivery is selected"),
        }
    }

    /// Asks before the clock is trusted, because retention then removes
    /// deliveries by it.
    fn trust_clock(&mut self) {
        let Some(doubt) = self.info.clock else {
            self.say("Nothing to trust: creel does not doubt the clock");
            return;
        };
        let now = self.look.full_time(self.now);
        self.ask(Confirm {
            what: format!("Trust the clock? It says {now}."),
            why: format!(
                "creel doubts it: {doubt}. Once the clock is trusted, deliveries that are too old \
                 by it are removed. If it is wrong, cancel and correct it."
            ),
            then: Then::TrustClock,
        });
    }

    fn mark(&mut self) -> Vec<Effect> {
        let Some(row) = self.list.selected() else {
            self.say("Nothing to mark: no delivery is selected");
            return Vec::new();
        };
        let order = MarkRequest {
            seqs: vec![row.seq],
            marked: !row.marked,
        };
        self.list.follow = false;
        vec![Effect::Mark(order)]
    }

    fn follow(&mut self) {
        let height = self.list_height();
        self.list.set_follow(!self.list.follow, height);
        if self.list.follow {
            self.say("Following the newest delivery");
        } else {
            self.say("Staying on this delivery");
        }
    }

    fn select_none(&mut self) {
        if self.list.chosen.is_empty() {
            self.say("Nothing is selected");
        }
        self.list.chosen.clear();
    }

    /// Selects the delivery for a batch and moves down.
    fn select(&mut self) {
        let height = self.list_height();
        self.list.choose();
        self.list.step(1, height);
    }

    /// Shows the body as received, or laid out again.
    fn toggle_raw(&mut self) {
        let raw = self.detail.body.mode == ViewMode::Raw;
        self.show_body(if raw { ViewMode::Pretty } else { ViewMode::Raw });
    }

    /// Shows the body as bytes, or as text again; what is not text is shown
    /// as received then.
    fn toggle_hex(&mut self) {
        let body = &self.detail.body;
        self.show_body(match body.mode {
            ViewMode::Hex if !body.is_binary() => ViewMode::Pretty,
            _ if body.is_bytes() => ViewMode::Raw,
            _ => ViewMode::Hex,
        });
    }

    fn show_body(&mut self, mode: ViewMode) {
        self.detail.go(Tab::Body);
        self.detail.body.set_mode(mode, &self.look);
    }

    fn toggle_wrap(&mut self) {
        self.detail.go(Tab::Body);
        self.detail.body.wrap = !self.detail.body.wrap;
        if self.detail.body.wrap {
            self.say("Long lines go on below");
        } else {
            self.say("Long lines are cut");
        }
    }

    fn copy(&mut self, action: Action) -> Vec<Effect> {
        match copy::copied(action, self.detail.shown.as_ref(), self.ctx()) {
            Ok(copied) => {
                self.done(&copied.toast);
                vec![Effect::Copy(copied.bytes)]
            }
            Err(why) => {
                self.say(&why);
                Vec::new()
            }
        }
    }
}

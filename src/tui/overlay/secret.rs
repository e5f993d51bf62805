//! The form that adds a secret: a known one or a new one, beside the current
//! secrets or in their place.

use std::fmt;

use crossterm::event::KeyEvent;
use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::doctor::{SecretWarning, check_secret_entry};
use crate::domain::keyring::{Adoption, Scope};
use crate::domain::provider::KeyForm;
use crate::domain::secret::SecretInput;
use crate::domain::summary::Summary;
use crate::domain::text::width as columns;
use crate::engine::command::{AdoptSecretRequest, Info, KnownSecret, SecretChoice};
use crate::tui::layout::centred;
use crate::tui::pane::Ctx;
use crate::tui::pane::detail::{Shown, put};
use crate::tui::theme::Role;
use crate::tui::widget::field::{Drawn, Field};
use crate::tui::widget::wrap;

/// The label of the text field.
const NEW: &str = "New secret: ";
/// How many secrets are shown at once.
const LISTED: usize = 8;
/// How many lines the form always has: the text field and the key hints.
const FIXED: usize = 2;

/// The form's state.
#[derive(Clone, Debug)]
pub struct SecretForm {
    /// The part with the focus.
    pub part: Part,
    /// The text field of the new secret.
    pub field: Masked,
    /// Whether the secret is added to the current ones or replaces them.
    pub how: Adoption,
    /// Why the secret was refused.
    pub problem: Option<String>,
    /// Whether the engine is adopting the secret.
    pub waiting: bool,
    id: String,
    scope: Scope,
    /// The position of the chosen secret; `known.len()` is the new one.
    chosen: usize,
    known: Vec<KnownSecret>,
    suggested: Option<usize>,
    form: Option<KeyForm>,
}

/// A part of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The choice of the secret.
    Which,
    /// Whether it is added or replaces the others.
    How,
}

/// A text field that shows stars instead of its text, unless told to show it.
#[derive(Clone, Default)]
pub struct Masked {
    field: Field,
    /// Whether the text is shown.
    pub shown: bool,
}

impl fmt::Debug for Masked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Masked(…)")
    }
}

impl Masked {
    /// Returns whether the field is empty.
    pub fn is_empty(&self) -> bool {
        self.field.text().is_empty()
    }

    /// Handles a key; returns whether the text changed.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        self.field.key(key)
    }

    /// Inserts pasted text.
    pub fn paste(&mut self, text: &str) {
        self.field.paste(text);
    }

    /// Returns the text if it names a variable or a file.
    fn reference(&self) -> Option<&str> {
        let text = self.field.text();
        is_reference(text).then_some(text)
    }

    fn draw(&self, columns: usize, ctx: Ctx<'_>) -> Drawn {
        if self.shown || self.reference().is_some() {
            self.field.draw(columns, ctx.look.marks())
        } else {
            self.field.draw_masked(columns)
        }
    }
}

/// Returns whether a text names a variable or a file that holds a secret.
fn is_reference(text: &str) -> bool {
    text.starts_with("env:") || text.starts_with("file:")
}

impl SecretForm {
    /// Opens the form for a delivery; `shown` is its detail, if loaded.
    pub fn new(row: &Summary, shown: Option<&Shown>, info: &Info) -> Self {
        let known = info.secrets.clone();
        let detail = shown.map(|shown| &*shown.detail);
        let suggested = detail
            .and_then(|detail| detail.suggested)
            .filter(|at| *at < known.len());
        let facts = detail.and_then(|detail| detail.provider.as_ref());
        let scope = match (&row.endpoint, &row.provider) {
            (Some(endpoint), _) => Scope::Endpoint(endpoint.clone()),
            (None, Some(provider)) => Scope::Provider(provider.clone()),
            (None, None) => Scope::All,
        };
        Self {
            part: Part::Which,
            chosen: suggested.unwrap_or(known.len()),
            field: Masked::default(),
            how: Adoption::Add,
            problem: None,
            waiting: false,
            id: row.id.to_string(),
            scope,
            known,
            suggested,
            form: facts.and_then(|facts| facts.secret_form),
        }
    }

    /// Replaces the known secrets and keeps the choice.
    pub fn update(&mut self, info: &Info) {
        let before = std::mem::replace(&mut self.known, info.secrets.clone());
        let now = |at: usize| {
            let before = before.get(at)?;
            self.known.iter().position(|known| known.is(before))
        };
        self.chosen = now(self.chosen).unwrap_or(self.known.len());
        self.suggested = self.suggested.and_then(now);
    }

    /// Moves the focus to the other part, if it is shown.
    pub fn turn(&mut self) {
        self.part = match self.part {
            Part::Which if self.has_current() => Part::How,
            Part::Which | Part::How => Part::Which,
        };
    }

    /// Returns whether there is any secret that the new one could replace.
    fn has_current(&self) -> bool {
        self.known.iter().any(|known| !known.old)
    }

    /// Chooses another secret, or toggles between adding and replacing.
    pub fn step(&mut self, by: isize) {
        match self.part {
            Part::Which => {
                let count = self.known.len() + 1;
                let at = self.chosen.cast_signed() + by;
                self.chosen = at.rem_euclid(count.cast_signed()).cast_unsigned();
            }
            Part::How => self.toggle(),
        }
    }

    /// Returns the chosen secret unless it is the new one.
    fn known(&self) -> Option<&KnownSecret> {
        self.known.get(self.chosen)
    }

    /// Toggles between adding and replacing.
    pub fn toggle(&mut self) {
        self.how = match self.how {
            Adoption::Add => Adoption::Replace,
            Adoption::Replace => Adoption::Add,
        };
    }

    /// Handles a key of the text field.
    pub fn type_key(&mut self, key: KeyEvent) {
        if self.field.key(key) {
            self.typed();
        }
    }

    /// Inserts pasted text into the new secret.
    pub fn paste(&mut self, text: &str) {
        self.field.paste(text);
        self.typed();
    }

    fn typed(&mut self) {
        self.part = Part::Which;
        self.chosen = self.known.len();
        self.problem = None;
    }

    /// Returns the order, or notes why there is none.
    pub fn order(&mut self) -> Option<AdoptSecretRequest> {
        let secret = if let Some(known) = self.known() {
            SecretChoice::Known(self.chosen, known.clone())
        } else {
            if let Some(seen) = self.seen().filter(|seen| !seen.usable) {
                self.problem = Some(format!("{} {}", seen.message, seen.advice));
                return None;
            }
            SecretChoice::Typed(SecretInput::new(self.field.field.text()))
        };
        self.waiting = true;
        self.problem = None;
        Some(AdoptSecretRequest {
            id: self.id.clone(),
            secret,
            how: self.how,
        })
    }

    /// Says what seems wrong with what is typed.
    fn seen(&self) -> Option<SecretWarning> {
        match self.field.reference() {
            Some(_) => None,
            None => check_secret_entry(self.field.field.text().as_bytes(), self.form),
        }
    }

    fn title(&self) -> String {
        match &self.scope {
            Scope::Endpoint(name) => format!("Secret for the endpoint {name}"),
            Scope::Provider(name) => format!("Secret for deliveries of {name}"),
            Scope::All => "Secret for deliveries without a secret of their own".to_owned(),
        }
    }

    /// Returns the configuration lines that keep the secret across restarts.
    fn keep(&self) -> Vec<String> {
        let name = self.scope.name();
        let variable: String = name
            .chars()
            .map(|c| if c.is_ascii_alphanumeric() { c } else { '_' })
            .collect();
        let variable = match name {
            "" => "WEBHOOK_SECRET".to_owned(),
            _ => format!("{}_SECRET", variable.to_ascii_uppercase()),
        };
        let chosen = match self.known() {
            Some(known) => Some(known.origin.as_str()),
            None => self.field.reference(),
        };
        let new = chosen
            .filter(|text| is_reference(text))
            .map_or_else(|| format!("env:{variable}"), str::to_owned);
        let there: Vec<&str> = self
            .known
            .iter()
            .filter(|known| known.name == name && !known.old && known.origin != new)
            .map(|known| known.origin.as_str())
            .filter(|origin| is_reference(origin))
            .collect();
        let quoted = |list: &[&str]| {
            let list: Vec<String> = list.iter().map(|text| format!("{text:?}")).collect();
            list.join(", ")
        };
        let both = match self.how {
            Adoption::Add => [vec![new.as_str()], there.clone()].concat(),
            Adoption::Replace => vec![new.as_str()],
        };
        let all = quoted(&both);
        let mut lines = match &self.scope {
            Scope::Endpoint(name) => {
                vec![
                    format!("[endpoints.{}]", key(name)),
                    format!("secrets = [{all}]"),
                ]
            }
            Scope::Provider(name) => {
                vec!["[secrets]".to_owned(), format!("{} = [{all}]", key(name))]
            }
            Scope::All => vec![format!("creel --secret {new}")],
        };
        let replaced = self.how == Adoption::Replace && !there.is_empty();
        if let (Scope::Endpoint(_), true) = (&self.scope, replaced) {
            lines.push(format!("old_secrets = [{}]", quoted(&there)));
        }
        lines
    }
}

/// Formats a TOML key, quoted if necessary.
fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !name.is_empty() && name.chars().all(bare) {
        name.to_owned()
    } else {
        format!("{name:?}")
    }
}

/// Draws the form; returns the position of the cursor.
pub fn draw(form: &SecretForm, ctx: Ctx<'_>, screen: Rect, frame: &mut Frame) -> (u16, u16) {
    let look = ctx.look;
    let width = 88.min(screen.width.saturating_sub(2)).max(20);
    let room = usize::from(width.saturating_sub(4));
    let keep = keep_lines(form, ctx, room);
    let word = word(form, ctx, room);
    let most = usize::from(screen.height).saturating_sub(2);
    let ways = way_lines(form, ctx, room);
    let fixed = FIXED + word.len() + ways.len();
    let keep = if fixed + 1 + keep.len() <= most {
        keep
    } else {
        Vec::new()
    };
    let listed = form
        .known
        .len()
        .min(LISTED)
        .min(most.saturating_sub(fixed + keep.len()).max(1));
    let height = fixed + listed + keep.len();
    let area = centred(screen, width, height as u16 + 2);
    let title = look.cut(&look.own(&form.title()), room.saturating_sub(2));
    let inner = super::window(&title, area, look, frame);

    let (mut lines, mut cursor) = (Vec::new(), (0, 0));
    let count = form.known.len();
    let first = (form.chosen + 1)
        .saturating_sub(listed)
        .min(count.saturating_sub(listed));
    let which = form.part == Part::Which;
    for (at, known) in form.known.iter().enumerate().skip(first).take(listed) {
        if which && form.chosen == at {
            cursor = (0, lines.len());
        }
        lines.push(known_line(form, at, known, ctx, room));
    }
    let start = format!("{}{NEW}", sign(form.chosen == count, ctx));
    let field = form.field.draw(room.saturating_sub(columns(&start)), ctx);
    if which && form.chosen == count {
        cursor = (columns(&start) + field.cursor, lines.len());
    }
    lines.push(Line::from(vec![
        look.span(start, here(which && form.chosen == count)),
        Span::raw(field.text),
    ]));
    lines.extend(word);
    for (at, line) in ways.into_iter().enumerate() {
        if form.part == Part::How && at == 1 + usize::from(form.how == Adoption::Replace) {
            cursor = (2, lines.len());
        }
        lines.push(line);
    }
    let hint = if form.waiting {
        "Verifying again; Esc close (verification continues)"
    } else if room < 70 {
        "Enter accept, F2 show, Esc cancel"
    } else if form.has_current() {
        "Enter accept, Up/Down choose, Tab next field, F2 show, Esc cancel"
    } else {
        "Enter accept, F2 show what is typed, Esc cancel"
    };
    let spans = vec![look.span(hint, Role::Context)];
    lines.push(wrap::cut(spans, room, look.glyphs.ellipsis));
    lines.extend(keep);
    put(&lines, inner, frame);
    let (x, y) = cursor;
    (
        inner.x + (x as u16).min(inner.width.saturating_sub(1)),
        inner.y + (y as u16).min(inner.height.saturating_sub(1)),
    )
}

const fn here(focused: bool) -> Role {
    if focused { Role::Focus } else { Role::Plain }
}

fn sign(focused: bool, ctx: Ctx<'_>) -> String {
    let glyph = if focused { ctx.look.glyphs.cursor } else { " " };
    format!("{glyph} ")
}

/// Returns a blank line and the choice between adding and replacing; nothing
/// where no secret counts yet.
fn way_lines(form: &SecretForm, ctx: Ctx<'_>, room: usize) -> Vec<Line<'static>> {
    if !form.has_current() {
        return Vec::new();
    }
    let look = ctx.look;
    let mut lines = vec![Line::default()];
    for (how, text) in [
        (Adoption::Add, "Add to the current secrets"),
        (
            Adoption::Replace,
            "Replace the current secrets (they become old)",
        ),
    ] {
        let chosen = form.how == how;
        let radio = look.glyphs.radio[usize::from(!chosen)];
        let role = here(form.part == Part::How && chosen);
        let spans = vec![look.span(format!("  {radio} {text}"), role)];
        lines.push(wrap::cut(spans, room, look.glyphs.ellipsis));
    }
    lines
}

/// Returns the line of a known secret.
fn known_line(
    form: &SecretForm,
    at: usize,
    known: &KnownSecret,
    ctx: Ctx<'_>,
    room: usize,
) -> Line<'static> {
    let look = ctx.look;
    let focused = form.part == Part::Which && form.chosen == at;
    let pins: Vec<String> = known.pinned.iter().map(ToString::to_string).collect();
    let note = match (form.suggested == Some(at), known.old) {
        (true, _) => "  proved: the sender signs with it".to_owned(),
        (false, true) => "  old".to_owned(),
        (false, false) if pins.is_empty() => String::new(),
        (false, false) => format!("  pinned to {}", pins.join(", ")),
    };
    let name = format!("{}{known}{note}", sign(form.chosen == at, ctx));
    let origin = format!("  from {}", known.origin);
    let spans = vec![
        look.span(look.own(&name).into_owned(), here(focused)),
        look.span(look.own(&origin).into_owned(), Role::Context),
    ];
    wrap::cut(spans, room, look.glyphs.ellipsis)
}

/// Returns the lines that say why the secret was refused or seems wrong.
fn word(form: &SecretForm, ctx: Ctx<'_>, room: usize) -> Vec<Line<'static>> {
    let look = ctx.look;
    let seen = || {
        let typed = form.known().is_none() && !form.field.is_empty();
        let seen = form.seen().filter(|_| typed)?;
        let role = if seen.usable { Role::Warn } else { Role::Bad };
        Some((format!("{} {}", seen.message, seen.advice), role))
    };
    let problem = form.problem.clone().map(|problem| (problem, Role::Bad));
    let (text, role) = match problem.or_else(seen) {
        Some(word) => word,
        None if form.known().is_none() => (
            "Type or paste the secret, or a reference to it: env:NAME, file:PATH.".to_owned(),
            Role::Context,
        ),
        None => return Vec::new(),
    };
    let lines = wrap::words(&look.own(&text), room.saturating_sub(2));
    let line = |text: String| Line::from(look.span(format!("  {text}"), role));
    lines.into_iter().map(line).collect()
}

/// Returns the lines that say how to keep the secret across restarts.
fn keep_lines(form: &SecretForm, ctx: Ctx<'_>, room: usize) -> Vec<Line<'static>> {
    let look = ctx.look;
    let place = match form.scope {
        Scope::All => "creel forgets it when it ends. To keep it, start with:",
        Scope::Endpoint(_) | Scope::Provider(_) => {
            "creel forgets it when it ends. To keep it, write in creel.toml:"
        }
    };
    let mut lines = vec![Line::default()];
    for text in wrap::words(place, room) {
        lines.push(Line::from(look.span(text, Role::Key)));
    }
    for text in form.keep() {
        let spans = vec![Span::raw(format!("  {}", look.own(&text)))];
        lines.push(wrap::cut(spans, room, look.glyphs.ellipsis));
    }
    lines
}

//! The form for a secret: one of those there are, or a new one; and whether
//! it counts beside the others or in their place.

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

/// What stands before the text field.
const NEW: &str = "a new one: ";
/// How many secrets are shown at once.
const LISTED: usize = 8;
/// How many lines besides the secrets are always there.
const FIXED: usize = 5;

/// The form's state.
#[derive(Clone, Debug)]
pub struct SecretForm {
    /// The part with the focus.
    pub part: Part,
    /// What is typed.
    pub field: Masked,
    /// Whether the others count on.
    pub how: Adoption,
    /// Why it was not taken.
    pub problem: Option<String>,
    /// Whether the answer is under way.
    pub waiting: bool,
    id: String,
    scope: Scope,
    /// Which is chosen; behind the last of those there are: the new one.
    chosen: usize,
    known: Vec<KnownSecret>,
    suggested: Option<usize>,
    form: Option<KeyForm>,
}

/// A part of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// Which secret.
    Which,
    /// Whether the others count on.
    How,
}

/// A text field that shows stars, and its text only where that is asked for.
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
    /// Says whether nothing is typed.
    pub fn is_empty(&self) -> bool {
        self.field.text().is_empty()
    }

    /// Takes a key; says whether the text changed.
    pub fn key(&mut self, key: KeyEvent) -> bool {
        self.field.key(key)
    }

    /// Takes pasted text.
    pub fn paste(&mut self, text: &str) {
        self.field.paste(text);
    }

    /// Says where the secret is, rather than what it is.
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

/// Says whether a text names a variable or a file that holds a secret.
fn is_reference(text: &str) -> bool {
    text.starts_with("env:") || text.starts_with("file:")
}

impl SecretForm {
    /// Opens the form for a delivery; `shown` is it, whole, where it is loaded.
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

    /// Takes the secrets as they are now; what is chosen stays so.
    pub fn update(&mut self, info: &Info) {
        let before = std::mem::replace(&mut self.known, info.secrets.clone());
        let now = |at: usize| {
            let before = before.get(at)?;
            self.known.iter().position(|known| known.is(before))
        };
        self.chosen = now(self.chosen).unwrap_or(self.known.len());
        self.suggested = self.suggested.and_then(now);
    }

    /// Moves the focus to the other part.
    pub fn turn(&mut self) {
        self.part = match self.part {
            Part::Which => Part::How,
            Part::How => Part::Which,
        };
    }

    /// Chooses another secret, or the other way of counting.
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

    /// Returns the secret that is chosen, where it is not the new one.
    fn known(&self) -> Option<&KnownSecret> {
        self.known.get(self.chosen)
    }

    /// Takes the other way of counting.
    pub fn toggle(&mut self) {
        self.how = match self.how {
            Adoption::Add => Adoption::Replace,
            Adoption::Replace => Adoption::Add,
        };
    }

    /// Types a character or edits what is typed.
    pub fn type_key(&mut self, key: KeyEvent) {
        if self.field.key(key) {
            self.typed();
        }
    }

    /// Takes pasted text as the new secret.
    pub fn paste(&mut self, text: &str) {
        self.field.paste(text);
        self.typed();
    }

    fn typed(&mut self) {
        self.part = Part::Which;
        self.chosen = self.known.len();
        self.problem = None;
    }

    /// Returns what is asked for, or says why that cannot be.
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
            Scope::All => "Secret for all without one of their own".to_owned(),
        }
    }

    /// Writes what the configuration needs, so that it counts the next time too.
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

/// Writes a key of a table as TOML does.
fn key(name: &str) -> String {
    let bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    if !name.is_empty() && name.chars().all(bare) {
        name.to_owned()
    } else {
        format!("{name:?}")
    }
}

/// Draws the form; returns where the cursor stands.
pub fn draw(form: &SecretForm, ctx: Ctx<'_>, screen: Rect, frame: &mut Frame) -> (u16, u16) {
    let look = ctx.look;
    let width = 88.min(screen.width.saturating_sub(2)).max(20);
    let room = usize::from(width.saturating_sub(4));
    let keep = keep_lines(form, ctx, room);
    let word = word(form, ctx, room);
    let most = usize::from(screen.height).saturating_sub(2);
    let fixed = FIXED + word.len();
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
    lines.push(Line::default());
    for (how, text) in [
        (Adoption::Add, "besides those that count now"),
        (Adoption::Replace, "in their place: they become old"),
    ] {
        let chosen = form.how == how;
        if form.part == Part::How && chosen {
            cursor = (2, lines.len());
        }
        let radio = look.glyphs.radio[usize::from(!chosen)];
        let text = format!("  {radio} {text}");
        let role = here(form.part == Part::How && chosen);
        let spans = vec![look.span(text, role)];
        lines.push(wrap::cut(spans, room, look.glyphs.ellipsis));
    }
    let hint = if form.waiting {
        "Verifying again; Esc closes, it goes on"
    } else if room < 70 {
        "Enter takes it, F2 shows, Esc cancels"
    } else {
        "Enter takes it, arrows choose, Tab goes on, F2 shows it, Esc cancels"
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

/// Writes one of the secrets there are.
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
        (true, _) => "  the sender's, as proved".to_owned(),
        (false, true) => "  no longer counts".to_owned(),
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

/// Writes why the secret was not taken, or what seems wrong with it.
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
            "Type or paste it, or where it is: env:NAME, file:PATH.".to_owned(),
            Role::Context,
        ),
        None => return Vec::new(),
    };
    let lines = wrap::words(&look.own(&text), room.saturating_sub(2));
    let line = |text: String| Line::from(look.span(format!("  {text}"), role));
    lines.into_iter().map(line).collect()
}

/// Writes how the secret is kept for the next time.
fn keep_lines(form: &SecretForm, ctx: Ctx<'_>, room: usize) -> Vec<Line<'static>> {
    let look = ctx.look;
    let place = match form.scope {
        Scope::All => "It counts until creel ends. To keep it, start with:",
        Scope::Endpoint(_) | Scope::Provider(_) => {
            "It counts until creel ends. To keep it, in creel.toml:"
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

//! The form for sending again: where to, with which signature, and what of
//! the request will change.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};
use url::Url;

use crate::domain::attempt::Signing;
use crate::domain::headers::{Header, Headers};
use crate::domain::hop;
use crate::domain::text::{pad, visible_bytes};
use crate::engine::command::{ResendOrder, Which};
use crate::tui::layout::centred;
use crate::tui::pane::Ctx;
use crate::tui::pane::detail::{Shown, put};
use crate::tui::theme::Role;
use crate::tui::widget::field::Field;
use crate::tui::widget::wrap;

/// How many columns the names of the parts take.
const LABEL: usize = 11;
/// How many changes are listed.
const CHANGES: usize = 10;

/// The form's state.
#[derive(Clone, Debug)]
pub struct ResendForm {
    /// Where to.
    pub target: Field,
    /// Which signature.
    pub signing: Signing,
    /// The part with the focus.
    pub part: Part,
    /// Why it cannot be sent like this.
    pub problem: Option<String>,
    ids: Vec<String>,
    title: String,
    size: Option<u64>,
    host: Vec<String>,
    dropped: Vec<String>,
    signed: Vec<(String, String)>,
}

/// A part of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The address.
    Target,
    /// The signature.
    Signature,
    /// The button that sends.
    Send,
    /// The button that does not.
    Cancel,
}

impl Part {
    const ALL: [Self; 4] = [Self::Target, Self::Signature, Self::Send, Self::Cancel];
}

impl ResendForm {
    /// Opens the form for deliveries; `shown` is the one whose changes are
    /// listed, where there is only one.
    pub fn new(ids: Vec<String>, target: Option<&str>, shown: Option<&Shown>) -> Self {
        let mut form = Self {
            target: Field::new(target.unwrap_or("http://localhost:3000")),
            signing: Signing::Kept,
            part: Part::Target,
            problem: None,
            title: format!("{} deliveries", ids.len()),
            ids,
            size: None,
            host: Vec::new(),
            dropped: Vec::new(),
            signed: Vec::new(),
        };
        if let Some(shown) = shown.filter(|_| form.ids.len() == 1) {
            form.describe(shown);
        }
        form
    }

    /// Moves the focus to another part.
    pub fn turn(&mut self, by: isize) {
        let at = (self.part as usize).cast_signed() + by;
        self.part = Part::ALL[at.rem_euclid(4).cast_unsigned()];
    }

    /// Takes the other signature.
    pub fn toggle(&mut self) {
        self.signing = match self.signing {
            Signing::Kept => Signing::Fresh,
            Signing::Fresh => Signing::Kept,
        };
    }

    /// Returns what is to be sent, or says why that cannot be.
    pub fn order(&mut self) -> Option<ResendOrder> {
        let target = self.target.text().trim();
        let url = Url::parse(target).ok();
        let good = url.is_some_and(|u| matches!(u.scheme(), "http" | "https") && u.has_host());
        if !good {
            self.problem = Some("An address looks like this: http://localhost:3000/hooks".into());
            self.part = Part::Target;
            return None;
        }
        Some(ResendOrder {
            which: Which::Ids(self.ids.clone()),
            target: Some(target.to_owned()),
            signing: Some(self.signing),
            ..ResendOrder::default()
        })
    }

    fn describe(&mut self, shown: &Shown) {
        let row = &shown.detail.summary;
        let request = &shown.detail.delivery.request;
        let names = [&row.provider, &row.event, &row.delivery_id];
        let names: Vec<&str> = names.into_iter().flatten().map(String::as_str).collect();
        self.title = if names.is_empty() {
            format!("{} {}", row.method, row.path)
        } else {
            names.join(", ")
        };
        self.size = Some(row.body_size);
        let text = |value: &[u8]| visible_bytes(value);
        self.host = request.headers.all("host").map(text).collect();
        self.dropped = dropped(&request.headers);
        let verification = &shown.detail.verification;
        let time = verification.timestamp.map(|t| t.to_string());
        let signs = |header: &&Header| {
            let value = text(&header.value);
            let signature = verification
                .received
                .iter()
                .any(|s| !s.is_empty() && value.contains(s));
            signature || time.as_deref() == Some(value.as_str())
        };
        let signed = request.headers.iter().filter(signs);
        self.signed = signed.map(|h| (h.name.clone(), text(&h.value))).collect();
    }

    /// Writes which header lines will differ.
    fn changes(&self, ctx: Ctx<'_>) -> Vec<(String, Role)> {
        let mut lines = Vec::new();
        let mut minus = |text: String, role| lines.push((ctx.look.own(&text).into_owned(), role));
        let url = Url::parse(self.target.text().trim()).ok();
        let to = url.as_ref().and_then(|u| Some((u.host_str()?, u.port())));
        let to = match to {
            Some((host, Some(port))) => format!("{host}:{port}"),
            Some((host, None)) => host.to_owned(),
            None => "the target's".to_owned(),
        };
        if self.host != [to.as_str()] {
            for host in &self.host {
                minus(format!("- host: {host}"), Role::Bad);
            }
            minus(format!("+ host: {to}"), Role::Good);
        }
        for line in &self.dropped {
            minus(format!("- {line}"), Role::Bad);
        }
        if self.signing == Signing::Fresh {
            for (name, value) in &self.signed {
                minus(format!("- {name}: {value}"), Role::Bad);
            }
            for (name, _) in &self.signed {
                minus(format!("+ {name}: (made when it is sent)"), Role::Good);
            }
            if self.signed.is_empty() {
                minus("+ a signature, made when it is sent".to_owned(), Role::Good);
            }
        }
        let hidden = lines.len().saturating_sub(CHANGES);
        if hidden > 1 {
            lines.truncate(CHANGES);
            lines.push((format!("and {hidden} more lines"), Role::Context));
        }
        lines
    }
}

/// Returns the lines that are not sent on.
fn dropped(headers: &Headers) -> Vec<String> {
    hop::removed(headers)
        .map(|h| format!("{}: {}", h.name, visible_bytes(&h.value)))
        .collect()
}

/// Draws the form; returns where the cursor stands.
pub fn draw(form: &ResendForm, ctx: Ctx<'_>, screen: Rect, frame: &mut Frame) -> (u16, u16) {
    let look = ctx.look;
    let changes = form.changes(ctx);
    let width = 100.min(screen.width.saturating_sub(2)).max(20);
    let needed = changes.len() + if changes.is_empty() { 7 } else { 9 };
    let area = centred(screen, width, needed as u16 + 2);
    let title = format!("Send again: {}", look.own(&form.title));
    let title = look.cut(&title, usize::from(width).saturating_sub(6));
    let inner = super::window(&title, area, look, frame);
    let room = usize::from(inner.width);
    let here = |part| {
        if form.part == part {
            Role::Focus
        } else {
            Role::Key
        }
    };
    let label = |name: &str, part| look.span(pad(name, LABEL), here(part));

    let field = form.target.draw(room.saturating_sub(LABEL), look.marks());
    let field_cursor = field.cursor;
    let mut lines = vec![Line::from(vec![
        label("Target", Part::Target),
        Span::raw(field.text),
    ])];
    let choice = |signing, text: &str| {
        let sign = look.glyphs.radio[usize::from(form.signing != signing)];
        format!("{sign} {text}")
    };
    lines.push(Line::from(vec![
        label("Signature", Part::Signature),
        Span::raw(choice(Signing::Kept, "as received")),
    ]));
    lines.push(Line::from(vec![
        label("", Part::Signature),
        Span::raw(choice(
            Signing::Fresh,
            "made anew, with the endpoint's secret and the time",
        )),
    ]));
    let bytes = match form.size {
        Some(size) => format!("as received, {}", crate::domain::text::bytes(size)),
        None => "as received".to_owned(),
    };
    lines.push(Line::from(vec![
        look.span(pad("Body", LABEL), Role::Key),
        Span::raw(bytes),
    ]));
    match &form.problem {
        Some(problem) => lines.push(Line::from(look.span(problem.clone(), Role::Bad))),
        None => lines.push(Line::default()),
    }
    let buttons_at = lines.len() as u16;
    let button = |text: &str, part| {
        let role = if form.part == part {
            Role::Selected
        } else {
            Role::Plain
        };
        look.span(format!("[ {text} ]"), role)
    };
    lines.push(Line::from(vec![
        button("Send", Part::Send),
        Span::raw("  "),
        button("Cancel", Part::Cancel),
    ]));
    lines.push(Line::from(look.span(
        "Enter sends, Tab goes on, Space chooses, Esc cancels",
        Role::Context,
    )));
    if !changes.is_empty() {
        lines.push(Line::default());
        lines.push(Line::from(look.span("WILL CHANGE", Role::Key)));
        for (text, role) in changes {
            lines.push(wrap::cut(
                vec![look.span(text, role)],
                room,
                look.glyphs.ellipsis,
            ));
        }
    }
    put(&lines, inner, frame);
    let (x, y) = match form.part {
        Part::Target => (LABEL + field_cursor, 0),
        Part::Signature if form.signing == Signing::Kept => (LABEL, 1),
        Part::Signature => (LABEL, 2),
        Part::Send => (2, buttons_at),
        Part::Cancel => (12, buttons_at),
    };
    let x = inner.x + (x as u16).min(inner.width.saturating_sub(1));
    let y = inner.y + y.min(inner.height.saturating_sub(1));
    (x, y)
}

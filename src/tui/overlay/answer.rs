//! The form that says what senders are answered from now on: a pick of the
//! usual, or all of it by hand.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::response_plan::{
    ResponsePlan, format_delay, headers_text, parse_delay, parse_headers, parse_steps, steps_text,
};
use crate::domain::route::ForwardMode;
use crate::domain::text::{pad, width as columns};
use crate::engine::command::ResponseOverrideRequest;
use crate::tui::layout::centred;
use crate::tui::pane::Ctx;
use crate::tui::pane::detail::put;
use crate::tui::theme::Role;
use crate::tui::widget::field::Field;
use crate::tui::widget::wrap;

/// How many columns the names of the parts take.
const LABEL: usize = 9;

/// How many columns a pick takes before what is said of it.
const PICK: usize = 18;

/// The usual: the answers, the delay, and what is said of it.
const PICKS: [(&str, &str, &str); 5] = [
    ("200", "0", "at once"),
    ("500", "0", "the sender tries again as long as it likes"),
    (
        "500, 500, 200",
        "0",
        "the third try of each event goes well",
    ),
    ("drop", "0", "the connection is closed without an answer"),
    ("200", "10s", "some senders do not wait that long"),
];

/// The form's state.
#[derive(Clone, Debug)]
pub struct AnswerForm {
    /// The part with the focus.
    pub part: Part,
    /// Which pick the cursor is on; the one behind all is "as configured".
    pub pick: usize,
    /// The answers in turn.
    pub steps: Field,
    /// The header fields, parted by `|`.
    pub headers: Field,
    /// The body.
    pub body: Field,
    /// How long the answer is held back.
    pub delay: Field,
    /// Over what time the body is spread.
    pub slow: Field,
    /// When deliveries are sent on.
    pub mode: ForwardMode,
    /// Why it cannot be done like this.
    pub problem: Option<String>,
    /// The order that was given and is not accepted yet.
    pub sent: Option<ResponseOverrideRequest>,
    endpoint: Option<String>,
    title: String,
    configured: String,
    /// The mode of a pick: one in which creel answers.
    own_mode: ForwardMode,
    has_app: bool,
}

/// A part of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The usual.
    Picks,
    /// The answers in turn.
    Steps,
    /// The header fields.
    Headers,
    /// The body.
    Body,
    /// How long the answer is held back.
    Delay,
    /// Over what time the body is spread.
    Slow,
    /// When deliveries are sent on.
    Mode,
    /// The button that does it.
    Apply,
    /// The button that does not.
    Cancel,
}

impl Part {
    const ALL: [Self; 9] = [
        Self::Picks,
        Self::Steps,
        Self::Headers,
        Self::Body,
        Self::Delay,
        Self::Slow,
        Self::Mode,
        Self::Apply,
        Self::Cancel,
    ];
}

impl AnswerForm {
    /// Opens the form on what is answered now at an endpoint.
    pub fn new(endpoint: Option<&str>, ctx: Ctx<'_>) -> Self {
        let info = ctx.info;
        let (mode, plan) = info.answering(endpoint);
        let title = match endpoint {
            Some(name) => format!("Answer at endpoint {name}"),
            None if info.endpoints.is_empty() => "Answer all deliveries".to_owned(),
            None => "Answer what no endpoint takes".to_owned(),
        };
        let own = info
            .endpoints
            .iter()
            .find(|e| Some(e.name.as_str()) == endpoint);
        let configured = own.and_then(|e| e.answer.as_ref()).unwrap_or(&info.answer);
        let configured_mode = own.and_then(|e| e.mode).unwrap_or(info.mode);
        let has_app = !info.apps.is_empty();
        let configured = if has_app {
            format!("{configured}, {}", configured_mode.word())
        } else {
            configured.to_string()
        };
        let mut form = Self {
            part: Part::Picks,
            pick: 0,
            steps: Field::default(),
            headers: Field::new(headers_text(&plan.headers)),
            body: Field::new(plan.body.clone()),
            delay: Field::default(),
            slow: Field::new(format_delay(plan.slow)),
            mode,
            problem: None,
            sent: None,
            endpoint: endpoint.map(str::to_owned),
            title,
            configured,
            own_mode: match (mode, configured_mode) {
                (ForwardMode::PassThrough, ForwardMode::PassThrough) => ForwardMode::AckFirst,
                (ForwardMode::PassThrough, own) | (own, _) => own,
            },
            has_app,
        };
        form.fill(&steps_text(&plan.steps), &format_delay(plan.delay));
        form
    }

    /// Moves the focus to another part.
    pub fn turn(&mut self, by: isize) {
        loop {
            let at = (self.part as usize).cast_signed() + by;
            self.part = Part::ALL[at.rem_euclid(9).cast_unsigned()];
            if self.part != Part::Mode || self.has_app {
                return;
            }
        }
    }

    /// Moves the cursor among the picks; past their ends, to another part.
    pub fn step(&mut self, by: isize) {
        let to = self.pick.cast_signed() + by;
        if (0..=PICKS.len().cast_signed()).contains(&to) {
            self.pick = to.cast_unsigned();
        } else {
            self.turn(by.signum());
        }
    }

    /// Takes the next mode, or the one before.
    pub fn other_mode(&mut self, by: isize) {
        let at = ForwardMode::ALL
            .iter()
            .position(|m| *m == self.mode)
            .unwrap_or(0);
        let to = (at.cast_signed() + by).rem_euclid(ForwardMode::ALL.len().cast_signed());
        self.mode = ForwardMode::ALL[to.cast_unsigned()];
    }

    /// Returns the text field with the focus.
    pub fn field(&mut self) -> Option<&mut Field> {
        match self.part {
            Part::Steps => Some(&mut self.steps),
            Part::Headers => Some(&mut self.headers),
            Part::Body => Some(&mut self.body),
            Part::Delay => Some(&mut self.delay),
            Part::Slow => Some(&mut self.slow),
            Part::Picks | Part::Mode | Part::Apply | Part::Cancel => None,
        }
    }

    /// Says whether what is pressed is typed into a text field.
    pub const fn types(&self) -> bool {
        matches!(
            self.part,
            Part::Steps | Part::Headers | Part::Body | Part::Delay | Part::Slow
        )
    }

    /// Takes a pick by the number before it, from 1; says whether there is one.
    pub fn choose(&mut self, number: usize) -> bool {
        let there = (1..=PICKS.len() + 1).contains(&number);
        if there {
            self.part = Part::Picks;
            self.pick = number - 1;
        }
        there
    }

    /// Returns what is to be done, or says why that cannot be.
    pub fn order(&mut self) -> Option<ResponseOverrideRequest> {
        if self.part == Part::Picks {
            let Some((steps, delay, _)) = PICKS.get(self.pick) else {
                return Some(ResponseOverrideRequest {
                    endpoint: self.endpoint.clone(),
                    mode: None,
                    plan: None,
                });
            };
            self.fill(steps, delay);
            self.mode = self.own_mode;
            self.slow = Field::new("0 s");
        }
        match self.plan() {
            Ok(plan) => Some(ResponseOverrideRequest {
                endpoint: self.endpoint.clone(),
                mode: Some(self.mode),
                plan: Some(plan),
            }),
            Err((part, why)) => {
                self.part = part;
                self.problem = Some(why);
                None
            }
        }
    }

    fn fill(&mut self, steps: &str, delay: &str) {
        self.steps = Field::new(steps);
        self.delay = Field::new(delay);
    }

    fn plan(&self) -> Result<ResponsePlan, (Part, String)> {
        Ok(ResponsePlan {
            steps: parse_steps(self.steps.text()).map_err(|why| (Part::Steps, why))?,
            headers: parse_headers(self.headers.text()).map_err(|why| (Part::Headers, why))?,
            body: self.body.text().to_owned(),
            delay: parse_delay(self.delay.text()).map_err(|why| (Part::Delay, why))?,
            slow: parse_delay(self.slow.text()).map_err(|why| (Part::Slow, why))?,
        })
    }
}

/// Draws the form; returns where the cursor stands.
pub fn draw(form: &AnswerForm, ctx: Ctx<'_>, screen: Rect, frame: &mut Frame) -> (u16, u16) {
    let look = ctx.look;
    let width = 76.min(screen.width.saturating_sub(2)).max(20);
    let room = usize::from(width).saturating_sub(4);
    let problem = form.problem.as_deref().unwrap_or_default();
    let problem = wrap::words(&look.own(problem), room);
    let area = centred(screen, width, 18 + problem.len() as u16);
    let title = look.cut(&look.own(&form.title), usize::from(width).saturating_sub(6));
    let inner = super::window(&title, area, look, frame);
    let room = usize::from(inner.width);
    let mut lines = Vec::new();
    let mut cursor = (0, form.pick);

    for number in 0..=PICKS.len() {
        let (what, about) = match PICKS.get(number) {
            Some((steps, "0", about)) => ((*steps).to_owned(), *about),
            Some((steps, delay, about)) => (format!("{steps} after {delay}"), *about),
            None => ("as configured".to_owned(), form.configured.as_str()),
        };
        let here = form.part == Part::Picks && form.pick == number;
        let sign = if here { look.glyphs.cursor } else { " " };
        let role = if here { Role::Selected } else { Role::Plain };
        let spans = vec![
            look.span(format!("{sign} {} ", number + 1), Role::Key),
            look.span(pad(&what, PICK), role),
            look.span(look.own(about).into_owned(), Role::Context),
        ];
        lines.push(wrap::cut(spans, room, look.glyphs.ellipsis));
    }
    lines.push(Line::default());

    let label = |name: &str, part| look.label(name, LABEL, form.part == part);
    for (name, part, field) in [
        ("Answers", Part::Steps, &form.steps),
        ("Headers", Part::Headers, &form.headers),
        ("Body", Part::Body, &form.body),
        ("Delay", Part::Delay, &form.delay),
        ("Slow", Part::Slow, &form.slow),
    ] {
        let drawn = field.draw(room.saturating_sub(LABEL), look.marks());
        if form.part == part {
            cursor = (LABEL + drawn.cursor, lines.len());
        }
        lines.push(Line::from(vec![label(name, part), Span::raw(drawn.text)]));
    }
    let mut modes = vec![label("Mode", Part::Mode)];
    if form.has_app {
        for mode in ForwardMode::ALL {
            let sign = look.glyphs.radio[usize::from(form.mode != mode)];
            if form.part == Part::Mode && form.mode == mode {
                let before: usize = modes.iter().map(|s| columns(&s.content)).sum();
                cursor = (before, lines.len());
            }
            modes.push(Span::raw(format!("{sign} {}  ", mode.word())));
        }
    } else {
        modes.push(look.span("nothing is sent on: no target is set", Role::Context));
    }
    lines.push(wrap::cut(modes, room, look.glyphs.ellipsis));
    let problem = problem.into_iter();
    lines.extend(problem.map(|line| Line::from(look.span(line, Role::Bad))));
    let button = |text: &str, part| {
        let role = if form.part == part {
            Role::Selected
        } else {
            Role::Plain
        };
        look.span(format!("[ {text} ]"), role)
    };
    match form.part {
        Part::Apply => cursor = (2, lines.len()),
        Part::Cancel => cursor = (13, lines.len()),
        _ => {}
    }
    lines.push(Line::from(vec![
        button("Apply", Part::Apply),
        Span::raw("  "),
        button("Cancel", Part::Cancel),
    ]));
    lines.push(Line::from(look.span(
        "Enter applies, a number picks, Tab goes on, Esc cancels",
        Role::Context,
    )));
    let (x, y) = cursor;
    // Where there is not room for all, the part with the focus is there.
    let height = usize::from(inner.height).max(1);
    let top = (y + 1).saturating_sub(height).min(lines.len());
    put(&lines[top..], inner, frame);
    let y = y - top;
    let x = inner.x + (x as u16).min(inner.width.saturating_sub(1));
    let y = inner.y + (y as u16).min(inner.height.saturating_sub(1));
    (x, y)
}

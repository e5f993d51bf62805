//! The form for sending again: where to, with which signature, and what of
//! the request will change.
//!
//! What will change is worked out by the creel that sends it; the form asks
//! for that anew whenever it says something else.

mod draw;
mod way;

use url::Url;

use crate::domain::attempt::Signing;
use crate::domain::body::MAX_FORMATTED_BYTES;
use crate::domain::edit::Edit;
use crate::domain::failure::Failure;
use crate::domain::request::Request;
use crate::domain::summary::Summary;
use crate::engine::command::{Preview, ResendRequest, ResendSupport};
use crate::tui::changes::{self, Written};
use crate::tui::look::Look;
use crate::tui::pane::detail::Shown;
use crate::tui::widget::field::Field;

pub use draw::{draw, scroll};
pub use way::{Tries, Way};

/// The form's state.
#[derive(Clone, Debug)]
pub struct ResendForm {
    /// Where to.
    pub target: Field,
    /// As what it goes.
    pub choice: Choice,
    /// Which, how often and how fast.
    pub way: Way,
    /// The part with the focus.
    pub part: Part,
    /// Why it cannot be sent like this, each part on lines of its own.
    pub problem: Option<String>,
    /// The first of the changes on the screen.
    pub top: usize,
    ids: Vec<String>,
    title: String,
    original: Option<Box<Request>>,
    edited: Option<Box<Request>>,
    /// What was done to the text for the editor's sake.
    remarks: Vec<String>,
    asked: Option<ResendRequest>,
    outlook: Outlook,
    seed: Option<u64>,
    /// Which ways do not work for the delivery.
    offers: ResendSupport,
    /// The order that was given and is not accepted yet.
    sent: Option<ResendRequest>,
}

/// As what a delivery is sent again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Choice {
    /// With the signature that was received.
    #[default]
    Kept,
    /// Signed anew, as the same event.
    Fresh,
    /// Signed anew, as a new event.
    NewEvent,
}

impl Choice {
    /// Every choice, as they stand in the form.
    pub const ALL: [Self; 3] = [Self::Kept, Self::Fresh, Self::NewEvent];

    /// Returns its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kept => "as received",
            Self::Fresh => "made anew",
            Self::NewEvent => "as a new event",
        }
    }

    /// Says what it is.
    pub const fn words(self) -> &'static str {
        match self {
            Self::Kept => "as received",
            Self::Fresh => "made anew: the time of sending, the same event id",
            Self::NewEvent => "as a new event: new id and time",
        }
    }
}

/// What is known of what would be sent.
#[derive(Clone, Debug, Default)]
enum Outlook {
    /// It is being worked out.
    #[default]
    Unknown,
    /// What will change, and what should be known of it.
    Known(Vec<Written>, Vec<String>),
    /// Why it cannot be sent, and what was edited all the same.
    Refused(Failure, Vec<Written>),
}

/// A part of the form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Part {
    /// The address.
    Target,
    /// The signature.
    Signature,
    /// Which deliveries.
    Which,
    /// How often.
    Tries,
    /// How fast.
    Pace,
    /// How many at a time.
    AtOnce,
    /// The button that sends.
    Send,
    /// The button that opens the editor.
    Edit,
    /// The button that does neither.
    Cancel,
}

impl Part {
    const ALL: [Self; 9] = [
        Self::Target,
        Self::Signature,
        Self::Which,
        Self::Tries,
        Self::Pace,
        Self::AtOnce,
        Self::Send,
        Self::Edit,
        Self::Cancel,
    ];

    /// Returns the part so many places further, round the end.
    #[must_use]
    pub fn turned(self, by: isize) -> Self {
        let count = Self::ALL.len().cast_signed();
        let at = self as isize + by;
        Self::ALL[at.rem_euclid(count).cast_unsigned()]
    }
}

impl ResendForm {
    /// Opens the form for deliveries; `first` is the row of the first one, and
    /// `way` how they are sent.
    pub fn new(ids: Vec<String>, first: &Summary, target: Option<&str>, way: Way) -> Self {
        let title = match ids.len() {
            1 => title(first),
            several => format!("{several} deliveries"),
        };
        Self {
            way,
            target: Field::new(target.unwrap_or("http://localhost:3000")),
            choice: Choice::Kept,
            part: Part::Target,
            problem: None,
            top: 0,
            title,
            ids,
            original: None,
            edited: None,
            remarks: Vec::new(),
            asked: None,
            outlook: Outlook::Unknown,
            seed: None,
            offers: ResendSupport::default(),
            sent: None,
        }
    }

    /// Takes what is known of the delivery, where the form is about it alone:
    /// its changes are listed, and only what works for it is offered.
    #[must_use]
    pub fn describing(mut self, shown: &Shown) -> Self {
        self.describe(shown);
        self
    }

    /// Takes what is known of the delivery, where the form is about it alone.
    pub fn describe(&mut self, shown: &Shown) {
        let delivery = &shown.detail.delivery;
        if self.ids != [delivery.id.to_string()] {
            return;
        }
        self.offers.clone_from(&shown.detail.offers);
        self.drop_refused();
        if self.original.is_none() {
            self.original = Some(Box::new(delivery.request.clone()));
        }
    }

    /// Returns whether an order waits for being accepted.
    pub const fn is_sent(&self) -> bool {
        self.sent.is_some()
    }

    /// Returns the order that was given and is not accepted yet.
    pub const fn sent(&self) -> Option<&ResendRequest> {
        self.sent.as_ref()
    }

    /// Takes the order back.
    pub fn unsend(&mut self) {
        self.sent = None;
    }

    /// Takes why the order is not accepted.
    pub fn refuse(&mut self, parts: &[String]) {
        self.sent = None;
        self.problem = Some(parts.join("\n"));
    }

    /// Says why something is not offered; `None` where it is.
    fn not_offered(&self, choice: Choice) -> Option<&str> {
        match choice {
            _ if self.is_batch() => None,
            Choice::Kept => None,
            Choice::Fresh | Choice::NewEvent => self.offers.no_signature.as_deref(),
        }
    }

    /// Says why it cannot be tried like this; `None` where it can.
    fn no_tries(&self, tries: Tries) -> Option<&str> {
        match tries {
            Tries::Once => None,
            _ if self.is_batch() => None,
            Tries::AsProvider | Tries::Faster => self.offers.no_retries.as_deref(),
        }
    }

    /// Moves the focus to another part.
    pub fn turn(&mut self, by: isize) {
        self.part = self.part.turned(by);
        while !self.has(self.part) {
            self.part = self.part.turned(by);
        }
    }

    /// Says whether the form has a part now.
    fn has(&self, part: Part) -> bool {
        match part {
            Part::Edit => self.original.is_some() && !self.way.all,
            Part::Which => self.way.others().is_some() && self.edited.is_none(),
            Part::Pace | Part::AtOnce => self.is_batch(),
            Part::Target | Part::Signature | Part::Tries | Part::Send | Part::Cancel => true,
        }
    }

    /// Says whether it is about several deliveries.
    fn is_batch(&self) -> bool {
        self.way.all || self.ids.len() > 1
    }

    /// Returns the text field that has the focus.
    pub fn field(&mut self) -> Option<&mut Field> {
        match self.part {
            Part::Target => Some(&mut self.target),
            Part::Pace => Some(&mut self.way.pace),
            Part::AtOnce => Some(&mut self.way.at_once),
            _ => None,
        }
    }

    /// Says whether what is typed goes into a text field.
    pub const fn types(&self) -> bool {
        matches!(self.part, Part::Target | Part::Pace | Part::AtOnce)
    }

    /// Takes another choice of the part with the focus.
    pub fn choose(&mut self, by: isize) {
        let turned = |at: usize| (at.cast_signed() + by).rem_euclid(3).cast_unsigned();
        match self.part {
            Part::Signature => {
                let mut choice = Choice::ALL[turned(self.choice as usize)];
                while self.not_offered(choice).is_some() {
                    choice = Choice::ALL[turned(choice as usize)];
                }
                self.choice = choice;
            }
            Part::Tries => {
                let mut tries = Tries::ALL[turned(self.way.tries as usize)];
                while self.no_tries(tries).is_some() {
                    tries = Tries::ALL[turned(tries as usize)];
                }
                self.way.tries = tries;
                // A provider signs each of its tries.
                if tries != Tries::Once {
                    self.sign_anew();
                }
            }
            Part::Which => {
                self.way.all = !self.way.all;
                self.drop_refused();
            }
            _ => return,
        }
        self.problem = None;
    }

    /// Returns the request as it is to be sent but for its signature, and as
    /// it came; `None` where the form is about several.
    pub fn request(&self) -> Option<&Request> {
        self.edited.as_deref().or(self.original.as_deref())
    }

    /// Returns the request as it came.
    pub fn original(&self) -> Option<&Request> {
        self.original.as_deref()
    }

    /// Takes what came back from the editor.
    pub fn edit(&mut self, request: Request, remarks: Vec<String>) {
        let first = self.edited.is_none();
        let changed = self.original.as_deref() != Some(&request);
        self.edited = changed.then(|| Box::new(request));
        self.remarks = remarks;
        self.part = Part::Send;
        // What was signed before does not fit any more.
        if changed && first {
            self.sign_anew();
        }
    }

    /// Chooses a new signature where the old one was to be kept and one can
    /// be made.
    fn sign_anew(&mut self) {
        if self.choice == Choice::Kept && self.not_offered(Choice::Fresh).is_none() {
            self.choice = Choice::Fresh;
        }
    }

    /// Takes back what was chosen and is not offered.
    fn drop_refused(&mut self) {
        if self.not_offered(self.choice).is_some() {
            self.choice = Choice::Kept;
        }
        if self.no_tries(self.way.tries).is_some() {
            self.way.tries = Tries::Once;
        }
    }

    /// Returns what is to be sent, or says why that cannot be.
    pub fn order(&mut self) -> Option<ResendRequest> {
        let Some(mut order) = self.draft() else {
            self.problem = Some("An address looks like this: http://localhost:3000/hooks".into());
            self.part = Part::Target;
            return None;
        };
        let refused = matches!(self.outlook, Outlook::Refused(..));
        if refused && !self.is_batch() && self.asked.as_ref() == Some(&order) {
            // That is what there is to read now.
            self.problem = None;
            return None;
        }
        if let Err((part, why)) = self.way.complete(&mut order) {
            self.problem = Some(why);
            self.part = part;
            return None;
        }
        self.problem = None;
        self.sent = Some(order.clone());
        Some(order)
    }

    /// Returns the order whose outcome should be worked out now, and
    /// remembers that it was asked for.
    pub fn wants(&mut self) -> Option<ResendRequest> {
        if self.is_batch() {
            return None;
        }
        let order = self.draft()?;
        if self.asked.as_ref() == Some(&order) {
            return None;
        }
        self.asked = Some(order.clone());
        Some(order)
    }

    /// Takes what would be sent.
    pub fn take(
        &mut self,
        order: &ResendRequest,
        answer: Result<Box<Preview>, Failure>,
        look: &Look,
    ) {
        // What was asked for since counts.
        let Some(asked) = self.asked.as_mut().filter(|asked| *asked == order) else {
            return;
        };
        self.outlook = match answer {
            Ok(preview) => {
                self.seed = Some(preview.seed);
                asked.seed = self.seed;
                let when = changes::When {
                    later: &preview.later,
                    now: &preview.times,
                };
                let lines =
                    changes::lines(&preview.old, &preview.new, when, MAX_FORMATTED_BYTES, look);
                Outlook::Known(lines, preview.notes)
            }
            Err(failure) => {
                let edited = match (&self.original, &self.edited) {
                    (Some(original), Some(edited)) => {
                        let when = changes::When::default();
                        changes::lines(original, edited, when, MAX_FORMATTED_BYTES, look)
                    }
                    _ => Vec::new(),
                };
                Outlook::Refused(failure, edited)
            }
        };
    }

    fn draft(&self) -> Option<ResendRequest> {
        let target = self.target.text().trim();
        let url = Url::parse(target).ok()?;
        if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
            return None;
        }
        Some(ResendRequest {
            which: self.way.which(&self.ids),
            target: Some(target.to_owned()),
            signing: Some(match self.choice {
                Choice::Kept => Signing::Kept,
                Choice::Fresh | Choice::NewEvent => Signing::Fresh,
            }),
            new_event: self.choice == Choice::NewEvent,
            seed: self.seed,
            edit: self.edited.as_ref().map(|whole| {
                Box::new(Edit {
                    whole: Some(Request::clone(whole)),
                    ..Edit::default()
                })
            }),
            ..ResendRequest::default()
        })
    }
}

/// Names a delivery.
fn title(row: &Summary) -> String {
    let names = [&row.provider, &row.event, &row.delivery_id];
    let names: Vec<&str> = names.into_iter().flatten().map(String::as_str).collect();
    if names.is_empty() {
        format!("{} {}", row.method, row.path)
    } else {
        names.join(", ")
    }
}

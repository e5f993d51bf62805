//! Every action by words, with its key.

use ratatui::Frame;
use ratatui::layout::Rect;
use ratatui::text::{Line, Span};

use crate::domain::text::{fold, width as columns};
use crate::tui::action::{ACTIONS, Action, Place, Spec};
use crate::tui::layout::centred;
use crate::tui::pane::Ctx;
use crate::tui::theme::Role;
use crate::tui::widget::field::Field;
use crate::tui::widget::scroll;

/// How many letters of its name select an action that sends.
const MIN_TYPED: usize = 3;

/// The palette's state.
#[derive(Clone, Debug, Default)]
pub struct Palette {
    /// What is looked for.
    pub field: Field,
    /// Which line is chosen.
    pub cursor: usize,
    /// Whether that line was selected by hand, not by what was typed.
    by_hand: bool,
}

impl Palette {
    /// Returns the actions that match what was typed, the best first.
    pub fn matches(&self) -> Vec<&'static Spec> {
        let typed = self.field.text();
        let mut rated: Vec<_> = ACTIONS
            .iter()
            .filter(|s| !matches!(s.action, Action::Palette))
            .filter_map(|s| Some((rate(s, typed)?, s)))
            .collect();
        rated.sort_by_key(|(rate, _)| *rate);
        rated.into_iter().map(|(_, spec)| spec).collect()
    }

    /// Says whether an action was selected by hand, or by the beginning of
    /// its name.
    pub fn is_meant(&self, action: Action) -> bool {
        let typed = self.field.text().trim();
        self.by_hand || typed.chars().count() >= MIN_TYPED && is_named(action.spec(), typed)
    }

    /// Goes to the best match of what was typed.
    pub fn typed(&mut self) {
        self.cursor = 0;
        self.by_hand = false;
    }

    /// Selects a line by hand.
    pub fn pick(&mut self, line: usize) {
        self.cursor = line;
        self.by_hand = true;
    }

    /// Returns the action that is chosen.
    pub fn chosen(&self) -> Option<Action> {
        let matches = self.matches();
        let at = self.cursor.min(matches.len().checked_sub(1)?);
        Some(matches[at].action)
    }

    /// Moves to another line.
    pub fn step(&mut self, by: isize) {
        self.pick(scroll::step(self.cursor, by, self.matches().len()));
    }

    /// Returns the line at a place of the screen.
    pub fn at(&self, x: u16, y: u16, screen: Rect) -> Option<usize> {
        let area = area(screen);
        let rows = rows(area);
        let inside = rows.contains((x, y).into());
        let top = scroll::follow(0, self.cursor, usize::from(rows.height), usize::MAX);
        let line = top + usize::from(y.saturating_sub(rows.y));
        (inside && line < self.matches().len()).then_some(line)
    }
}

/// Rates how well an action matches what was typed; smaller is better. Every
/// typed word has to begin a word of the action, or be its words' initials.
fn rate(spec: &Spec, typed: &str) -> Option<usize> {
    if typed.trim().is_empty() {
        return Some(0);
    }
    let typed = folded_words(typed);
    let name = folded_words(spec.name);
    let label = folded_words(spec.label);
    let sentence = folded_words(spec.sentence);
    if typed.is_empty() {
        return None;
    }
    let begins = |words: &[String]| {
        let begun = |typed: &String| words.iter().any(|word| word.starts_with(typed));
        typed.iter().all(begun)
    };
    let initials = |words: &[String]| {
        let initials: String = words
            .iter()
            .filter_map(|word| word.chars().next())
            .collect();
        matches!(&typed[..], [one] if one.chars().count() > 1 && initials.starts_with(one))
    };
    if is_named_by(&name, &typed) {
        return Some(usize::from(name != typed));
    }
    let rates = [
        begins(&name),
        begins(&label) || begins(&sentence),
        begins(&[name.clone(), label.clone(), sentence.clone()].concat()),
        initials(&name) || initials(&label) || initials(&sentence),
    ];
    rates.iter().position(|matches| *matches).map(|at| at + 2)
}

/// Says whether what was typed is the beginning of an action's name.
fn is_named(spec: &Spec, typed: &str) -> bool {
    is_named_by(&folded_words(spec.name), &folded_words(typed))
}

/// Says whether the typed words begin the name's words, one by one.
fn is_named_by(name: &[String], typed: &[String]) -> bool {
    let mut pairs = name.iter().zip(typed);
    !typed.is_empty()
        && typed.len() <= name.len()
        && pairs.all(|(word, typed)| word.starts_with(typed))
}

/// Splits a text into words, without regard to case.
fn folded_words(text: &str) -> Vec<String> {
    let words = text.split(|c: char| !c.is_alphanumeric());
    let folded = words.map(|word| word.chars().map(fold).collect());
    folded.filter(|word: &String| !word.is_empty()).collect()
}

/// Draws the palette; returns where the cursor stands.
pub fn draw(palette: &Palette, ctx: Ctx<'_>, screen: Rect, frame: &mut Frame) -> (u16, u16) {
    let look = ctx.look;
    let area = area(screen);
    let inner = super::window("Commands", area, look, frame);
    let hint = "Type what to do, Enter does it";
    let typed_to = super::typed(&palette.field, hint, inner, look, frame);
    let matches = palette.matches();
    let rows = rows(area);
    let cursor = palette.cursor.min(matches.len().saturating_sub(1));
    let top = scroll::follow(0, cursor, usize::from(rows.height), matches.len());
    let width = usize::from(rows.width);
    for ((at, spec), y) in matches
        .iter()
        .enumerate()
        .skip(top)
        .zip(rows.y..rows.bottom())
    {
        let rect = Rect {
            y,
            height: 1,
            ..rows
        };
        let sign = if at == cursor {
            look.glyphs.cursor
        } else {
            " "
        };
        let key = keys(spec, ctx);
        let room = width.saturating_sub(columns(&key) + 4);
        let sentence = look.cut(spec.sentence, room);
        let gap = " ".repeat(room.saturating_sub(columns(&sentence)) + 1);
        let line = Line::from(vec![
            Span::raw(format!("{sign} {sentence}{gap}")),
            look.span(key, Role::Key),
        ]);
        frame.render_widget(line, rect);
        if at == cursor {
            let style = look.theme.style(Role::Selected);
            frame.buffer_mut().set_style(rect, style);
        }
    }
    if matches.is_empty() && rows.height > 0 {
        let none = Line::from("Nothing matches");
        frame.render_widget(none, Rect { height: 1, ..rows });
    }
    typed_to
}

/// Writes the keys that do the same, the one for copying before its letters.
fn keys(spec: &Spec, ctx: Ctx<'_>) -> String {
    let key = ctx.keys.key(spec.action);
    if spec.place == Place::Copy {
        format!("{} {key}", ctx.keys.key(Action::Copy))
    } else {
        key
    }
}

fn area(screen: Rect) -> Rect {
    let height = screen.height.saturating_sub(4).clamp(5, 24);
    centred(
        screen,
        84.min(screen.width.saturating_sub(4).max(20)),
        height,
    )
}

fn rows(area: Rect) -> Rect {
    Rect {
        x: area.x + 2,
        y: area.y + 2,
        width: area.width.saturating_sub(4),
        height: area.height.saturating_sub(3),
    }
    .intersection(area)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(typed: &str) -> Palette {
        Palette {
            field: Field::new(typed),
            ..Palette::default()
        }
    }

    #[test]
    fn words_match_by_their_beginnings() {
        let best = |typed: &str| found(typed).chosen();
        assert_eq!(best("resend"), Some(Action::Resend));
        assert_eq!(best("resend w"), Some(Action::ResendWith));
        assert_eq!(best("RESEND-WITH"), Some(Action::ResendWith));
        assert_eq!(best("curl"), Some(Action::CopyCurl));
        assert_eq!(best("curl copy"), Some(Action::CopyCurl));
        assert_eq!(best("hpd"), Some(Action::HalfDown));
        for nothing in [
            "delete",
            "elp",
            "esend",
            "rsnd",
            "purge",
            "drop",
            "xyz",
            "-",
            "help me now",
        ] {
            assert_eq!(best(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn what_sends_is_meant_only_by_its_name_or_by_hand() {
        for spec in ACTIONS.iter().filter(|spec| spec.action.sends()) {
            for end in 1..=spec.name.len() {
                let palette = found(&spec.name[..end]);
                assert_eq!(palette.is_meant(spec.action), end >= MIN_TYPED, "{end}");
            }
            for other in ["", "send", "again", "s", "captured", "selected"] {
                let mut palette = found(other);
                assert!(!palette.is_meant(spec.action), "{other}");
                palette.step(1);
                assert!(palette.is_meant(spec.action));
                palette.typed();
                assert!(!palette.is_meant(spec.action));
            }
        }
    }
}

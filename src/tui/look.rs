//! How things are written on this screen: colours, glyphs, the time zone.

use std::borrow::Cow;

use chrono::{DateTime, FixedOffset, Local};
use ratatui::symbols::border;
use ratatui::text::Span;

use crate::domain::text::{self, Marks};
use crate::domain::timestamp::Timestamp;

use super::theme::{Role, Theme};

/// The zone local times are shown in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Zone {
    /// The machine's own.
    #[default]
    Local,
    /// A fixed offset from UTC.
    Fixed(FixedOffset),
}

/// Signs that an ASCII terminal needs others for.
#[derive(Debug, PartialEq, Eq)]
pub struct Glyphs {
    /// Stands before the selected row.
    pub cursor: &'static str,
    /// Stands before what is right.
    pub right: &'static str,
    /// Stands before what is wrong.
    pub wrong: &'static str,
    /// Stands before what deserves a look.
    pub note: &'static str,
    /// Says that creel is at work.
    pub dot: &'static str,
    /// Parts two facts on a line.
    pub sep: &'static str,
    /// Stands for what was cut.
    pub ellipsis: &'static str,
    /// Stands between where it listens and where it sends.
    pub arrow: &'static str,
    /// Points at what is above.
    pub up: &'static str,
    /// The key Enter.
    pub enter: &'static str,
    /// A chosen option and one that is not.
    pub radio: [&'static str; 2],
    /// Borders of a pane without the focus.
    pub border: border::Set<'static>,
    /// Borders of the pane with the focus.
    pub focus: border::Set<'static>,
}

/// The signs of a terminal that shows Unicode.
pub static UNICODE: Glyphs = Glyphs {
    cursor: "▶",
    right: "✓",
    wrong: "✗",
    note: "!",
    dot: "●",
    sep: "·",
    ellipsis: "…",
    arrow: "→",
    up: "↑",
    enter: "⏎",
    radio: ["(•)", "( )"],
    border: border::PLAIN,
    focus: border::THICK,
};

/// The signs of one that shows ASCII only.
pub static ASCII: Glyphs = Glyphs {
    cursor: ">",
    right: "+",
    wrong: "x",
    note: "!",
    dot: "*",
    sep: "-",
    ellipsis: "...",
    arrow: "->",
    up: "above",
    enter: "Enter",
    radio: ["(*)", "( )"],
    border: border::Set {
        top_left: "+",
        top_right: "+",
        bottom_left: "+",
        bottom_right: "+",
        vertical_left: "|",
        vertical_right: "|",
        horizontal_top: "-",
        horizontal_bottom: "-",
    },
    focus: border::Set {
        top_left: "#",
        top_right: "#",
        bottom_left: "#",
        bottom_right: "#",
        vertical_left: "#",
        vertical_right: "#",
        horizontal_top: "=",
        horizontal_bottom: "=",
    },
};

/// How things are written on this screen.
#[derive(Clone, Copy, Debug)]
pub struct Look {
    /// The styles.
    pub theme: Theme,
    /// The signs.
    pub glyphs: &'static Glyphs,
    /// The zone of local times.
    pub zone: Zone,
}

impl Default for Look {
    fn default() -> Self {
        Self {
            theme: Theme::Ansi,
            glyphs: &UNICODE,
            zone: Zone::Local,
        }
    }
}

impl Look {
    /// Says whether only ASCII may be written.
    pub fn is_ascii(&self) -> bool {
        std::ptr::eq(self.glyphs, &raw const ASCII)
    }

    /// Returns how what cannot be shown is written.
    pub fn marks(&self) -> Marks {
        if self.is_ascii() {
            Marks::Ascii
        } else {
            Marks::Pictures
        }
    }

    /// Makes text from outside safe to draw.
    pub fn foreign<'a>(&self, text: &'a str) -> Cow<'a, str> {
        text::visible_as(text, self.marks())
    }

    /// Makes bytes from outside safe to draw.
    pub fn foreign_bytes(&self, bytes: &[u8]) -> String {
        text::visible_bytes_as(bytes, self.marks())
    }

    /// Writes creel's own words with the signs of this screen, and makes
    /// safe what they quote.
    pub fn own<'a>(&self, text: &'a str) -> Cow<'a, str> {
        if self.is_ascii() {
            text::ascii(text)
        } else {
            self.foreign(text)
        }
    }

    /// Makes a word with its role.
    pub fn span<'a>(&self, text: impl Into<Cow<'a, str>>, role: Role) -> Span<'a> {
        Span::styled(text, self.theme.style(role))
    }

    /// Makes a form's label of so many columns, which says whether its part
    /// has the cursor.
    pub fn label(&self, name: &str, columns: usize, here: bool) -> Span<'static> {
        let role = if here { Role::Focus } else { Role::Key };
        self.span(text::pad(name, columns), role)
    }

    /// Cuts a text that may be drawn to `max` columns.
    pub fn cut(&self, text: &str, max: usize) -> String {
        text::cut_with(text, max, self.glyphs.ellipsis)
    }

    /// Cuts a text that may be drawn to `max` columns, in its middle.
    pub fn cut_middle(&self, text: &str, max: usize) -> String {
        text::cut_middle_with(text, max, self.glyphs.ellipsis)
    }

    /// Returns a moment in this screen's zone.
    pub fn local(&self, at: Timestamp) -> DateTime<FixedOffset> {
        let utc = at.utc();
        match self.zone {
            Zone::Local => utc.with_timezone(&Local).fixed_offset(),
            Zone::Fixed(offset) => utc.with_timezone(&offset),
        }
    }

    /// Writes a moment in eight columns: `14:02:31`, or `21 Nov` where that
    /// was not on the day of `now`.
    pub fn short_time(&self, at: Timestamp, now: Timestamp) -> String {
        let local = self.local(at);
        let today = self.local(now).date_naive();
        if local.date_naive() == today {
            local.format("%H:%M:%S").to_string()
        } else {
            local.format("%e %b").to_string()
        }
    }

    /// Writes a moment in full: `2026-11-21 14:02:31.204 +01:00`.
    pub fn full_time(&self, at: Timestamp) -> String {
        let local = self.local(at);
        local.format("%Y-%m-%d %H:%M:%S%.3f %:z").to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_times_in_its_zone() {
        let look = Look {
            zone: Zone::Fixed(FixedOffset::east_opt(3600).unwrap()),
            ..Look::default()
        };
        let at = Timestamp(1_795_269_751_204_512);
        assert_eq!(look.full_time(at), "2026-11-21 15:02:31.204 +01:00");
        assert_eq!(look.short_time(at, at), "15:02:31");
        let later = Timestamp(at.0 + 86_400_000_000);
        assert_eq!(look.short_time(at, later), "21 Nov");
    }

    #[test]
    fn own_words_are_ascii_where_asked() {
        let look = Look {
            glyphs: &ASCII,
            ..Look::default()
        };
        assert!(look.is_ascii());
        assert_eq!(look.own("a … b — é"), r"a ... b - \u{e9}");
        assert_eq!(Look::default().own("a … b"), "a … b");
    }
}

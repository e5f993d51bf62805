//! Roles and their styles: sixteen ANSI colours at the most, on the
//! terminal's own background, so that the user's own theme holds.
//!
//! No role has a background, a bright colour or grey: those are what goes
//! unread on a light terminal or a dark one. Every state is a word besides.

use ratatui::style::{Color, Modifier, Style};

use crate::domain::body;

/// What a word on the screen is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Role {
    /// Text like any other.
    #[default]
    Plain,
    /// A heading, or what matters most here.
    Strong,
    /// Something that could be left unread: separators, hints.
    Context,
    /// The border and the title of the pane with the focus, the chosen tab.
    Focus,
    /// Something that is right.
    Good,
    /// Something to look at.
    Warn,
    /// Something that is wrong.
    Bad,
    /// The name of a member or a field.
    Key,
    /// A string.
    String,
    /// A number.
    Number,
    /// `true`, `false`, `null`.
    Literal,
    /// A mark in the place of something that cannot be shown.
    Mark,
    /// What was searched for.
    Match,
    /// The selected row.
    Selected,
}

/// Whether there are colours at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Theme {
    /// Sixteen ANSI colours.
    #[default]
    Ansi,
    /// None: bold, dim and reverse stay.
    Plain,
}

impl Theme {
    /// Returns the style of a role.
    pub fn style(self, role: Role) -> Style {
        let style = Style::new();
        let coloured = |color| match self {
            Self::Ansi => style.fg(color),
            Self::Plain => style,
        };
        match role {
            Role::Plain => style,
            Role::Strong => style.add_modifier(Modifier::BOLD),
            Role::Context => style.add_modifier(Modifier::DIM),
            Role::Focus => coloured(Color::Cyan).add_modifier(Modifier::BOLD),
            Role::Good | Role::String => coloured(Color::Green),
            Role::Warn => coloured(Color::Magenta).add_modifier(Modifier::BOLD),
            Role::Bad => coloured(Color::Red).add_modifier(Modifier::BOLD),
            Role::Key => coloured(Color::Cyan),
            Role::Number | Role::Literal => coloured(Color::Magenta),
            Role::Mark => coloured(Color::Red).add_modifier(Modifier::UNDERLINED),
            Role::Match | Role::Selected => style.add_modifier(Modifier::REVERSED),
        }
    }
}

impl From<body::Role> for Role {
    fn from(role: body::Role) -> Self {
        match role {
            body::Role::Key => Self::Key,
            body::Role::String => Self::String,
            body::Role::Number => Self::Number,
            body::Role::Literal => Self::Literal,
            body::Role::Punctuation | body::Role::Plain => Self::Plain,
            body::Role::Offset => Self::Context,
            body::Role::Mark => Self::Mark,
        }
    }
}

//! Where things are on the screen. Pure: the same size and state give the
//! same places, for drawing, for paging and for the mouse.

use ratatui::layout::{Rect, Size};

use super::app::{App, Focus};

/// The shapes a screen can have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Too small for anything but a word.
    Tiny,
    /// One pane without borders, and a line.
    Small,
    /// The list above the delivery.
    Stacked,
    /// The list beside the delivery.
    Wide,
}

/// The places of a screen; what is not shown is missing or empty.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Areas {
    /// The shape.
    pub shape: Shape,
    /// The whole screen.
    pub screen: Rect,
    /// The first line.
    pub header: Rect,
    /// The list.
    pub list: Option<ListArea>,
    /// The delivery.
    pub detail: Option<DetailArea>,
    /// The verdict on the selected delivery, on a small screen.
    pub note: Rect,
    /// Where a toast goes, over what is there.
    pub toast: Rect,
    /// The last line.
    pub status: Rect,
}

/// The places of the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListArea {
    /// All of it, its borders too.
    pub outer: Rect,
    /// Its headings.
    pub heading: Rect,
    /// Its rows.
    pub rows: Rect,
}

/// The places of the delivery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DetailArea {
    /// All of it, its borders too.
    pub outer: Rect,
    /// Its tabs.
    pub tabs: Rect,
    /// Its content.
    pub content: Rect,
}

/// Which borders a pane has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Frame {
    /// On every side.
    All,
    /// Above and below: a mouse drags over the text alone.
    Ends,
    /// On no side.
    None,
}

/// Screens from this height on have a line for toasts.
const TOAST_LINE: u16 = 30;

/// Says where things are on a screen of this size.
pub fn layout(size: Size, app: &App) -> Areas {
    let screen = Rect::new(0, 0, size.width, size.height);
    let shape = shape(size);
    let toast_lines = u16::from(size.height >= TOAST_LINE);
    let note_lines = u16::from(shape == Shape::Small && size.height >= 8 && !app.is_empty());
    let header = row(screen, 0);
    let status = row(screen, size.height.saturating_sub(1));
    let above_status = row(screen, size.height.saturating_sub(2));
    let toast = app.toast.as_ref();
    let toast_height = toast.map_or(1, |toast| toast.lines(usize::from(size.width)).len());
    let middle = Rect {
        y: 1.min(size.height),
        height: size.height.saturating_sub(2 + toast_lines),
        ..screen
    };
    let mut areas = Areas {
        shape,
        screen,
        header,
        list: None,
        detail: None,
        note: Rect::ZERO,
        toast: up_from(above_status, toast_height, screen),
        status,
    };
    let on_list = app.focus == Focus::List;
    match shape {
        Shape::Tiny => {}
        Shape::Small if on_list => {
            let rows = Rect {
                height: middle.height - note_lines,
                ..middle
            };
            areas.list = Some(list(rows, Frame::None));
            if note_lines > 0 {
                areas.note = above_status;
            }
        }
        Shape::Small => areas.detail = Some(detail(middle, Frame::None)),
        Shape::Stacked | Shape::Wide if app.is_empty() => {
            areas.list = Some(list(middle, Frame::All));
        }
        Shape::Stacked | Shape::Wide if app.zoom && on_list => {
            areas.list = Some(list(middle, Frame::Ends));
        }
        Shape::Stacked | Shape::Wide if app.zoom => {
            areas.detail = Some(detail(middle, Frame::Ends));
        }
        Shape::Stacked => {
            let height = (u32::from(middle.height) * 2 / 5 + 1) as u16;
            let (above, below) = split_rows(middle, height);
            areas.list = Some(list(above, Frame::All));
            areas.detail = Some(detail(below, Frame::All));
        }
        Shape::Wide => {
            let width = (u32::from(middle.width) * 55 / 100) as u16;
            let left = Rect { width, ..middle };
            let right = Rect {
                x: middle.x + width,
                width: middle.width - width,
                ..middle
            };
            areas.list = Some(list(left, Frame::All));
            areas.detail = Some(detail(right, Frame::All));
        }
    }
    areas
}

impl Areas {
    /// Returns how many rows of the list are on the screen.
    pub fn list_height(&self) -> usize {
        self.list.map_or(1, |l| usize::from(l.rows.height)).max(1)
    }

    /// Returns where the delivery's content is, empty where it is not shown.
    pub fn content(&self) -> Rect {
        self.detail.map_or(Rect::ZERO, |d| d.content)
    }
}

/// Returns a place of so many columns and lines in the middle of the screen.
pub fn centred(screen: Rect, width: u16, height: u16) -> Rect {
    let (width, height) = (width.min(screen.width), height.min(screen.height));
    Rect {
        x: screen.x + (screen.width - width) / 2,
        y: screen.y + (screen.height - height) / 2,
        width,
        height,
    }
}

fn shape(size: Size) -> Shape {
    match (size.width, size.height) {
        (0..20, _) | (_, 0..5) => Shape::Tiny,
        (0..60, _) | (_, 0..16) => Shape::Small,
        (60..100, _) => Shape::Stacked,
        _ => Shape::Wide,
    }
}

fn row(screen: Rect, y: u16) -> Rect {
    Rect {
        y: y.min(screen.height),
        height: u16::from(y < screen.height),
        ..screen
    }
}

/// Extends a row upwards to `height` lines, limited by the header line.
fn up_from(row: Rect, height: usize, screen: Rect) -> Rect {
    let most = row.bottom().saturating_sub(screen.y + 1).max(1);
    let height = u16::try_from(height).unwrap_or(most).min(most);
    Rect {
        y: row.bottom().saturating_sub(height),
        height,
        ..row
    }
}

fn split_rows(area: Rect, height: u16) -> (Rect, Rect) {
    let height = height.min(area.height);
    let below = Rect {
        y: area.y + height,
        height: area.height - height,
        ..area
    };
    (Rect { height, ..area }, below)
}

fn inner(outer: Rect, frame: Frame) -> Rect {
    let (x, y) = match frame {
        Frame::All => (1, 1),
        Frame::Ends => (0, 1),
        Frame::None => (0, 0),
    };
    Rect {
        x: outer.x + x.min(outer.width),
        y: outer.y + y.min(outer.height),
        width: outer.width.saturating_sub(2 * x),
        height: outer.height.saturating_sub(2 * y),
    }
}

fn list(outer: Rect, frame: Frame) -> ListArea {
    let inner = inner(outer, frame);
    let headings = u16::from(frame != Frame::None);
    let (heading, rows) = split_rows(inner, headings);
    ListArea {
        outer,
        heading,
        rows,
    }
}

fn detail(outer: Rect, frame: Frame) -> DetailArea {
    let inner = inner(outer, frame);
    let (tabs, content) = split_rows(inner, 1);
    // A blank column beside the border.
    let pad = |area: Rect| match frame {
        Frame::All if area.width > 1 => Rect {
            x: area.x + 1,
            width: area.width - 1,
            ..area
        },
        _ => area,
    };
    DetailArea {
        outer,
        tabs: pad(tabs),
        content: pad(content),
    }
}

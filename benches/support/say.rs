//! What a benchmark prints.

/// Prints a line, whether or not somebody still reads.
macro_rules! say {
    ($($text:tt)*) => {{
        let _ = std::io::Write::write_fmt(
            &mut std::io::stdout(),
            format_args!("{}\n", format_args!($($text)*)),
        );
    }};
}
pub(crate) use say;

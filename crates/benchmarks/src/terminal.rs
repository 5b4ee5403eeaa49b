//! What a person sees: headings, live lines, tables. Plain when the output is not a terminal.

use std::env;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

/// What output is made to fit.
pub const WIDTH: usize = 100;
/// Faster than this nobody reads.
const REDRAW: Duration = Duration::from_millis(60);
const ESCAPE: char = '\x1b';

/// Standard output, and what may be done with it.
#[derive(Debug, Clone, Copy)]
pub struct Screen {
    /// Lines can be drawn over, and styled.
    terminal: bool,
}

impl Screen {
    /// Looks at standard output.
    #[must_use]
    pub fn new() -> Self {
        let dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
        let refused = env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        Self {
            terminal: io::stdout().is_terminal() && !dumb && !refused,
        }
    }

    /// Begins a part: what happens, and who does it.
    pub fn heading(self, title: &str, who: &str) {
        let gap = WIDTH.saturating_sub(width(title) + width(who)).max(2);
        println!("\n{}{:gap$}{}", self.bold(title), "", self.dim(who));
        println!("{}", self.dim(&"─".repeat(WIDTH)));
    }

    /// A line that is drawn again until it is finished.
    #[must_use]
    pub fn live(self) -> LiveLine {
        LiveLine {
            screen: self,
            drawn: None,
        }
    }

    /// For what matters most.
    #[must_use]
    pub fn bold(self, text: &str) -> String {
        self.styled("1", text)
    }

    /// For what may be passed over.
    #[must_use]
    pub fn dim(self, text: &str) -> String {
        self.styled("2", text)
    }

    /// For what is right.
    #[must_use]
    pub fn good(self, text: &str) -> String {
        self.styled("32", text)
    }

    /// For what deserves a look.
    #[must_use]
    pub fn warn(self, text: &str) -> String {
        self.styled("33", text)
    }

    fn styled(self, style: &str, text: &str) -> String {
        if self.terminal {
            format!("\x1b[{style}m{text}\x1b[0m")
        } else {
            text.to_owned()
        }
    }
}

/// One line of progress.
#[derive(Debug)]
pub struct LiveLine {
    screen: Screen,
    drawn: Option<Instant>,
}

impl LiveLine {
    /// Draws the line as it is now; nothing where lines cannot be drawn over.
    pub fn update(&mut self, text: &str) {
        let due = self.drawn.is_none_or(|drawn| drawn.elapsed() >= REDRAW);
        if self.screen.terminal && due {
            self.drawn = Some(Instant::now());
            print!("\r\x1b[2K{}", clip(text, WIDTH - 1));
            flush();
        }
    }

    /// Puts the last state in place of the line.
    pub fn finish(self, text: &str) {
        let begin = if self.screen.terminal {
            "\r\x1b[2K"
        } else {
            ""
        };
        println!("{begin}{text}");
        flush();
    }
}

/// A bar for `done` of `all`.
#[must_use]
pub fn bar(done: f64, all: f64) -> String {
    const CELLS: usize = 24;
    let share = if all > 0.0 {
        (done / all).clamp(0.0, 1.0)
    } else {
        1.0
    };
    let full = (share * CELLS as f64).round() as usize;
    format!("{}{}", "█".repeat(full), "░".repeat(CELLS - full))
}

/// Rows under a header, aligned.
#[derive(Debug, Clone, Default)]
pub struct Table {
    header: Vec<String>,
    rows: Vec<Vec<String>>,
    left: usize,
    ruled: Vec<usize>,
}

impl Table {
    /// A table whose first `left` columns are words and whose others are numbers.
    pub fn new(left: usize, header: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let header = header.into_iter().map(Into::into).collect();
        Self {
            header,
            left,
            ..Self::default()
        }
    }

    /// Adds a row.
    pub fn row(&mut self, cells: impl IntoIterator<Item = impl Into<String>>) {
        self.rows.push(cells.into_iter().map(Into::into).collect());
    }

    /// Draws a rule before the next row, for a sum or a mean.
    pub fn rule(&mut self) {
        self.ruled.push(self.rows.len());
    }

    /// For the terminal, indented by two.
    #[must_use]
    pub fn render(&self, screen: Screen) -> String {
        let widths = self.widths();
        let line = |cells: &[String]| {
            let mut line = String::from("  ");
            for (column, (cell, wide)) in cells.iter().zip(&widths).enumerate() {
                let gap = " ".repeat(wide - width(cell));
                let padded = if column < self.left {
                    format!("{cell}{gap}")
                } else {
                    format!("{gap}{cell}")
                };
                line.push_str(&padded);
                line.push_str("  ");
            }
            line.trim_end().to_owned()
        };
        let ruler = "─".repeat(widths.iter().sum::<usize>() + 2 * widths.len().saturating_sub(1));
        let mut text = format!("{}\n", screen.dim(&line(&self.header)));
        for (place, row) in self.rows.iter().enumerate() {
            if self.ruled.contains(&place) {
                text.push_str(&format!("  {}\n", screen.dim(&ruler)));
            }
            text.push_str(&line(row));
            text.push('\n');
        }
        text
    }

    /// For a page.
    #[must_use]
    pub fn markdown(&self) -> String {
        let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
        let marks = (0..self.header.len()).map(|column| {
            if column < self.left {
                "---".to_owned()
            } else {
                "---:".to_owned()
            }
        });
        let mut text = line(&self.header) + &line(&marks.collect::<Vec<_>>());
        text.extend(self.rows.iter().map(|row| line(row)));
        text
    }

    fn widths(&self) -> Vec<usize> {
        let widest = |column: usize| {
            let cells = std::iter::once(&self.header).chain(&self.rows);
            cells
                .filter_map(|row| row.get(column))
                .map(|cell| width(cell))
                .max()
        };
        (0..self.header.len())
            .map(|column| widest(column).unwrap_or_default())
            .collect()
    }
}

/// Characters that take a place: all but escape sequences.
#[must_use]
pub fn width(text: &str) -> usize {
    let (mut places, mut escaped) = (0, false);
    for letter in text.chars() {
        match letter {
            ESCAPE => escaped = true,
            'm' if escaped => escaped = false,
            _ if escaped => {}
            _ => places += 1,
        }
    }
    places
}

/// The text on one line, cut with an ellipsis where it does not fit. For text without styles.
#[must_use]
pub fn clip(text: &str, places: usize) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    // Leading blanks are a layout's, not the text's.
    let indent: String = text.chars().take_while(|letter| *letter == ' ').collect();
    let line = indent + &line;
    if line.chars().count() <= places {
        return line;
    }
    let kept: String = line.chars().take(places.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}

/// A duration with the unit that reads best.
#[must_use]
pub fn time(duration: Duration) -> String {
    let seconds = duration.as_secs_f64();
    if seconds < 0.1 {
        format!("{:.1} ms", seconds * 1e3)
    } else if seconds < 120.0 {
        format!("{seconds:.1} s")
    } else {
        format!("{:.1} min", seconds / 60.0)
    }
}

/// A count with separated thousands.
#[must_use]
pub fn count(number: usize) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

fn flush() {
    // A closed pipe ends the command with the next `println!`.
    let _ = io::stdout().flush();
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Screen = Screen { terminal: false };
    const STYLED: Screen = Screen { terminal: true };

    #[test]
    fn columns_line_up_whatever_is_styled() {
        let mut table = Table::new(1, ["tenant", "MRR"]);
        table.row(["kafka", "0.5"]);
        table.rule();
        table.row(["mean".to_owned(), STYLED.bold("0.512")]);
        let text = table.render(PLAIN);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "  tenant    MRR");
        assert_eq!(lines[1], "  kafka     0.5");
        assert_eq!(lines[2], "  ─────────────");
        assert_eq!(lines[3], "  mean    \x1b[1m0.512\x1b[0m");
        assert!(lines.iter().all(|line| width(line) == 15));
    }

    #[test]
    fn markdown_aligns_numbers_right() {
        let mut table = Table::new(1, ["tenant", "MRR"]);
        table.row(["kafka", "0.5"]);
        assert_eq!(
            table.markdown(),
            "| tenant | MRR |\n| --- | ---: |\n| kafka | 0.5 |\n"
        );
    }

    #[test]
    fn long_texts_become_one_line_that_fits() {
        assert_eq!(clip("one\n\n two", 20), "one two");
        assert_eq!(clip("  kept indent", 20), "  kept indent");
        assert_eq!(clip("abcdefgh", 5), "abcd…");
        assert_eq!(clip("äöü äöü äöü", 6), "äöü ä…");
    }

    #[test]
    fn numbers_read_well() {
        assert_eq!(
            (count(7), count(4000), count(1_234_567)),
            ("7".into(), "4,000".into(), "1,234,567".into())
        );
        assert_eq!(time(Duration::from_micros(2_340)), "2.3 ms");
        assert_eq!(time(Duration::from_secs(3)), "3.0 s");
        assert_eq!(
            bar(0.5, 1.0),
            format!("{}{}", "█".repeat(12), "░".repeat(12))
        );
    }
}

//! Live progress on standard error: a bar on a terminal, now and then a line elsewhere.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use crate::output::note;

/// Where no terminal is, a line is written when the share has grown by this much.
const LINE_STEP: f32 = 0.25;

/// Progress of something that takes a while.
pub struct Progress {
    bar: Option<ProgressBar>,
    last_step: String,
    last_share: f32,
}

impl Progress {
    /// Progress in bytes of a file of `size`, or of a pipe.
    #[must_use]
    pub fn of_file(size: Option<u64>) -> Self {
        let template = if size.is_some() {
            "{bar:30} {percent:>3} %  {bytes}/{total_bytes}  {msg}"
        } else {
            "{spinner} {bytes}  {msg}"
        };
        Self::new(size, template)
    }

    /// Progress of a job, in thousandths.
    #[must_use]
    pub fn of_job() -> Self {
        Self::new(Some(1_000), "{bar:30} {percent:>3} %  {elapsed}  {msg}")
    }

    /// Waiting, without knowing for how long.
    #[must_use]
    pub fn waiting() -> Self {
        Self::new(None, "{spinner} {elapsed}  {msg}")
    }

    /// The file was read so far, and `what` came of it.
    pub fn read(&mut self, bytes: u64, what: &str) {
        if let Some(bar) = &self.bar {
            bar.set_position(bytes);
            bar.set_message(what.to_owned());
        }
    }

    /// The job is `share` of its way, from 0 to 1, and does `step`.
    pub fn at(&mut self, share: f32, step: &str) {
        let share = share.clamp(0.0, 1.0);
        match &self.bar {
            Some(bar) => {
                // Between 0 and 1000, so nothing is lost that is shown.
                #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
                bar.set_position((share * 1_000.0) as u64);
                bar.set_message(step.to_owned());
            }
            None if step != self.last_step || share >= self.last_share + LINE_STEP => {
                note(&format!("{:>3.0} %  {step}", share * 100.0));
                step.clone_into(&mut self.last_step);
                self.last_share = share;
            }
            None => {}
        }
    }

    /// Says something without disturbing the bar.
    pub fn say(&self, text: &str) {
        match &self.bar {
            Some(bar) => bar.suspend(|| note(text)),
            None => note(text),
        }
    }

    /// Takes the bar away.
    pub fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }

    fn new(length: Option<u64>, template: &str) -> Self {
        let bar = std::io::IsTerminal::is_terminal(&std::io::stderr()).then(|| {
            let bar = length.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
            // A template is a constant of this file; a wrong one costs the looks only.
            if let Ok(style) = ProgressStyle::with_template(template) {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(100));
            bar
        });
        Self {
            bar,
            last_step: String::new(),
            last_share: 0.0,
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.finish();
    }
}

//! Cuts one JSON document into the objects of its outermost list, or objects written over several
//! lines into themselves, without holding more than one of them.

use std::collections::VecDeque;

use crate::lines::{Line, Lines, MAX_LINE_BYTES};

/// The objects of a document.
#[derive(Default)]
pub(crate) struct Objects {
    ready: VecDeque<(u64, Line)>,
    object: Vec<u8>,
    begun: u64,
    length: u64,
    depth: u32,
    in_text: bool,
    escaped: bool,
}

impl Objects {
    /// The next object with the line that it begins on; at the end also one that never ends.
    pub(crate) fn next_object(&mut self, lines: &mut Lines) -> Option<(u64, Line)> {
        loop {
            if let Some(object) = self.ready.pop_front() {
                return Some(object);
            }
            match lines.next_line() {
                Some((number, Line::Whole(line))) => {
                    line.iter().for_each(|byte| self.take(number, *byte));
                }
                // Longer than any object may be: told by itself, and what it was in is lost.
                Some((number, oversized)) => {
                    self.finish();
                    self.ready.push_back((number, oversized));
                }
                None if self.depth > 0 => self.finish(),
                None => return None,
            }
        }
    }

    fn take(&mut self, line: u64, byte: u8) {
        if self.depth == 0 {
            // Outside of objects: the list's brackets, commas and blanks. Anything else that is
            // not an object ends at its own line.
            if byte == b'{' {
                self.begun = line;
                self.depth = 1;
                self.keep(byte);
            }
            return;
        }
        self.keep(byte);
        if self.in_text {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_text = false,
                _ => {}
            }
            return;
        }
        match byte {
            b'"' => self.in_text = true,
            b'{' => self.depth += 1,
            b'}' => {
                self.depth -= 1;
                if self.depth == 0 {
                    self.finish();
                }
            }
            _ => {}
        }
    }

    fn keep(&mut self, byte: u8) {
        self.length += 1;
        if self.object.len() < MAX_LINE_BYTES {
            self.object.push(byte);
        }
    }

    fn finish(&mut self) {
        let object = std::mem::take(&mut self.object);
        let length = std::mem::take(&mut self.length);
        (self.depth, self.in_text, self.escaped) = (0, false, false);
        if object.is_empty() {
            return;
        }
        let line = if length > object.len() as u64 {
            Line::Oversized(object, length)
        } else {
            Line::Whole(object)
        };
        self.ready.push_back((self.begun, line));
    }
}

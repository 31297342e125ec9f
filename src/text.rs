//! How texts that others have made are told; bytes as text, and as a hash.

use std::borrow::Cow;
use std::io::{self, Write};

use sha2::{Digest, Sha256};

/// The first `chars` characters of `text`, and a mark where that is not all.
pub fn cut(text: &str, chars: usize) -> String {
    match text.char_indices().nth(chars) {
        Some((end, _)) => format!("{}…", text.get(..end).unwrap_or_default()),
        None => text.to_owned(),
    }
}

/// `bytes` in hexadecimal digits, in lower case.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |value: u8| char::from(b"0123456789abcdef"[usize::from(value)]);
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// A hash of all `parts`, and of where one ends and the next begins.
pub fn hash_of<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> [u8; 32] {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    hash.finalize().into()
}

/// `text` without the byte order mark that some programs begin every file with.
pub fn without_mark(text: &[u8]) -> &[u8] {
    text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text)
}

/// `text` for a terminal: what would steer it, or turn the direction of what follows, is told by
/// its number, as JSON does.
pub fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(steers) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len());
    for character in text.chars() {
        if steers(character) {
            plain.push_str(&format!("\\u{:04x}", u32::from(character)));
        } else {
            plain.push(character);
        }
    }
    Cow::Owned(plain)
}

/// The same for a text of several lines. Those that follow the first are indented, so that none is
/// taken for a message of its own.
pub fn printable_lines(text: &str) -> String {
    let lines: Vec<_> = text.split('\n').map(printable).collect();
    lines.join("\n  ")
}

fn steers(character: char) -> bool {
    let is_bidi = matches!(
        character,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    let is_line = matches!(character, '\u{2028}' | '\u{2029}');
    (character.is_control() && character != '\t') || is_bidi || is_line
}

/// Writes messages for a terminal to `W`, each in one call.
#[derive(Debug)]
pub struct Printable<W> {
    /// Where they go.
    pub to: W,
    /// The messages are coloured; what their texts hold is made harmless before.
    pub is_coloured: bool,
}

impl<W: Write> Write for Printable<W> {
    fn write(&mut self, message: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(message);
        let (text, end) = text.strip_suffix('\n').map_or((&*text, ""), |text| (text, "\n"));
        let plain = if self.is_coloured {
            let parts: Vec<_> = text.split('\x1b').map(printable_lines).collect();
            parts.join("\x1b")
        } else {
            printable_lines(text)
        };
        self.to.write_all((plain + end).as_bytes())?;
        Ok(message.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_between_characters() {
        assert_eq!(cut("äöü", 3), "äöü");
        assert_eq!(cut("äöüß", 3), "äöü…");
    }

    #[test]
    fn what_steers_a_terminal_is_told_by_its_number() {
        assert_eq!(printable("ünder\tway"), "ünder\tway");
        assert_eq!(
            printable("a\x1b[2J\0\r\nb\u{9b}c\u{202e}d"),
            r"a\u001b[2J\u0000\u000d\u000ab\u009bc\u202ed"
        );
        assert_eq!(printable_lines("a\nerror: b\r"), "a\n  error: b\\u000d");
        let mut told = Printable { to: Vec::new(), is_coloured: true };
        told.write_all("\x1b[32m INFO\x1b[0m a\nb\u{7}\n".as_bytes()).unwrap();
        assert_eq!(told.to, b"\x1b[32m INFO\x1b[0m a\n  b\\u0007\n");
        let mut told = Printable { to: Vec::new(), is_coloured: false };
        told.write_all("a\x1b[2J\n".as_bytes()).unwrap();
        assert_eq!(told.to, b"a\\u001b[2J\n");
    }
}

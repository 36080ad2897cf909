//! What a line of the generator carries: a marker by which its frame is found without reading JSON, who wrote it, and
//! when it was meant to be sent. Letters only: digits in a row look like a telephone number to the house's rules.

use memchr::memmem::Finder;

/// What every line of the generator starts with, as it stands on the wire.
pub const MARKER: &[u8] = b"\"body\":\"~nn~";

/// The same within the body.
const OPENING: &str = "~nn~";

/// Sixteen letters that make no words, one for each half of a byte.
const LETTERS: &[u8; 16] = b"bcdfghjklmnpqrst";

const WRITER_LETTERS: usize = 4;
const TIME_LETTERS: usize = 10;

/// The rest of a line: words that no rule minds, so that it is as long as a line of people is (128 bytes in all).
const WORDS: &str = "きょうは風がつよくて、窓の音がずっとしていました。もうすっかり秋ですね。";

const SEPARATOR: &[u8] = b"~ ";

/// Bytes of a body.
pub const BODY_BYTES: usize =
    OPENING.len() + WRITER_LETTERS + TIME_LETTERS + SEPARATOR.len() + WORDS.len();

/// What is read off a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Which connection of the generator wrote it.
    pub writer: usize,
    /// When it was meant to be sent, in microseconds of the generator's clock.
    pub intended_us: u64,
}

impl Mark {
    /// Adds the whole body to a frame.
    pub fn write(self, out: &mut Vec<u8>) {
        out.extend_from_slice(OPENING.as_bytes());
        letters(self.writer as u64, WRITER_LETTERS, out);
        letters(self.intended_us, TIME_LETTERS, out);
        out.extend_from_slice(SEPARATOR);
        out.extend_from_slice(WORDS.as_bytes());
    }

    /// Reads what stands behind [`MARKER`].
    pub fn read(after: &[u8]) -> Option<Self> {
        let (writer, rest) = after.split_at_checked(WRITER_LETTERS)?;
        let (time, _) = rest.split_at_checked(TIME_LETTERS)?;
        Some(Self {
            writer: usize::try_from(number(writer)?).ok()?,
            intended_us: number(time)?,
        })
    }
}

/// Makes a body nearly as long as a body may be: 480 characters.
pub fn lengthen(out: &mut Vec<u8>) {
    for _ in 0..12 {
        out.extend_from_slice(WORDS.as_bytes());
    }
}

/// Finds the marker in a frame.
pub fn finder() -> Finder<'static> {
    Finder::new(MARKER)
}

/// Adds `count` letters that say the lowest bits of a number.
pub fn letters(number: u64, count: usize, out: &mut Vec<u8>) {
    out.extend(
        (0..count)
            .rev()
            .map(|place| LETTERS[(number >> (4 * place)) as usize & 15]),
    );
}

const VALUES: [u8; 256] = {
    let mut values = [255; 256];
    let mut value = 0;
    while value < 16 {
        values[LETTERS[value] as usize] = value as u8;
        value += 1;
    }
    values
};

fn number(letters: &[u8]) -> Option<u64> {
    letters
        .iter()
        .try_fold(0, |sum, letter| match VALUES[usize::from(*letter)] {
            255 => None,
            value => Some(sum << 4 | u64::from(value)),
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written() {
        let mark = Mark {
            writer: 60_001,
            intended_us: 8_123_456_789,
        };
        let mut body = b"{\"type\":\"said\",\"seq\":7,\"body\":\"".to_vec();
        let start = body.len();
        mark.write(&mut body);
        assert_eq!(body.len() - start, BODY_BYTES);
        let at = finder().find(&body).expect("the marker is there");
        assert_eq!(Mark::read(&body[at + MARKER.len()..]), Some(mark));
    }

    #[test]
    fn what_is_no_mark_is_none() {
        assert_eq!(Mark::read(b"bbbb"), None);
        assert_eq!(Mark::read(b"bbbbbabbbbbbbbbbbb"), None);
        let first = Mark {
            writer: 0,
            intended_us: 1,
        };
        assert_eq!(Mark::read(b"bbbbbbbbbbbbbc and more"), Some(first));
    }

    #[test]
    fn a_line_is_128_bytes() {
        assert_eq!(BODY_BYTES, 128);
    }
}

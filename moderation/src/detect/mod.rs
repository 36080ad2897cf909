//! What sequences of words cannot tell: numbers in any spelling, addresses of the net and of the town, floods. The code
//! knows shapes; what is public is data of the lexicon.

mod digits;
mod flood;
mod town;
mod web;

use crate::fold::Folded;
use crate::lexicon::Public;
use crate::types::{Category, Context};

pub(crate) use digits::Digits;

/// A detector.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Detector {
    Phone,
    Slip,
    Postal,
    Mail,
    Url,
    Handle,
    Town,
    Repeats,
    Mash,
    SameAgain,
}

impl Detector {
    /// All, by number.
    pub const ALL: [Detector; 10] = [
        Detector::Phone,
        Detector::Slip,
        Detector::Postal,
        Detector::Mail,
        Detector::Url,
        Detector::Handle,
        Detector::Town,
        Detector::Repeats,
        Detector::Mash,
        Detector::SameAgain,
    ];

    /// Its id among the rules.
    pub const fn id(self) -> &'static str {
        match self {
            Detector::Phone => "detect.phone",
            Detector::Slip => "detect.slip",
            Detector::Postal => "detect.postal",
            Detector::Mail => "detect.mail",
            Detector::Url => "detect.url",
            Detector::Handle => "detect.handle",
            Detector::Town => "detect.town",
            Detector::Repeats => "detect.repeats",
            Detector::Mash => "detect.mash",
            Detector::SameAgain => "detect.same_again",
        }
    }

    /// What it finds.
    pub const fn category(self) -> Category {
        match self {
            Detector::Repeats | Detector::Mash | Detector::SameAgain => Category::Spam,
            _ => Category::Contact,
        }
    }
}

/// What a detector found, in units of the plain view; `from == to` means the line as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Detected {
    pub by: Detector,
    pub from: usize,
    pub to: usize,
}

/// Buffers of the detectors.
#[derive(Debug, Default)]
pub(crate) struct Detectors {
    digits: Digits,
    /// What was found in the line.
    pub found: Vec<Detected>,
}

impl Detectors {
    /// Reads a line; `raw` is the original.
    pub fn look(&mut self, line: &Folded, raw: &str, context: &Context<'_>, public: &Public) {
        self.found.clear();
        self.digits.read(line);
        self.digits
            .phones(line, public, context.public, &mut self.found);
        town::look(line, &self.digits, public, &mut self.found);
        web::look(line, public, context.public, &mut self.found);
        flood::look(line, raw, context.recent, &mut self.found);
    }

    /// Reads the numbers alone of a writer's last lines and this one, joined; `own` is where this one begins.
    pub fn look_across(
        &mut self,
        joined: &Folded,
        own: u32,
        context: &Context<'_>,
        public: &Public,
    ) {
        self.found.clear();
        self.digits.read(joined);
        self.digits
            .phones(joined, public, context.public, &mut self.found);
        self.found.retain(|found| {
            found.to > found.from
                && joined.units[found.to - 1].from >= own
                && joined.units[found.from].from < own
        });
    }

    /// Whether the line names a number that is public: it says so for good reason, and is no contact for having it.
    pub fn has_public_number(&self) -> bool {
        self.digits.has_public()
    }

    /// Whether the line has anything of a number in it.
    pub fn any_digits(&self) -> bool {
        self.digits.any()
    }
}

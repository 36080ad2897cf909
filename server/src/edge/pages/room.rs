//! `/r/{id}`, `/r/{id}/words` and the waiting room.

use askama::Template;
use jiff::Timestamp;

use super::card::ShownCard;
use super::holds::first_words;
use super::lines::{Entry, Item, rows};
use super::texts::{fill, t};
use super::{
    About, Asked, Audience, Desk, Device, Form, HoldRow, Kind, Mode, OnDuty, Page, Reader, Seat,
    Speak, Stamp, Worded, duty_words, hours, kind_key,
};
#[cfg(test)]
use crate::protocol::CardKind;
use crate::protocol::EntryKind;

/// A line of one's own that waits for a human.
#[derive(Clone)]
pub struct Held {
    /// Its key.
    pub key: String,
    /// What was written.
    pub body: String,
    /// What is said about it.
    pub text: String,
}

impl Held {
    /// The first words of what is said, and the rest.
    fn words(&self) -> (&str, &str) {
        first_words(&self.text)
    }
}

/// A room, for somebody who is in it.
#[derive(Clone, Template)]
#[template(path = "room.html")]
pub struct Room {
    /// What every page knows.
    pub page: Page,
    /// The room's id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// Its kind.
    pub kind: Kind,
    /// Whose it is.
    pub audience: Audience,
    /// By what one gets in.
    pub entry: EntryKind,
    /// The topic, where one is set.
    pub topic: Option<String>,
    /// The epoch of the stored history.
    pub epoch: String,
    /// The number of the newest line (0: none yet).
    pub last_seq: u64,
    /// The viewer's id in this room.
    pub me: String,
    /// The viewer's name in this room.
    pub my_name: String,
    /// Whose device this is; decides where a draft may lie.
    pub device: Device,
    /// How the viewer is in the room; the script enters in the same mode.
    pub mode: Mode,
    /// Whether the viewer is on duty and may hide and show lines.
    pub on_duty_here: bool,
    /// Whether they decide how the room goes on.
    pub keeps: bool,
    /// About how many people are here.
    pub about: About,
    /// Who is on duty.
    pub on_duty: Vec<OnDuty>,
    /// Who can read, by role.
    pub readers: Vec<Reader>,
    /// When the room forgets.
    pub forgets_at: Timestamp,
    /// The present time.
    pub now: Timestamp,
    /// The newest lines in order.
    pub lines: Vec<Entry>,
    /// One's own lines that wait.
    pub held: Vec<Held>,
    /// A line of one's own that was asked back just now; [`Self::draft`] is the same line, untouched.
    pub asked: Option<Asked>,
    /// For those on duty: what waits in this room, in the order of [`HoldRow::sort`].
    pub holds: Vec<HoldRow>,
    /// The line whose strip is open (`?line=`).
    pub open_line: Option<u64>,
    /// What the composer lets one do.
    pub seat: Seat,
    /// Whether any lamp is lit.
    pub lamp: bool,
    /// What stands in the field: the kept draft (through [`draft_text`]), or the text of a refused line.
    pub draft: String,
    /// Why the last line was not taken, in words (`texts::refused`).
    pub refusal: Option<String>,
    /// A sentence of the room above the log, where something must be said.
    pub notice: Option<String>,
    /// A card for this person alone, where one was just laid before them.
    pub card: Option<ShownCard>,
    /// A fresh key for the form.
    pub key: String,
    /// The most scalar values a line may have.
    pub body_chars_max: u32,
}

impl Room {
    fn items(&self) -> Vec<Item<'_>> {
        rows(&self.lines)
    }

    fn strip_of(&self, seq: &u64) -> bool {
        self.open_line == Some(*seq)
    }

    fn topic_or_title(&self) -> &str {
        self.topic.as_deref().unwrap_or(&self.title)
    }

    /// What is so in this room: kind and about, who is on duty, who reads, when it is forgotten.
    fn facts(&self) -> [String; 5] {
        let kind = format!("{}。", t(&kind_key(&self.kind, &self.audience)));
        let readers: Vec<&str> = self.readers.iter().map(|reader| t(&reader.key())).collect();
        let mut read = fill("room.readers", &[("readers", &readers.join(t("time.and")))]);
        if self.readers.contains(&Reader::Public) {
            read = t("room.public").into();
        }
        let forgets = hours::day_and_clock(self.forgets_at, self.now);
        [
            format!("{kind}{}", t(&self.about.key())),
            duty_words(&self.on_duty),
            read,
            fill("room.forgets", &[("when", &forgets)]),
            // What cannot be proved is said honestly.
            t(&format!("room.entry.{}", self.entry.as_str())).to_owned(),
        ]
    }

    fn acts(&self) -> bool {
        true
    }

    /// The bar at the top, for those on duty.
    fn desk(&self) -> Option<Desk> {
        self.on_duty_here.then(|| Desk {
            waits: !self.holds.is_empty(),
            risk: self.holds.iter().any(HoldRow::is_risk),
            ..Desk::default()
        })
    }

    /// Rows of one room need not say which.
    fn to_today(&self) -> bool {
        false
    }

    /// A room as somebody on duty sees it while lines wait.
    #[cfg(test)]
    pub(crate) fn sample_on_duty() -> Self {
        Self {
            on_duty_here: true,
            keeps: true,
            mode: Mode::Duty,
            holds: super::holds::samples::waiting(None),
            ..Self::sample()
        }
    }

    /// A room as somebody sees it without script whose line was asked back.
    #[cfg(test)]
    pub(crate) fn sample_asked() -> Self {
        let asked = super::holds::samples::asked();
        Self {
            draft: asked.body.clone(),
            asked: Some(asked),
            ..Self::sample()
        }
    }

    /// A room as somebody sees it whose line waits because a life may depend on it.
    #[cfg(test)]
    pub(crate) fn sample_held() -> Self {
        Self {
            held: vec![Held {
                key: "k3".into(),
                body: t("demo.talk.tojisha.8").into(),
                text: t("live.held.risk").into(),
            }],
            ..Self::sample_with_card()
        }
    }

    /// A room as somebody sees it without script who has just written of dying.
    #[cfg(test)]
    pub(crate) fn sample_with_card() -> Self {
        let room = Self::sample();
        let now = hours::local(room.now);
        Self {
            card: Some(ShownCard::new(CardKind::Life, now, "/r/r1")),
            ..room
        }
    }

    /// A room in the middle of an evening.
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        let mut lines = super::sample::conversation();
        lines.insert(0, Entry::Gap);
        Self {
            page: Page {
                signed_in: true,
                ..Page::default()
            },
            id: "r1".into(),
            title: "金曜の回".into(),
            kind: Kind::Ibasho,
            audience: Audience::Tojisha,
            entry: EntryKind::Open,
            topic: Some(t("sample.topic").into()),
            epoch: "e1".into(),
            last_seq: 9,
            me: "p1".into(),
            my_name: "こもれび".into(),
            device: Device::Mine,
            mode: Mode::Talk,
            on_duty_here: false,
            keeps: false,
            about: About::Few,
            on_duty: vec![
                OnDuty {
                    name: "みなと".into(),
                    duty: super::Duty::Host,
                },
                OnDuty {
                    name: "もり".into(),
                    duty: super::Duty::Staff,
                },
            ],
            readers: vec![Reader::Participant, Reader::Moderator, Reader::OnCall],
            forgets_at: "2026-11-21T12:30:00Z".parse().expect("a time"),
            now: "2026-11-20T12:00:00Z".parse().expect("a time"),
            lines,
            held: Vec::new(),
            asked: None,
            holds: Vec::new(),
            open_line: None,
            seat: Seat::Write,
            lamp: true,
            draft: String::new(),
            refusal: None,
            notice: None,
            card: None,
            key: "k1".into(),
            body_chars_max: 500,
        }
    }
}

/// The text of a kept draft for the field. The script keeps lines that were not acknowledged with it, as JSON;
/// without script these are put back into the field, so that nothing that was written is out of sight.
pub fn draft_text(kept: &str) -> String {
    #[derive(serde::Deserialize)]
    struct Kept {
        text: String,
        #[serde(default)]
        unsent: Vec<Unsent>,
    }
    #[derive(serde::Deserialize)]
    struct Unsent {
        #[serde(default)]
        body: String,
    }
    if !kept.starts_with("{\"v\":1,") {
        return kept.into();
    }
    match serde_json::from_str::<Kept>(kept) {
        Err(_) => kept.into(),
        Ok(kept) => {
            let mut parts: Vec<String> = kept.unsent.into_iter().map(|line| line.body).collect();
            parts.push(kept.text);
            parts.retain(|part| !part.is_empty());
            parts.join("\n")
        }
    }
}

/// A line that can be chosen.
#[derive(Debug, Clone)]
pub struct ReadyLine {
    /// Its id.
    pub id: String,
    /// Its words.
    pub text: String,
    /// A fresh key for its form.
    pub key: String,
}

/// `/r/{id}/words`: ことばを選ぶ without script.
#[derive(Clone, Template)]
#[template(path = "words.html")]
pub struct Words {
    /// What every page knows.
    pub page: Page,
    /// The room's id.
    pub id: String,
    /// The lines to choose from.
    pub ready: Vec<ReadyLine>,
    /// Whether they may be chosen now ([`Seat::chooses`]).
    pub chooses: bool,
    /// Whether one may write now ([`Seat::writes`]).
    pub writes: bool,
    /// Whether one's own lamp is lit.
    pub my_lamp: bool,
    /// What was written and refused, or the kept draft.
    pub draft: String,
    /// Why it was refused.
    pub refusal: Option<String>,
    /// A fresh key for the form.
    pub key: String,
}

impl Words {
    /// A page with eight lines.
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        let ready = [
            "こんばんは",
            "今日は、読むだけ",
            "聞いています",
            "うまく言えない",
        ];
        Self {
            page: Page {
                signed_in: true,
                ..Page::default()
            },
            id: "r1".into(),
            ready: ready
                .iter()
                .enumerate()
                .map(|(i, text)| ReadyLine {
                    id: format!("l{i}"),
                    text: (*text).into(),
                    key: format!("k{i}"),
                })
                .collect(),
            chooses: true,
            writes: true,
            my_lamp: false,
            draft: String::new(),
            refusal: None,
            key: "k9".into(),
        }
    }
}

/// `/r/{id}` before it opens, or while nobody is on call.
#[derive(Debug, Clone, Template)]
#[template(path = "waiting.html")]
pub struct Waiting {
    /// What every page knows.
    pub page: Page,
    /// The room's id.
    pub id: String,
    /// Its title.
    pub title: String,
    /// How the script enters.
    pub mode: Mode,
    /// When it opens; absent or past where it waits for somebody on duty.
    pub opens_at: Option<Timestamp>,
    /// The present time.
    pub now: Timestamp,
    /// What the room says.
    pub text: Option<String>,
    /// Who will be on duty.
    pub on_duty: Vec<OnDuty>,
}

impl Waiting {
    fn opens(&self) -> String {
        match self.opens_at {
            Some(at) if at > self.now => fill(
                "waiting.opens",
                &[("when", &hours::day_and_clock(at, self.now))],
            ),
            // What they wait for is another thing than the hour; the words below say what.
            Some(_) | None if self.text.as_deref() != Some(t("waiting.doors")) => {
                t("waiting.door").into()
            }
            Some(_) | None => t("waiting.nobody").into(),
        }
    }

    fn duty_words(&self) -> String {
        let names: Vec<&str> = self
            .on_duty
            .iter()
            .map(|person| person.name.as_str())
            .collect();
        fill("waiting.duty", &[("names", &hours::row(&names))])
    }

    /// A room that opens in twenty minutes.
    #[cfg(test)]
    pub(crate) fn sample() -> Self {
        Self {
            page: Page {
                signed_in: true,
                ..Page::default()
            },
            id: "r1".into(),
            title: "金曜の回".into(),
            mode: Mode::Talk,
            opens_at: Some("2026-11-20T11:00:00Z".parse().expect("a time")),
            now: "2026-11-20T10:40:00Z".parse().expect("a time"),
            text: None,
            on_duty: vec![OnDuty {
                name: "みなと".into(),
                duty: super::Duty::Host,
            }],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p11_a_draft_kept_by_the_script_is_read_without_it() {
        assert_eq!(draft_text("雨の音"), "雨の音");
        let kept = r#"{"v":1,"text":"つづき","unsent":[{"key":"k","body":"送れなかった"}]}"#;
        assert_eq!(draft_text(kept), "送れなかった\nつづき");
        assert_eq!(draft_text("{\"v\":1,"), "{\"v\":1,");
    }
}

//! `measure`, as a frame.

use serde_json::Value;

use super::connection::Connection;
use crate::edge::measures::{Act, No, read};
use crate::edge::{reach, words};
use crate::features::audit::Entry;
use crate::features::rooms::Input;
use crate::platform::ids::ClientKey;
use crate::protocol::{MeasureKind, MeasureTarget, RefusalCode, ReportReason};

/// What a `measure` brings.
pub(super) struct Asked {
    pub(super) kind: MeasureKind,
    pub(super) target: Option<MeasureTarget>,
    pub(super) reason: Option<String>,
    pub(super) value: Option<Value>,
}

impl Connection<'_> {
    pub(super) async fn measure(&mut self, room: &str, key: &str, asked: Asked, text: &str) {
        let (action, name, act) = match read(asked.kind, asked.target, asked.value) {
            Ok(read) => read,
            Err(No::NotYet) => {
                return self.refuse(Some(key), Some(room), RefusalCode::NotYet);
            }
            Err(No::Malformed) => return self.bad_frame(text),
        };
        let Some(of) = ClientKey::parse(key) else {
            return self.bad_frame(text);
        };
        let Some((link, who)) = self.here(room) else {
            return self.not_here(room, Some(key), action).await;
        };
        let permit = crate::permit::permit(
            &self.session.actor,
            who.duty.map(Into::into),
            link.gathering().audience,
            action,
        );
        let (Ok(_permit), Some(duty)) = (permit, who.duty) else {
            return self.refuse(Some(key), Some(room), RefusalCode::NotAllowed);
        };
        let reason = asked.reason.as_deref().and_then(ReportReason::from_wire);
        let entry = Entry {
            // A code, and never what somebody writes.
            reason: reason.map_or_else(String::new, |reason| reason.as_str().to_owned()),
            ..reach::on_record(&self.session, duty, name, room.to_owned())
        };
        let act = match act {
            Act::Line(seq, to) => {
                let input = Input::Measure {
                    asker: self.asker(),
                    key: of,
                    seq,
                    to,
                    entry,
                };
                return self.post(&link, input, Some(key));
            }
            Act::Hold(which, act) => {
                let input = Input::MeasureHold {
                    asker: self.asker(),
                    key: of,
                    which,
                    act,
                    entry,
                };
                return self.post(&link, input, Some(key));
            }
            Act::Room(act) => act.read_words(self.edge, link.gathering(), self.say_key),
        };
        let act = match act {
            Ok(act) => act,
            Err(words::NotByStaff::Malformed) => return self.bad_frame(text),
            Err(words::NotByStaff::Refused(refusal)) => {
                return self.refuse(Some(key), Some(room), refusal);
            }
        };
        let input = Input::Act {
            asker: self.asker(),
            key: of,
            act,
            entry,
        };
        self.post(&link, input, Some(key));
    }
}

//! Reading a `say`: its size and shape, its rate, the assessment; then it is the room's.

use super::connection::Connection;
use crate::edge::{reach, words};
use crate::features::rooms::{Input, Proposed, Refusal, Who};
use crate::permit::Action;
use crate::platform::ids::ClientKey;
use crate::protocol::{EnterMode, Form, RefusalCode};

/// What a `say` brings.
pub(super) struct Words {
    pub(super) body: Option<String>,
    pub(super) ready: Option<String>,
    pub(super) note: Option<String>,
    pub(super) no_reply: Option<bool>,
    pub(super) form: Option<Form>,
}

impl Connection<'_> {
    pub(super) async fn say(&mut self, room: &str, key: &str, words: Words, text: &str) {
        if ClientKey::parse(key).is_none() {
            return self.bad_frame(text);
        }
        let asked = words::Asked {
            body: words.body.as_deref(),
            ready: words.ready.as_deref(),
            note: words.note.as_deref(),
            no_reply: words.no_reply == Some(true),
            form: words.form,
        };
        match words::line(self.edge, &asked, self.say_key) {
            Ok(line) => self.propose(room, key, line).await,
            Err(words::Malformed) => self.bad_frame(text),
        }
    }

    /// A `say` that is over the rate of frames: its key is looked up all the same.
    pub(super) async fn say_refused(&mut self, room: &str, key: &str, refusal: Refusal) {
        self.propose(room, key, Err(refusal)).await;
    }

    async fn propose(&mut self, room: &str, key: &str, mut line: Result<Proposed, Refusal>) {
        let Some(client_key) = ClientKey::parse(key) else {
            return self.refuse(None, Some(room), RefusalCode::BadFrame);
        };
        let (link, participant) = match self.me_in(room, Action::Say).await {
            Ok(Some(me)) => me,
            Ok(None) => return self.refuse(Some(key), Some(room), RefusalCode::NotAllowed),
            Err(refusal) => return self.refuse(Some(key), Some(room), refusal),
        };
        if let Ok(proposed) = &mut line {
            words::assess(self.edge, proposed, link.gathering(), self.say_key);
        }
        let writes = self
            .entered
            .get(&link.gathering().id)
            .is_some_and(|entered| entered.mode != EnterMode::Listen);
        let line = if writes && line.is_ok() && !self.acts().await {
            Err(RefusalCode::NotAllowed.into())
        } else {
            line
        };
        // Who they are, should they not have entered; the room knows better if they have.
        let who = Who {
            participant,
            name: self.session.name.as_str().to_owned(),
            duty: None,
            declared: reach::is_declared(&self.session),
        };
        let input = Input::Say {
            asker: self.asker(),
            who,
            key: client_key,
            line,
            by_form: false,
        };
        self.post(&link, input, Some(key));
    }
}

//! Frames that come to a room: coming in, taking back, going.

use super::connection::{Connection, Entered};
use crate::edge::pages::texts;
use crate::edge::reach::{self, action_of, reach};
use crate::features::identity::Name;
use crate::features::rooms::{Input, Refusal, RoomLink, Which, Who, duty};
use crate::permit::{Action, Actor};
use crate::platform::ids::{ClientKey, ParticipantId, RoomId, Seq};
use crate::protocol::{Duty, EnterMode, RefusalCode, ServerFrame};

impl Connection<'_> {
    pub(super) async fn enter(
        &mut self,
        room: &str,
        epoch: Option<&str>,
        after: Option<i64>,
        mode: EnterMode,
        name: Option<&str>,
    ) {
        let not_allowed = || self.refuse(None, Some(room), RefusalCode::NotAllowed);
        let Some(id) = RoomId::parse(room) else {
            return not_allowed();
        };
        let worn = name
            .filter(|name| *name != self.session.name.as_str())
            .map(|name| Name::parse(name).ok());
        let name = match worn {
            None => self.session.name.clone(),
            Some(Some(name)) if self.edge.assessor.takes_name(name.as_str()) => name,
            Some(_) => {
                let refusal = ServerFrame::Refused {
                    key: None,
                    room: Some(room.to_owned()),
                    code: RefusalCode::BadFrame,
                    text: texts::problem("bad_name").to_owned(),
                    retry_after_ms: None,
                };
                return self.send(&refusal);
            }
        };
        let reached = reach(self.edge, &self.session, &id, None, action_of(mode)).await;
        let (link, permit) = match reached {
            Ok(Some(reached)) => reached,
            Ok(None) => return not_allowed(),
            Err(_) => return self.refuse(None, Some(room), Self::busy()),
        };
        let participant = match link.participant(&reach::person(&self.session)).await {
            Ok(Some(participant)) => participant,
            Ok(None) => return not_allowed(),
            Err(_) => return self.refuse(None, Some(room), Self::busy()),
        };
        let duty = if mode == EnterMode::Duty {
            permit.duty()
        } else {
            None
        };
        if let Some(duty) = duty
            && let Err(error) = self.take_duty(&link, &id, name.as_str(), duty).await
        {
            tracing::error!(%error, "a duty could not be taken");
            return self.refuse(None, Some(room), Self::busy());
        }
        let same_epoch = epoch.is_none_or(|epoch| epoch == self.edge.rooms.deps().epoch.as_str());
        let after = after.filter(|after| same_epoch && *after >= 0).map(Seq);
        let who = Who {
            participant,
            name: name.as_str().to_owned(),
            duty,
            declared: reach::is_declared(&self.session),
        };
        self.post(
            &link,
            Input::Enter {
                asker: self.asker(),
                who: who.clone(),
                mode,
                after,
            },
            None,
        );
        self.entered
            .insert(id, Box::new(Entered { link, who, mode }));
    }

    async fn take_duty(
        &self,
        link: &RoomLink,
        id: &RoomId,
        name: &str,
        duty: Duty,
    ) -> crate::platform::store::Stored<()> {
        let Actor::Staff { id: staff, .. } = &self.session.actor else {
            return Ok(());
        };
        let taking = duty::Taking {
            room: id.clone(),
            staff: staff.clone(),
            name: name.to_owned(),
            duty,
            conn: self.conn_name.clone(),
            entry: reach::on_record(
                &self.session,
                duty,
                "rooms.take_duty",
                id.as_str().to_owned(),
            ),
        };
        duty::take(self.edge.rooms.deps(), taking).await?;
        link.look_again().await;
        Ok(())
    }

    pub(super) async fn unsay(
        &mut self,
        room: &str,
        seq: Option<i64>,
        key: Option<&str>,
        text: &str,
    ) {
        let which = match (seq, key.map(ClientKey::parse)) {
            (Some(seq), _) => Which::Seq(Seq(seq)),
            (None, Some(Some(key))) => Which::Key(key),
            (None, Some(None) | None) => return self.bad_frame(text),
        };
        // Entered or not: one's own words can always be taken back.
        match self.me_in(room, Action::Unsay).await {
            Ok(Some((link, participant))) => {
                self.post(
                    &link,
                    Input::Unsay {
                        asker: self.asker(),
                        participant,
                        which,
                    },
                    key,
                );
            }
            Ok(None) => self.refuse(key, Some(room), RefusalCode::NotAllowed),
            Err(refusal) => self.refuse(key, Some(room), refusal),
        }
    }

    /// The room and one's id there, whether entered or not; `None` where one may not do that there.
    pub(super) async fn me_in(
        &self,
        room: &str,
        action: Action,
    ) -> Result<Option<(RoomLink, ParticipantId)>, Refusal> {
        let Some(id) = RoomId::parse(room) else {
            return Ok(None);
        };
        if let Some(entered) = self.entered.get(&id) {
            return Ok(Some((
                entered.link.clone(),
                entered.who.participant.clone(),
            )));
        }
        Box::pin(self.me_elsewhere(&id, action)).await
    }

    /// As [`Connection::me_in`], of a room this socket has not entered.
    async fn me_elsewhere(
        &self,
        id: &RoomId,
        action: Action,
    ) -> Result<Option<(RoomLink, ParticipantId)>, Refusal> {
        let busy = |_| Self::busy();
        let Some((link, _)) = reach(self.edge, &self.session, id, None, action)
            .await
            .map_err(busy)?
        else {
            return Ok(None);
        };
        let participant = link
            .participant(&reach::person(&self.session))
            .await
            .map_err(|_| Self::busy())?;
        Ok(participant.map(|participant| (link, participant)))
    }

    pub(super) async fn leave(&mut self, room: &str) {
        let entered = RoomId::parse(room).and_then(|id| self.entered.remove(&id));
        let Some(Entered { link, who, .. }) = entered.map(|entered| *entered) else {
            return self.not_here(room, None, Action::ReadRoom).await;
        };
        if who.duty.is_some() {
            let id = link.gathering().id.clone();
            if let Err(error) = duty::end(self.edge.rooms.deps(), self.conn_name.clone(), id).await
            {
                tracing::error!(%error, "a duty could not be ended; it runs out by itself");
            }
            link.look_again().await;
        }
        self.post(&link, Input::Leave { conn: self.conn }, None);
    }
}

//! Role × duty × audience × action: the one function that decides who may do what.
//!
//! Powers in a room come from duty, not from a role alone: the roles say which duty somebody can ever have, the duty says
//! what they may do now. It is pure; whoever asks brings the facts (the standing from the session, the duty from the
//! roster or the lease) and gets a [`Permit`], which can be made nowhere else. A refusal has a reason for tests and
//! logs; people get one answer for every reason, so that nobody learns from it what exists.

use crate::platform::ids::{HandleId, StaffId};
use crate::protocol::{self, Audience, EntryKind, Role, RoleKind, Standing};

/// Who asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Actor {
    /// A person under a pseudonym.
    Handle {
        /// Which.
        id: HandleId,
        /// Their side.
        standing: Standing,
    },
    /// Somebody with powers.
    Staff {
        /// Which account.
        id: StaffId,
        /// What they may ever do.
        roles: Vec<Role>,
    },
}

/// A place of the roster when somebody asks to take duty; in all other questions the duty they hold now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Duty {
    /// 進行役.
    Host,
    /// サポーター.
    Supporter,
    /// 職員.
    Staff,
    /// 待機の職員.
    OnCall,
}

impl Duty {
    /// Every duty.
    pub const ALL: [Self; 4] = [Self::Host, Self::Supporter, Self::Staff, Self::OnCall];

    /// The spelling in the database and the audit log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Supporter => "supporter",
            Self::Staff => "staff",
            Self::OnCall => "on_call",
        }
    }

    /// The duty of that spelling.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|duty| duty.as_str() == text)
    }
}

impl From<protocol::Duty> for Duty {
    fn from(duty: protocol::Duty) -> Self {
        match duty {
            protocol::Duty::Host => Self::Host,
            protocol::Duty::Supporter => Self::Supporter,
            protocol::Duty::Staff => Self::Staff,
        }
    }
}

/// What is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Action {
    /// Come in and be able to write.
    EnterTalk,
    /// Come in and read.
    EnterListen,
    /// Keep the room.
    EnterDuty,
    /// See the lines, on a page without a socket.
    ReadRoom,
    /// Write a line, or choose a ready one.
    Say,
    /// Put a stamp under a line.
    Stamp,
    /// Light the lamp.
    Lamp,
    /// Take one's own line back, entered or not. That it is one's own is the room's to know.
    Unsay,
    /// Hide a line until it is reviewed.
    Hide,
    /// Show a hidden line again.
    Unhide,
    /// Read a line that waits: its clock is off.
    LookAtHold,
    /// Let a line pass that waits.
    ApproveHold,
    /// Keep a line back that waits.
    RejectHold,
    /// Set the pace.
    SetPace,
    /// Set 部屋の進め方.
    SetGuard,
    /// Let newcomers wait, or not any more.
    LockRoom,
    /// Let in whoever waits.
    Admit,
    /// Pause the room, and end the pause.
    PauseRoom,
    /// Set what it talks about.
    SetTopic,
    /// Let the room say something.
    Notice,
    /// End the gathering.
    CloseRoom,
    /// Take somebody to the other side.
    MoveSide,
    /// Be on call for it.
    BeOnCall,
    /// Say that an alert was seen.
    AnswerAlert,
    /// Make slips for that side, and take them back.
    KeepSlips,
}

impl Action {
    /// Every action.
    pub const ALL: [Self; 25] = [
        Self::EnterTalk,
        Self::EnterListen,
        Self::EnterDuty,
        Self::ReadRoom,
        Self::Say,
        Self::Stamp,
        Self::Lamp,
        Self::Unsay,
        Self::Hide,
        Self::Unhide,
        Self::LookAtHold,
        Self::ApproveHold,
        Self::RejectHold,
        Self::SetPace,
        Self::SetGuard,
        Self::LockRoom,
        Self::Admit,
        Self::PauseRoom,
        Self::SetTopic,
        Self::Notice,
        Self::CloseRoom,
        Self::MoveSide,
        Self::BeOnCall,
        Self::AnswerAlert,
        Self::KeepSlips,
    ];

    /// The name in the audit log and in `doctor`.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::EnterTalk => "room.enter_talk",
            Self::EnterListen => "room.enter_listen",
            Self::EnterDuty => "room.enter_duty",
            Self::ReadRoom => "room.read",
            Self::Say => "room.say",
            Self::Stamp => "room.stamp",
            Self::Lamp => "room.lamp",
            Self::Unsay => "room.unsay",
            Self::Hide => "room.hide",
            Self::Unhide => "room.unhide",
            Self::LookAtHold => "room.look",
            Self::ApproveHold => "room.approve",
            Self::RejectHold => "room.reject",
            Self::SetPace => "room.slow",
            Self::SetGuard => "room.guard",
            Self::LockRoom => "room.lock",
            Self::Admit => "room.admit",
            Self::PauseRoom => "room.pause",
            Self::SetTopic => "room.topic",
            Self::Notice => "room.notice",
            Self::CloseRoom => "room.close",
            Self::MoveSide => "room.move_side",
            Self::BeOnCall => "room.on_call",
            Self::AnswerAlert => "alert.answer",
            Self::KeepSlips => "slips.keep",
        }
    }
}

/// What somebody is in a room of that audience: what role, duty and side come to together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Capacity {
    /// A handle of the room's side.
    Participant,
    /// On duty, or on the roster, as サポーター.
    Supporter,
    /// As 進行役.
    Host,
    /// As 職員.
    Staff,
    /// On call for it.
    OnCall,
    /// A coordinator or manager who has no duty there now.
    StaffAside,
    /// A supporter or moderator of the room's side who has no duty there now.
    OffDuty,
    /// Somebody of the other side.
    OtherSide,
    /// Their roles do not reach to this duty.
    Unfit,
}

impl Capacity {
    /// Every capacity, in the order in which `doctor` prints the table.
    pub const ALL: [Self; 9] = [
        Self::Participant,
        Self::Supporter,
        Self::Host,
        Self::Staff,
        Self::OnCall,
        Self::StaffAside,
        Self::OffDuty,
        Self::OtherSide,
        Self::Unfit,
    ];
}

/// Proof that somebody may do something in rooms of one audience. Only [`permit`] makes it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[must_use = "a permit is asked for to be handed to what it permits"]
pub struct Permit {
    actor: Actor,
    capacity: Capacity,
    audience: Audience,
    action: Action,
}

impl Permit {
    /// Who may.
    pub fn actor(&self) -> &Actor {
        &self.actor
    }

    /// As what.
    pub fn capacity(&self) -> Capacity {
        self.capacity
    }

    /// In whose rooms.
    pub fn audience(&self) -> Audience {
        self.audience
    }

    /// What.
    pub fn action(&self) -> Action {
        self.action
    }

    /// The duty that others see, where it is used on duty: somebody on call comes in as staff.
    pub fn duty(&self) -> Option<protocol::Duty> {
        match self.capacity {
            Capacity::Host => Some(protocol::Duty::Host),
            Capacity::Supporter => Some(protocol::Duty::Supporter),
            Capacity::Staff | Capacity::OnCall | Capacity::StaffAside => {
                Some(protocol::Duty::Staff)
            }
            Capacity::Participant | Capacity::OffDuty | Capacity::OtherSide | Capacity::Unfit => {
                None
            }
        }
    }
}

/// Why not. For tests and numbers only: people get one answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{capacity:?} may not {}", action.as_str())]
pub struct Denied {
    /// What they are there.
    pub capacity: Capacity,
    /// What they asked for.
    pub action: Action,
}

/// Decides. The same question always has the same answer.
pub fn permit(
    actor: &Actor,
    duty: Option<Duty>,
    audience: Audience,
    action: Action,
) -> Result<Permit, Denied> {
    let capacity = capacity(actor, duty, audience);
    if !is_allowed(capacity, action) {
        return Err(Denied { capacity, action });
    }
    Ok(Permit {
        actor: actor.clone(),
        capacity,
        audience,
        action,
    })
}

/// The table: what somebody may do by what they are in the room.
///
/// Those with powers have no talk or listen mode: where they read, the room shows it by role, and a supporter's own need
/// lives under a second handle. Staff can hide in any gathering; all else they do after taking duty, which they can
/// everywhere. A line of one's own can be taken back when duty is over, too.
pub const fn is_allowed(capacity: Capacity, action: Action) -> bool {
    use Action::{
        Admit, AnswerAlert, ApproveHold, BeOnCall, CloseRoom, EnterDuty, EnterListen, EnterTalk,
        Hide, KeepSlips, Lamp, LockRoom, LookAtHold, MoveSide, Notice, PauseRoom, ReadRoom,
        RejectHold, Say, SetGuard, SetPace, SetTopic, Stamp, Unhide, Unsay,
    };
    match capacity {
        Capacity::Participant => match action {
            EnterTalk | EnterListen | ReadRoom | Say | Stamp | Lamp | Unsay => true,
            EnterDuty | Hide | Unhide | LookAtHold | ApproveHold | RejectHold | SetPace
            | SetGuard | LockRoom | Admit | PauseRoom | SetTopic | Notice | CloseRoom
            | MoveSide | BeOnCall | AnswerAlert | KeepSlips => false,
        },
        Capacity::Supporter => match action {
            EnterDuty | ReadRoom | Say | Stamp | Lamp | Unsay | Hide | Unhide | LookAtHold
            | ApproveHold | RejectHold | AnswerAlert => true,
            EnterTalk | EnterListen | SetPace | SetGuard | LockRoom | Admit | PauseRoom
            | SetTopic | Notice | CloseRoom | MoveSide | BeOnCall | KeepSlips => false,
        },
        Capacity::Host => match action {
            EnterDuty | ReadRoom | Say | Stamp | Lamp | Unsay | Hide | Unhide | LookAtHold
            | ApproveHold | RejectHold | SetPace | SetGuard | LockRoom | Admit | PauseRoom
            | SetTopic | Notice | CloseRoom | MoveSide | AnswerAlert => true,
            EnterTalk | EnterListen | BeOnCall | KeepSlips => false,
        },
        Capacity::Staff => match action {
            EnterDuty | ReadRoom | Say | Stamp | Lamp | Unsay | Hide | Unhide | LookAtHold
            | ApproveHold | RejectHold | SetPace | SetGuard | LockRoom | Admit | PauseRoom
            | SetTopic | Notice | CloseRoom | MoveSide | BeOnCall | AnswerAlert | KeepSlips => true,
            EnterTalk | EnterListen => false,
        },
        Capacity::OnCall | Capacity::StaffAside => match action {
            EnterDuty | ReadRoom | Unsay | Hide | Unhide | LookAtHold | ApproveHold
            | RejectHold | SetPace | SetGuard | LockRoom | Admit | PauseRoom | SetTopic
            | Notice | CloseRoom | MoveSide | BeOnCall | AnswerAlert | KeepSlips => true,
            EnterTalk | EnterListen | Say | Stamp | Lamp => false,
        },
        Capacity::OffDuty => match action {
            Unsay => true,
            EnterTalk | EnterListen | EnterDuty | ReadRoom | Say | Stamp | Lamp | Hide | Unhide
            | LookAtHold | ApproveHold | RejectHold | SetPace | SetGuard | LockRoom | Admit
            | PauseRoom | SetTopic | Notice | CloseRoom | MoveSide | BeOnCall | AnswerAlert
            | KeepSlips => false,
        },
        Capacity::OtherSide | Capacity::Unfit => match action {
            EnterTalk | EnterListen | EnterDuty | ReadRoom | Say | Stamp | Lamp | Unsay | Hide
            | Unhide | LookAtHold | ApproveHold | RejectHold | SetPace | SetGuard | LockRoom
            | Admit | PauseRoom | SetTopic | Notice | CloseRoom | MoveSide | BeOnCall
            | AnswerAlert | KeepSlips => false,
        },
    }
}

/// Whether a handle may come into a gathering at all by how one gets in: with a slip from the centre, or on one's own word.
pub const fn may_come(entry: EntryKind, by_slip: bool) -> bool {
    match entry {
        EntryKind::Open => true,
        EntryKind::Introduced => by_slip,
    }
}

/// What they are in rooms of that audience.
fn capacity(actor: &Actor, duty: Option<Duty>, audience: Audience) -> Capacity {
    let roles = match actor {
        Actor::Handle { standing, .. } => {
            return match duty {
                None if *standing == audience => Capacity::Participant,
                None => Capacity::OtherSide,
                // No handle is ever on a roster.
                Some(_) => Capacity::Unfit,
            };
        }
        Actor::Staff { roles, .. } => roles,
    };
    let has = |kinds: &[RoleKind]| {
        roles
            .iter()
            .any(|role| kinds.contains(&role.role) && serves(role, audience))
    };
    let is_staff = has(&[RoleKind::Coordinator, RoleKind::Manager]);
    let can_host = is_staff || has(&[RoleKind::Moderator]);
    let can_support = can_host || has(&[RoleKind::PeerSupporter]);
    match duty {
        Some(Duty::Host) if can_host => Capacity::Host,
        Some(Duty::Supporter) if can_support => Capacity::Supporter,
        Some(Duty::Staff) if is_staff => Capacity::Staff,
        Some(Duty::OnCall) if is_staff => Capacity::OnCall,
        Some(Duty::Host | Duty::Supporter | Duty::Staff | Duty::OnCall) => Capacity::Unfit,
        None if is_staff => Capacity::StaffAside,
        None if can_support => Capacity::OffDuty,
        None => Capacity::OtherSide,
    }
}

/// Whether the role reaches to rooms of that audience: supporters and moderators belong to a side.
fn serves(role: &Role, audience: Audience) -> bool {
    match role.role {
        RoleKind::PeerSupporter | RoleKind::Moderator => role.audience == Some(audience),
        RoleKind::Coordinator | RoleKind::Manager => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::ids::SeededChance;

    fn handle(standing: Standing) -> Actor {
        Actor::Handle {
            id: HandleId::new(&SeededChance::new(1)),
            standing,
        }
    }

    fn staff(role: RoleKind, audience: Option<Audience>) -> Actor {
        Actor::Staff {
            id: StaffId::new(&SeededChance::new(1)),
            roles: vec![Role {
                role,
                audience,
                specialist: None,
            }],
        }
    }

    fn other(audience: Audience) -> Audience {
        match audience {
            Audience::Tojisha => Audience::Family,
            Audience::Family => Audience::Tojisha,
        }
    }

    const DUTIES: [Option<Duty>; 5] = [
        None,
        Some(Duty::Host),
        Some(Duty::Supporter),
        Some(Duty::Staff),
        Some(Duty::OnCall),
    ];

    /// Which actions pass, as letters in the order of [`Action::ALL`]: T L D R S s l u H h k a r p g b A P t n c m o ! #.
    fn cells(actor: &Actor, duty: Option<Duty>, audience: Audience) -> String {
        "TLDRSsluHhkarpgbAPtncmo!#"
            .chars()
            .zip(Action::ALL)
            .map(
                |(letter, action)| match permit(actor, duty, audience, action) {
                    Ok(permit) => {
                        assert_eq!(permit.action(), action);
                        assert_eq!(permit.audience(), audience);
                        assert_eq!(permit.actor(), actor);
                        letter
                    }
                    Err(_) => '.',
                },
            )
            .collect()
    }

    /// Every role, duty and side against every action, written out.
    #[test]
    fn p10_every_cell_of_the_table() {
        const NOTHING: &str = ".........................";
        const PARTICIPANT: &str = "TL.RSslu.................";
        const SUPPORTER: &str = "..DRSsluHhkar..........!.";
        const HOST: &str = "..DRSsluHhkarpgbAPtncm.!.";
        const ON_DUTY: &str = "..DRSsluHhkarpgbAPtncmo!#";
        const ASIDE: &str = "..DR...uHhkarpgbAPtncmo!#";
        const OFF_DUTY: &str = ".......u.................";
        for audience in [Audience::Tojisha, Audience::Family] {
            let (own, theirs) = (Some(audience), Some(other(audience)));
            #[rustfmt::skip]
            let rows = [
                //                                              none         host     supporter  staff    on call
                (handle(audience),                             [PARTICIPANT, NOTHING, NOTHING, NOTHING, NOTHING]),
                (handle(other(audience)),                      [NOTHING,     NOTHING, NOTHING, NOTHING, NOTHING]),
                (staff(RoleKind::PeerSupporter, own),          [OFF_DUTY,    NOTHING, SUPPORTER, NOTHING, NOTHING]),
                (staff(RoleKind::PeerSupporter, theirs),       [NOTHING,     NOTHING, NOTHING, NOTHING, NOTHING]),
                (staff(RoleKind::PeerSupporter, None),         [NOTHING,     NOTHING, NOTHING, NOTHING, NOTHING]),
                (staff(RoleKind::Moderator, own),              [OFF_DUTY, HOST, SUPPORTER, NOTHING, NOTHING]),
                (staff(RoleKind::Moderator, theirs),           [NOTHING,     NOTHING, NOTHING, NOTHING, NOTHING]),
                (staff(RoleKind::Moderator, None),             [NOTHING,     NOTHING, NOTHING, NOTHING, NOTHING]),
                (staff(RoleKind::Coordinator, None),           [ASIDE, HOST, SUPPORTER, ON_DUTY, ASIDE]),
                (staff(RoleKind::Manager, None),               [ASIDE, HOST, SUPPORTER, ON_DUTY, ASIDE]),
                (Actor::Staff { id: StaffId::new(&SeededChance::new(1)), roles: vec![] },
                                                               [NOTHING,     NOTHING, NOTHING, NOTHING, NOTHING]),
            ];
            for (actor, expected) in rows {
                for (duty, expected) in DUTIES.into_iter().zip(expected) {
                    assert_eq!(
                        cells(&actor, duty, audience),
                        expected,
                        "{actor:?} {duty:?} {audience:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn p6_no_handle_does_anything_in_a_room_of_the_other_side() {
        for standing in [Standing::Tojisha, Standing::Family] {
            for duty in DUTIES {
                for action in Action::ALL {
                    assert!(permit(&handle(standing), duty, other(standing), action).is_err());
                }
            }
        }
    }

    #[test]
    fn p6_a_supporter_or_moderator_keeps_no_room_of_the_other_side() {
        for role in [RoleKind::PeerSupporter, RoleKind::Moderator] {
            for side in [Audience::Tojisha, Audience::Family] {
                for duty in DUTIES {
                    for action in Action::ALL {
                        let actor = staff(role, Some(side));
                        assert!(permit(&actor, duty, other(side), action).is_err());
                    }
                }
            }
        }
    }

    #[test]
    fn several_roles_add_up_and_each_stays_on_its_side() {
        let mut roles = Vec::new();
        for (role, audience) in [
            (RoleKind::PeerSupporter, Audience::Tojisha),
            (RoleKind::Moderator, Audience::Family),
        ] {
            roles.push(Role {
                role,
                audience: Some(audience),
                specialist: None,
            });
        }
        let actor = Actor::Staff {
            id: StaffId::new(&SeededChance::new(1)),
            roles,
        };
        let host = |audience| permit(&actor, Some(Duty::Host), audience, Action::Hide).is_ok();
        assert!(host(Audience::Family));
        assert!(!host(Audience::Tojisha));
    }

    #[test]
    fn a_permit_says_under_which_duty_it_is_used() {
        let coordinator = staff(RoleKind::Coordinator, None);
        for (duty, shown) in [
            (None, protocol::Duty::Staff),
            (Some(Duty::OnCall), protocol::Duty::Staff),
            (Some(Duty::Host), protocol::Duty::Host),
            (Some(Duty::Supporter), protocol::Duty::Supporter),
        ] {
            let permit = permit(&coordinator, duty, Audience::Family, Action::EnterDuty)
                .expect("a coordinator takes duty anywhere");
            assert_eq!(permit.duty(), Some(shown));
        }
    }

    #[test]
    fn duties_keep_their_spelling() {
        for duty in Duty::ALL {
            assert_eq!(Duty::from_text(duty.as_str()), Some(duty));
        }
        assert_eq!(Duty::from_text("boss"), None);
        for duty in protocol::Duty::ALL {
            assert_eq!(Duty::from(*duty).as_str(), duty.as_str());
        }
    }
}

//! One-time addresses, roles with an end, leaving; on both databases.

use std::time::Duration;

use super::people::holds_together;
use super::tests::{PASSWORD, World, is_bad_login, world};
use super::*;
use crate::on_both_engines;
use crate::permit::Actor;
use crate::platform::clock::Millis;
use crate::protocol::{Role, RoleKind, Standing};

const DAY_S: u64 = 24 * 60 * 60;

fn term(role: RoleKind, audience: Option<Standing>) -> Term {
    Term {
        role: Role {
            role,
            audience,
            specialist: None,
        },
        ends: None,
    }
}

fn invite(terms: Vec<Term>) -> Invite {
    Invite {
        name: "相談員 みなと".into(),
        terms,
    }
}

fn typed(id: &str, password: &str, totp: String) -> FirstManager {
    FirstManager {
        id: id.into(),
        name: "みなと".into(),
        password: password.into(),
        totp,
    }
}

async fn joins(world: &World, id: &str, terms: Vec<Term>) -> (SignedIn, TotpSecret) {
    let by = By::console();
    let made = world
        .identity
        .invite(invite(terms), &by)
        .await
        .expect("an address");
    let join = world
        .identity
        .join(made.token.expose())
        .await
        .expect("the store")
        .expect("good");
    let code = join.totp.code(world.clock.now());
    let typed = typed(id, PASSWORD, code);
    let signed_in = world
        .identity
        .claim_join(made.token.expose(), typed)
        .await
        .expect("an account");
    (signed_in, join.totp)
}

#[test]
fn roles_that_do_not_hold_together_are_not_given() {
    let now = Millis(1_800_000_000_000);
    let side = Some(Standing::Family);
    let manager = term(RoleKind::Manager, None);
    let host = term(RoleKind::Moderator, side);
    assert!(holds_together(&[manager, host], now));
    assert!(!holds_together(&[], now));
    assert!(!holds_together(&[manager, manager], now));
    assert!(!holds_together(&[term(RoleKind::Manager, side)], now));
    assert!(!holds_together(&[term(RoleKind::PeerSupporter, None)], now));
    let ending = |ends| Term {
        ends: Some(ends),
        ..host
    };
    assert!(holds_together(&[ending(now.plus_ms(1))], now));
    assert!(!holds_together(&[ending(now)], now));
    let special = |term: Term| Term {
        role: Role {
            specialist: Some(true),
            ..term.role
        },
        ..term
    };
    assert!(holds_together(
        &[special(term(RoleKind::Coordinator, None))],
        now
    ));
    assert!(!holds_together(&[special(manager)], now));
}

on_both_engines!(an_invited_person_makes_their_account_once, db => {
    let world = world(db);
    let by = By::console();
    let made = world.identity.invite(invite(vec![term(RoleKind::Moderator, Some(Standing::Family))]), &by).await;
    let made = made.expect("an address");
    let token = made.token.expose();
    let join = world.identity.join(token).await.expect("the store").expect("good");
    assert_eq!((join.kind, join.name.as_str(), join.account), (JoinKind::Account, "相談員 みなと", None));
    assert_eq!(world.identity.pending().await.expect("the store").len(), 1);
    let code = || join.totp.code(world.clock.now());
    assert!(is_bad_login(&world.identity.claim_join("another", typed("minato", PASSWORD, code())).await));
    let weak = world.identity.claim_join(token, typed("minato", "short", code())).await;
    assert!(matches!(weak, Err(Refusal::BadPassword(_))));
    let reserved = world.identity.claim_join(token, typed("console", PASSWORD, code())).await;
    assert!(matches!(reserved, Err(Refusal::BadId)));
    let signed_in = world.identity.claim_join(token, typed("minato", PASSWORD, code())).await.expect("an account");
    let Actor::Staff { roles, .. } = &signed_in.session.actor else { panic!("an account") };
    assert_eq!((roles[0].role, roles[0].audience), (RoleKind::Moderator, Some(Standing::Family)));
    assert!(is_bad_login(&world.identity.claim_join(token, typed("other", PASSWORD, code())).await));
    assert!(world.identity.join(token).await.expect("the store").is_none());
    assert!(world.identity.pending().await.expect("the store").is_empty());
    let people = world.identity.people().await.expect("the store");
    assert_eq!((people[0].id.as_str(), people[0].state), ("minato", State::Active));
    assert_eq!(world.audit.verify(&world.db).await.expect("the store").broken, None);
});

on_both_engines!(an_address_dies_by_time_and_by_being_withdrawn, db => {
    let world = world(db);
    let by = By::console();
    let manager = || invite(vec![term(RoleKind::Manager, None)]);
    let withdrawn = world.identity.invite(manager(), &by).await.expect("an address");
    assert!(world.identity.withdraw_invite(&withdrawn.id, &by).await.expect("the store"));
    assert!(!world.identity.withdraw_invite(&withdrawn.id, &by).await.expect("the store"));
    assert!(world.identity.join(withdrawn.token.expose()).await.expect("the store").is_none());
    let late = world.identity.invite(manager(), &by).await.expect("an address");
    world.clock.advance(Duration::from_secs(7 * DAY_S - 1));
    assert!(world.identity.join(late.token.expose()).await.expect("the store").is_some());
    world.clock.advance(Duration::from_secs(1));
    assert!(world.identity.join(late.token.expose()).await.expect("the store").is_none());
    world.identity.sweep().await.expect("the store");
});

on_both_engines!(a_role_that_has_ended_counts_as_none, db => {
    let world = world(db);
    let ends = world.clock.now().plus_ms(60_000);
    let host = Term { ends: Some(ends), ..term(RoleKind::Moderator, Some(Standing::Family)) };
    let supporter = term(RoleKind::PeerSupporter, Some(Standing::Family));
    let (both, totp) = joins(&world, "minato", vec![host, supporter]).await;
    let (only, _) = joins(&world, "hama", vec![host]).await;
    world.identity.sweep().await.expect("the store");
    let roles = |session: &Session| match &session.actor {
        Actor::Staff { roles, .. } => roles.len(),
        Actor::Handle { .. } => 0,
    };
    assert_eq!(roles(&world.resolve(&both).await.expect("signed in")), 2);
    world.clock.advance(Duration::from_secs(60));
    // At once for what is asked by a cookie, though no sweep has come yet.
    assert_eq!(roles(&world.resolve(&both).await.expect("signed in")), 1);
    assert!(world.resolve(&only).await.is_none());
    // Sockets live on what they knew: the sweep ends them.
    world.identity.sweep().await.expect("the store");
    assert!(world.resolve(&both).await.is_none());
    assert_eq!(world.identity.ended_since(Millis(0)).await.expect("the store").len(), 2);
    let code = totp.code(world.clock.now());
    let again = world.identity.login_staff("minato", PASSWORD, &code).await.expect("one role is left");
    world.identity.sweep().await.expect("the store");
    assert_eq!(roles(&world.resolve(&again).await.expect("signed in")), 1);
    let people = world.identity.people().await.expect("the store");
    let state = |id: &str| people.iter().find(|person| person.id == id).map(|person| person.state);
    assert_eq!((state("minato"), state("hama")), (Some(State::Active), Some(State::NoRole)));
});

on_both_engines!(leaving_ends_every_session_and_every_address, db => {
    let world = world(db);
    let by = By::console();
    let (first, totp) = joins(&world, "minato", vec![term(RoleKind::Manager, None)]).await;
    let reset = world.identity.reset_staff("minato", true, &by).await.expect("the store").expect("an address");
    assert!(world.identity.revoke_staff("minato", &by).await.expect("the store"));
    assert!(!world.identity.revoke_staff("minato", &by).await.expect("the store"));
    assert!(!world.identity.revoke_staff("nobody", &by).await.expect("the store"));
    assert!(world.resolve(&first).await.is_none());
    assert_eq!(world.identity.ended_since(Millis(0)).await.expect("the store").len(), 1);
    assert!(world.identity.join(reset.token.expose()).await.expect("the store").is_none());
    world.clock.advance(Duration::from_secs(60));
    let code = totp.code(world.clock.now());
    assert!(is_bad_login(&world.identity.login_staff("minato", PASSWORD, &code).await));
    assert!(world.identity.reset_staff("minato", false, &by).await.expect("the store").is_none());
    let people = world.identity.people().await.expect("the store");
    assert_eq!(people[0].state, State::Ended);
});

on_both_engines!(a_second_factor_is_set_anew_with_the_password_or_a_new_one, db => {
    let world = world(db);
    let by = By::console();
    let (first, old) = joins(&world, "minato", vec![term(RoleKind::Manager, None)]).await;
    let dead = world.identity.reset_staff("minato", false, &by).await.expect("the store").expect("an address");
    let reset = world.identity.reset_staff("minato", false, &by).await.expect("the store").expect("an address");
    assert!(world.identity.join(dead.token.expose()).await.expect("the store").is_none());
    let join = world.identity.join(reset.token.expose()).await.expect("the store").expect("good");
    assert_eq!((join.kind, join.account.as_deref()), (JoinKind::Factor, Some("minato")));
    assert!(world.resolve(&first).await.is_some());
    let code = join.totp.code(world.clock.now());
    let stolen = world.identity.claim_join(reset.token.expose(), typed("", "somebody else's", code.clone())).await;
    assert!(is_bad_login(&stolen));
    let second = world.identity.claim_join(reset.token.expose(), typed("", PASSWORD, code)).await.expect("anew");
    assert!(world.resolve(&first).await.is_none());
    assert!(world.resolve(&second).await.is_some());
    world.clock.advance(Duration::from_secs(60));
    let code = old.code(world.clock.now());
    assert!(is_bad_login(&world.identity.login_staff("minato", PASSWORD, &code).await));
    let code = join.totp.code(world.clock.now());
    world.identity.login_staff("minato", PASSWORD, &code).await.expect("with the new one");

    let reset = world.identity.reset_staff("minato", true, &by).await.expect("the store").expect("an address");
    let join = world.identity.join(reset.token.expose()).await.expect("the store").expect("good");
    assert_eq!(join.kind, JoinKind::FactorAndPassword);
    let code = join.totp.code(world.clock.now());
    let third = world.identity.claim_join(reset.token.expose(), typed("", "quite another password", code)).await;
    third.expect("anew");
    world.clock.advance(Duration::from_secs(60));
    let code = || join.totp.code(world.clock.now());
    assert!(is_bad_login(&world.identity.login_staff("minato", PASSWORD, &code()).await));
    world.identity.login_staff("minato", "quite another password", &code()).await.expect("with the new one");
});

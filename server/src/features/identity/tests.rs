//! The service on both engines.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use super::*;
use crate::features::audit::AuditKey;
use crate::on_both_engines;
use crate::permit::Actor;
use crate::platform::clock::{Millis, TestClock};
use crate::platform::ids::{NodeId, SystemChance};
use crate::protocol::{Device, MeOut, Role, RoleKind, Standing};

const MINUTES: u64 = 60;
const DAYS: u64 = 24 * 60 * MINUTES;
pub(super) const PASSWORD: &str = "a long enough password";

pub(super) struct World {
    pub(super) identity: Identity,
    pub(super) clock: TestClock,
    pub(super) audit: Audit,
    pub(super) db: Db,
}

pub(super) fn world(db: Db) -> World {
    let clock = TestClock::default();
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let audit = Audit::new(
        AuditKey::new(KeyFile::throwaway(&SystemChance).key_for(Purpose::Audit)),
        Arc::clone(&shared),
        NodeId::new(&SystemChance),
    );
    let parts = Parts {
        db: db.clone(),
        clock: Arc::clone(&shared),
        chance: Arc::new(SystemChance),
        audit: audit.clone(),
        tally: Tally::new(db.clone(), shared),
        sessions: SessionSettings::default(),
    };
    World {
        identity: Identity::new(parts, &KeyFile::throwaway(&SystemChance)),
        clock,
        audit,
        db,
    }
}

impl World {
    async fn come(&self, device: Device) -> SignedIn {
        let newcomer = Newcomer {
            name: Some("三毛".into()),
            standing: Standing::Tojisha,
            slip: None,
            device,
        };
        self.identity.make_handle(newcomer).await.expect("a handle")
    }

    pub(super) async fn resolve(&self, signed_in: &SignedIn) -> Option<Session> {
        let cookie = signed_in.cookie.expose();
        self.identity.resolve(cookie).await.expect("the store")
    }

    async fn account(&self, id: &str, role: RoleKind) -> TotpSecret {
        let totp = TotpSecret::new(&SystemChance);
        let account = NewAccount {
            id: id.into(),
            name: "相談員 みなと".into(),
            password: PASSWORD.into(),
            totp: totp.clone(),
            roles: vec![Role {
                role,
                audience: (role == RoleKind::PeerSupporter).then_some(Standing::Family),
                specialist: None,
            }],
        };
        let made = self.identity.create_staff(account, None).await;
        made.expect("an account");
        totp
    }
}

pub(super) fn is_bad_login<T>(outcome: &Result<T, Refusal>) -> bool {
    matches!(outcome, Err(Refusal::BadLogin))
}

on_both_engines!(a_handle_is_made_and_known_by_its_cookie, db => {
    let world = world(db);
    let one = world.come(Device::Mine).await;
    let found = world.resolve(&one).await.expect("it is signed in");
    assert_eq!(found.id, one.session.id);
    assert_eq!(found.actor, one.session.actor);
    assert_eq!(found.name.as_str(), "三毛");
    assert_eq!(found.handle, Some(HandleFacts { by_slip: false, acted: false, has_words: false }));
    let MeOut::Handle(me) = found.me() else { panic!("a handle") };
    assert_eq!((me.name.as_str(), me.standing, me.by_slip), ("三毛", Standing::Tojisha, false));
    assert!(world.identity.resolve("something else").await.expect("the store").is_none());
    // Two people may wear the same name.
    let two = world.come(Device::Mine).await;
    assert_ne!(one.session.handle_id(), two.session.handle_id());
    let unnamed = Newcomer { name: None, standing: Standing::Family, slip: None, device: Device::Shared };
    assert!(world.identity.make_handle(unnamed.clone()).await.is_ok());
    let bad = Newcomer { name: Some("スタッフ".into()), ..unnamed.clone() };
    assert!(matches!(world.identity.make_handle(bad).await, Err(Refusal::BadName(BadName::StaffWord))));
    let slip = Newcomer { slip: Some("1234".into()), ..unnamed };
    assert!(matches!(world.identity.make_handle(slip).await, Err(Refusal::BadSlip)));
});

on_both_engines!(sessions_last_as_long_as_the_device_says, db => {
    let world = world(db);
    let (mine, shared) = (world.come(Device::Mine).await, world.come(Device::Shared).await);
    for _ in 0..4 {
        world.clock.advance(Duration::from_secs(20 * MINUTES));
        assert!(world.resolve(&shared).await.is_some());
    }
    world.clock.advance(Duration::from_secs(29 * MINUTES));
    assert!(world.identity.touch(&shared.session.id).await.expect("the store"));
    world.clock.advance(Duration::from_secs(29 * MINUTES));
    assert!(world.resolve(&shared).await.is_some());
    world.clock.advance(Duration::from_secs(30 * MINUTES));
    assert!(world.resolve(&shared).await.is_none());
    assert!(!world.identity.touch(&shared.session.id).await.expect("the store"));
    world.clock.advance(Duration::from_secs(29 * DAYS));
    assert!(world.resolve(&mine).await.is_some());
    world.clock.advance(Duration::from_secs(29 * DAYS));
    assert!(world.resolve(&mine).await.is_some());
    world.clock.advance(Duration::from_secs(32 * DAYS));
    assert!(world.resolve(&mine).await.is_none());
    let mut ended = world.identity.subscribe_ended();
    world.identity.sweep().await.expect("the store");
    let ids = [ended.try_recv().expect("one ended"), ended.try_recv().expect("two ended")];
    assert!(ids.contains(&mine.session.id) && ids.contains(&shared.session.id));
    let since = world.identity.ended_since(world.clock.now()).await.expect("the store");
    assert_eq!(since.len(), 2);
    world.clock.advance(Duration::from_secs(2 * DAYS));
    world.identity.sweep().await.expect("the store");
    assert!(world.identity.ended_since(Millis(0)).await.expect("the store").is_empty());
});

on_both_engines!(p11_hiding_keeps_the_handle_for_half_an_hour, db => {
    let world = world(db);
    let (back, gone) = (world.come(Device::Mine).await, world.come(Device::Mine).await);
    for one in [&back, &gone] {
        world.identity.hide(&one.session.id).await.expect("the store");
    }
    world.clock.advance(Duration::from_secs(29 * MINUTES));
    assert!(world.resolve(&back).await.is_some());
    // A socket left open behind the harmless page does not count as coming back.
    assert!(world.identity.touch(&gone.session.id).await.expect("the store"));
    world.clock.advance(Duration::from_secs(2 * MINUTES));
    assert!(world.resolve(&back).await.is_some());
    assert!(world.resolve(&gone).await.is_none());
});

on_both_engines!(logging_out_ends_one_session_or_all, db => {
    let world = world(db);
    let first = world.come(Device::Mine).await;
    let code = world.identity.make_recovery(&first.session).await.expect("words");
    let second = world.identity.recover(&code.text(), Device::Shared).await.expect("back");
    let third = world.identity.recover(&code.text(), Device::Mine).await.expect("back");
    let other = world.come(Device::Mine).await;
    world.identity.log_out(&second.session).await.expect("the store");
    assert!(world.resolve(&second).await.is_none());
    assert!(world.resolve(&first).await.is_some());
    let mut ended = world.identity.subscribe_ended();
    world.identity.log_out_everywhere(&third.session).await.expect("the store");
    assert!(world.resolve(&first).await.is_none());
    assert!(world.resolve(&third).await.is_none());
    assert!(world.resolve(&other).await.is_some());
    let mut told = vec![ended.try_recv().expect("one"), ended.try_recv().expect("two")];
    told.push(second.session.id.clone());
    let mut stored = world.identity.ended_since(world.clock.now()).await.expect("the store");
    told.sort();
    stored.sort();
    assert_eq!(told, stored);
});

on_both_engines!(words_bring_a_handle_back_and_new_ones_kill_the_old, db => {
    let world = world(db);
    let first = world.come(Device::Mine).await;
    let old = world.identity.make_recovery(&first.session).await.expect("words");
    assert!(world.resolve(&first).await.and_then(|s| s.handle).is_some_and(|h| h.has_words));
    let typed = old.text().replace(' ', "　");
    let back = world.identity.recover(&typed, Device::Shared).await.expect("back");
    assert_eq!(back.session.actor, first.session.actor);
    assert_eq!(back.session.name, first.session.name);
    assert_eq!(back.session.device, Device::Shared);
    let new = world.identity.make_recovery(&back.session).await.expect("words");
    assert!(is_bad_login(&world.identity.recover(&old.text(), Device::Mine).await));
    assert!(world.identity.recover(&new.text(), Device::Mine).await.is_ok());
    let never = RecoveryCode::new(&SystemChance);
    assert!(is_bad_login(&world.identity.recover(&never.text(), Device::Mine).await));
    assert!(is_bad_login(&world.identity.recover("こんにちは", Device::Mine).await));
    assert!(world.resolve(&first).await.is_some());
});

on_both_engines!(the_side_can_be_switched_until_the_first_act, db => {
    let world = world(db.clone());
    let first = world.come(Device::Mine).await;
    let id = first.session.handle_id().expect("a handle").clone();
    let other = world.identity.switch_standing(&first.session, Standing::Family).await.expect("free");
    assert_eq!(other.session.standing(), Some(Standing::Family));
    assert!(world.resolve(&first).await.is_none());
    let mut tx = db.begin().await.expect("the store");
    // A socket that still thinks of the other side cannot act.
    assert!(!world.identity.note_act(&mut tx, &id, Standing::Tojisha).await.expect("the store"));
    assert!(world.identity.note_act(&mut tx, &id, Standing::Family).await.expect("the store"));
    tx.commit().await.expect("the store");
    let settled = world.identity.switch_standing(&other.session, Standing::Tojisha).await;
    assert!(matches!(settled, Err(Refusal::Settled)));
    let found = world.resolve(&other).await.expect("still here");
    assert_eq!(found.standing(), Some(Standing::Family));
    assert!(found.handle.is_some_and(|handle| handle.acted));
});

on_both_engines!(p5_a_removed_handle_is_gone_with_all_its_sessions, db => {
    let world = world(db);
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    world.identity.on_removal(Arc::new(move |_| {
        // Fails the first time: then the handle must stay.
        let n = counted.fetch_add(1, Ordering::SeqCst);
        Box::pin(async move { if n == 0 { Err(StoreError::Again) } else { Ok(()) } })
    }));
    let first = world.come(Device::Mine).await;
    let code = world.identity.make_recovery(&first.session).await.expect("words");
    let second = world.identity.recover(&code.text(), Device::Mine).await.expect("back");
    assert!(world.identity.remove_handle(&first.session).await.is_err());
    assert!(world.resolve(&second).await.is_some());
    world.identity.remove_handle(&first.session).await.expect("removed");
    assert!(world.resolve(&first).await.is_none());
    assert!(world.resolve(&second).await.is_none());
    assert!(is_bad_login(&world.identity.recover(&code.text(), Device::Mine).await));
    assert_eq!(world.identity.ended_since(Millis(0)).await.expect("the store").len(), 2);
    // Again changes nothing.
    world.identity.remove_handle(&first.session).await.expect("removed");
    assert_eq!(calls.load(Ordering::SeqCst), 3);
    assert!(is_bad_login(&world.identity.make_recovery(&first.session).await));
});

on_both_engines!(p10_people_with_powers_log_in_and_it_is_written_down, db => {
    let world = world(db);
    let totp = world.account("minato", RoleKind::PeerSupporter).await;
    let now = world.clock.now();
    let login = |id: &'static str, password: &'static str, code: String| {
        let identity = &world.identity;
        async move { identity.login_staff(id, password, &code).await }
    };
    let wrong_code = format!("{:06}", (totp.code(now).parse::<u32>().expect("digits") + 1) % 1_000_000);
    assert!(is_bad_login(&login("minato", "another password", totp.code(now)).await));
    assert!(is_bad_login(&login("minato", PASSWORD, wrong_code).await));
    assert!(is_bad_login(&login("nobody", PASSWORD, totp.code(now)).await));
    assert!(is_bad_login(&login("no id at all", PASSWORD, totp.code(now)).await));
    let signed_in = login("minato", PASSWORD, totp.code(now)).await.expect("logged in");
    let Actor::Staff { roles, .. } = &signed_in.session.actor else { panic!("an account") };
    assert_eq!(roles[0].role, RoleKind::PeerSupporter);
    assert_eq!(roles[0].audience, Some(Standing::Family));
    let found = world.resolve(&signed_in).await.expect("signed in");
    assert_eq!(found.actor, signed_in.session.actor);
    assert_eq!(found.name.as_str(), "相談員 みなと");
    // A code is good once; the next one is good again.
    assert!(is_bad_login(&login("minato", PASSWORD, totp.code(now)).await));
    world.clock.advance(Duration::from_secs(30));
    assert!(login("minato", PASSWORD, totp.code(world.clock.now())).await.is_ok());
    // The words and the removal are for handles only.
    assert!(matches!(world.identity.make_recovery(&found).await, Err(Refusal::NotForThis)));
    assert!(matches!(world.identity.remove_handle(&found).await, Err(Refusal::NotForThis)));
    world.clock.advance(Duration::from_secs(10 * 60 * MINUTES));
    assert!(world.resolve(&signed_in).await.is_none());
    let verdict = world.audit.verify(&world.db).await.expect("the store");
    assert_eq!((verdict.n_entries, verdict.broken), (3, None));
});

on_both_engines!(an_id_is_taken_once_and_weak_passwords_are_not_taken, db => {
    let world = world(db);
    world.account("minato", RoleKind::Manager).await;
    let account = NewAccount {
        id: "minato".into(),
        name: "みなと".into(),
        password: PASSWORD.into(),
        totp: TotpSecret::new(&SystemChance),
        roles: vec![],
    };
    let made = world.identity.create_staff(account.clone(), None).await;
    assert!(matches!(made, Err(Refusal::BadId)));
    let weak = NewAccount { id: "other".into(), password: "short".into(), ..account.clone() };
    let made = world.identity.create_staff(weak, None).await;
    assert!(matches!(made, Err(Refusal::BadPassword(BadPassword::TooShort))));
    let bad = NewAccount { id: "みなと".into(), ..account };
    assert!(matches!(world.identity.create_staff(bad, None).await, Err(Refusal::BadId)));
    let verdict = world.audit.verify(&world.db).await.expect("the store");
    assert_eq!((verdict.n_entries, verdict.broken), (1, None));
});

on_both_engines!(the_first_manager_comes_by_an_address_that_is_good_once, db => {
    let world = world(db);
    let old = world.identity.first_manager_token().await.expect("the store").expect("an empty house");
    let token = world.identity.first_manager_token().await.expect("the store").expect("an empty house");
    assert!(world.identity.first_manager_totp(old.expose()).await.expect("the store").is_none());
    let totp = world.identity.first_manager_totp(token.expose()).await.expect("the store").expect("good");
    let again = world.identity.first_manager_totp(token.expose()).await.expect("the store").expect("good");
    assert_eq!(totp.as_bytes(), again.as_bytes());
    let first = |password: &str, code: String| FirstManager {
        id: "kancho".into(),
        name: "事業責任者 さとやま".into(),
        password: password.into(),
        totp: code,
    };
    let code = totp.code(world.clock.now());
    let outcome = world.identity.claim_first_manager(old.expose(), first(PASSWORD, code.clone())).await;
    assert!(is_bad_login(&outcome));
    let outcome = world.identity.claim_first_manager(token.expose(), first(PASSWORD, "000000".into())).await;
    assert!(is_bad_login(&outcome) || code == "000000");
    let outcome = world.identity.claim_first_manager(token.expose(), first("short", code.clone())).await;
    assert!(matches!(outcome, Err(Refusal::BadPassword(_))));
    let signed_in = world.identity.claim_first_manager(token.expose(), first(PASSWORD, code.clone())).await;
    let signed_in = signed_in.expect("the first manager");
    assert!(world.resolve(&signed_in).await.is_some());
    let outcome = world.identity.claim_first_manager(token.expose(), first(PASSWORD, code)).await;
    assert!(is_bad_login(&outcome));
    assert!(world.identity.first_manager_token().await.expect("the store").is_none());
    assert!(world.identity.first_manager_totp(token.expose()).await.expect("the store").is_none());
    world.clock.advance(Duration::from_secs(60));
    let code = totp.code(world.clock.now());
    assert!(world.identity.login_staff("kancho", PASSWORD, &code).await.is_ok());
});

on_both_engines!(p5_neither_cookie_nor_words_nor_secrets_stand_in_the_store, db => {
    let world = world(db);
    let signed_in = world.come(Device::Mine).await;
    let code = world.identity.make_recovery(&signed_in.session).await.expect("words");
    let shown = format!("{signed_in:?} {code:?}");
    for secret in [signed_in.cookie.expose(), &code.text(), "三毛"] {
        assert!(!shown.contains(secret));
    }
    // Another key file makes neither the cookie nor the words good.
    let other = super::tests::world(world.db.clone());
    assert!(other.resolve(&signed_in).await.is_none());
    assert!(is_bad_login(&other.identity.recover(&code.text(), Device::Mine).await));
});

//! Coming in where other nodes write, too.

use super::*;

/// A room that is shared, its store, and what one input comes to.
struct Shared {
    room: Room,
    store: Store,
}

impl Shared {
    fn new() -> Self {
        let store = Store::default();
        let facts = Facts {
            shared: true,
            ..facts()
        };
        Self {
            room: Room::new(facts, seen(&store), Vec::new(), Vec::new(), Millis(0)),
            store,
        }
    }

    fn line(&mut self, author: &str, key: &str) -> NewLine {
        NewLine {
            author: id(author),
            key: ClientKey::parse(key).expect("a key"),
            content: Content {
                body: format!("{author} {key}"),
                name: "n".into(),
                duty: None,
                note: None,
                no_reply: false,
                form: None,
                by_room: false,
            },
        }
    }

    fn asker(conn: u64) -> Asker {
        Asker {
            conn: ConnId(conn),
            ticket: Tickets::new(Outbox::new(8, 8_000)).take(),
        }
    }

    fn who(participant: &str) -> Who {
        Who {
            participant: id(participant),
            name: "n".into(),
            duty: None,
            declared: false,
        }
    }

    fn enter(&mut self, conn: u64, after: Option<i64>) -> Vec<String> {
        self.apply(Input::Enter {
            asker: Self::asker(conn),
            who: Self::who(&format!("p{conn}")),
            mode: EnterMode::Talk,
            after: after.map(Seq),
        })
    }

    /// Reads from the store what a load asks for.
    fn load(&mut self, from: i64) -> Vec<String> {
        let lines = self.store.range(Seq(from), Seq(1_000));
        self.apply(Input::Loaded {
            conn: None,
            from: Seq(from),
            lines,
        })
    }

    /// What matters here of the effects, in short.
    fn apply(&mut self, input: Input) -> Vec<String> {
        let effects = self.room.apply(input, Millis(1));
        let short = |effect: Effect| match effect {
            Effect::Load {
                conn: None, from, ..
            } => Some(format!("load {from}")),
            Effect::LoadChanges { after } => Some(format!("changes after {after}")),
            Effect::Commit(_) => Some("commit".to_owned()),
            Effect::Send { frame, .. } | Effect::SendEntered { frame, .. } | Effect::All(frame) => {
                match serde_json::from_str(frame.as_str()) {
                    Ok(ServerFrame::Entered(entered)) => {
                        Some(format!("entered {}", entered.last_seq))
                    }
                    Ok(ServerFrame::Acked { seq, .. }) => Some(format!("acked {seq}")),
                    Ok(ServerFrame::Said(line)) => Some(format!("said {}", line.seq)),
                    Ok(ServerFrame::Refused { code, .. }) => {
                        Some(format!("refused {}", code.as_str()))
                    }
                    _ => None,
                }
            }
            _ => None,
        };
        effects.into_iter().filter_map(short).collect()
    }
}

#[test]
fn p4_who_comes_in_is_told_of_what_another_node_kept_before() {
    let mut world = Shared::new();
    for key in ["k1", "k2"] {
        let line = world.line("elsewhere", key);
        world.store.keep(&line);
    }
    assert_eq!(world.enter(1, None), ["load 1"]);
    // A second one asked after that load began: it may have read too early for them.
    assert!(world.enter(2, Some(2)).is_empty());
    let told = world.load(1);
    assert_eq!(told, ["said 1", "said 2", "entered 2", "load 3"]);
    assert_eq!(world.load(3), ["entered 2"]);
}

#[test]
fn p4_a_look_tells_nobody_of_a_line_before_its_author_has_the_answer() {
    let mut world = Shared::new();
    assert_eq!(world.enter(1, None), ["load 1"]);
    assert_eq!(world.load(1), ["entered 0"]);
    let own = world.line("p1", "k1");
    let said = world.apply(Input::Say {
        asker: Shared::asker(1),
        who: Shared::who("p1"),
        key: own.key.clone(),
        line: Ok(Proposed {
            found: Default::default(),
            body: Body::known("own".into()),
            note: None,
            no_reply: false,
            form: None,
            answer: None,
        }),
        by_form: false,
    });
    assert_eq!(said, ["commit"]);
    let kept = world.store.keep(&own);
    let after = world.line("elsewhere", "k9");
    world.store.keep(&after);
    assert_eq!(world.enter(2, None), ["load 1"]);
    assert!(world.load(1).is_empty(), "the line of this node waits");
    let told = world.apply(Input::Kept(vec![kept]));
    assert_eq!(told, ["acked 1", "said 1", "load 2"]);
    assert_eq!(world.load(2), ["said 2", "entered 2"]);
}

#[test]
fn who_comes_in_while_the_store_does_not_answer_may_try_again() {
    let mut world = Shared::new();
    assert_eq!(world.enter(1, None), ["load 1"]);
    assert!(world.enter(2, None).is_empty());
    let told = world.apply(Input::NotLoaded { conn: None });
    assert_eq!(told, ["refused busy", "load 1"]);
    assert_eq!(world.load(1), ["entered 0"]);
}

#[test]
fn a_change_that_comes_while_changes_are_read_is_read_at_once() {
    let mut world = Shared::new();
    let see = |world: &mut Shared, n_changes| {
        let seen = Seen {
            n_changes,
            ..seen(&world.store)
        };
        world.apply(Input::Seen(Box::new(seen)))
    };
    assert_eq!(see(&mut world, 1), ["changes after 0"]);
    assert!(see(&mut world, 2).is_empty());
    let read = |n| Input::Changed {
        changes: Vec::new(),
        complete_to: Some(n),
        lines: Vec::new(),
    };
    assert_eq!(world.apply(read(1)), ["changes after 1"]);
    // One that failed is for the next look, or a store that is away would be asked without end.
    assert!(world.apply(read(1)).is_empty());
    assert_eq!(see(&mut world, 2), ["changes after 1"]);
}

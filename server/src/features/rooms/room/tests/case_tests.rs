//! Single cases of a room, by hand.

use super::*;

fn run_to_entered(room: &mut Room, asker: Asker, after: Option<Seq>) -> Vec<ServerFrame> {
    let who = World::who(asker.conn);
    room.apply(
        Input::Enter {
            asker,
            who,
            mode: EnterMode::Talk,
            after,
        },
        Millis(1),
    )
    .into_iter()
    .filter_map(|effect| match effect {
        Effect::Send { frame, .. } | Effect::SendEntered { frame, .. } => {
            serde_json::from_str(frame.as_str()).ok()
        }
        _ => None,
    })
    .collect()
}

#[test]
fn p3_nobody_is_told_that_somebody_came_or_went() {
    let mut world = World::new(1);
    for n in 0..3 {
        let conn = ConnId(n);
        let (asker, who) = (world.asker(conn), World::who(conn));
        world.apply(Input::Enter {
            asker,
            who,
            mode: EnterMode::Talk,
            after: None,
        });
    }
    let effects = world
        .room
        .apply(Input::Leave { conn: ConnId(0) }, Millis(1));
    let others = effects.iter().filter(|effect| match effect {
        Effect::Send { conn, .. } | Effect::SendEntered { conn, .. } => *conn != ConnId(0),
        Effect::All(_) => true,
        _ => false,
    });
    assert_eq!(others.count(), 0, "leaving is heard by nobody");
    let (asker, who) = (world.asker(ConnId(7)), World::who(ConnId(7)));
    let effects = world.room.apply(
        Input::Enter {
            asker,
            who,
            mode: EnterMode::Talk,
            after: None,
        },
        Millis(1),
    );
    assert!(
        !effects
            .iter()
            .any(|effect| matches!(effect, Effect::All(_))),
        "coming is heard by nobody"
    );
}

#[test]
fn p2_somebody_is_counted_once_on_each_rung_however_often_they_come() {
    let mut world = World::new(3);
    let mut rungs = Vec::new();
    // A page, its socket, another tab, a reload: one person.
    for conn in [ConnId(0), ConnId(1), ConnId(0)] {
        let (asker, who) = (world.asker(conn), World::who(conn));
        let enter = Input::Enter {
            asker,
            who,
            mode: EnterMode::Talk,
            after: None,
        };
        let effects = world.room.apply(enter, Millis(1));
        rungs.extend(effects.into_iter().filter_map(|effect| match effect {
            Effect::Came(rung) => Some(rung),
            _ => None,
        }));
    }
    assert_eq!(rungs, [Rung::Here]);
}

#[test]
fn lines_that_are_gone_are_named_by_a_gap() {
    let mut store = Store::default();
    let mut world = World::new(2);
    for _ in 0..5 {
        let line = world.new_line("p0");
        store.keep(&line);
    }
    let mut lines = store.range(Seq(1), Seq(5));
    for line in &mut lines[..3] {
        let mut gone = Line::clone(line);
        gone.shows = Shows::Gone;
        gone.content = None;
        *line = Arc::new(gone);
    }
    let mut room = Room::new(facts(), seen(&store), lines, Vec::new(), Millis(0));
    let frames = run_to_entered(&mut room, world.asker(ConnId(0)), Some(Seq(1)));
    let Some(ServerFrame::Entered(entered)) = frames.first() else {
        panic!("no entered")
    };
    assert_eq!(entered.gap, Some(crate::protocol::Gap { from: 2, to: 3 }));
    assert_eq!(entered.messages.len(), 2);
}

//! The contract that every implementation keeps.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::*;
use crate::platform::ids::{SeededChance, SystemChance};

mod redis_tests;

fn room(name: &str) -> RoomId {
    RoomId::parse(name).expect("an id")
}

fn lines(room_name: &str, n: u32) -> Hint {
    Hint {
        room: room(room_name),
        news: News::Lines {
            frames: vec![n.to_string()],
        },
    }
}

fn hint(room_name: &str, news: News) -> Hint {
    Hint {
        room: room(room_name),
        news,
    }
}

/// Publishes a hint until it is heard, whatever the bus loses; answers what was heard before it.
async fn until_heard(from: &dyn Bus, by: &mut Hearing, last: &Hint) -> Vec<Hint> {
    let mut heard = Vec::new();
    loop {
        from.publish(last.clone());
        let again = tokio::time::sleep(Duration::from_millis(20));
        tokio::pin!(again);
        loop {
            tokio::select! {
                hint = by.recv() => {
                    let hint = hint.expect("the bus lives");
                    if hint == *last {
                        return heard;
                    }
                    heard.push(hint);
                }
                () = &mut again => break,
            }
        }
    }
}

/// What holds for every bus, whatever it loses.
async fn contract(one: &dyn Bus, other: &dyn Bus) {
    let mut heard_by_one = one.stream().expect("the stream can be taken");
    let mut heard_by_other = other.stream().expect("the stream can be taken");
    assert!(one.stream().is_none(), "the stream can be taken once");
    other.join(&room("a"));
    one.join(&room("a"));
    for n in 0..200 {
        one.publish(lines("a", n));
        one.publish(lines("b", n));
    }
    let heard = until_heard(one, &mut heard_by_other, &hint("a", News::Changed)).await;
    assert!(
        heard.iter().all(|hint| hint.room == room("a")),
        "a room that was not joined is not heard of"
    );
    let sent: HashSet<String> = (0..200).map(|n| n.to_string()).collect();
    for hint in &heard {
        match &hint.news {
            News::Lines { frames } => assert!(
                frames.iter().all(|frame| sent.contains(frame)),
                "nothing is made up"
            ),
            News::Changed | News::Head | News::Lost => {}
        }
    }
    let own = until_heard(other, &mut heard_by_one, &hint("a", News::Head)).await;
    assert!(
        own.iter().all(|hint| hint.news == News::Lost),
        "what a node publishes does not come back to it"
    );

    other.leave(&room("a"));
    while heard_by_other.try_recv().is_some() {}
    other.join(&room("c"));
    one.publish(lines("a", 1));
    let heard = until_heard(one, &mut heard_by_other, &hint("c", News::Changed)).await;
    assert!(
        heard.iter().all(|hint| hint.room == room("c")),
        "a room that was left is not heard of"
    );

    // Far more than fits: publishing neither blocks nor fails, and the room is told that it lost something.
    other.join(&room("a"));
    until_heard(one, &mut heard_by_other, &hint("a", News::Head)).await;
    while heard_by_other.try_recv().is_some() {}
    for _ in 0..4 {
        for n in 0..(STREAM_HINTS as u32) {
            one.publish(lines("a", n));
        }
    }
    loop {
        let heard = heard_by_other.recv().await.expect("the bus lives");
        if heard == hint("a", News::Lost) {
            break;
        }
    }
}

#[tokio::test]
async fn the_in_process_bus_keeps_the_contract_and_loses_nothing_that_fits() {
    let net = LocalNet::default();
    contract(&net.node(), &net.node()).await;

    let (one, other) = (net.node(), net.node());
    let mut heard = other.stream().expect("the stream can be taken");
    other.join(&room("a"));
    for n in 0..100 {
        one.publish(lines("a", n));
    }
    for n in 0..100 {
        assert_eq!(heard.recv().await, Some(lines("a", n)));
    }
}

#[tokio::test]
async fn the_faulty_bus_keeps_the_contract() {
    for seed in 0..20 {
        let faults = Faults {
            lost: 30,
            doubled: 20,
            late: 20,
        };
        let net = LocalNet::faulty(faults, Arc::new(SeededChance::new(seed)));
        contract(&net.node(), &net.node()).await;
    }
}

//! The contract that every implementation keeps.

use std::collections::HashSet;
use std::sync::Arc;

use super::*;
use crate::platform::ids::SeededChance;

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

/// What holds for every bus, whatever it loses. A last hint of each room is sent until it arrives, so that the test ends.
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
    let last = Hint {
        room: room("a"),
        news: News::Changed,
    };
    let mut heard = Vec::new();
    loop {
        one.publish(last.clone());
        let hint = heard_by_other.recv().await.expect("the bus lives");
        if hint == last {
            break;
        }
        heard.push(hint);
    }
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
            News::Changed | News::Head => {}
        }
    }
    assert!(
        heard_by_one.try_recv().is_err(),
        "what a node publishes does not come back to it"
    );
    other.leave(&room("a"));
    while heard_by_other.try_recv().is_ok() {}
    one.publish(lines("a", 1));
    assert!(
        heard_by_other.try_recv().is_err(),
        "a room that was left is not heard of"
    );
    // Far more than fits: publishing neither blocks nor fails.
    other.join(&room("a"));
    for n in 0..(STREAM_HINTS as u32 * 2) {
        one.publish(lines("a", n));
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

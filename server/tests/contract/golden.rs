//! Golden frames: one example or more of every frame, read here and by the browser's tests.

use std::collections::BTreeSet;

use engawa::protocol::{ClientFrame, ServerFrame};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::{committed, schemas};

/// The examples of one direction.
pub type Examples = Vec<Example>;

/// One example.
#[derive(Deserialize)]
pub struct Example {
    /// What it shows.
    pub name: String,
    /// The frame as it goes over the wire.
    pub frame: Value,
}

/// `tests/golden/frames.json`.
#[derive(Deserialize)]
pub struct Golden {
    /// Client → server.
    pub client: Examples,
    /// Server → client.
    pub server: Examples,
}

/// The committed examples.
pub fn golden() -> Golden {
    let text = std::fs::read_to_string(committed::from_root("tests/golden/frames.json"))
        .expect("tests/golden/frames.json is there");
    serde_json::from_str(&text).expect("tests/golden/frames.json is {client: […], server: […]}")
}

/// Every example is parsed and written again without a difference.
fn assert_read_and_written<T: DeserializeOwned + Serialize>(examples: &Examples) {
    let mut names = BTreeSet::new();
    for Example { name, frame } in examples {
        assert!(names.insert(name), "two golden frames are called {name:?}");
        let text = frame.to_string();
        let parsed: T = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("the golden frame {name:?} is not read: {error}"));
        let written = serde_json::to_value(&parsed).expect("a frame is JSON");
        assert_eq!(
            &written, frame,
            "the golden frame {name:?} is written otherwise than it was read"
        );
    }
}

/// Every type of frame has an example, every field that may be left out is there in one and not in another, and every
/// example fits the schema that the descriptions are made of.
fn assert_complete<T: ToSchema>(examples: &Examples) {
    let by_name = schemas::of::<T>();
    let root = T::name();
    let types: BTreeSet<&str> = schemas::list(&by_name[root.as_ref()], "oneOf")
        .iter()
        .map(|choice| schemas::tag(choice).expect("every frame has a type"))
        .collect();
    let shown: BTreeSet<&str> = examples
        .iter()
        .map(|example| example.frame["type"].as_str().expect("a frame has a type"))
        .collect();
    assert_eq!(
        types, shown,
        "every type of {root} has an example in tests/golden/frames.json: clients are written against them"
    );

    let mut seen = schemas::Seen::default();
    for Example { name, frame } in examples {
        let mut one = schemas::Seen::default();
        schemas::read(&by_name, &root, &by_name[root.as_ref()], frame, &mut one);
        assert!(
            one.wrong.is_empty(),
            "the golden frame {name:?} does not fit its schema: {:?}",
            one.wrong
        );
        seen.present.extend(one.present);
        seen.absent.extend(one.absent);
    }
    let never_there: Vec<_> = seen.absent.difference(&seen.present).collect();
    assert!(
        never_there.is_empty(),
        "no golden frame has {never_there:?}"
    );
    let always_there: Vec<_> = seen.present.difference(&seen.absent).collect();
    assert!(
        always_there.is_empty(),
        "no golden frame is without {always_there:?}, which may be left out"
    );
}

#[test]
fn every_client_frame_is_read_and_written_as_the_golden_one() {
    assert_read_and_written::<ClientFrame>(&golden().client);
}

#[test]
fn every_server_frame_is_read_and_written_as_the_golden_one() {
    assert_read_and_written::<ServerFrame>(&golden().server);
}

#[test]
fn every_client_frame_has_examples_with_and_without_each_optional_field() {
    assert_complete::<ClientFrame>(&golden().client);
}

#[test]
fn every_server_frame_has_examples_with_and_without_each_optional_field() {
    assert_complete::<ServerFrame>(&golden().server);
}

#[test]
fn unknown_fields_of_a_known_frame_are_ignored_both_ways() {
    let golden = golden();
    for Example { name, frame } in golden.client {
        let mut more = frame.clone();
        more["a_field_of_a_later_version"] = Value::from(1);
        let parsed: ClientFrame = serde_json::from_value(more)
            .unwrap_or_else(|error| panic!("{name:?} with one more field: {error}"));
        assert_eq!(
            serde_json::to_value(&parsed).expect("a frame is JSON"),
            frame,
            "{name:?}"
        );
    }
    for Example { name, frame } in golden.server {
        let mut more = frame.clone();
        more["a_field_of_a_later_version"] = Value::from(1);
        let parsed: ServerFrame = serde_json::from_value(more)
            .unwrap_or_else(|error| panic!("{name:?} with one more field: {error}"));
        assert_eq!(
            serde_json::to_value(&parsed).expect("a frame is JSON"),
            frame,
            "{name:?}"
        );
    }
}

//! Seeds that found something, with what it was. They run with every test, so that it stays found.
//!
//! What a seed does follows from every draw in this folder: after a change of the schedules a seed may show something else.
//! Each finds its fault again where the line against it is taken out of the room, or of the task as `nodes.rs` has it; but
//! the first five were found before lines could wait, and their schedules are others since.

/// A seed and what it found.
pub(super) const FOUND: &[(u64, &str)] = &[
    (
        16,
        "who left was not answered what they had asked for before",
    ),
    (
        4,
        "a line that came twice stood in the way of looking for missing ones",
    ),
    (
        162,
        "who waited for `entered` when the room closed was told `left`",
    ),
    (
        441,
        "a read that failed put out of the room who was catching up, unsaid",
    ),
    (
        1949,
        "a line was opened again and its words could not be read: it was never told",
    ),
    (
        34,
        "so much waited that whoever came on duty was told more than an outbox holds, and never came in",
    ),
    (
        93,
        "a line that had passed on another node was still answered as one that waits",
    ),
    (
        567,
        "a line passed on another node while this one was still keeping it: it was told before it was acked",
    ),
];

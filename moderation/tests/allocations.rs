//! How often a line asks for memory, once the buffers are warm.

use moderation::{Context, Engine, Side};

#[test]
fn a_line_asks_for_little_memory() {
    let engine = Engine::built_in();
    let context = Context::new(Side::Tojisha);
    for (line, n_max) in [
        (
            "今日はコンビニまで行けました。それだけの報告です。明日は雨らしいので、家でゆっくり本を読んでいるつもりです",
            0,
        ),
        ("し に た い", 4),
        ("番号は090-0123-4567です", 8),
    ] {
        engine.assess(line, &context);
        let counted = allocation_counter::measure(|| {
            engine.assess(line, &context);
        });
        assert!(
            counted.count_total <= n_max,
            "{line}: {} allocations, {n_max} are allowed",
            counted.count_total
        );
    }
}

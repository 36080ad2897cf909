//! How long a line takes: `cargo bench -p moderation`. The bare scan is that of the same words over the folded line.

use criterion::{Criterion, criterion_group, criterion_main};
use daachorse::CharwiseDoubleArrayAhoCorasick;
use moderation::{Context, Engine, Side, folded};
use std::hint::black_box;
use std::io::Write as _;

const LINE_60: &str = "今日は少しだけ外に出られました。コンビニの人に会釈したら返してくれて、帰り道はずっとそのことを考えていました。嬉しかった";
const RISK_60: &str = "もう疲れました。毎晩、このまま目が覚めなければいいのにと思います。家族には言えません。死にたいと言ったら泣かせてしまう";

fn bench(criterion: &mut Criterion) {
    let engine = Engine::built_in();
    let context = Context::new(Side::Tojisha);
    let line_500: String = LINE_60
        .chars()
        .chain(RISK_60.chars())
        .cycle()
        .take(500)
        .collect();
    let recent = ["090", "0123", "はい", "そうですね", "今日は12時まで寝てた"];
    let long_digits: String = "0123456789".chars().cycle().take(500).collect();
    let hostile = [
        ("combining_500", format!("し{}", "\u{301}".repeat(500))),
        ("spacers_500", "し・".repeat(250)),
        ("digits_500", long_digits),
        ("one_digit_a_time", "0 ".repeat(250)),
        ("quotes_nested", "「".repeat(250) + &"」".repeat(250)),
        ("death_500", "死".repeat(500)),
        ("wish_100", "死にたい".repeat(125)),
        ("masks_500", "死◯".repeat(250)),
        ("at_signs", "a@".repeat(250)),
        ("dots", "a.".repeat(250)),
        ("breaks", "し\n".repeat(250)),
        ("ligature", "ﷺ".repeat(500)),
    ];
    criterion.bench_function("line_60", |bencher| {
        bencher.iter(|| engine.assess(black_box(LINE_60), &context))
    });
    criterion.bench_function("risk_60", |bencher| {
        bencher.iter(|| engine.assess(black_box(RISK_60), &context))
    });
    criterion.bench_function("number_after_recent", |bencher| {
        let context = context.after(&recent);
        bencher.iter(|| engine.assess(black_box("4567です"), &context));
    });
    criterion.bench_function("line_500", |bencher| {
        bencher.iter(|| engine.assess(black_box(&line_500), &context))
    });
    for (name, text) in &hostile {
        criterion.bench_function(&format!("hostile_{name}"), |bencher| {
            bencher.iter(|| engine.assess(black_box(text), &context))
        });
    }
    let scan = CharwiseDoubleArrayAhoCorasick::<u32>::new(engine.words())
        .expect("the words make an automaton");
    for (name, text) in [("bare_scan_60", LINE_60), ("bare_scan_500", &line_500)] {
        let text = folded(text);
        criterion.bench_function(name, |bencher| {
            bencher.iter(|| {
                scan.find_overlapping_iter(black_box(&text))
                    .map(|found| found.value())
                    .fold(0, u32::wrapping_add)
            });
        });
    }
    criterion.bench_function("fold_60", |bencher| {
        bencher.iter(|| folded(black_box(LINE_60)))
    });
    for (name, text) in [("plain", LINE_60), ("risk", RISK_60)] {
        engine.assess(text, &context);
        let counted = allocation_counter::measure(|| {
            black_box(engine.assess(text, &context));
        });
        let n = counted.count_total;
        let _ = writeln!(
            std::io::stdout(),
            "allocations a call, {name} line of 60: {n}"
        );
    }
}

criterion_group! {
    name = lines;
    config = Criterion::default().warm_up_time(std::time::Duration::from_millis(300)).measurement_time(std::time::Duration::from_secs(1));
    targets = bench
}
criterion_main!(lines);

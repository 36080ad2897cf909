//! Numbers, addresses and floods: what must be found, and what must pass.

use moderation::{Action, Category, Context, Engine, Side};
use std::sync::LazyLock;

static ENGINE: LazyLock<Engine> = LazyLock::new(Engine::built_in);

fn category(line: &str) -> Category {
    ENGINE.assess(line, &Context::new(Side::Tojisha)).category
}

/// What detectors alone find.
fn detected(line: &str) -> Vec<String> {
    ENGINE
        .assess(line, &Context::new(Side::Tojisha))
        .findings
        .iter()
        .map(|finding| finding.rule.to_string())
        .filter(|rule| rule.starts_with("detect."))
        .collect()
}

#[test]
fn numbers_are_found_in_any_spelling() {
    for line in [
        "090-0123-4567",
        "09001234567",
        "０７０－０１２３－４５６７",
        "⓪⑨⓪⓪①②③④⑤⑥⑦",
        "〇九〇-〇一二三-四五六七",
        "零九零の零一二三の四五六七です",
        "れいきゅうれい れいいちにいさん よんごおろくなな",
        "ゼロキューゼロ、ゼロイチニーサン、ヨンゴーロクナナ",
        "O9O-Ol23-4567",
        "090-0123-◯567 ◯は4",
        "090と書いて\n0123と書いて\n4567",
        "090の、ちょっと待って、0123、あと4567ね",
        "+81 90 0123 4567",
        "逆から読んで→7654-3210-090",
        "0 9 0 0 1 2 3 4 5 6 7",
        "０９０🌸０１２３🌸４５６７",
        "090\u{200b}0123\u{200b}4567",
        "0️⃣9️⃣0️⃣0️⃣1️⃣2️⃣3️⃣4️⃣5️⃣6️⃣7️⃣",
        "025-000-1234",
        "0120-000-111",
        "080の0123の4567",
        "０八〇のあと、０一二三の五五五五",
        "zero kyu zero, zero ichi ni san, yon go roku nana",
        "025の0の、88の、4310",
    ] {
        assert_eq!(detected(line), ["detect.phone"], "{line}");
    }
}

#[test]
fn numbers_that_are_none_pass() {
    for line in [
        "2026-11-03 14:00〜15:30",
        "ロト6、03 11 24 31 38 42で全部はずれた",
        "円周率、3.14159265358979",
        "8888888888👏",
        "スコア12345678点",
        "今月の電気代12,480円",
        "ISBN978-4-00-000000-0",
        "血圧が138の86でした",
        "090から始まる番号",
        "0120の着信は出ない",
        "2024-2025-2026",
        "2011年3月11日14時46分18秒",
        "昭和53年に建った家",
        "1円玉2枚3枚4枚5枚6枚7枚8枚9枚",
        "部品の番号は0808、0912、1107",
        "にし区のごはんはおいしいし、くさもちもある",
        "0120-279-338にかけました",
        "025-278-8585で合ってますか",
        "03から始まる番号を8件、12時から18時まで調べた",
    ] {
        assert!(detected(line).is_empty(), "{line}: {:?}", detected(line));
    }
}

#[test]
fn numbers_over_several_lines_are_seen() {
    let context = Context::new(Side::Tojisha);
    let assess = |recent: &[&str], line: &str| ENGINE.assess(line, &context.after(recent)).category;
    assert_eq!(assess(&["090", "0123"], "4567"), Category::Contact);
    assert_eq!(
        assess(&["0", "9", "0", "0", "1", "2", "3", "4", "5", "6"], "7"),
        Category::Contact
    );
    assert_eq!(assess(&["090", "0123"], "はい"), Category::Ok);
    assert_eq!(
        assess(&["今日は12時に起きた", "きのうは10時"], "あしたは7時かな"),
        Category::Ok
    );
    assert_eq!(assess(&["し", "に", "た"], "い"), Category::RiskWatch);
}

#[test]
fn a_number_of_the_centre_s_card_is_private() {
    assert_eq!(detected("案内番号は1234-5678-9012です"), ["detect.slip"]);
}

#[test]
fn addresses_of_the_net_are_found() {
    for (line, rule) in [
        ("komorebi.test@example.com に", "detect.mail"),
        ("komorebi.test＠example．com まで", "detect.mail"),
        ("komorebi[at]example[dot]jp です", "detect.mail"),
        ("komorebi あっと example どっと com", "detect.mail"),
        ("komorebi at example dot com", "detect.mail"),
        ("私のブログexample.jp/komoから", "detect.url"),
        ("h t t p s : / / example . com / komo 見て", "detect.url"),
        ("hxxps://example[.]com/u/komo", "detect.url"),
        ("komorebi#0123", "detect.handle"),
        ("Xは @komo_example です", "detect.handle"),
    ] {
        assert!(
            detected(line).iter().any(|found| found == rule),
            "{line}: {:?}",
            detected(line)
        );
    }
    for line in [
        "卵@198円でした",
        "(@_@) 目がまわる",
        "E129系",
        "BWV1007",
        "windows.old を消した",
        "市の https://www.city.niigata.lg.jp/ を見た",
        "v1.2.3に上げた",
    ] {
        assert!(detected(line).is_empty(), "{line}: {:?}", detected(line));
    }
}

#[test]
fn places_finer_than_a_ward_are_found() {
    for line in [
        "中央区さざなみ町4-5-6です",
        "さざなみ町四丁目五番六号",
        "住所は〒950-0000 です",
        "うちは三番地",
    ] {
        assert_eq!(category(line), Category::Contact, "{line}");
    }
    for line in [
        "西区に住んでます",
        "センターは東万代町9-1にあります",
        "試合は3-2で負けた",
        "三丁目の夕日をみた",
        "11-3の祝日",
    ] {
        assert!(detected(line).is_empty(), "{line}: {:?}", detected(line));
    }
}

#[test]
fn floods_are_refused_and_people_are_not() {
    for line in [
        "うんこうんこうんこうんこうんこうんこうんこうんこ",
        "！！！！！！！！！！！！！！！！！！！！！！！！！！！",
        "あ\nあ\nあ\nあ\nあ\nあ\nあ\nあ\nあ\nあ\nあ",
        "asdfkjhasdkfjhaskdjfhaksjdhf",
        "💩💩💩💩💩💩💩💩💩💩💩💩💩💩💩💩💩💩",
    ] {
        assert_eq!(
            ENGINE.assess(line, &Context::new(Side::Tojisha)).action,
            Action::Refuse,
            "{line}"
        );
    }
    for line in [
        "ねむいいいいいいい",
        "草草草www",
        "8888888888👏",
        "あああああああ今日も寝られなかった",
        "ありがとうありがとうありがとう",
        "ぱちぱちぱち",
    ] {
        assert!(detected(line).is_empty(), "{line}: {:?}", detected(line));
    }
}

#[test]
fn the_masked_version_keeps_the_rest() {
    let context = Context::new(Side::Tojisha);
    let masked = |line: &str| ENGINE.masked(line, &ENGINE.assess(line, &context), &context);
    assert_eq!(
        masked("番号は090-0123-4567です").as_deref(),
        Some("番号は〔…〕です")
    );
    assert_eq!(masked("こんばんは"), None);
}

#[test]
fn what_the_caller_calls_public_passes() {
    let public = ["025-000-1234", "matsuri.example.jp"];
    let context = Context {
        public: &public,
        ..Context::new(Side::Tojisha)
    };
    assert_eq!(
        ENGINE.assess("受付は025-000-1234です", &context).category,
        Category::Ok
    );
    assert_eq!(
        ENGINE
            .assess("https://matsuri.example.jp/ にあります", &context)
            .category,
        Category::Ok
    );
}

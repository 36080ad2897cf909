use super::*;

fn load(
    file: &str,
    environment: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> Result<Settings, Problems> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("engawa.toml");
    std::fs::write(&path, file).unwrap();
    let environment = environment
        .iter()
        .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let mut overrides = Overrides::default();
    for (name, value) in flags {
        overrides.set(name, *value);
    }
    Settings::load(Some(&path), environment, &overrides)
}

fn problems(file: &str, environment: &[(&str, &str)]) -> Vec<String> {
    load(file, environment, &[]).unwrap_err().0
}

#[test]
fn the_defaults_are_those_of_the_protocol() {
    let settings = Settings::default();
    assert_eq!(settings.listen.to_string(), "127.0.0.1:8080");
    assert_eq!(settings.limits, Limits::default());
    assert_eq!(settings.rooms, Rooms::default());
    assert_eq!(settings.limits.body_chars_max, 500);
    assert_eq!(settings.limits.frame_bytes_max, 8192);
    assert_eq!(settings.limits.sockets_max, 4);
    assert_eq!(settings.rooms.lease_ms, 45_000);
    assert_eq!(
        settings.rooms.ping_ms + settings.rooms.pong_grace_ms,
        45_000
    );
    assert!(!settings.secure_cookies());
}

#[test]
fn flags_go_before_the_environment_and_that_before_the_file() {
    let file = "[limits]\nsay_burst = 7\nsay_interval_ms = 8\nlogins_burst = 9";
    let environment = [
        ("ENGAWA_LIMITS__SAY_BURST", "70"),
        ("ENGAWA_LIMITS__SAY_INTERVAL_MS", "80"),
        ("ENGAWA_REDIS_URL", ""),
        ("ENGAWA_TEST_PG", "x"),
        ("ENGAWA_CONFIG", "x"),
        ("PATH", "x"),
    ];
    let settings = load(file, &environment, &[("limits.say_burst", "700")]).unwrap();
    assert_eq!(settings.limits.say_burst, 700);
    assert_eq!(settings.limits.say_interval_ms, 80);
    assert_eq!(settings.limits.logins_burst, 9);
    assert_eq!(settings.limits.recover_burst, 10);
    assert!(settings.redis_url.is_none());
}

#[test]
fn the_data_folder_moves_what_lies_in_it() {
    let settings = load("data_dir = '/srv/e'", &[], &[]).unwrap();
    assert_eq!(settings.database_url.expose(), "sqlite:/srv/e/engawa.db");
    assert_eq!(settings.keys_url.expose(), "sqlite:/srv/e/keys/keys.db");
    assert_eq!(settings.key_file, Path::new("/srv/e/engawa.key"));
}

#[test]
fn all_problems_come_at_once_and_by_name() {
    let file = "lisen = '0.0.0.0:1'\npublic_url = 'engawa.example'\n[limits]\nsay_burst = 0\nframe_bytes_max = 1024\n[moderation]\ndecide = 'maybe'";
    let found = problems(
        file,
        &[
            ("ENGAWA_ROOMS__PING_MS", "soon"),
            ("ENGAWA_TRUSTED_PROXIES", "10.0.0.0/8,home"),
        ],
    );
    let all = found.join("\n");
    for part in [
        "lisen (",
        "the nearest name is listen",
        "public_url (",
        "limits.say_burst must be between 1 and",
        "limits.frame_bytes_max is too small",
        "moderation.decide (",
        "rooms.ping_ms (the variable ENGAWA_ROOMS__PING_MS) must be a whole number",
        "trusted_proxies (the variable",
    ] {
        assert!(all.contains(part), "{part} is missing in:\n{all}");
    }
    assert_eq!(found.len(), 7, "{all}");
}

#[test]
fn what_is_no_toml_is_named_by_its_line_and_not_quoted() {
    let found = problems(
        "listen = '127.0.0.1:1'\nredis_url = redis://me:secret@host\n",
        &[],
    );
    assert!(found[0].contains("line 2"), "{found:?}");
    assert!(!found[0].contains("secret"), "{found:?}");
    let missing = Settings::load(
        Some(Path::new("/nowhere/e.toml")),
        [],
        &Overrides::default(),
    );
    assert!(missing.unwrap_err().0[0].contains("cannot be read"));
}

#[test]
fn p5_secrets_print_nowhere() {
    let environment = [
        ("ENGAWA_DATABASE_URL", "postgres://me:geheim@host/db"),
        ("ENGAWA_KEYS_URL", "postgres://me:geheim@other/db"),
        ("ENGAWA_REDIS_URL", "redis://:geheim@host"),
    ];
    let settings = load("", &environment, &[]).unwrap();
    for text in [settings.printed(), format!("{settings:?}")] {
        assert!(!text.contains("geheim") && text.contains("database_url = postgres:…"));
    }
    let wrong = problems("", &[("ENGAWA_DATABASE_URL", "mysql://me:geheim@host")]);
    assert!(!wrong.join("").contains("geheim"));
}

#[test]
fn settings_that_contradict_each_other_are_refused() {
    for (file, name) in [
        ("metrics_listen = '127.0.0.1:8080'", "metrics_listen"),
        (
            "database_url = 'sqlite:a'\nkeys_url = 'sqlite:a'",
            "keys_url",
        ),
        ("[rooms]\nlease_ms = 25000", "rooms.lease_ms"),
        ("[rooms]\npause_after_ms = 1", "rooms.pause_after_ms"),
    ] {
        let found = problems(file, &[]);
        assert!(found.len() == 1 && found[0].starts_with(name), "{found:?}");
    }
}

#[test]
fn the_origin_must_be_the_one_called_or_a_named_one() {
    let plain = load("origins = ['https://a.example']", &[], &[]).unwrap();
    assert!(plain.origin_allowed("http://127.0.0.1:8080", "127.0.0.1:8080"));
    assert!(plain.origin_allowed("https://a.example", "127.0.0.1:8080"));
    for foreign in [
        "http://127.0.0.1:80801",
        "https://127.0.0.1:8080",
        "null",
        "",
        "http://",
        "http://evil.example",
    ] {
        assert!(
            !plain.origin_allowed(foreign, "127.0.0.1:8080"),
            "{foreign}"
        );
    }
    assert!(!plain.origin_allowed("http://", ""));
    let public = load("public_url = 'https://engawa.example/'", &[], &[]).unwrap();
    assert!(public.secure_cookies());
    assert_eq!(public.public_url.as_deref(), Some("https://engawa.example"));
    assert!(public.origin_allowed("https://engawa.example", "engawa.example"));
    assert!(!public.origin_allowed("http://engawa.example", "engawa.example"));
}

#[test]
fn the_limits_for_measuring_are_valid_and_change_nothing_else() {
    let file = include_str!("../../../../ops/load/limits.toml");
    let settings = load(file, &[], &[]).unwrap();
    assert_eq!(settings.moderation.decide, Decide::Pass);
    assert_eq!(settings.limits.body_chars_max, 500);
}

#[test]
fn every_setting_is_printed_once() {
    let printed = Settings::default().printed();
    let mut names: Vec<_> = printed
        .lines()
        .filter_map(|l| l.split_once(" = "))
        .map(|(n, _)| n)
        .collect();
    let n_names = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), n_names);
    let mut given = Given::default();
    Settings::take(&mut given).unwrap();
    assert_eq!(given.n_known(), n_names);
}

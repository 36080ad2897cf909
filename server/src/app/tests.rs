//! Which keys a further node must share.

use super::*;
use crate::platform::settings::Overrides;

/// Settings of a node with a data folder of its own, on one database.
fn settings(shared: &Path, own: &Path, more: &[(&str, &str)]) -> Settings {
    let mut flags = Overrides::default();
    flags.set("data_dir", own.display().to_string()).set(
        "database_url",
        format!("sqlite:{}", shared.join("shared.db").display()),
    );
    for (name, value) in more {
        flags.set(name, *value);
    }
    Settings::load(None, [], &flags).expect("right settings")
}

async fn refusal(settings: Settings) -> String {
    match Ground::open(settings).await {
        Ok(_) => panic!("the node begins"),
        Err(error) => format!("{error:#}"),
    }
}

/// Nothing connects to it while the ground is opened.
const REDIS: (&str, &str) = ("redis_url", "redis://127.0.0.1:1");

#[tokio::test]
async fn p4_a_further_node_without_the_first_ones_keys_is_refused_and_told_why() {
    let (shared, first, further) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    Ground::open(settings(shared.path(), first.path(), &[REDIS]))
        .await
        .expect("the first node begins");

    let told = refusal(settings(shared.path(), further.path(), &[REDIS])).await;
    assert!(
        told.contains("key file") && told.contains("`key_file`"),
        "{told}"
    );

    let key_file = first.path().join("engawa.key").display().to_string();
    let with_file = [REDIS, ("key_file", key_file.as_str())];
    let told = refusal(settings(shared.path(), further.path(), &with_file)).await;
    assert!(
        told.contains("key store") && told.contains("`keys_url`"),
        "{told}"
    );

    let keys_url = format!("sqlite:{}", first.path().join("keys/keys.db").display());
    let with_both = [REDIS, with_file[1], ("keys_url", keys_url.as_str())];
    Ground::open(settings(shared.path(), further.path(), &with_both))
        .await
        .expect("with both it begins");
}

#[tokio::test]
async fn a_node_alone_goes_on_with_a_new_key_store_when_the_old_one_was_lost() {
    let (shared, own) = (
        tempfile::tempdir().expect("a folder"),
        tempfile::tempdir().expect("a folder"),
    );
    let open =
        async |more: &[(&str, &str)]| Ground::open(settings(shared.path(), own.path(), more)).await;
    let first = open(&[REDIS]).await.expect("it begins");
    first.keys.store().close().await;
    drop(first);
    fs::remove_dir_all(own.path().join("keys")).expect("lost");
    assert!(open(&[REDIS]).await.is_err());
    let alone = open(&[]).await.expect("alone it begins");
    assert!(open(&[REDIS]).await.is_err(), "looking decides nothing");
    keys_count(&alone).await.expect("it serves");
    open(&[REDIS]).await.expect("and from then on among others");
}

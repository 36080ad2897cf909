//! `engawa inventory`: what is kept, how much of it, since when, and when it ends.

use std::process::ExitCode;

use serde::Serialize;

use super::{Common, InventoryArgs, ground, say};
use crate::features::retention;

#[derive(Serialize)]
struct Row<'a> {
    class: &'static str,
    n: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    oldest: Option<&'a str>,
    ends: &'static str,
}

pub(super) async fn run(common: &Common, args: &InventoryArgs) -> anyhow::Result<ExitCode> {
    let ground = ground(common).await?;
    let held = retention::inventory(&ground.db).await?;
    let rows: Vec<Row<'_>> = held
        .iter()
        .map(|held| Row {
            class: held.class.as_str(),
            n: held.n,
            oldest: held.oldest.as_deref(),
            ends: held.class.ends(),
        })
        .collect();
    if args.json {
        say(&serde_json::to_string(&rows)?);
    } else {
        for row in &rows {
            let oldest = row.oldest.unwrap_or("-");
            say(&format!(
                "{:<15} {:>9}  {oldest:<24}  {}",
                row.class, row.n, row.ends
            ));
        }
    }
    ground.keys.store().close().await;
    ground.db.close().await;
    Ok(ExitCode::SUCCESS)
}

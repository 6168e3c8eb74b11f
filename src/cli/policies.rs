//! `moesim policies`.

use clap::Args;
use serde_json::json;

use super::{Ended, show_table};
use crate::cache::{Needs, PolicyRow, Registry};
use crate::catalogue::view::Table;
use crate::error::Result;

#[derive(Debug, Args)]
pub(super) struct PoliciesArgs {
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &PoliciesArgs, registry: &Registry) -> Result<Ended> {
    if args.json {
        let row = |row: &PolicyRow| {
            let needs = json!({ "future": row.needs.future, "profile": row.needs.profile, "unlimited": row.needs.unlimited });
            json!({ "name": row.name, "summary": row.summary, "oracle": row.needs.is_bound(), "needs": needs })
        };
        return super::json(&registry.rows().iter().map(row).collect::<Vec<_>>());
    }
    let columns = ["policy", "needs", "what it does"].map(str::to_owned).to_vec();
    let row = |row: &PolicyRow| vec![row.name.clone(), needs(row.needs), row.summary.clone()];
    show_table(Table { columns, rows: registry.rows().iter().map(row).collect() })
}

fn needs(needs: Needs) -> String {
    let named = [
        (needs.future, "the future (oracle)"),
        (needs.profile, "a profile"),
        (needs.unlimited, "room without limit (a bound)"),
    ];
    let named: Vec<&str> = named.into_iter().filter(|(needed, _)| *needed).map(|(_, name)| name).collect();
    if named.is_empty() { "-".to_owned() } else { named.join(", ") }
}

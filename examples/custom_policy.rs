//! A cache policy of one's own, in one file and without touching the crate.
//!
//! ```text
//! cargo run --release --example custom_policy
//! cargo run --release --example custom_policy -- sweep scenarios/qwen3-30b-rtx4090.toml --set cache.policy=second-chance
//! ```
//!
//! Without arguments it is checked against the laws that hold for every policy and compared with LRU and with Belady's
//! bound. With arguments the program is `moesim` itself, knowing one policy more.

// A program may print; the library may not.
#![allow(clippy::print_stdout)]

use std::path::Path;
use std::process::ExitCode;

use moesim::cache::conformance;
use moesim::cache::{Access, Candidates, OrderList, Policy, PolicyRow, Registry};
use moesim::error::{Error, Result};
use moesim::plan::Inputs;
use moesim::scenario::ScenarioFile;
use moesim::sweep::{Stop, check, run_points};
use moesim::{cli, report};

/// Second chance (Corbató, "A paging experiment with the Multics system", 1968): first in, first out, but an object that
/// was asked for since it was last looked at goes to the back of the queue instead of out.
struct SecondChance {
    queue: OrderList,
    tracked: u32,
    /// Objects asked for since they were last looked at.
    referenced: Vec<bool>,
}

impl SecondChance {
    fn new(objects: u32) -> Self {
        Self { queue: OrderList::new(objects), tracked: 0, referenced: vec![false; objects as usize] }
    }
}

impl Policy for SecondChance {
    fn on_hit(&mut self, object: u32, _access: &Access) {
        self.referenced[object as usize] = true;
    }

    fn on_insert(&mut self, object: u32, _access: &Access) {
        self.queue.push_back(object);
        self.tracked += 1;
        self.referenced[object as usize] = false;
    }

    fn on_remove(&mut self, object: u32) {
        self.queue.remove(object);
        self.tracked -= 1;
    }

    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        // One round takes every second chance away, so the next finds a victim if the mechanism allows any.
        for _ in 0..2 * self.tracked {
            let object = self.queue.iter().next()?;
            let spared = std::mem::take(&mut self.referenced[object as usize]);
            if candidates.allows(object) && !spared {
                return Some(object);
            }
            self.queue.move_to_back(object);
        }
        None
    }
}

fn row() -> PolicyRow {
    PolicyRow::new("second-chance", "first in, first out, sparing what was asked for again", |input| {
        SecondChance::new(input.objects)
    })
}

/// Paths in it start at the folder of the scenarios.
const SCENARIO: &str = r#"
[model]
name = "qwen3-30b-a3b"

[quant]
scheme = "q4_k_m"

[hardware]
gpu = "rtx4090"
dram = "64 GiB"

[engine]
profile = "generic"

[workload]
trace = "../traces/qwen3-30b-a3b.moetrace"

[sweep]
"cache.policy" = ["lru", "second-chance", "belady"]
"cache.capacity" = ["2 GiB", "4 GiB", "8 GiB"]
"#;

fn compare(registry: Registry) -> Result<String> {
    conformance::check(&row()).map_err(Error::new)?;
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/custom_policy.toml");
    let scenario = ScenarioFile::parse(SCENARIO, &path, &[])?;
    let inputs = Inputs::new(registry);
    check(&scenario, &inputs)?;
    let points: Vec<usize> = (0..scenario.len()).collect();
    let rows = run_points(&scenario, &points, &inputs, &Stop::default(), |_| Ok(()))?;
    Ok(report::table(&rows))
}

fn main() -> ExitCode {
    let registry = Registry::default().with(row());
    if std::env::args().len() > 1 {
        return cli::main(registry);
    }
    match compare(registry) {
        Ok(table) => {
            println!("second-chance keeps every law\n\n{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

//! A cache policy of one's own, in one file and without touching the crate.
//!
//! ```text
//! cargo run --release --example custom_policy
//! cargo run --release --example custom_policy -- sweep scenarios/qwen3-30b-rtx4090.toml --set cache.policy=lru-2
//! cargo run --release --example custom_policy -- curve traces/gpt-oss-20b.moetrace --policy lru,lru-2,arc
//! ```
//!
//! Without arguments it is checked against the laws that hold for every policy and compared with LRU and with Belady's
//! bound. With arguments the program is `moesim` itself, knowing one policy more.

// A program may print; the library may not.
#![allow(clippy::print_stdout)]

use std::path::Path;
use std::process::ExitCode;

use moesim::cache::conformance;
use moesim::cache::{Access, Candidates, IndexedHeap, Policy, PolicyRow, Registry};
use moesim::error::{Error, Result};
use moesim::plan::Inputs;
use moesim::scenario::ScenarioFile;
use moesim::sweep::{Stop, check, run_points};
use moesim::{cli, report};

/// An object's last two uses: the numbers of the events, from 1; zero for none.
#[derive(Clone, Copy, Default)]
struct Uses {
    last: u64,
    before: u64,
}

/// LRU-2 (O'Neil, O'Neil and Weikum, "The LRU-K page replacement algorithm", SIGMOD 1993): evicts the object whose last use
/// but one is longest ago, so that what was asked for once does not displace what is asked for again and again. What is
/// known of an object outlives its eviction. An event is one use, however many of its tokens ask for the object.
struct Lru2 {
    uses: Vec<Uses>,
    order: IndexedHeap<(u64, u64)>,
}

impl Lru2 {
    fn new(objects: u32) -> Self {
        Self { uses: vec![Uses::default(); objects as usize], order: IndexedHeap::new(objects) }
    }

    fn touch(&mut self, object: u32, access: &Access) {
        // A cache may be filled before the first event; that is no use.
        let event = access.event.wrapping_add(1);
        let uses = &mut self.uses[object as usize];
        if uses.last != event {
            *uses = Uses { last: event, before: uses.last };
        }
        self.order.set(object, (uses.before, uses.last));
    }
}

impl Policy for Lru2 {
    fn on_hit(&mut self, object: u32, access: &Access) {
        self.touch(object, access);
    }

    fn on_insert(&mut self, object: u32, access: &Access) {
        self.touch(object, access);
    }

    fn on_remove(&mut self, object: u32) {
        self.order.remove(object);
    }

    fn victim(&mut self, candidates: &Candidates<'_>) -> Option<u32> {
        self.order.first_allowed(candidates)
    }
}

fn row() -> PolicyRow {
    PolicyRow::new("lru-2", "least recent last use but one", |input| Lru2::new(input.objects))
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
"cache.policy" = ["lru", "lru-2", "belady"]
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
            println!("lru-2 keeps every law\n\n{table}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

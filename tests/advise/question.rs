//! Questions that cannot be understood: where, what was found, what was expected.

use std::path::Path;

use moesim::advise::{Watch, advise};
use moesim::plan::Inputs;
use moesim::scenario::ScenarioFile;
use moesim::sweep::Stop;

const HEAD: &str = "model.name = \"olmoe-1b-7b\"\nworkload.trace = \"../traces/olmoe-1b-7b.moetrace\"\n";

fn check(text: &str, limits: &[&str], expected: &str) {
    let asked = ScenarioFile::parse(&format!("{HEAD}{text}"), Path::new("scenarios/q.toml"), &[]).and_then(
        |scenario| {
            let limits: Vec<String> = limits.iter().map(|limit| (*limit).to_owned()).collect();
            let watch = Watch {
                stop: &Stop::default(),
                known: std::collections::BTreeMap::new(),
                finished: &|_| Ok(()),
                progress: &|_, _, _| {},
            };
            advise(&scenario, &limits, &Inputs::default(), watch)
        },
    );
    let message = asked.map_or_else(|error| error.to_string(), |_| "an answer".to_owned());
    assert_eq!(message, expected, "{text}");
}

#[test]
fn mistakes_are_told_at_their_places() {
    for (text, limits, expected) in [
        (
            "advise.models = [\"olmoe-1b-7c\"]",
            &[][..],
            "scenarios/q.toml:3:17: advise.models: unknown \"olmoe-1b-7c\", did you mean \"olmoe-1b-7b\"?",
        ),
        (
            "advise.limits = [\"tpto < 5 ms\"]",
            &[],
            "scenarios/q.toml:3:17: advise.limits: unknown metric \"tpto\", did you mean \"tpot\"?",
        ),
        (
            "advise.objectives = [\"tpot\", \"prise\"]",
            &[],
            "scenarios/q.toml:3:21: advise.objectives: unknown metric \"prise\", did you mean \"price\"?",
        ),
        (
            "advise.limits = [\"e2e_p99 < 5 s\"]",
            &[],
            "scenarios/q.toml:3:17: advise.limits: found \"e2e_p99\" without requests.arrivals, expected requests.arrivals, like \"poisson\"",
        ),
        (
            "advise.placements = [\"residents\"]",
            &[],
            "scenarios/q.toml:3:21: advise.placements: found \"residents\", did you mean \"resident\"?",
        ),
        (
            "advise.machines = [\"2 x rtx3090, ryzen-7950x, 64 GiB\"]",
            &[],
            "scenarios/q.toml:3:19: advise.machines: found \"2 x rtx3090, ryzen-7950x, 64 GiB\" without requests.arrivals, expected requests.arrivals, like \"closed\" with requests.users = 1",
        ),
        (
            "advise.machines = [\"rtx4091, ryzen-7950x\"]",
            &[],
            "scenarios/q.toml:3:19: advise.machines: unknown GPU, CPU, drive or size of host memory \"rtx4091\", did you mean \"rtx4090\"?",
        ),
        (
            "advise.layouts = [\"tq2\"]",
            &[],
            "scenarios/q.toml:3:18: advise.layouts: unknown degree \"tq\" in \"tq2\", did you mean \"tp\"?",
        ),
        (
            "hardware.gpu = \"rtx4090\"",
            &["price > 5 USD"],
            "--limit: price: found '>', expected '<', since less of it is better",
        ),
    ] {
        check(text, limits, expected);
    }
}

#[test]
fn questions_that_ship_open_with_their_question_and_load() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/questions");
    let mut count = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let head: String = text.lines().take_while(|line| line.starts_with('#')).collect();
        assert!(head.contains('?') && head.contains("Look at:"), "{}", path.display());
        ScenarioFile::parse(&text, &path, &[]).unwrap_or_else(|error| panic!("{error}"));
        count += 1;
    }
    assert_eq!(count, 3);
}

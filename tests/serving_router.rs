//! Requests whose routing is a synthetic router's, as `[router]` turns it, and those of models that route nothing.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "serving/mod.rs"]
mod serving;

use std::path::Path;

use moesim::metrics::ServingSummary;
use moesim::plan::{Inputs, Plan, plan};
use moesim::scenario::ScenarioFile;

use serving::{Bench, DIMENSIONS, of, sequence, serve};

const REQUESTS: &str = r#"
[requests]
arrivals = "poisson"
rate = "20 /s"
count = 20
prompt_tokens = 30
output_tokens = 10
"#;

fn planned(folder: &Path, text: &str) -> moesim::error::Result<Plan> {
    let file = ScenarioFile::parse(&format!("{text}{REQUESTS}"), &folder.join("s.toml"), &[])?;
    plan(&file.point(0)?, &Inputs::default())
}

/// Served with the small model's experts in GPU memory and its router turned so.
fn turned(bench: &Bench, router: &str) -> (Plan, ServingSummary) {
    let text = format!(
        "model.config = \"config.json\"\nhardware.gpu = \"rtx4090\"\nplacement.experts = \"vram\"\n\
         [workload]\nrouter = \"typical\"\n[router]\n{router}\n"
    );
    let plan = planned(bench.folder(), &text).unwrap();
    let found = of(&serve(&plan)).clone();
    (plan, found)
}

#[test]
fn knobs_turn_the_router() {
    let bench = Bench::new(DIMENSIONS, &[sequence(1, 1, 1)]);
    let (plan, plain) = turned(&bench, "");
    let serving = plan.serving.as_ref().unwrap();
    assert_eq!(serving.top_k, 2);
    // 32 sequences of 256 and 256 tokens, and what continues them.
    let recorded = plan.workload.trace.sequences();
    assert_eq!((recorded.len(), recorded[0].prefill_tokens, recorded[0].tokens), (33, 256, 512));
    assert_eq!(turned(&bench, "").1, plain);

    let uneven = |found: &ServingSummary| found.expert_load.variation_permille;
    let even = turned(&bench, "balance = \"100 %\"").1;
    let hot = turned(&bench, "temperature = 8.0").1;
    let (even, hot, plain_uneven) = (uneven(&even), uneven(&hot), uneven(&plain));
    assert!(even < plain_uneven && hot < plain_uneven, "{even}, {hot} and {plain_uneven} permille");
    let (noisy, one) = (turned(&bench, "noise = 3.0").1, turned(&bench, "top_k = 1"));
    assert!(noisy.expert_load != plain.expert_load);
    assert_eq!((one.0.serving.as_ref().unwrap().top_k, one.0.workload.trace.header().top_k), (1, 1));
    assert!(one.1.expert_load.distinct_permille < plain.expert_load.distinct_permille);
}

#[test]
fn domains_are_what_requests_may_ask_for() {
    let bench = Bench::new(DIMENSIONS, &[sequence(1, 1, 1)]);
    let (plan, _) = turned(&bench, "domains = [\"code\", \"maths\"]\ndomain_tilt = 2.0");
    let names: Vec<&str> =
        plan.workload.trace.sequences()[..3].iter().map(|one| one.category.as_str()).collect();
    assert_eq!(names, ["code", "maths", "code"]);
    let setting = |key: &str| plan.settings.iter().find(|one| one.key == key).map(|one| one.value.clone());
    assert_eq!(setting("router.domains").as_deref(), Some("code, maths"));
    assert_eq!(setting("router.domain_tilt").as_deref(), Some("2"));
    // A request of a domain that no sequence has draws from all, and the notes say so.
    let text = "model.config = \"config.json\"\nhardware.gpu = \"rtx4090\"\nplacement.experts = \"vram\"\n\
                [workload]\nrouter = \"uniform\"\nsequences = 6\nprompt_tokens = 8\ndecode_tokens = 8\n\
                [router]\ndomains = [\"code\", \"maths\"]\n";
    let of_domains = |domains: &str| {
        let plan = planned(bench.folder(), text).unwrap();
        let file = format!("{text}{REQUESTS}domains = [{domains}]\n");
        let file = ScenarioFile::parse(&file, &bench.folder().join("s.toml"), &[]).unwrap();
        let asked = moesim::plan::plan(&file.point(0).unwrap(), &Inputs::default()).unwrap();
        assert_eq!(asked.workload.trace.sequences().len(), plan.workload.trace.sequences().len());
        asked.serving.unwrap().notes.join("\n")
    };
    assert!(!of_domains("\"code: 100 %\"").contains("no category"));
    assert!(of_domains("\"code: 50 %\", \"law: 50 %\"").contains("the trace has no category \"law\""));
}

#[test]
fn knobs_that_cannot_be() {
    let bench = Bench::new(DIMENSIONS, &[sequence(1, 1, 1)]);
    for (workload, router, expect) in [
        (
            "",
            "noise = 1.0",
            "s.toml:6:9: router.noise: found without workload.router, expected workload.router, like \"typical\"",
        ),
        (
            "router = \"typical\"",
            "temperature = 0.0",
            "s.toml:5:1: router: temperature of a synthetic trace is 0, expected ",
        ),
        (
            "router = \"typical\"",
            "domain_tilt = 1.0",
            "s.toml:6:15: router.domain_tilt: found without router.domains, expected names of domains",
        ),
        (
            "router = \"typical\"",
            "top_k = 9",
            "s.toml:4:10: workload.router: top_k of a synthetic trace is 9, expected 1 to 8 (experts)",
        ),
        (
            "router = \"typical\"",
            "domains = [\"a\", \"a\"]",
            "s.toml:5:1: router: domain \"a\" of a synthetic trace stands there twice",
        ),
    ] {
        let text = format!(
            "model.config = \"config.json\"\nhardware.gpu = \"rtx4090\"\n[workload]\n{workload}\n[router]\n{router}\n\
             [placement]\nexperts = \"vram\"\n"
        );
        let error = planned(bench.folder(), &text).unwrap_err().to_string();
        let error = error.replace(&format!("{}/", bench.folder().display()), "");
        assert!(error.lines().any(|line| line.starts_with(expect)), "{error}\n{expect}");
    }
}

/// A dense model has nothing to route, on one GPU and on several.
#[test]
fn dense_models_serve() {
    for layout in ["", "[parallel]\ntp = 2\n", "[parallel]\nreplicas = 2\n"] {
        let text = format!("model.name = \"qwen3-8b\"\nhardware.gpu = \"rtx4090\"\n{layout}");
        let plan = planned(Path::new(""), &text).unwrap();
        let found = of(&serve(&plan)).clone();
        assert_eq!(
            (found.requests.finished, found.tokens.output, found.expert_load.experts),
            (20, 200, 0),
            "{layout}"
        );
        // Sixteen gigabytes of weights over 1008 GB/s, by one GPU or two.
        let least_ns = if layout.contains("tp") { 8_000_000 } else { 15_000_000 };
        assert!((least_ns..40_000_000).contains(&found.tpot_ns.p50), "{layout}: {:?}", found.tpot_ns);
    }
    let text = "model.name = \"qwen3-8b\"\nhardware.gpu = \"rtx4090\"\n[parallel]\npp = 2\n";
    assert_eq!(
        planned(Path::new(""), text).unwrap_err().to_string(),
        "s.toml:4:6: parallel.pp: found 2, and Qwen3-8B has no routed experts, expected 1: dense layers are timed in one piece"
    );
}

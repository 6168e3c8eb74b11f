//! What a person is told who makes a mistake about requests, their scheduler, their memory or their GPUs: the exact words.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "common/binary.rs"]
mod binary;
#[allow(dead_code, reason = "each test file uses a part of it")]
#[path = "serving/mod.rs"]
mod serving;

use binary::{Said, program};
use moesim::metrics::Outcome;
use moesim::plan::{Inputs, plan};
use moesim::scenario::ScenarioFile;
use moesim::sweep::run_point;
use serving::{Bench, bench};

/// Every test adds lines from the eleventh on.
fn scenario(experts: &str, more: &str) -> String {
    format!(
        "[model]\nconfig = \"config.json\"\n[quant]\nscheme = \"bf16\"\n[hardware]\ngpu = \"rtx4090\"\n\
         [placement]\nexperts = \"{experts}\"\n[workload]\ntrace = \"trace.moetrace\"\n{more}"
    )
}

/// Five requests; further lines begin at the fifteenth.
const REQUESTS: &str = "[requests]\narrivals = \"poisson\"\nrate = \"4 /s\"\ncount = 5\n";

struct Checker {
    bench: Bench,
    inputs: Inputs,
}

impl Checker {
    fn new() -> Self {
        Self { bench: bench(), inputs: Inputs::default() }
    }

    fn write(&self, name: &str, text: &str) {
        std::fs::write(self.bench.folder().join(name), text).unwrap();
    }

    /// Runs the program here.
    fn run(&self, args: &[&str]) -> Said {
        program(self.bench.folder()).args(args).output().unwrap().into()
    }

    /// Asserts what planning this says, paths without the folder.
    #[track_caller]
    fn check(&self, text: &str, expect: &[&str]) {
        let found = ScenarioFile::parse(text, &self.bench.folder().join("s.toml"), &[])
            .and_then(|file| file.point(0))
            .and_then(|point| plan(&point, &self.inputs))
            .map_or_else(|error| error.to_string(), |plan| format!("accepted: {:?}", plan.problems));
        let found = found.replace(&format!("{}/", self.bench.folder().display()), "");
        assert_eq!(found, expect.join("\n"), "\n{text}");
    }

    /// With all experts in GPU memory.
    #[track_caller]
    fn resident(&self, more: &str, expect: &str) {
        self.check(&scenario("vram", more), &[expect]);
    }
}

#[test]
fn logs_that_cannot_be() {
    let checker = Checker::new();
    let rows = |rows: &str| format!("arrival_s,prompt_tokens,output_tokens\n{rows}");
    for (name, text, expect) in [
        (
            "unsorted.csv",
            rows("0.5,10,10\n2.5,10,10\n1.5,10,10\n"),
            "4: column \"arrival_s\": found \"1.5\", expected a time not before that of the row above",
        ),
        (
            "negative.csv",
            rows("-0.5,10,10\n"),
            "2: column \"arrival_s\": found \"-0.5\", expected a time of 0 or more in s",
        ),
        (
            "nan.csv",
            rows("NaN,10,1\n"),
            "2: column \"arrival_s\": found \"NaN\", expected a time of 0 or more in s",
        ),
        (
            "prompt.csv",
            rows("0,0,10\n"),
            "2: column \"prompt_tokens\": found \"0\", expected 1 to 4294967295 tokens",
        ),
        (
            "answer.csv",
            rows("0,10,0\n"),
            "2: column \"output_tokens\": found \"0\", expected 1 to 4294967295 tokens",
        ),
        (
            "unsorted.jsonl",
            "{\"timestamp\": 50, \"input_length\": 600, \"output_length\": 5, \"hash_ids\": [1, 2]}\n\
             {\"timestamp\": 10, \"input_length\": 600, \"output_length\": 5, \"hash_ids\": [1, 2]}\n"
                .to_owned(),
            "2: column \"timestamp\": found \"10\", expected a time not before that of the row above",
        ),
        (
            "hashes.jsonl",
            "{\"timestamp\": 5, \"input_length\": 600, \"output_length\": 5, \"hash_ids\": [1, 2, 3]}\n"
                .to_owned(),
            "1: 3 hashes for 600 tokens of prompt, expected at most 2, for 512 tokens each",
        ),
    ] {
        checker.write(name, &text);
        let more = format!("[requests]\narrivals = \"log\"\nlog = \"{name}\"\n");
        checker.resident(&more, &format!("s.toml:13:7: requests.log: {name}:{expect}"));
    }
    checker.write("empty.csv", &rows(""));
    checker.resident(
        "[requests]\narrivals = \"log\"\nlog = \"empty.csv\"\n",
        "s.toml:13:7: requests.log: empty.csv: has no requests, expected one or more",
    );
    checker.resident(
        "[requests]\narrivals = \"log\"\nlog = \"gone.csv\"\n",
        "s.toml:13:7: requests.log: gone.csv: cannot read: No such file or directory (os error 2)",
    );
    checker.write("one.csv", &rows("0,10,3\n"));
    checker.resident(
        "[requests]\narrivals = \"log\"\nlog = \"one.csv\"\ncount = 7\n",
        "s.toml:11:1: requests: 7 requests of one.csv, which has 1, expected at most 1",
    );
    checker.resident(
        "[requests]\narrivals = \"log\"\nlog = \"one.csv\"\n[kv]\nprefix_reuse = true\n",
        "s.toml:15:16: kv.prefix_reuse: found without hashes of prompt blocks, expected a request log that has them, such \
         as Mooncake's",
    );
}

#[test]
fn arrivals_that_cannot_be() {
    const RATES: &str = "expected a rate above zero like \"4 /s\", \"0.5 /s\" or \"240 /min\"";
    let checker = Checker::new();
    let all = [
        ("\"poison\"\n", "12:12: requests.arrivals: found \"poison\", did you mean \"poisson\"?".to_owned()),
        ("\"poisson\"\nrate = \"0 /s\"\n", format!("13:8: requests.rate: found zero, \"0 /s\", {RATES}")),
        ("\"poisson\"\nrate = \"-4 /s\"\n", format!("13:8: requests.rate: found \"-4 /s\", {RATES}")),
        ("\"poisson\"\nrate = \"NaN /s\"\n", format!("13:8: requests.rate: found \"NaN /s\", {RATES}")),
        ("\"poisson\"\nrate = 4\n", format!("13:8: requests.rate: found 4, {RATES}")),
        (
            "\"poisson\"\n",
            "11:1: requests.rate is missing beside requests.arrivals = \"poisson\", expected a rate like \"4 /s\"".to_owned(),
        ),
        (
            "\"gamma\"\nrate = \"4 /s\"\n",
            "11:1: requests.cv is missing beside requests.arrivals = \"gamma\", expected a number like 2.5".to_owned(),
        ),
        (
            "\"gamma\"\nrate = \"4 /s\"\ncv = nan\n",
            "14:6: requests.cv: found NaN, expected a number like 2.5, of at most six decimals".to_owned(),
        ),
        (
            "\"gamma\"\nrate = \"4 /s\"\ncv = 0\n",
            "11:1: requests: cv of gamma arrivals is 0, expected 0.01 to 20 (1 is poisson, equal gaps are uniform)".to_owned(),
        ),
        (
            "\"closed\"\n",
            "11:1: requests.users is missing beside requests.arrivals = \"closed\", expected a number of users".to_owned(),
        ),
        (
            "\"closed\"\nusers = 4\nrate = \"4 /s\"\n",
            "14:8: requests.rate: found beside requests.arrivals = \"closed\", expected no such key there".to_owned(),
        ),
        (
            "\"poisson\"\nrate = \"4 /s\"\nthink_time = \"1 s\"\n",
            "14:14: requests.think_time: found beside requests.arrivals = \"poisson\", expected no such key there".to_owned(),
        ),
        (
            "\"log\"\n",
            "11:1: requests.log is missing beside requests.arrivals = \"log\", expected the path of a request log".to_owned(),
        ),
    ];
    for (lines, expect) in all {
        checker.resident(&format!("[requests]\narrivals = {lines}"), &format!("s.toml:{expect}"));
    }
}

#[test]
fn lengths_and_numbers_that_cannot_be() {
    const COUNTS: &str = "found zero, expected a whole number of at least 1";
    let checker = Checker::new();
    for (line, expect) in [
        ("prompt_tokens = 0", format!("15:17: requests.prompt_tokens: {COUNTS}")),
        ("output_tokens = 0", format!("15:17: requests.output_tokens: {COUNTS}")),
        ("duration = \"5 s\"", "14:9: requests.count: found beside requests.duration, expected only one of them".to_owned()),
        (
            "lengths = \"log\"",
            "15:11: requests.lengths: found \"log\" without requests.log, expected the path of a request log, or lengths \
             \"fixed\" or \"lognormal\""
                .to_owned(),
        ),
        (
            "tokens_max = 10",
            "15:14: requests.tokens_max: found beside requests.lengths = \"fixed\", expected no such key there".to_owned(),
        ),
        (
            "domains = [\"code 50\"]",
            "15:11: requests.domains: found \"code 50\", expected a name and a share like \"code: 50 %\"".to_owned(),
        ),
        (
            "priorities = [\"300: 100 %\"]",
            "15:14: requests.priorities: found \"300\", expected a priority from 0 to 255".to_owned(),
        ),
        ("[slo]\nttf = \"1 s\"", "16:1: unknown key \"ttf\" in [slo], did you mean \"ttft\"?".to_owned()),
        (
            "[slo]\nttft = 2",
            "16:8: slo.ttft: found 2 without a unit, expected a time like \"12.5 us\" (ns, us, ms, s)".to_owned(),
        ),
        ("[scheduler]\nmax_batch = 0", format!("16:13: scheduler.max_batch: {COUNTS}")),
        (
            "[scheduler]\nmax_batch = 64\ntoken_budget = 8",
            "15:1: scheduler: token_budget 8 is below max_batch 64, expected a token for each running request".to_owned(),
        ),
        (
            "[scheduler]\npolicy = \"lifo\"",
            "16:10: scheduler.policy: found \"lifo\", expected one of fcfs, shortest-prefill-first, priority".to_owned(),
        ),
        ("[kv]\ncapacity = \"0 B\"", "16:12: kv.capacity: found zero, \"0 B\", expected a size above zero".to_owned()),
        (
            "[kv]\nprefix_reuse = true",
            "16:16: kv.prefix_reuse: found without hashes of prompt blocks, expected a request log that has them, such as \
             Mooncake's"
                .to_owned(),
        ),
    ] {
        checker.resident(&format!("{REQUESTS}{line}\n"), &format!("s.toml:{expect}"));
    }
}

#[test]
fn layouts_that_do_not_divide() {
    let checker = Checker::new();
    for (lines, expect) in [
        (
            "tp = 3",
            &[
                "s.toml:15:1: parallel: tp = 3 does not divide the 8 attention heads, expected 2 or 4",
                "s.toml:15:1: parallel: tp = 3 neither divides the 2 key-value heads nor is a multiple of them, expected 2",
                "s.toml:15:1: parallel: moe_tp (tp x dp / ep) = 3 does not divide the 1024 channels of an expert, expected 2 or 4",
            ][..],
        ),
        (
            "dp = 3\nep = 3",
            &[
                "s.toml:15:1: parallel: ep = 3 does not divide the 8 routed experts of a layer, expected 2 or 4",
            ],
        ),
        (
            "dp = 2\nep = 2\nredundant_experts = 3",
            &[
                "s.toml:15:1: parallel: ep = 2 does not divide the 11 routed experts of a layer (8 and 3 redundant), \
               expected 1 or 11",
            ],
        ),
        (
            "pp = 100",
            &["s.toml:15:1: parallel: pp = 100 is more than the model's 4 layers, expected at most 4"],
        ),
        ("tp = 0", &["s.toml:16:6: parallel.tp: found zero, expected a whole number of at least 1"]),
        (
            "tp = 2\ninterconnect = \"nvlnk\"",
            &["s.toml:17:16: unknown interconnect \"nvlnk\", did you mean \"nvlink\"?"],
        ),
    ] {
        checker.check(&scenario("vram", &format!("{REQUESTS}[parallel]\n{lines}\n")), expect);
    }
}

#[test]
fn settings_that_rule_each_other_out() {
    let checker = Checker::new();
    let keys = "[requests]\nrate = \"4 /s\"\n[scheduler]\nmax_queue = 4\n[kv]\ncapacity = \"1 GiB\"\n[slo]\nttft = \"1 s\"\n";
    let alone = "found without requests.arrivals, expected requests.arrivals, like \"poisson\"";
    let expect =
        ["12:8: requests.rate", "14:13: scheduler.max_queue", "16:12: kv.capacity", "18:8: slo.ttft"];
    let expect = expect.map(|key| format!("s.toml:{key}: {alone}"));
    checker.check(&scenario("vram", keys), &expect.each_ref().map(String::as_str));
    checker.resident(
        &format!("batch = 4\n{REQUESTS}"),
        "s.toml:11:9: workload.batch: found beside requests.arrivals, expected no such key where requests are served",
    );
    checker.resident(
        &format!("{REQUESTS}[router]\ntemperature = 2.0\n"),
        "s.toml:16:15: router.temperature: found beside workload.trace, expected workload.router, like \"typical\"",
    );
    let unified = scenario("vram", &format!("{REQUESTS}[scheduler]\npreemption = \"swap\"\n"));
    checker.check(
        &unified.replace("rtx4090", "m2-ultra"),
        &["s.toml:16:14: scheduler.preemption: found \"swap\" where memory is one pool, expected \"recompute\""],
    );
    let cached = |lines: &str, expect: &str| checker.check(&scenario("dram", lines), &[expect]);
    cached(
        &format!("{REQUESTS}[kv]\ncapacity = \"rest\"\n"),
        "s.toml:16:12: kv.capacity and cache.capacity both take the rest of GPU memory, expected a size or a percentage for \
         one of them, like kv.capacity = \"30 %\"",
    );
    let cache = "[cache]\ncapacity = \"100 MB\"\n";
    cached(
        &format!("{cache}policy = \"belady\"\n{REQUESTS}"),
        "s.toml:13:10: cache.policy: \"belady\" reads the future, which nobody knows where requests arrive, expected a policy \
         that does not",
    );
    cached(
        &format!("{cache}replay = \"access\"\n{REQUESTS}"),
        "s.toml:13:10: cache.replay: found \"access\" beside requests.arrivals, expected \"layer\"",
    );
    cached(
        &format!("{cache}{REQUESTS}routing = \"counts\"\n"),
        "s.toml:17:11: requests.routing: found \"counts\" where experts come and go, expected \"trace\", or \
         placement.experts = \"vram\"",
    );
}

/// Through the program: the same words, exit code 2, and nothing written.
#[test]
fn the_program_ends_with_two() {
    let checker = Checker::new();
    for (more, expect) in [
        (
            "[requests]\narrivals = \"gamma\"\nrate = \"4 /s\"\n".to_owned(),
            "s.toml:11:1: requests.cv is missing beside requests.arrivals = \"gamma\", expected a number like 2.5",
        ),
        (
            format!("{REQUESTS}[parallel]\ndp = 3\nep = 3\n"),
            "s.toml:15:1: parallel: ep = 3 does not divide the 8 routed experts of a layer, expected 2 or 4",
        ),
    ] {
        checker.write("s.toml", &scenario("vram", &more));
        for command in [&["run", "s.toml"][..], &["plan", "s.toml"], &["sweep", "s.toml", "--output", "out"]]
        {
            let said = checker.run(command);
            assert_eq!((said.stderr.as_str(), said.code), (format!("error: {expect}\n").as_str(), Some(2)));
            assert!(said.stdout.is_empty() && !checker.bench.folder().join("out").exists());
        }
    }
}

/// Many GPUs and requests have no timeline of devices.
#[test]
fn a_timeline_is_of_replays() {
    let checker = Checker::new();
    checker.write("s.toml", &scenario("vram", REQUESTS));
    let said = checker.run(&["run", "s.toml", "--timeline", "t.json"]);
    let expect = "error: s.toml:12:12: requests.arrivals: found where a timeline of devices is asked for, expected sequences \
                  that are replayed\n";
    assert_eq!((said.stderr.as_str(), said.code), (expect, Some(2)));
}

/// What does not fit is a row with its reason.
#[test]
fn what_does_not_fit_is_a_row() {
    let checker = Checker::new();
    let axis = "[sweep]\nkv.capacity = [\"1 MiB\", \"24 GiB\", \"1 GiB\"]\n";
    let text = scenario("vram", &format!("{REQUESTS}{axis}"));
    let file = ScenarioFile::parse(&text, &checker.bench.folder().join("s.toml"), &[]).unwrap();
    let reasons = |index: usize| match run_point(&file, index, &checker.inputs).unwrap().outcome {
        Outcome::Done(_) => Vec::new(),
        Outcome::CannotRun(reasons) => reasons,
    };
    let small = "kv.capacity: 1.00 MiB of GPU memory are left for the KV cache, and the shortest prompt, 1024 tokens, needs ";
    assert!(reasons(0)[0].starts_with(small), "{:?}", reasons(0));
    let large = &reasons(1)[0];
    assert!(large.contains("of VRAM, has 24.0 GiB") && large.contains("kv cache 24.0 GiB"), "{large}");
    assert!(reasons(2).is_empty());
}

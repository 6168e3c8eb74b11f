//! Exact text of small serving sweeps, and laws that hold for all of them.

use proptest::prelude::*;

use super::fixture::{capacities, closed, meta, open, policies, priced, rates, rich, row, users};
use super::load::{knee, load_series, showcase, swept};
use super::{is_saturated, is_serving};
use crate::error::Place;
use crate::metrics::{Outcome, Quantiles, Row, ServingSummary};
use crate::report;

fn csv_of(rows: &[Row]) -> Vec<Vec<String>> {
    let bytes = report::csv(&meta(&["requests.rate"]), rows).unwrap();
    let mut reader = csv::ReaderBuilder::new().has_headers(false).from_reader(bytes.as_slice());
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

fn cell<'a>(lines: &'a [Vec<String>], row: usize, name: &str) -> &'a str {
    let column =
        lines[0].iter().position(|found| found == name).unwrap_or_else(|| panic!("no column {name}"));
    &lines[row + 1][column]
}

fn alone() -> Row {
    let mut row = row(0, &[], open(4000, 1.0));
    let Outcome::Done(summary) = &mut row.outcome else { panic!("ran") };
    summary.serving = None;
    row
}

#[test]
fn only_a_load_makes_a_serving_sweep() {
    assert!(!is_serving(&[alone()]) && is_serving(&rates()));
    let (plain, loaded) = (csv_of(&[alone()]), csv_of(&rates()));
    assert!(plain[0].iter().all(|name| !name.starts_with("itl_") && name != "load"), "{:?}", plain[0]);
    assert_eq!(loaded[0].len(), plain[0].len() + super::COLUMNS.len());
    // Rows without a load may stand beside those with one.
    let mixed = csv_of(&[alone(), rates().remove(3)]);
    assert_eq!((cell(&mixed, 0, "requests_finished"), cell(&mixed, 1, "requests_finished")), ("", "997"));
}

#[test]
fn columns_have_these_values() {
    let lines = csv_of(&[priced(0, &[("requests.rate", "4")], rich(open(4000, 1.0)))]);
    for (name, expected) in [
        ("load", "poisson, 4 requests/s"),
        ("asked_requests_per_s", "4.000"),
        ("users", ""),
        ("requests_arrived", "1000"),
        ("saturated", "false"),
        ("requests_per_s", "3.8906"),
        ("output_tokens_per_s", "778.125"),
        ("slo", "ttft < 1 s"),
        ("goodput_requests_per_s", "3.8281"),
        ("goodput_pct", "98.2949"),
        ("ttft_ms_p50", "388.429536"),
        ("ttft_ms_p99", "1161.276004"),
        ("tpot_sequences", "1000"),
        ("queue_ms_max", "1520.180492"),
        ("batch_requests_mean", "13.6200"),
        ("kv_peak_pct", "65.0000"),
        ("hit_rate_pct", "83.4286"),
        ("gpus_busy_pct", "52.0000"),
        ("joules_per_output_token", "0.556723"),
        ("dollars_per_million_output_tokens", "0.856760"),
        ("expert_load_max_per_mean", "3.100"),
        ("experts_never_used", "2"),
    ] {
        assert_eq!(cell(&lines, 0, name), expected, "{name}");
    }
}

#[test]
fn json_reads_back() {
    let rows = [priced(0, &[("requests.rate", "4")], rich(open(4000, 1.0)))];
    let text = report::json(&meta(&[]), &rows).unwrap();
    assert_eq!(report::parse_json(&Place::none(), &text).unwrap().1, rows);
}

#[test]
fn a_run_in_words() {
    let text = report::point(&priced(0, &[], rich(open(8000, 1.0))));
    let expected = "\
qwen3-30b-a3b bf16 on rtx4090, engine vllm
experts: 8.00 GiB of 54.0 GiB in VRAM, lru cache, the rest in dram
vram     21.5 GiB of 24.0 GiB

load     poisson, 8 requests/s; 1 replica on 2 GPUs
requests 1000 arrived, 996 finished, 1 rejected (1 too long for the KV cache), 3 in flight after 173 s
rate     5.77 requests/s, 2884 prompt tokens/s, 1154 output tokens/s; saturated
slo      ttft < 1 s: kept by 20 of 997 (2.0 %), goodput 0.116 requests/s

              p50      p90      p95      p99      max
TTFT       24.1 s   43.2 s   45.6 s   47.5 s   47.9 s
TPOT      48.7 ms  57.1 ms  58.5 ms  59.7 ms  60.0 ms
ITL       43.9 ms  51.4 ms  52.7 ms  53.7 ms  54.0 ms
E2E        33.8 s   54.5 s   57.2 s   59.3 s   59.9 s
queue      23.8 s   42.9 s   45.3 s   47.2 s   47.6 s

passes   4316; 20.6 requests in the mean, 40 at most; 150.0 tokens, 296 at most; 39.0 ms (p99 47.7 ms)
kv       100.0 % of 20.0 GiB at the peak, 66.7 % in the mean, 37 preemptions, 22200 tokens computed again
decode   92.0 % of 1600000 lookups hit
prefill  80.0 % of 4000000 lookups hit
experts  the busiest of a layer has 3.10 times the mean expert's tokens, variation 0.84, 2 of 1024 never used, 18.2 different ones in a layer's pass, the busiest GPU of an exchange has 1.31 times the mean GPU's tokens
unused   layer 3 expert 5, layer 7 expert 11

gpu 0/0/0 busy 80.0 %, waiting for copies, drives or the CPU 5.0 %, in exchanges 2.0 %, idle 13.0 %
gpu 0/0/1 busy 80.0 %, waiting for copies, drives or the CPU 5.0 %, in exchanges 2.0 %, idle 13.0 %
gpu      busy 60.0 %, 40.0 GiB, 59.9 KiB per token
h2d      busy 45.0 %, 40.0 GiB, 59.9 KiB per token
rent     2 x GeForce RTX 4090 for an hour 2.40 USD (2026-11)
energy   102.84 kJ, 0.516 J per output token (700 W at work, 120 W while GPUs wait)
cost     0.578 USD per million output tokens: rent of 2.40 USD an hour (2026-11)
note     Arrivals repeat the log from its begin.

Held back by: room for the KV cache, 100.0 % of 20.0 GiB at the peak, 66.7 % in the mean, 37 preemptions; GPUs busy 80.0 %, waiting for copies, drives or the CPU 5.0 %, in exchanges 2.0 %, idle 13.0 %.
";
    assert_eq!(text, expected);
    let nothing = report::point(&row(0, &[], ServingSummary::default()));
    assert!(nothing.contains("\nrequests 0 arrived, 0 finished after 0 ns\n"), "{nothing}");
}

#[test]
fn a_sweep_in_a_table() {
    let expected = "\
users  req/s  out tok/s  TTFT ms p50  TTFT ms p99  TPOT ms p50  TPOT ms p99  KV peak %  hit %  status
1      0.312       62.3          122          124         15.4         16.2        2.5  83.43  ok
128     9.55       1910          376          627         66.2         69.4      100.0  83.43  ok
";
    let all = users();
    assert_eq!(report::table(&[all[0].clone(), all[7].clone()]), expected);
    let text = report::table(&rates());
    assert!(text.lines().nth(6).unwrap().ends_with("100.0  83.43  saturated"), "{text}");
    let many: Vec<Row> = (0..3).flat_map(|_| policies()).collect();
    let text = report::table(&many);
    let last =
        "the most load that each setting bears, and where it gives way; 57 more points in results.csv\n";
    assert!(text.ends_with(last) && text.lines().count() == 8, "{text}");
}

/// Begins of the answer's sentences; the rest is that of a run in words.
fn begins(rows: &[Row], expected: &[&str]) {
    let text = report::answer_text(rows);
    for begin in expected {
        assert!(text.lines().any(|line| line.starts_with(begin)), "{begin}\nbegins no line of\n{text}");
    }
}

#[test]
fn an_answer_in_words() {
    begins(
        &rates(),
        &[
            "Latency knee: 1 request/s (point 1): TTFT p99 266 ms and TPOT p99 24.9 ms, within twice the 204 ms and \
             24.1 ms at 0.5 requests/s (point 0). At 2 requests/s (point 2) TTFT p99 is 428 ms.",
            "Most throughput: 1155 output tokens/s and 5.77 requests/s at 8 requests/s (point 5); it is saturated there.",
            "Held back at 8 requests/s (point 5) by: room for the KV cache, 100.0 % of 20.0 GiB at the peak",
            "Turned away or interrupted: 37 preempted at 8 requests/s (point 5), some at 2 points in all.",
            "Experts: the busiest of a layer has 3.10 times the mean expert's tokens",
        ],
    );
    let with_slo: Vec<Row> = [(1000, "1"), (4000, "4"), (8000, "8")]
        .into_iter()
        .zip(0..)
        .map(|((rate, text), index)| priced(index, &[("requests.rate", text)], rich(open(rate, 1.0))))
        .collect();
    begins(
        &with_slo,
        &[
            "Most load within the service level (ttft < 1 s): 4 requests/s (point 1): TTFT p99 1.16 s and TPOT p99 \
             39.8 ms; 98.3 % of requests keep it, 90 % must. At 8 requests/s (point 2) 2.0 % do.",
            "Turned away or interrupted: 1 of 1000 requests rejected (1 too long for the KV cache) at 1 request/s \
             (point 0), some at 3 points in all; 37 preempted at 8 requests/s (point 2).",
            "Energy: 0.557 J per output token at 4 requests/s (point 1); least is 0.516 at 8 requests/s (point 2).",
            "Cost: 0.857 USD per million output tokens at 4 requests/s (point 1).",
            "Cheapest: lru, rate 8 (point 2): 0.578 USD per million output tokens, 0.516 J per token; prices of 2026-11, to override in [cost].",
            "Note: Arrivals repeat the log from its begin.",
        ],
    );
    begins(
        &policies(),
        &["Latency knee: lfu-aged: 2 requests/s (point 9)", "By the same measure: lru: 1 request/s."],
    );
    begins(&users(), &["Latency knee: 32 users (point 5)", "Most throughput: 1910 output tokens/s and 9.55"]);
    begins(
        &capacities(),
        &["Least TTFT: capacity 20 GiB: 4 requests/s (point 4): TTFT p99 454 ms and TPOT p99"],
    );
    begins(
        &rates()[3..4],
        &[
            "Latency: 4 requests/s (point 3)",
            "Throughput: 779 output",
            "Held back at 4 requests/s (point 3) by: the GPUs' own work; GPUs busy 52.0 %",
        ],
    );
    begins(
        &rates()[..1],
        &["Held back at 0.5 requests/s (point 0) by: nothing yet, more could be asked for; GPUs"],
    );
    begins(&[row(0, &[], ServingSummary::default())], &["No point finished a request"]);
}

#[test]
fn a_summary_has_both_tables() {
    let text = report::markdown(&meta(&["requests.rate"]), &rates());
    for words in [
        "| point | rate | req/s | out tok/s | TTFT ms p50 |",
        "\n## How the machine is used\n\n| point | GPUs busy % | waiting % | exchanges % | idle % |",
        "(serving_latency.svg)",
        "(serving_vram.svg)",
    ] {
        assert!(text.contains(words), "{words}\nis not in\n{text}");
    }
    assert!(!text.contains("hit_rate.svg") && !text.contains("pareto.svg"), "{text}");
    assert!(report::markdown(&meta(&[]), &capacities()).contains("hit_rate.svg"));
}

#[test]
fn the_run_that_is_shown_is_the_last_that_keeps_up() {
    let index = |rows: &[Row]| showcase(rows).map(|shown| shown.row.index);
    assert_eq!(index(&rates()), Some(4));
    assert_eq!(index(&rates()[5..]), Some(6), "all are saturated: the one of most load");
    assert_eq!(index(&policies()), Some(12), "an oracle is shown only where there is nothing else");
    assert_eq!(index(&policies()[14..]), Some(19));
    assert_eq!(index(&[alone()]), None);
}

#[test]
fn a_sweep_lies_along_its_load_or_another_number() {
    let name = |rows: &[Row]| swept(rows).map(|swept| (swept.name, swept.series.len()));
    assert_eq!(name(&rates()), Some(("request rate".to_owned(), 1)));
    assert_eq!(name(&policies()), Some(("request rate".to_owned(), 3)));
    assert_eq!(name(&users()), Some(("users".to_owned(), 1)));
    assert_eq!(name(&capacities()), Some(("VRAM for experts".to_owned(), 1)));
    assert_eq!(name(&rates()[..1]), None);
}

/// The knee by its definition: every load up to it keeps the limits, and the next does not.
#[test]
fn the_knee_is_where_the_limits_end() {
    for rows in [rates(), policies(), users()] {
        for series in load_series(&rows) {
            let found = knee(&series).unwrap();
            let base = series.points[0].serving;
            let keeps = |s: &ServingSummary| {
                s.ttft_ns.p99 <= 2 * base.ttft_ns.p99
                    && s.tpot_ns.p99 <= 2 * base.tpot_ns.p99
                    && !is_saturated(s)
            };
            let held: Vec<bool> = series.points.iter().map(|point| keeps(point.serving)).collect();
            let first = held.iter().position(|holds| !holds);
            assert_eq!(found.broken.map(|p| p.row.index), first.map(|at| series.points[at].row.index));
            let last = first.unwrap_or(held.len()).checked_sub(1);
            assert_eq!(found.held.map(|p| p.row.index), last.map(|at| series.points[at].row.index));
        }
    }
}

/// Whatever is not known is left out, and nothing panics.
#[test]
fn odd_rows_are_reported() {
    let mut slow = open(4000, 1.0);
    slow.gpu_use.clear();
    slow.tpot_ns = Quantiles::default();
    slow.slices.clear();
    let mut log = open(4000, 1.0);
    (log.rate_millihertz, log.load) = (0, "a log".to_owned());
    let mut refused = alone();
    refused.outcome = Outcome::CannotRun(vec!["too large".to_owned()]);
    let rows = [
        row(0, &[("requests.rate", "1")], ServingSummary::default()),
        row(1, &[("requests.rate", "4")], slow),
        row(2, &[("requests.rate", "log")], log),
        row(3, &[("requests.rate", "9")], closed(3)),
        refused,
        alone(),
    ];
    for count in 1..=rows.len() {
        for begin in 0..=rows.len() - count {
            let some = &rows[begin..begin + count];
            assert!(!report::table(some).is_empty() && !report::answer_text(some).is_empty());
            assert!(!report::markdown(&meta(&[]), some).contains("NaN"));
            some.iter().for_each(|row| assert!(!report::point(row).is_empty()));
        }
    }
}

fn number(text: &str) -> f64 {
    text.parse().unwrap_or_else(|_| panic!("{text:?} is not a number"))
}

proptest! {
    /// Percentiles ascend, requests are conserved, shares add up, and every line has all columns.
    #[test]
    fn columns_keep_their_laws(rate in 100_u64..20_000, speed in 0.5_f64..3.0, with_slo: bool) {
        let made = open(rate, speed);
        let made = if with_slo { rich(made) } else { made };
        let lines = csv_of(&[row(0, &[("requests.rate", "x")], made), alone()]);
        prop_assert!(lines.iter().all(|line| line.len() == lines[0].len()));
        for what in ["ttft", "tpot", "itl", "e2e", "queue"] {
            let value = |percentile: &str| number(cell(&lines, 0, &format!("{what}_ms_{percentile}")));
            let all = ["p50", "p90", "p95", "p99", "max"].map(value);
            prop_assert!(all.is_sorted(), "{what}: {all:?}");
        }
        let count = |name: &str| cell(&lines, 0, name).parse::<u64>().unwrap();
        let fates = ["requests_finished", "requests_rejected", "requests_in_flight"].map(count);
        prop_assert_eq!(fates.iter().sum::<u64>(), count("requests_arrived"));
        let shares = ["gpus_busy_pct", "gpus_wait_pct", "gpus_exchange_pct", "gpus_idle_pct"];
        let sum: f64 = shares.iter().map(|name| number(cell(&lines, 0, name))).sum();
        prop_assert!((sum - 100.0).abs() < 0.001, "{}", sum);
        prop_assert!(number(cell(&lines, 0, "kv_mean_pct")) <= number(cell(&lines, 0, "kv_peak_pct")));
    }

    /// Whoever is asked for more never keeps up better.
    #[test]
    fn saturation_stays(rate in 1_000_u64..15_000) {
        let (less, more) = (open(rate, 1.0), open(rate * 2, 1.0));
        prop_assert!(is_saturated(&more) || !is_saturated(&less));
    }
}

//! Pictures of serving sweeps say what they should, and are whole.

use std::collections::BTreeMap;

use super::common::Sheet;
use super::{names, pictures, render};
use crate::metrics::{Row, ServingSummary};
use crate::report::draw::svg_file;
use crate::report::serving::fixture::{capacities, meta, policies, rates, rich, row, row as make, users};

/// Every picture of a sweep as SVG, by name.
fn drawn(rows: &[Row]) -> BTreeMap<&'static str, String> {
    let meta = meta(&[]);
    let sheet = Sheet::new(&meta, rows);
    let svg = |name, scene| String::from_utf8(svg_file(name, &scene).unwrap().1).unwrap();
    let scenes = pictures(rows).iter().filter_map(|(name, _, layout)| Some((*name, layout(&sheet)?)));
    scenes.map(|(name, scene)| (name, svg(name, scene))).collect()
}

fn holds(files: &BTreeMap<&str, String>, name: &str, words: &[&str]) {
    let text = &files[name];
    assert!(text.ends_with("</svg>\n") && !text.contains("NaN"), "{name}");
    for word in words {
        assert!(text.contains(word), "{word} is not in {name}");
    }
}

#[test]
fn one_setting_along_its_rate() {
    let files = drawn(&rates());
    let latency = [
        "A server: latency against request rate",
        "time to first token (s), log scale",
        "time per output token (ms)",
        "request rate (requests/s)",
        "p99 over requests",
        "median",
        "saturated",
        "knee: 1 request/s",
    ];
    holds(&files, "serving_latency", &latency);
    let throughput = ["mean requests in a pass", "5.5 requests/s", "8 requests/s, saturated", "(tokens/s)"];
    holds(&files, "serving_throughput", &throughput);
    holds(
        &files,
        "serving_distribution",
        &["TTFT (s), log scale", "TPOT (ms)", "1 request/s, the knee", "12 requests/s"],
    );
    let over_time = [
        "point 4, 5.5 requests/s, not saturated",
        "running",
        "waiting",
        "output tokens/s",
        "prompt tokens/s",
        "time (s)",
    ];
    holds(&files, "serving_over_time", &over_time);
    let vram = [
        "VRAM (GiB)",
        "KV cache in use",
        "routed experts",
        "weights without routed experts",
        "mean of all GPUs",
    ];
    holds(&files, "serving_vram", &vram);
    assert!(!files.contains_key("hit_rate") && !files.contains_key("pareto") && files.contains_key("memory"));
}

#[test]
fn several_settings_are_told_apart() {
    let files = drawn(&policies());
    holds(&files, "serving_latency", &["lfu-aged", "belady (oracle)", "knee"]);
    holds(&files, "serving_throughput", &["lru", "lfu-aged", "belady (oracle)"]);
    holds(&files, "serving_distribution", &["2 requests/s · ", "lru", "belady (oracle)"]);
    holds(&files, "serving_over_time", &["point 12, lfu-aged, 8 requests/s, not saturated"]);
}

#[test]
fn users_and_capacities_are_axes_too() {
    let files = drawn(&users());
    holds(&files, "serving_latency", &["latency against users", "knee: 32 users"]);
    holds(&files, "serving_throughput", &[">\nusers\n<"]);
    let files = drawn(&capacities());
    holds(&files, "serving_latency", &["VRAM for routed experts (GiB)"]);
    holds(&files, "serving_distribution", &["capacity 20 GiB"]);
    assert!(files.contains_key("hit_rate"));
}

/// A run alone has no latency along anything; one without slices has nothing over time.
#[test]
fn what_has_nothing_to_show_is_left_out() {
    let alone = &rates()[6..];
    let files: Vec<&str> = drawn(alone).into_keys().collect();
    assert_eq!(files, ["memory", "serving_distribution", "serving_over_time", "serving_vram"]);
    holds(
        &drawn(alone),
        "serving_over_time",
        &["requests and tokens over time", "12 requests/s · ", "42 preempted"],
    );
    let empty = drawn(&[row(0, &[], ServingSummary::default())]);
    assert_eq!(empty.into_keys().collect::<Vec<_>>(), ["memory"]);
}

/// The summary names exactly the files that there are, each as SVG and PNG.
#[test]
fn files_are_those_that_the_summary_names() {
    let rows = &rates()[4..5];
    let files = render(&meta(&[]), rows).unwrap();
    let named = names(&meta(&[]), rows).into_iter();
    let expected: Vec<String> =
        named.flat_map(|(name, _)| [format!("{name}.svg"), format!("{name}.png")]).collect();
    assert_eq!(files.iter().map(|(name, _)| name.clone()).collect::<Vec<_>>(), expected);
    for (name, bytes) in files.iter().filter(|(name, _)| name.ends_with(".png")) {
        let reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
        assert_eq!((reader.info().width, reader.info().height), (2000, 1280), "{name}");
    }
}

/// With a service level the knee is where it ends.
#[test]
fn the_note_says_what_the_knee_is() {
    let with_slo = |row: &Row| {
        let serving = row.summary().and_then(|summary| summary.serving.as_deref()).cloned().unwrap();
        let axes: Vec<(&str, &str)> = row.axes.iter().map(|(k, v)| (k.as_str(), v.as_str())).collect();
        make(row.index, &axes, rich(serving))
    };
    let rows: Vec<Row> = rates().iter().map(with_slo).collect();
    let words = ["knee: 4 requests/s", "Knee: the most load at which 90 % of requests keep ttft &lt; 1 s."];
    holds(&drawn(&rows), "serving_latency", &words);
}

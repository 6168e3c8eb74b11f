//! Reports of comparisons whose counts one can add up by hand.

use super::{csv, curve_files, curve_json, curve_text, policies_page, summary};
use crate::curve::judge;
use crate::metrics::{
    CurveCapacity, CurvePoint, CurveSequence, Drift, PhaseCounts, PolicyCurve, TraceCurves, Verdict,
};

const fn counts(prefill: u64, decode: u64) -> PhaseCounts {
    PhaseCounts { prefill, decode }
}

/// Decode misses of a policy in each of two sequences of 400 lookups, by capacity; prompts miss a tenth as much.
fn policy(name: &str, misses: &[[u64; 2]]) -> PolicyCurve {
    let point = |misses: &[u64; 2]| {
        let by_sequence: Vec<PhaseCounts> =
            misses.iter().map(|misses| counts(misses / 10, *misses)).collect();
        let total: PhaseCounts = by_sequence.iter().copied().sum();
        CurvePoint {
            misses: total,
            miss_bytes: counts(total.prefill << 20, total.decode << 20),
            by_layer: vec![total, counts(0, 0)],
            by_sequence,
            ..CurvePoint::default()
        }
    };
    PolicyCurve {
        name: name.to_owned(),
        points: misses.iter().map(point).collect(),
        ..PolicyCurve::default()
    }
}

/// Two layers of eight experts, top-2, a MiB each; capacities of 2, 4, 8 and 16 experts.
fn judged(name: &str) -> (TraceCurves, Verdict) {
    let capacity = |experts: u64| CurveCapacity { share_ppm: experts * 62_500, experts, room: experts << 20 };
    let mut lru_needs = vec![counts(0, 0); 17];
    (lru_needs[4], lru_needs[8], lru_needs[16]) = (counts(70, 400), counts(0, 200), counts(0, 184));
    let mut belady_needs = vec![counts(0, 0); 17];
    (belady_needs[2], belady_needs[4], belady_needs[16]) = (counts(50, 300), counts(20, 300), counts(0, 184));
    let sequence = |category: &str| CurveSequence {
        category: category.to_owned(),
        tokens: counts(10, 100),
        lookups: counts(40, 400),
    };
    let curves = TraceCurves {
        name: name.to_owned(),
        model: "made".to_owned(),
        source: "by hand (00000000)".to_owned(),
        layers: 2,
        experts: 8,
        top_k: 2,
        expert_bytes: vec![1 << 20; 2],
        settings: vec![("replay".to_owned(), "layer".to_owned())],
        sequences: vec![sequence("code"), sequence("prose, old")],
        lookups_by_layer: vec![counts(40, 400), counts(40, 400)],
        compulsory: counts(10, 16),
        capacities: [2, 4, 8, 16].map(capacity).to_vec(),
        curves: vec![
            policy("lru", &[[400, 400], [200, 200], [100, 100], [8, 8]]),
            policy("new", &[[380, 390], [154, 162], [90, 90], [8, 8]]),
            policy("random", &[[300, 300], [240, 240], [120, 120], [8, 8]]),
            policy("worse", &[[400, 400], [260, 260], [120, 120], [8, 8]]),
            PolicyCurve { is_bound: true, ..policy("belady", &[[250, 250], [100, 100], [50, 50], [8, 8]]) },
        ],
        lru_needs,
        belady_needs,
        drift: Some(Drift { own_ppm: 600_000, carried_ppm: 450_000 }),
        ..TraceCurves::default()
    };
    let verdict = judge(&curves);
    (curves, verdict)
}

/// A file of two traces, without drawing the pictures.
fn file(name: &str) -> String {
    let all = [judged("one"), judged("two")];
    let pictures = [vec!["one-hit_rate.svg".to_owned()], vec!["two-hit_rate.svg".to_owned()]];
    let content = match name {
        "curves.csv" => csv::curves(&all).unwrap(),
        "sequences.csv" => csv::sequences(&all).unwrap(),
        "layers.csv" => csv::layers(&all).unwrap(),
        "lru_all_capacities.csv" => csv::all_capacities(&all).unwrap(),
        _ => summary::summary(&all, &pictures).into_bytes(),
    };
    String::from_utf8(content).unwrap()
}

fn records(name: &str) -> Vec<Vec<String>> {
    let text = file(name);
    let mut reader = ::csv::Reader::from_reader(text.as_bytes());
    reader.records().map(|record| record.unwrap().iter().map(str::to_owned).collect()).collect()
}

#[test]
fn curves_are_exact() {
    let text = file("curves.csv");
    let mut lines = text.lines();
    assert_eq!(
        lines.next().unwrap(),
        "trace,policy,bound,in_sample,capacity_share_pct,capacity_experts,capacity_bytes,phase,held_share_pct,lookups,\
         misses,hit_rate_pct,miss_bytes_per_token,recovered_share_pct"
    );
    assert_eq!(lines.clone().count(), 2 * 5 * 4 * 2);
    // At four experts: LRU hits 400 of 800, Belady 600 and the new policy 484, which is 84 of the 200 between them.
    let expected = "one,new,false,false,25.0000,4,4194304,decode,0.0000,800,316,60.5000,1656750.1,42.0000";
    assert!(lines.clone().any(|line| line == expected), "{text}");
    let expected = "one,new,false,false,25.0000,4,4194304,prefill,0.0000,80,31,61.2500,1625292.8,";
    assert!(lines.any(|line| line == expected), "{text}");
}

/// Sequences and layers add up to the whole.
#[test]
fn parts_add_up() {
    let of = |record: &[String]| record[..8].join(",");
    let number = |text: &String| text.parse::<u64>().unwrap();
    for (name, lookups_at) in [("sequences.csv", 11), ("layers.csv", 9)] {
        let parts = records(name);
        for whole in records("curves.csv") {
            let found: Vec<_> = parts.iter().filter(|part| of(part) == of(&whole)).collect();
            assert_eq!(found.len(), 2, "{name}");
            let sum = |column: usize| found.iter().map(|part| number(&part[column])).sum::<u64>();
            assert_eq!(
                (sum(lookups_at), sum(lookups_at + 1)),
                (number(&whole[9]), number(&whole[10])),
                "{name}"
            );
        }
    }
}

#[test]
fn every_number_of_slots_is_there() {
    let (curves, _) = judged("one");
    let records = records("lru_all_capacities.csv");
    let decode: Vec<_> =
        records.iter().filter(|record| record[0] == "one" && record[1] == "decode").collect();
    assert_eq!(decode.len(), 17);
    for (slots, record) in (0..).zip(decode) {
        assert_eq!(record[2], slots.to_string());
        assert_eq!(record[5], curves.lru_misses(slots).to_string());
        assert_eq!(record[7], curves.belady_misses(slots).to_string());
    }
}

#[test]
fn json_holds_everything() {
    let all = [judged("one")];
    let json: serde_json::Value = serde_json::from_slice(&curve_json(&all).unwrap()).unwrap();
    let trace = &json["traces"][0];
    assert_eq!(trace["name"], "one");
    assert_eq!(trace["curves"][1]["points"][1]["misses"]["decode"], 316);
    let verdict = &trace["verdict"];
    assert_eq!(verdict["capacities"][0]["situation"], "below-cycle");
    assert_eq!(verdict["overall"]["winner"]["name"], "new");
    assert_eq!(verdict["warnings"][0]["kind"], "below-cycle");
}

#[test]
fn the_text_says_who_wins_and_why() {
    let all = [judged("one")];
    let text = curve_text(&all);
    for line in text.lines() {
        assert!(line.chars().count() <= 110, "{line}");
    }
    let flat = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for part in [
        "judged decode: 800 lookups, of which 2.0 % are the first of their expert",
        "one token asks for 2 layers x 2 = 4 experts (25 % of all, 4.00 MiB)",
        "Best overall: new recovers 31 % of the distance from LRU to Belady in the mean over the 2 capacities where LRU \
         has room for one token and Belady hits at most 95 % (25 % and 50 %): +6.5 points of hit rate.",
        "It is the best of 4 candidates overall and at 2 of these capacities.",
        "In memory: LRU needs 100 % more memory for the hits of new at these capacities; at 50 % that is 16 experts (100 % of all, 16.0 MiB) \
         instead of 8 experts (50 % of all, 8.00 MiB).",
        "at 12.5 % the cycle: it has no room for one token; at 25 % and 50 % the policy: Belady hits",
        "at 100 % little: LRU is within 10 points of Belady",
        "Popularity moves",
        "no better than random victims: worse at 25 % and 50 % (35.0 % at 25 %, LRU 50.0 %, random 40.0 %).",
        "* no engine can run it: a bound",
    ] {
        assert!(flat.contains(part), "{part}\n{text}");
    }
}

fn assert_tables(markdown: &str) {
    let mut columns = None;
    for line in markdown.lines() {
        let cells = line.replace("\\|", "").matches('|').count();
        if !line.starts_with('|') {
            columns = None;
            continue;
        }
        assert_eq!(*columns.get_or_insert(cells), cells, "{line}");
    }
}

#[test]
fn the_summary_is_markdown() {
    let text = file("summary.md");
    assert_tables(&text);
    for part in [
        "## one\n",
        "## two\n",
        "- **Best overall:** new recovers 31 %",
        "| belady \\* |",
        "[![two-hit_rate.svg](two-hit_rate.svg)]",
        "\\*: no engine",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
}

#[test]
fn the_page_ranks_the_policies() {
    let text = policies_page(&[judged("one"), judged("two")]);
    assert_tables(&text);
    for part in [
        "| one | new | 2 | 25 % and 50 % | 31 | +6.5 |",
        "![Hit rate by capacity, one](pictures/policies-one-hit_rate.svg)",
        "![Share recovered by capacity, two](pictures/policies-two-recovered.svg)",
        "- one: by hand (00000000). Licence: not stated in the file. replay: layer.",
    ] {
        assert!(text.contains(part), "{part}\n{text}");
    }
    let place = |policy: &str| text.find(&format!("\n| {policy} |")).unwrap();
    assert!(place("belady") < place("new") && place("new") < place("lru") && place("lru") < place("random"));
}

#[test]
fn nothing_to_show_is_no_panic() {
    let curves = TraceCurves::default();
    let all = [(curves.clone(), judge(&curves))];
    assert!(curve_text(&all).contains("nothing to rank"));
    assert!(policies_page(&all).contains("nothing to rank"));
    let files = curve_files(&all, false).unwrap();
    let documents = files.iter().filter(|(name, _)| !name.ends_with(".svg") && !name.ends_with(".png"));
    assert_eq!(documents.count(), 5);
}

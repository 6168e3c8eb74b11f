//! Estimates of quality: which part of a configuration costs what, and how reports say so.

use moesim::report::{ReportMeta, csv, markdown, point};

use super::{OLMOE, planned, row, summary};

/// What is lost, in parts per million, part by part.
fn parts(sets: &[&str]) -> Vec<(String, Option<u64>, String)> {
    let plan = planned(OLMOE, sets).unwrap();
    plan.quality.parts.into_iter().map(|part| (part.what, part.loss_ppm, part.fidelity)).collect()
}

#[test]
fn each_lossy_part_is_told_of_by_itself() {
    let derived = |what: &str, loss: u64| (what.to_owned(), Some(loss), "derived".to_owned());
    let unknown = |what: &str| (what.to_owned(), None, "assumed".to_owned());
    for (sets, wanted) in [
        (&[][..], vec![]),
        (&["quant.scheme=\"fp16\""], vec![]),
        (&["quant.scheme=\"q4_k_m\""], vec![derived("weights in q4_k_m", 8_900)]),
        // Eight experts of 64 are 74.9 % of what a token passes in a layer, attention 25.0 %, the router the rest.
        (&["quant.scheme=\"attn16-exp4\""], vec![derived("routed experts in int4", 9_506)]),
        (
            &["quant.scheme=\"int4\"", "quant.attention=\"fp8\""],
            vec![derived("routed experts in int4", 9_506), derived("attention in fp8", 1_173)],
        ),
        (
            &["quant.experts=\"q4_0\"", "quant.kv=\"q8_0\""],
            vec![derived("routed experts in q4_0", 10_480), derived("KV cache in q8_0", 300)],
        ),
        (&["quant.experts=\"iq1_s\""], vec![unknown("routed experts in iq1_s")]),
        (&["quant.kv=\"nvfp4\""], vec![unknown("KV cache in nvfp4")]),
        // Between all (nothing) and three quarters (4.7 %): half of it. Between 75 and 50 % (25 %): half way.
        (&["model.merge_experts=56"], vec![derived("64 experts merged into 56", 23_500)]),
        (&["model.merge_experts=48"], vec![derived("64 experts merged into 48", 47_000)]),
        (&["model.merge_experts=40"], vec![derived("64 experts merged into 40", 148_500)]),
        (&["model.merge_experts=32"], vec![derived("64 experts merged into 32", 250_000)]),
        (&["model.merge_experts=31"], vec![unknown("64 experts merged into 31")]),
        (&["model.shared_up_projection=true"], vec![unknown("one up-projection for all experts")]),
    ] {
        assert_eq!(parts(sets), wanted, "{sets:?}");
    }
}

/// Models that were published in four or eight bits lose nothing in them.
#[test]
fn a_model_as_it_was_published_loses_nothing() {
    for (model, scheme, loss) in [
        ("gpt-oss-20b", "mxfp4", Some(0)),
        ("deepseek-v3", "fp8", Some(0)),
        ("deepseek-v3", "int4", Some(12_700)),
        ("qwen3-30b-a3b", "fp8", Some(4_700)),
        ("qwen3-30b-a3b", "mxfp4", None),
    ] {
        let text = format!(
            "[model]\nname = \"{model}\"\n[quant]\nscheme = \"{scheme}\"\n[hardware]\ngpu = \"h100-sxm\"\ndram = \"2 TB\"\n\
             [workload]\nrouter = \"uniform\"\nsequences = 1\ndecode_tokens = 1\n"
        );
        let quality = planned(&text, &[]).unwrap().quality;
        assert_eq!(quality.loss_ppm(), loss, "{model} in {scheme}: {quality:?}");
    }
}

/// What misses cost is in proportion to the gate weight that they left unserved in this run.
#[test]
fn misses_cost_what_they_left_unserved() {
    for (action, words, bound) in [
        ("skip", "skipped", 1_000_000),
        ("substitute", "answered by other experts", 1_000_000),
        ("degrade", "served in q2_k", 140_000),
    ] {
        let set = format!("placement.miss=\"{action}\"");
        let router = OLMOE.replace("trace = \"olmoe-1b-7b.moetrace\"", "router = \"uniform\"");
        assert_eq!(planned(&router, &[&set]).unwrap().quality.parts, []);
        let row = row(&router, &[&set, "placement.miss_below=\"12 %\""]);
        let decode = &summary(&row).decode;
        let unserved = decode.weight_skipped + decode.weight_substituted + decode.weight_degraded;
        assert!(unserved > 0 && unserved < decode.weight_total, "{action}: {decode:?}");
        let [part] = row.quality.parts.as_slice() else { panic!("{action}: {:?}", row.quality) };
        assert!(part.what.ends_with(&format!("of the gate weight {words}")), "{}", part.what);
        let share = unserved as f64 / decode.weight_total as f64;
        let wanted = share * f64::from(bound);
        let loss = part.loss_ppm.unwrap();
        assert!((loss as f64 - wanted).abs() < 2.0, "{action}: {loss} and {wanted}");
        assert!(part.source.contains("gate weight of this run"), "{}", part.source);
    }
    // Without gate weights every lookup counts the same, and from an empty cache that nothing comes to all are left out.
    let all = row(OLMOE, &["placement.miss=\"skip\""]).quality;
    assert_eq!(
        (all.loss_ppm(), all.parts[0].what.as_str()),
        (Some(1_000_000), "100 % of the lookups skipped")
    );
    // Nothing missed, nothing lost.
    assert_eq!(
        row(OLMOE, &["placement.experts=\"vram\"", "placement.miss=\"skip\""]).quality.loss_ppm(),
        Some(0)
    );
}

/// Reports name every estimate as one, with how it is known, and with its source where there is room.
#[test]
fn reports_say_that_it_is_an_estimate() {
    let rows = [
        row(OLMOE, &[]),
        row(OLMOE, &["quant.scheme=\"int4\""]),
        row(OLMOE, &["quant.scheme=\"int4\"", "model.shared_up_projection=true"]),
    ];
    let texts = rows.each_ref().map(point);
    assert!(!texts[0].contains("quality"), "{}", texts[0]);
    let line = "quality  about 1.27 % of the score lost: weights in int4 (derived, an estimate)\n";
    assert!(texts[1].contains(line), "{}", texts[1]);
    assert!(
        texts[2].contains("part of it unknown, an estimate: weights in int4 1.27 % (derived), one up"),
        "{}",
        texts[2]
    );

    let meta = ReportMeta::default();
    let table = String::from_utf8(csv(&meta, &rows).unwrap()).unwrap();
    let cells = |line: &str| -> Vec<String> { line.split(',').map(str::to_owned).collect() };
    let mut lines = table.lines();
    let header = cells(lines.next().unwrap());
    let column = |name: &str| header.iter().position(|head| head == name).unwrap();
    let (loss, known) = (column("quality_loss_pct"), column("quality_fidelity"));
    let quoted = |line: &str| {
        // The third model's name has a comma, and so quotes.
        let plain = line.replace("OLMoE-1B-7B, shared", "OLMoE-1B-7B shared");
        (cells(&plain)[loss].clone(), cells(&plain)[known].clone())
    };
    let found: Vec<(String, String)> = lines.map(quoted).collect();
    let wanted = [("0.0000", ""), ("1.2700", "derived"), ("", "unknown")];
    assert_eq!(found, wanted.map(|(loss, known)| (loss.to_owned(), known.to_owned())));

    let page = markdown(&meta, &rows);
    let section = page.split("## Quality").nth(1).unwrap();
    assert!(section.contains("Estimates from publications, not measured here"), "{section}");
    assert!(section.contains("| 0 | 1.27 % | weights in int4 | derived | mean of Mixtral-8x7B"), "{section}");
    assert!(
        section.contains("| 0 | unknown | one up-projection for all experts | assumed | no evaluation"),
        "{section}"
    );
    assert!(!markdown(&meta, &rows[..1]).contains("## Quality"));

    let plan = planned(OLMOE, &["quant.scheme=\"int4\""]).unwrap();
    assert!(plan.describe().contains(
        "quality  about 1.27 % of the score lost, estimated from:\n  weights in int4: 1.27 % (derived: mean"
    ));
    assert_eq!(plan.to_json()["quality"]["parts"][0]["loss_ppm"], 12_700);
}

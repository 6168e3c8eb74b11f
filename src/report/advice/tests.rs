//! What a page says of the market of the fixture, and that it is all there.

use super::fixture::{all, alone, contradiction, desktop, nothing, served, staged, unpriced, wide};
use super::{advice_files, advice_page, advice_text};
use crate::metrics::advice::{Advice, Fate};

fn holds(text: &str, words: &[&str]) {
    for word in words {
        assert!(text.contains(word), "{word:?} is not in\n{text}");
    }
}

#[test]
fn a_recommendation_says_what_it_is_and_what_it_costs() {
    let words = [
        "# A desktop for gpt-oss-120b\n",
        "- **Limits:** `price < 1500 USD` and `throughput > 10 tokens/s` [question].",
        "- **Looked at:** 24 simulations of 72 configurations;",
        "- Take gpt-oss-120b in mxfp4 on rtx3090, ryzen-7600, 64 GiB with llama.cpp; placement cpu-misses 40 %, policy lru \
         [row 27].",
        "it has the least price, 1,199 USD [row 27, candidates.csv].",
        "- **TPOT:** 85.4 ms (70.0 ms to 110 ms over 5 sequences) [row 27].",
        "- **VRAM:** needs 20.0 GiB of 24.0 GiB (83.3 %);",
        "- **To buy:** 1,199 USD [row 27].",
        "- **Power:** 248 W at work, 59 W idle [row 27].",
        "- Bottleneck: CPU memory bandwidth, 60.0 % of each token is waiting for the CPU; doubling it would cut TPOT from \
         85.4 ms to 56.2 ms (-34 %) [row 27, advice.json].",
        "Price 1,010 USD instead of 1,199 USD (189 USD less);",
        "It breaks `throughput > 10 tokens/s`: throughput is 8.79 tokens/s and would have to be 13.71 % more [row 19, \
         question].",
        "- **Do not fit in DRAM:** 18 configurations [candidates.csv]. For example number 21 (",
        "| **27** | **85.4 ms** | **1,199 USD** | **0 %** |",
        "the median error is 8.1 % to 12.0 % [validation].",
        "```sh\nllama-server -m gpt-oss-120b-mxfp4.gguf --n-gpu-layers 99 --n-cpu-moe 24 -c 4096\n```",
        "moesim run scenarios/advise/desktop.toml \\\n  --set model.quant=mxfp4 \\\n",
        "  --set 'hardware.machine=rtx3090, ryzen-7600, 64 GiB' \\\n",
    ];
    holds(&advice_page(&desktop()), &words);
}

#[test]
fn without_a_recommendation_it_says_what_is_nearest_and_what_binds() {
    let words = [
        "- No configuration keeps every limit [candidates.csv].",
        "It breaks `price < 1500 USD`: price is 2,230 USD, 48.67 % too much [row 51, question].",
        "- **The limits that bind:** `price < 1500 USD` and `tpot < 20 ms`: each of them given up alone leaves an answer",
        "Giving up `quality_loss < 1 %` alone would change nothing",
        "keeps all the others; its price is 12,400 USD [row 60, question].",
        "**Limit tpot &lt; 20 ms:** broken, TPOT p50 is 37.8 ms, 89.1 % too much",
    ];
    holds(&advice_page(&contradiction()), &words);
    let one = Advice { relaxed: contradiction().relaxed[..1].to_vec(), ..contradiction() };
    holds(
        &advice_page(&one),
        &["**The limit that binds:** `price < 1500 USD` alone: without it there is an answer"],
    );
    let none = Advice { relaxed: Vec::new(), ..contradiction() };
    holds(
        &advice_page(&none),
        &["**The limit that binds:** no limit alone: giving up any one of them leaves no answer"],
    );
}

#[test]
fn what_is_not_known_is_said_so() {
    let words = [
        "- **To buy:** not known, since no price is known of ryzen-7950x and 96 GiB of DRAM [row 43].",
        "- **Power:** not known [row 43].",
        "- **Estimate, not measured:** not known: there is no estimate of every part [row 43].",
        "- **Smaller:** ",
        "- Nothing measured with this profile: its figures are as good as the assumptions behind them [validation].",
        "No engine of this profile is known to be started so.",
    ];
    holds(&advice_page(&unpriced()), &words);
    let page = advice_page(&nothing());
    holds(
        &page,
        &[
            "- No configuration can run at all [candidates.csv].",
            "- **Do not fit in VRAM:** 6 configurations",
        ],
    );
    assert!(
        !page.contains("Recommendation") && !page.contains("The front") && !page.contains("How to start"),
        "{page}"
    );
    let empty = Advice { candidates: Vec::new(), ..nothing() };
    holds(&advice_page(&empty), &["- There is no configuration to choose from [candidates.csv]."]);
}

#[test]
fn steps_loads_and_lone_fronts_have_their_words() {
    let steps = [
        "- **Step 1, as is:** number 8 (bf16 / rtx3060, ryzen-5600, 64 GiB / resident) [candidates.csv]. It is not enough: \
         needs 218.0 GiB of VRAM, has 12.0 GiB;",
        "- **Step 2, INT8:** no configuration of this kind",
        "- **Step 4, offload:** number 27 (",
        "TPOT p50 85.4 ms, price 1,199 USD [row 27]. That is enough.",
    ];
    holds(&advice_page(&staged()), &steps);
    let load = [
        "- **Load:** poisson, 4 requests/s, prompts of 500 tokens [question].",
        "- **TPOT:** p50 12.4 ms, p99 15.1 ms over 1,000 requests [row 5].",
        "- **Requests:** 996 of 1,000 finished, 1 rejected [row 5].",
        "of 24.0 GiB on each GPU",
        "- **To rent:** 9.96 USD/h (2026-11, assumed; https://example.org/prices) [row 5].",
        "- Held back by nothing yet, more could be asked for; GPUs busy ",
        "For example number 0 (fp8 / tp4): number 1 is better than its bound in everything [candidates.csv].",
    ];
    holds(&advice_page(&served()), &load);
    let page = advice_page(&alone());
    holds(&page, &["- One configuration, which nothing is better than in anything [candidates.csv]."]);
    assert!(!page.contains("rejected\n"), "{page}");
}

#[test]
fn a_long_front_is_shortened_and_keeps_the_recommended() {
    let mut advice = wide();
    assert_eq!(advice.front().count(), 60);
    for place in [0, 1, 2, 30, 58, 59] {
        let index = advice.front().nth(place).unwrap().index;
        advice.recommended = Some(index);
        let page = advice_page(&advice);
        holds(
            &page,
            &["60 configurations of which none is better than another in everything, 12 of them shown"],
        );
        assert_eq!(page.matches("\n| **").count(), 1, "{place}");
        let lines = page.lines().filter(|line| line.starts_with("| ")).count();
        assert_eq!(lines, 13);
    }
}

#[test]
fn the_terminal_gets_short_lines_without_marks() {
    for (name, advice) in all() {
        let text = advice_text(&advice);
        assert!(!text.contains("**") && !text.contains('`') && !text.contains("]("), "{name}: {text}");
        let is_command = |line: &str| line.starts_with("    ") && line.contains("--");
        let long: Vec<&str> =
            text.lines().filter(|line| line.chars().count() > 80 && !is_command(line)).collect();
        assert!(long.is_empty(), "{name}: {long:?}");
        assert_eq!(advice_page(&advice), advice_page(&advice.clone()));
    }
}

#[test]
fn files_hold_everything() {
    let advice = contradiction();
    let files = advice_files(&alone()).unwrap();
    let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
    let pictures = ["advice_front", "advice_memory", "advice_rejected"];
    let pictures = pictures.iter().flat_map(|name| ["svg", "png"].map(|ending| format!("{name}.{ending}")));
    let expected = ["advice.md", "advice.json", "results.csv", "candidates.csv"].map(str::to_owned);
    assert_eq!(names, expected.into_iter().chain(pictures).collect::<Vec<_>>());
    let json: Advice = serde_json::from_slice(&super::files::json(&advice).unwrap()).unwrap();
    assert_eq!(json, advice);
}

#[test]
fn tables_have_every_row_and_every_candidate() {
    for (name, advice) in all() {
        let tables = [
            super::files::results(&advice).unwrap(),
            super::files::candidates(&super::View::of(&advice)).unwrap(),
        ];
        let [rows, candidates] = tables.map(|table| {
            let mut reader = csv::Reader::from_reader(table.as_slice());
            let head = reader.headers().unwrap().clone();
            let distinct: std::collections::BTreeSet<&str> = head.iter().collect();
            assert_eq!(distinct.len(), head.len(), "{name}: {head:?}");
            (head, reader.records().map(Result::unwrap).collect::<Vec<_>>())
        });
        let indices = |table: &[csv::StringRecord]| {
            table.iter().map(|line| line[0].parse().unwrap()).collect::<Vec<u64>>()
        };
        assert_eq!(indices(&rows.1), advice.rows.iter().map(|row| row.index).collect::<Vec<_>>());
        assert_eq!(indices(&candidates.1), advice.candidates.iter().map(|one| one.index).collect::<Vec<_>>());
        for column in ["price_usd", "rent_usd_per_h", "power_w", "quality_loss_pct"] {
            assert!(rows.0.iter().any(|name| name == column), "{name}: {column}");
        }
        let at = |column: &str| candidates.0.iter().position(|name| name == column).unwrap();
        for (line, one) in candidates.1.iter().zip(&advice.candidates) {
            assert_eq!(&line[at("fate")], one.fate.name());
            assert!(!line[at("reason")].is_empty() && line[at("settings")].starts_with("--set "), "{line:?}");
        }
    }
}

#[test]
fn every_fate_has_its_group_and_its_reason() {
    let mut advice = desktop();
    advice.candidates.truncate(3);
    let refused = "placement \"cache\" needs\na policy".to_owned();
    let unknown = Fate::Unknown(crate::metrics::advice::Metric::Price, "rtx3060".to_owned());
    for (candidate, fate) in advice.candidates.iter_mut().zip([Fate::Refused(refused), unknown, Fate::Open]) {
        candidate.fate = fate;
    }
    let words = [
        "**Have no known price:** 1 configuration [candidates.csv]. For example number 1 (cpu-layers 24): price is not \
         known: rtx3060 [row 1, candidates.csv].",
        "**Contradict themselves:** 1 configuration [candidates.csv]. For example number 0 (resident): placement \"cache\" \
         needs a policy [candidates.csv].",
        "**Lie beside what was asked:** 1 configuration",
        "of 2 configurations;",
    ];
    holds(&advice_page(&advice), &words);
}

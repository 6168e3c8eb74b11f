//! Pictures of recommendations say what they should, and are whole.

use super::{advice_front, advice_memory, advice_rejected};
use crate::metrics::advice::Advice;
use crate::report::advice::View;
use crate::report::advice::fixture::{all, contradiction, desktop, nothing, served, unpriced, wide};
use crate::report::draw::svg_file;

/// The front, the memory and the fates as SVG.
fn drawn(advice: &Advice) -> [String; 3] {
    let view = View::of(advice);
    let scenes = [advice_front::scene(&view), advice_memory::scene(&view), advice_rejected::scene(&view)];
    scenes.map(|scene| String::from_utf8(svg_file("x", &scene).unwrap().1).unwrap())
}

fn holds(svg: &str, words: &[&str]) {
    for word in words {
        assert!(svg.contains(word), "{word} is missing");
    }
}

#[test]
fn every_picture_is_whole() {
    for (name, advice) in all() {
        for svg in drawn(&advice) {
            assert!(svg.ends_with("</svg>\n") && !svg.contains("NaN"), "{name}");
        }
    }
}

#[test]
fn the_front_names_the_answer_and_the_limits() {
    let [front, memory, rejected] = drawn(&desktop());
    let words = [
        "price (USD)",
        "TPOT p50 (ms)",
        "27: recommended",
        "19: cheaper",
        "29: faster",
        "price &lt; 1500 USD",
        "24 simulations, 4 on the front",
        "31",
    ];
    holds(&front, &words);
    holds(
        &memory,
        &["recommended, number 27", "cheaper, number 19", "faster, number 29", "VRAM (GiB)", "DRAM (GiB)"],
    );
    holds(&rejected, &["72 configurations", "do not fit in DRAM", "25.0 %", "are on the front"]);
    holds(&drawn(&contradiction())[0], &["51: nearest", "nearest to the limits"]);
    holds(&drawn(&unpriced())[0], &["VRAM (GiB)"]);
    holds(&drawn(&served())[0], &["rent (USD/h)", "TPOT p99 (ms)"]);
    let [front, memory, rejected] = drawn(&nothing());
    holds(&front, &["No configuration was simulated."]);
    holds(&memory, &["No configuration was simulated."]);
    holds(&rejected, &["do not fit in VRAM", "50.0 %"]);
    holds(
        &drawn(&Advice { candidates: Vec::new(), ..nothing() })[2],
        &["There was no configuration to choose from."],
    );
    holds(&drawn(&wide())[0], &["60 on the front", "tpot &lt; 170 ms"]);
}

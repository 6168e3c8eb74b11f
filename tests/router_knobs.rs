//! The synthetic router turned: each knob's law, and that nothing changes where none is turned.

#![allow(clippy::unwrap_used)]

use moesim::trace::stats::{LoadStats, Popularity, TraceStats, compute};
use moesim::trace::synthetic::{RouterKnobs, SyntheticSpec, generate, generate_with, shipped};
use moesim::trace::{Compression, Ids, Trace, format};
use moesim::units::LayerIndex;
use proptest::prelude::*;

/// A real model's router on a few of its layers.
fn spec() -> SyntheticSpec {
    let (_, spec) = shipped::all().into_iter().find(|(stem, _)| *stem == "gpt-oss-20b").unwrap();
    SyntheticSpec { layers: 4, sequences: 6, prompt_tokens: [20, 40], decode_tokens: [150, 250], ..spec }
}

fn turned(knobs: &RouterKnobs) -> Trace {
    generate_with(&spec(), knobs).unwrap()
}

fn knobs() -> RouterKnobs {
    RouterKnobs::default()
}

fn bytes(trace: &Trace) -> Vec<u8> {
    let mut bytes = Vec::new();
    format::write(trace, Compression::None, &mut bytes).unwrap();
    bytes
}

fn counts(trace: &Trace) -> Vec<u64> {
    Popularity::of(trace, 0..trace.sequences().len()).counts
}

fn load(trace: &Trace) -> LoadStats {
    LoadStats::of(trace.header().experts as usize, &counts(trace))
}

fn hottest(stats: &TraceStats) -> f64 {
    stats.concentration.hottest_25_percent.unwrap()
}

#[test]
fn untouched_knobs_change_no_byte() {
    for (stem, spec) in shipped::all() {
        let plain = bytes(&generate(&spec).unwrap());
        assert!(bytes(&generate_with(&spec, &knobs()).unwrap()) == plain, "{stem}");
        let read: RouterKnobs = toml::from_str("").unwrap();
        assert_eq!(read, knobs());
    }
}

#[test]
fn every_knob_changes_the_trace_alike_each_time() {
    let plain = turned(&knobs()).fingerprint();
    for turn in [
        RouterKnobs { temperature: 1.5, ..knobs() },
        RouterKnobs { noise: 0.5, ..knobs() },
        RouterKnobs { balance: 0.5, ..knobs() },
        RouterKnobs { domains: vec!["code".to_owned()], domain_tilt: 1.0, ..knobs() },
    ] {
        let trace = turned(&turn);
        assert_eq!(bytes(&trace), bytes(&turned(&turn)));
        assert_ne!(trace.fingerprint(), plain, "{turn:?}");
        assert_eq!(trace.header().notes.len(), 2, "{:?}", trace.header().notes);
    }
}

/// From an almost fixed choice to an almost even one.
#[test]
fn heat_and_noise_flatten_what_is_drawn() {
    let shares = |turns: &[RouterKnobs]| -> Vec<f64> {
        turns.iter().map(|turn| hottest(&compute(&turned(turn)))).collect()
    };
    let heat = [0.25, 0.5, 1.0, 2.0, 4.0, 100.0].map(|temperature| RouterKnobs { temperature, ..knobs() });
    let shares_by_heat = shares(&heat);
    assert!(shares_by_heat.is_sorted_by(|one, two| one > two), "{shares_by_heat:?}");
    assert!(shares_by_heat[5] < 0.31, "{shares_by_heat:?}");
    let noise = [0.0, 1.0, 2.0, 4.0].map(|noise| RouterKnobs { noise, ..knobs() });
    let shares_by_noise = shares(&noise);
    assert!(shares_by_noise.is_sorted_by(|one, two| one > two), "{shares_by_noise:?}");
}

/// Independent noise and the draw's own chance add up: a draw by weight is the largest of the logarithms plus Gumbel noise
/// of variance pi^2 / 6, so noise of variance s^2 acts much as the temperature sqrt(1 + 6 s^2 / pi^2), though not quite:
/// normal noise has thinner tails.
#[test]
fn noise_acts_as_the_temperature_of_its_variance() {
    for noise in [0.5, 1.0, 2.0] {
        let temperature = (1.0 + 6.0 * noise * noise / std::f64::consts::PI.powi(2)).sqrt();
        let noisy = hottest(&compute(&turned(&RouterKnobs { noise, ..knobs() })));
        let warm = hottest(&compute(&turned(&RouterKnobs { temperature, ..knobs() })));
        assert!((noisy - warm).abs() < 0.04, "noise {noise}: {noisy}, temperature {temperature}: {warm}");
    }
}

#[test]
fn balance_takes_away_its_share_of_the_unevenness() {
    let before = load(&turned(&knobs()));
    assert!(before.variation_permille > 400, "{before:?}");
    let mut last = u64::MAX;
    for percent in [0, 10, 25, 50, 75, 90, 99, 100_u32] {
        let balance = f64::from(percent) / 100.0;
        let after = load(&turned(&RouterKnobs { balance, ..knobs() }));
        assert!(after.variation_permille < last, "{percent} %: {} after {last}", after.variation_permille);
        last = after.variation_permille;
        let wanted = before.variation_permille * u64::from(100 - percent) / 100;
        // Counts of about 150 are rounded to whole ones.
        assert!(after.variation_permille.abs_diff(wanted) <= 6, "{percent} %: {last} of {wanted}");
    }
}

/// What makes a sequence differ from others stays, as does most of the repetition from token to token.
#[test]
fn balance_keeps_taste_and_memory() {
    let (plain, even) =
        (compute(&turned(&knobs())), compute(&turned(&RouterKnobs { balance: 1.0, ..knobs() })));
    let reuse = |stats: &TraceStats| stats.next_token_reuse.share.unwrap();
    let chance = |stats: &TraceStats| stats.next_token_reuse.chance.unwrap();
    let above = |stats: &TraceStats| reuse(stats) - chance(stats);
    assert!(above(&even) > 0.75 * above(&plain), "{} of {}", above(&even), above(&plain));
    let own = |stats: &TraceStats| stats.sequence_own_hottest_10_percent.p50;
    assert!(own(&even) > 0.8 * own(&plain), "{} of {}", own(&even), own(&plain));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    /// At 1 no expert of a layer is chosen more than once more than another, whatever the router; every row stays a row,
    /// which the builder checks.
    #[test]
    fn a_perfect_balance_is_even(
        experts in 1_u32..24, top_k in 1_u32..6, slope in 0.0..8.0, tokens in 1_u32..60, sequences in 1_u32..5,
        tilt in 0.0..4.0, seed in any::<u64>(),
    ) {
        let spec = SyntheticSpec {
            experts, top_k: top_k.min(experts), zipf_slope: slope, sequence_tilt: tilt, sequences, seed, layers: 2,
            prompt_tokens: [0, 0], decode_tokens: [tokens, tokens], ..spec()
        };
        for balance in [0.3, 0.7, 1.0] {
            let trace = generate_with(&spec, &RouterKnobs { balance, ..knobs() }).unwrap();
            let counts = counts(&trace);
            let selections = u64::from(sequences * tokens * spec.top_k);
            for layer in counts.chunks(experts as usize) {
                prop_assert_eq!(layer.iter().sum::<u64>(), selections);
                let spread = layer.iter().max().unwrap() - layer.iter().min().unwrap();
                prop_assert!(balance < 1.0 || spread <= 1, "{:?}", layer);
            }
        }
    }
}

fn names(count: usize) -> Vec<String> {
    ["code", "maths", "translation", "chat"][..count].iter().map(|name| (*name).to_owned()).collect()
}

/// The hottest quarter of a layer's experts in one sequence.
fn hot_experts(trace: &Trace, sequence: usize, layer: u16) -> Vec<u16> {
    let mut hot = Popularity::of(trace, [sequence]).hottest_first(LayerIndex(layer));
    hot.truncate(trace.header().experts as usize / 4);
    hot
}

/// Mean share of hot experts that two sequences have in common: of the same domain, and of different ones.
fn overlaps(trace: &Trace) -> (f64, f64) {
    let (mut within, mut between) = ((0, 0), (0, 0));
    let sequences = trace.sequences();
    for (one, other) in (0..sequences.len()).flat_map(|one| (0..one).map(move |other| (one, other))) {
        let sum =
            if sequences[one].category == sequences[other].category { &mut within } else { &mut between };
        for layer in 0..4 {
            let hot = hot_experts(trace, one, layer);
            sum.0 += hot_experts(trace, other, layer).iter().filter(|expert| hot.contains(expert)).count();
            sum.1 += hot.len();
        }
    }
    (within.0 as f64 / within.1 as f64, between.0 as f64 / between.1 as f64)
}

#[test]
fn sequences_of_a_domain_share_its_experts() {
    let mut between_before = 1.0;
    // Sequences have tastes of their own with a standard deviation of 1.056 nats, which weak domains hardly outdo.
    for (domain_tilt, margin) in [(0.7, 0.03), (1.5, 0.1), (3.0, 0.2)] {
        let trace = generate_with(
            &SyntheticSpec { sequences: 12, ..spec() },
            &RouterKnobs { domains: names(4), domain_tilt, ..knobs() },
        )
        .unwrap();
        let taken: Vec<&str> = trace.sequences().iter().map(|meta| meta.category.as_str()).take(5).collect();
        assert_eq!(taken, ["code", "maths", "translation", "chat", "code"]);
        let (within, between) = overlaps(&trace);
        assert!(within > between + margin, "tilt {domain_tilt}: {within} within, {between} between");
        assert!(between < between_before);
        between_before = between;
    }
}

#[test]
fn domains_without_taste_are_names_alone() {
    let named = turned(&RouterKnobs { domains: names(3), ..knobs() });
    let plain = turned(&knobs());
    match (named.ids(), plain.ids()) {
        (Ids::U8(named), Ids::U8(plain)) => assert!(named == plain),
        _ => panic!("32 experts fit 8 bits"),
    }
    let one = turned(&RouterKnobs { domains: names(2), domain_tilt: 1.0, ..knobs() });
    let more = turned(&RouterKnobs { domains: names(4), domain_tilt: 1.0, ..knobs() });
    // A domain keeps its experts when others are added: the first two sequences are the same.
    for row in 0..one.sequences()[2].first_token {
        assert_eq!(one.expert(row, LayerIndex(2), 0), more.expert(row, LayerIndex(2), 0));
    }
}

#[test]
fn refuses_what_cannot_be_and_says_all_of_it() {
    let check = |knobs: &RouterKnobs, message: &str| {
        assert_eq!(generate_with(&spec(), knobs).map(|_| ()).unwrap_err().to_string(), message);
    };
    check(
        &RouterKnobs { temperature: 0.0, noise: -1.0, balance: 1.5, domain_tilt: f64::NAN, ..knobs() },
        "temperature of a synthetic trace is 0, expected 0.01 to 100\n\
         noise of a synthetic trace is -1, expected 0 to 4\n\
         balance of a synthetic trace is 1.5, expected 0 to 1\n\
         domain_tilt of a synthetic trace is NaN, expected 0 to 8",
    );
    let domains = ["code", "", "code", "continuation"].map(str::to_owned).to_vec();
    check(
        &RouterKnobs { domains, ..knobs() },
        "a domain of a synthetic trace is named \"\", expected a name of its own\n\
         domain \"code\" of a synthetic trace stands there twice\n\
         a domain of a synthetic trace is named \"continuation\", expected a name of its own",
    );
    check(
        &RouterKnobs { domains: vec!["x".to_owned(); 1_001], ..knobs() },
        &("domains of a synthetic trace are 1001, expected up to 1000\n".to_owned()
            + "domain \"x\" of a synthetic trace stands there twice"),
    );
    let both = generate_with(&SyntheticSpec { layers: 0, ..spec() }, &RouterKnobs { noise: 9.0, ..knobs() });
    assert_eq!(
        both.map(|_| ()).unwrap_err().to_string(),
        "layers of a synthetic trace is 0, expected 1 to 65535\n\
         noise of a synthetic trace is 9, expected 0 to 4"
    );
}

//! Mixtral-8x7B as introductory texts count it, with what they do to it, figure by figure.
//!
//! Texts round on the way: an expert of 117.4 million parameters becomes 117, half of it 59, and 65 GB of parameters are
//! 0.26 + 4.3 + 59.8 GB, which are 64.4. Where a figure does not follow from its own formula the row says so and the exact
//! figure stands.

use moesim::model::{Dtype, LayerSpec, ModelSpec, WeightTypes};

use super::{held, planned, scenario};
use moesim::metrics::Row;
use moesim::plan::Inputs;
use moesim::sweep::run_point;

const TEXT: &str = r#"
[model]
name = "mixtral-8x7b"
simplified = true
[quant]
scheme = "fp16"
[hardware]
gpu = "a100-sxm-80g"
dram = "128 GiB"
[workload]
router = "uniform"
sequences = 1
decode_tokens = 4
context = 2048
"#;

/// Activations that texts add without a formula: 1 GB and 7.5 GB.
const ACTIVATIONS: u64 = 8_500_000_000;

fn mixtral() -> ModelSpec {
    moesim::catalogue::models::find("mixtral-8x7b").unwrap().spec.simplified()
}

fn done(sets: &[&str]) -> Row {
    run_point(&scenario(TEXT, sets).unwrap(), 0, &Inputs::default()).unwrap()
}

/// Parameters of the experts of a layer with what they share.
fn of_layer(layer: &LayerSpec) -> u64 {
    let params = layer.params();
    params.routed_experts + params.shared_experts
}

#[test]
fn parameters_of_a_layer() {
    let (plain, shared) = (mixtral(), mixtral().with_shared_up());
    // Exact, as texts say in millions, and by how many permille that is off.
    for (what, exact, wanted, text, permille) in [
        ("an expert", plain.layers[0].expert_params(), 117_440_512, 117, 4),
        // 8 x 117 = 936; 8 x 117.4 are 939.5.
        ("eight experts", of_layer(&plain.layers[0]), 939_524_096, 936, 4),
        ("an expert's own half", shared.layers[0].expert_params(), 58_720_256, 59, 5),
        // 59 + 8 x 59 = 531; 58.7 + 8 x 58.7 are 528.5.
        ("one up-projection and eight downs", of_layer(&shared.layers[0]), 528_482_304, 531, 5),
    ] {
        assert_eq!(exact, wanted, "{what}");
        let text: u64 = text * 1_000_000;
        assert!(exact.abs_diff(text) * 1000 <= text * permille, "{what}: {exact}");
    }
    // Said to be 43 % less, from 936 and 531: 7/16 of 939.5 are 43.75 %.
    assert_eq!(939_524_096 - 528_482_304, 939_524_096 / 16 * 7);
}

#[test]
fn bytes_of_every_optimisation() {
    let (base, shared) = (done(&[]), done(&["model.shared_up_projection=true"]));
    let merged = done(&["model.merge_experts=4"]);
    let slots = done(&["cache.slots_per_layer=3"]);
    let (three, buffer) = (done(&["cache.experts=3"]), done(&["placement.single_buffer=true"]));
    let home = |row: &Row| held(row, "dram", "routed experts");
    let expert = 234_881_024;
    let resident = |row: &Row| {
        ["embeddings", "attention", "norms", "router", "shared experts"]
            .iter()
            .map(|owner| held(row, "vram", owner))
            .sum::<u64>()
    };
    let total = |row: &Row| resident(row) + home(row) + held(row, "vram", "kv cache") + ACTIVATIONS;
    for (what, exact, wanted, text_mb, permille) in [
        ("experts", home(&base), 60_129_542_144, 59_800, 6),
        (
            "experts and what they share",
            home(&shared) + held(&shared, "vram", "shared experts"),
            33_822_867_456,
            33_900,
            3,
        ),
        ("the shared part alone", held(&shared, "vram", "shared experts"), 3_758_096_384, 3_760, 1),
        ("experts after merging 8 into 4", home(&merged), 30_064_771_072, 29_900, 6),
        // 74.5 GB are 65 + 8.5 + 1: parameters come to 64.7 and keys and values of 2,048 tokens to 1.07.
        ("all", total(&base), 74_262_500_608, 74_500, 4),
        // 48.6 is 74.5 - 59.8 + 33.9. What is left of 65 GB besides experts is then 5.2 GB, but embedding and attention are
        // 4.6: 48.0 GB.
        ("all with a shared up-projection", total(&shared), 47_955_825_920, 48_600, 14),
        ("three experts of each layer", held(&slots, "vram", "expert cache"), 32 * 3 * expert, 32 * 700, 7),
        ("three experts in all", held(&three, "vram", "expert cache"), 3 * expert, 700, 7),
        ("one buffer", held(&buffer, "vram", "expert buffer"), expert, 234, 4),
    ] {
        assert_eq!(exact, wanted, "{what}");
        let text: u64 = text_mb * 1_000_000;
        assert!(exact.abs_diff(text) * 1000 <= text * permille, "{what}: {exact} and {text}");
    }
    // Said to be 62 % less than the 1.87 GB of a layer: five of eight experts are 62.5 %.
    assert_eq!((8 - 3) * 1000 / 8, 625);
    assert_eq!(home(&merged) * 2, home(&base));
    assert_eq!(held(&buffer, "vram", "expert cache"), 0);
}

/// Texts halve and quarter. Storage types have scales: 1.6 % more for INT8 and 3.9 % more for INT4, in groups of 128.
#[test]
fn integers_halve_and_quarter() {
    let spec = mixtral();
    let bytes = |name: &str| {
        let dtype = Dtype::by_name(name).unwrap();
        spec.weight_bytes(&WeightTypes::uniform(dtype)).total().get()
    };
    let half = bytes("f16") / 2;
    assert_eq!(bytes("i8"), half);
    assert_eq!(bytes("int8").abs_diff(half * 65 / 64).min(64), bytes("int8").abs_diff(half * 65 / 64));
    assert!((bytes("int4") * 1000 / (half / 2)).abs_diff(1039) <= 1, "{}", bytes("int4"));
}

/// Attention in 16 bits and experts in INT4: texts say about 40 GB in all. Experts are then 15.0 GB and the whole 29.2 GB:
/// 40 does not follow from the formulas, unless experts took six bits.
#[test]
fn mixed_precision() {
    let row = done(&["quant.experts=\"int4\""]);
    let experts = held(&row, "dram", "routed experts");
    assert_eq!(experts, 60_129_542_144 / 4);
    let rest: u64 = ["embeddings", "attention", "norms", "router", "kv cache"]
        .iter()
        .map(|owner| held(&row, "vram", owner))
        .sum();
    assert_eq!(experts + rest + ACTIVATIONS, 29_165_344_000);
}

/// The name says what was done, in the order in which it was done.
#[test]
fn labels_say_what_was_done() {
    for (sets, name) in [
        (&[][..], "Mixtral-8x7B (simplified)"),
        (&["model.merge_experts=8"], "Mixtral-8x7B (simplified)"),
        (&["model.merge_experts=4", "model.simplified=false"], "Mixtral-8x7B, 8 -> 4 experts"),
        (
            &["model.merge_experts=4", "model.shared_up_projection=true", "model.simplified=false"],
            "Mixtral-8x7B, shared up-projection, 8 -> 4 experts",
        ),
    ] {
        assert_eq!(planned(TEXT, sets).unwrap().labels.model, name);
    }
}

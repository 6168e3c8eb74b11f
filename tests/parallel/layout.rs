//! Layouts: what they refuse, and where GPUs and layers go.

use moesim::serving::parallel::Layout;
use proptest::prelude::*;

use super::model;

fn layout(tp: u32, dp: u32, ep: u32, pp: u32) -> Layout {
    Layout { tp, dp, ep, pp }
}

#[test]
fn layouts_in_use_are_accepted() {
    for (id, layout, redundant) in [
        ("mixtral-8x7b", Layout::SINGLE, 0),
        ("mixtral-8x7b", layout(4, 1, 4, 1), 0),
        ("mixtral-8x7b", layout(1, 4, 4, 1), 0),
        ("mixtral-8x7b", layout(2, 2, 1, 2), 0),
        ("mixtral-8x7b", layout(2, 4, 4, 1), 4),
        // More ranks than key-value heads.
        ("mixtral-8x7b", layout(16, 1, 8, 1), 0),
        // 32 GPUs, 8 of them for each attention; the published decode deployment has 32 redundant experts.
        ("deepseek-v3", layout(4, 8, 32, 1), 32),
        ("deepseek-v3", layout(1, 144, 144, 1), 32),
        ("qwen3-30b-a3b", layout(4, 2, 8, 3), 0),
    ] {
        assert_eq!(layout.check(model(id), redundant), Ok(()), "{id} {layout}");
    }
}

#[test]
fn all_problems_are_named_with_the_nearest_that_would_do() {
    for (id, layout, redundant, message) in [
        (
            "mixtral-8x7b",
            layout(0, 1, 0, 1),
            0,
            "tp is 0, expected at least 1\n\
             ep is 0, expected at least 1",
        ),
        (
            "mixtral-8x7b",
            layout(4096, 4096, 1, 4096),
            0,
            "tp x dp x pp = 4096 x 4096 x 4096 is 68719476736 GPUs, expected at most 16384",
        ),
        (
            "mixtral-8x7b",
            layout(3, 1, 1, 1),
            0,
            "tp = 3 does not divide the 32 attention heads, expected 2 or 4\n\
             tp = 3 neither divides the 8 key-value heads nor is a multiple of them, expected 2 or 4\n\
             moe_tp (tp x dp / ep) = 3 does not divide the 14336 channels of an expert, expected 2 or 4",
        ),
        (
            "mixtral-8x7b",
            layout(1, 6, 3, 40),
            0,
            "pp = 40 is more than the model's 32 layers, expected at most 32\n\
             ep = 3 does not divide the 8 routed experts of a layer, expected 2 or 4",
        ),
        (
            "mixtral-8x7b",
            layout(4, 1, 8, 1),
            0,
            "ep = 8 does not divide the 4 GPUs of a stage (tp x dp), expected 4",
        ),
        (
            "mixtral-8x7b",
            layout(4, 1, 4, 1),
            3,
            "ep = 4 does not divide the 11 routed experts of a layer (8 and 3 redundant), expected 1 or 11",
        ),
        (
            "mixtral-8x7b",
            layout(1, 1, 1, 1),
            9,
            "redundant = 9, and ep = 1: there is no other rank for a replica, expected 0\n\
             redundant = 9 is more than the 8 experts of a layer, expected at most 8",
        ),
        (
            "qwen3-30b-a3b",
            layout(64, 1, 1, 1),
            0,
            "tp = 64 does not divide the 32 attention heads, expected 32",
        ),
        (
            "deepseek-v3",
            layout(3, 1, 1, 1),
            0,
            "tp = 3 does not divide the 128 attention heads, expected 2 or 4\n\
             tp = 3 does not divide the 2048 channels of the shared experts, expected 2 or 4\n\
             moe_tp (tp x dp / ep) = 3 does not divide the 2048 channels of an expert, expected 2 or 4",
        ),
    ] {
        let found = layout.check(model(id), redundant).unwrap_err().to_string();
        assert_eq!(found, message, "{id} {layout}");
    }
}

#[test]
fn a_dense_model_has_no_expert_ranks() {
    let mut dense = model("mixtral-8x7b").clone();
    for layer in &mut dense.layers {
        layer.ffn =
            moesim::model::Ffn::Dense(moesim::model::Dense { inter: 14_336, gated: true, bias: false });
    }
    assert_eq!(layout(4, 1, 1, 2).check(&dense, 0), Ok(()));
    assert_eq!(
        layout(4, 1, 4, 1).check(&dense, 8).unwrap_err().to_string(),
        "ep = 4, and the model has no routed experts, expected 1\n\
         redundant = 8, and the model has no routed experts, expected 0"
    );
}

#[test]
fn gpus_are_numbered_stage_by_stage() {
    // Two stages of eight GPUs: four groups of two; experts on four ranks of two.
    let layout = layout(2, 4, 4, 2);
    let ranks = |gpu| (layout.stage_of(gpu), layout.dp_rank_of(gpu), layout.ep_rank_of(gpu));
    assert_eq!(
        [0, 1, 2, 7, 8, 15].map(ranks),
        [(0, 0, 0), (0, 0, 0), (0, 1, 1), (0, 3, 3), (1, 0, 0), (1, 3, 3)]
    );
    assert_eq!((layout.stage_gpus(), layout.gpus(), layout.moe_tp()), (8, 16, 2));
    assert_eq!(layout.to_string(), "tp 2, dp 4, ep 4, pp 2");
}

proptest! {
    #[test]
    fn stages_cover_all_layers_evenly(pp in 1_u32..40, layers in 0_usize..200) {
        let layout = layout(1, 1, 1, pp);
        let ranges: Vec<_> = (0..pp).map(|stage| layout.stage_layers(stage, layers)).collect();
        prop_assert_eq!((ranges[0].start, ranges.last().unwrap().end), (0, layers));
        prop_assert!(ranges.windows(2).all(|pair| pair[0].end == pair[1].start && pair[0].len() >= pair[1].len()));
        prop_assert!(ranges[0].len() - ranges.last().unwrap().len() <= 1);
    }

    #[test]
    fn no_layout_panics(tp in 0_u32..300, dp in 0_u32..300, ep in 0_u32..300, pp in 0_u32..300, redundant in 0_u32..300) {
        for id in ["mixtral-8x7b", "deepseek-v3", "gpt-oss-20b"] {
            let checked = layout(tp, dp, ep, pp).check(model(id), redundant);
            if checked.is_ok() {
                prop_assert_eq!(layout(tp, dp, ep, pp).moe_tp() * ep, tp * dp);
            }
        }
    }
}

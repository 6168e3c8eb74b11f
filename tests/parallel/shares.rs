//! What one GPU holds: laws over the catalogue's models, and the figures of introductory texts.

use moesim::catalogue::models;
use moesim::model::{ComponentBytes, Components, Dtype, ModelSpec, WeightTypes};
use moesim::serving::parallel::{Layout, gpu_share, kv_divisor};
use moesim::units::Bytes;

use super::model;

fn f16() -> Dtype {
    Dtype::by_name("f16").unwrap()
}

/// Sizes of each layer's parts, and of what lies outside of them.
fn sizes(model: &ModelSpec) -> (Vec<ComponentBytes>, ComponentBytes) {
    let types = WeightTypes::uniform(f16());
    let layers = model.layers.iter().map(|layer| layer.params().bytes(&types)).collect();
    let outside = ModelSpec { layers: Vec::new(), ..model.clone() };
    (layers, outside.params().bytes(&types))
}

fn held(model: &ModelSpec, layout: Layout, redundant: u32, stage: u32) -> ComponentBytes {
    let (layers, outside) = sizes(model);
    gpu_share(model, &layers, &outside, &layout, redundant, stage)
}

const fn layout(tp: u32, dp: u32, ep: u32, pp: u32) -> Layout {
    Layout { tp, dp, ep, pp }
}

#[test]
fn one_gpu_holds_everything() {
    for row in models::all() {
        let whole = row.spec.weight_bytes(&WeightTypes::uniform(f16()));
        assert_eq!(held(&row.spec, Layout::SINGLE, 0, 0), whole, "{}", row.id);
    }
}

#[test]
fn gpus_together_hold_at_least_the_model_and_whole_parts_once_each() {
    let layouts =
        [layout(2, 1, 1, 1), layout(4, 2, 8, 1), layout(1, 4, 4, 3), layout(2, 2, 2, 2), layout(8, 1, 8, 1)];
    let mut checked = 0;
    for row in models::all() {
        let whole = row.spec.weight_bytes(&WeightTypes::uniform(f16()));
        for layout in layouts.into_iter().filter(|layout| layout.check(&row.spec, 0).is_ok()) {
            checked += 1;
            let mut all = ComponentBytes::default();
            for stage in 0..layout.pp {
                for _ in 0..layout.stage_gpus() {
                    all += held(&row.spec, layout, 0, stage);
                }
            }
            let dp = u64::from(layout.dp);
            for ((name, sum), (_, one)) in all.named().into_iter().zip(whole.named()) {
                // Routed experts are held once in all, whatever is tensor-parallel once for each data-parallel rank,
                // and norms and routers by every GPU of their stage; shares round up by a byte a layer.
                let (times, is_exact) = match name {
                    "routed_experts" => (1, true),
                    "shared_experts" | "dense_ffn" | "lm_head" => (dp, true),
                    "norms" | "router" => (u64::from(layout.stage_gpus()), true),
                    _ => (dp, false),
                };
                assert!(sum.get() >= one.get() * times, "{} {layout} {name}: {sum} of {one}", row.id);
                let rounding = u64::from(layout.gpus()) * row.spec.layers.len() as u64;
                assert!(!is_exact || sum.get() <= one.get() * times + rounding, "{} {layout} {name}", row.id);
            }
        }
    }
    assert!(checked > 100, "{checked}");
}

#[test]
fn redundant_experts_take_room_and_nothing_else_does() {
    let (model, layout) = (model("deepseek-v3"), layout(1, 32, 32, 1));
    let (without, with) = (held(model, layout, 0, 0), held(model, layout, 32, 0));
    // One more expert in each of 58 layers: 3 x 7,168 x 2,048 weights.
    let expert = Bytes::new(3 * 7168 * 2048 * 2);
    assert_eq!(with.routed_experts - without.routed_experts, expert.times(58));
    assert_eq!(without.routed_experts, expert.times(58 * 8));
    assert_eq!(
        Components { routed_experts: Bytes::ZERO, ..with },
        Components { routed_experts: Bytes::ZERO, ..without }
    );
}

#[test]
fn key_value_heads_and_latents_are_replicated_beyond_their_number() {
    // Mixtral has 8 key-value heads: with 16 ranks two hold the same.
    let mixtral = model("mixtral-8x7b");
    let (hidden, heads, kv_heads, width) = (4096, 32, 8, 128);
    for tp in [1, 2, 8, 16] {
        let split = u64::from(tp);
        let divisor = u64::from(kv_divisor(&mixtral.layers[0], tp));
        assert_eq!(divisor, split.min(8), "{tp}");
        let attention = 2 * hidden * heads * width / split + 2 * hidden * kv_heads * width / divisor;
        assert_eq!(held(mixtral, layout(tp, 1, 1, 1), 0, 0).attention.get(), 32 * 2 * attention, "{tp}");
    }
    // DeepSeek-V3: both down projections are whole on every rank, and so is the cached latent.
    let deepseek = model("deepseek-v3");
    let whole = 7168 * (1536 + 512 + 64);
    let split = 1536 * 128 * 192 + 512 * 128 * 256 + 128 * 128 * 7168;
    assert_eq!(held(deepseek, layout(8, 1, 8, 1), 0, 0).attention.get(), 61 * 2 * (whole + split / 8));
    assert_eq!(kv_divisor(&deepseek.layers[0], 8), 1);
}

#[test]
fn a_tied_embedding_is_on_the_first_and_the_last_stage() {
    let row = models::all().iter().find(|row| row.spec.tied_embeddings).unwrap();
    let sizes: Vec<Bytes> =
        (0..3).map(|stage| held(&row.spec, layout(1, 1, 1, 3), 0, stage).embeddings).collect();
    let whole = f16().bytes_for(row.spec.vocab * row.spec.hidden);
    assert_eq!(sizes, [whole, Bytes::ZERO, whole], "{}", row.id);
}

/// Introductory texts put Mixtral-8x7B in FP16 on four GPUs at about 20 GB each. With the same counting the weights alone
/// are 19.6 GB where attention is on every GPU and 16.2 GB where it is split; with 1 GB of activations and the
/// cache of 2,048 tokens that is 21.7 GB (8 % above) and, the cache whole or split, 18.3 or 17.4 GB (9 or 13 % below).
#[test]
fn mixtral_on_four_gpus_is_about_twenty_gigabytes_each() {
    let model = model("mixtral-8x7b").simplified();
    let cache = model.kv_bytes(2048, f16());
    let activations = Bytes::new(1_000_000_000);
    assert_eq!(cache.get(), 1_073_741_824);
    // Layout, attention, embedding, weights, and the sum with cache and activations.
    for (layout, attention, embedding, weights, total) in [
        (layout(1, 4, 4, 1), 4_294_967_296, 262_144_000, 19_591_602_176, 21_665_344_000),
        (layout(4, 1, 4, 1), 1_073_741_824, 65_536_000, 16_173_768_704, 17_442_204_160),
    ] {
        layout.check(&model, 0).unwrap();
        let held = held(&model, layout, 0, 0);
        let own_cache = Bytes::new(cache.get() / u64::from(kv_divisor(&model.layers[0], layout.tp)));
        println!("{layout}");
        for (name, size) in
            held.named().into_iter().chain([("cache", own_cache), ("activations", activations)])
        {
            println!("  {name:15} {:9.3} GB", size.get() as f64 / 1e9);
        }
        let sum = held.total() + own_cache + activations;
        println!("  {:15} {:9.3} GB", "total", sum.get() as f64 / 1e9);
        assert_eq!(held.routed_experts.get(), 15_032_385_536);
        assert_eq!(held.attention.get(), attention);
        assert_eq!(held.embeddings.get(), embedding);
        assert_eq!((held.router.get(), held.norms.get()), (2_097_152, 8_192));
        assert_eq!(held.total().get(), weights);
        assert_eq!(sum.get(), total);
        let twenty: u64 = 20_000_000_000;
        assert!(sum.get().abs_diff(twenty) * 100 <= twenty * 13, "{layout}: {sum}");
    }
}

//! What a configuration is expected to cost in the quality of answers, by the catalogue's estimates.
//!
//! A scheme that was evaluated as a whole is one part. Else each part of the model that is stored in fewer than 16 bits is
//! one: its share of what the whole model would lose in that type is its share of the parameters that a token passes,
//! since the noise of a token comes from the weights that it passes. Attention is known to be more sensitive than that.
//! What misses cost is known when the point has run ([`Plan::quality_after`]).

use super::model::ModelPlan;
use super::placement::Placement;
use super::{MissAction, Plan};
use crate::catalogue::{Entry, LossPart, QualityRow, QuantScheme};
use crate::metrics::{AccessCounts, Quality, QualityPart, Summary};
use crate::model::{DTYPES, Dtype, ParamCounts, WeightTypes};

/// From so many bits a weight on nothing is lost, in thousandths.
const LOSSLESS_MILLIBITS: u64 = 16_000;
/// Types that files of weights are mostly of: llama.cpp's K types, eight bits, and what loses nothing.
const FILE_TYPES: [&str; 8] = ["q2_k", "q3_k", "q4_k", "q5_k", "q6_k", "q8_0", "f16", "f32"];
/// Everything, in parts per million.
const ALL: u64 = 1_000_000;

/// What is known before anything runs. Without a table of losses for a type, its loss is unknown.
pub(super) fn quality(model: &ModelPlan) -> Quality {
    let mut parts = match &model.stored {
        Some(stored) => {
            let whole = stored.scheme.as_deref().and_then(|scheme| of_scheme(scheme, &model.spec.name));
            whole.unwrap_or_else(|| by_component(model, &stored.types))
        }
        None => of_file(model).into_iter().collect(),
    };
    parts.extend(of_kv(model.kv));
    parts.extend(merged(model));
    let shared = model.spec.layers.iter().filter_map(|layer| layer.moe()).any(|moe| moe.shared_up);
    if let Some(row) = QualityRow::only(LossPart::SharedUp).filter(|_| shared) {
        parts.push(part("one up-projection for all experts", row, row.loss.value.ppm()));
    }
    Quality { parts }
}

fn part(what: impl Into<String>, row: &QualityRow, loss_ppm: Option<u64>) -> QualityPart {
    QualityPart {
        what: what.into(),
        loss_ppm,
        source: row.loss.source.clone(),
        fidelity: row.loss.fidelity.to_string(),
    }
}

/// The same with a remark on how its row was used, which makes it derived at best.
fn inferred(what: String, row: &QualityRow, loss_ppm: Option<u64>, how: &str) -> QualityPart {
    let known = part(what, row, loss_ppm);
    let fidelity = if known.fidelity == "assumed" { known.fidelity } else { "derived".to_owned() };
    QualityPart { source: format!("{how}; {}", known.source), fidelity, ..known }
}

fn unknown(what: String) -> QualityPart {
    QualityPart {
        what,
        loss_ppm: None,
        source: "the catalogue has no evaluation of it".to_owned(),
        fidelity: "assumed".to_owned(),
    }
}

fn is_lossy(dtype: Dtype) -> bool {
    dtype.millibits_per_weight() < LOSSLESS_MILLIBITS
}

/// A scheme that was evaluated as a whole; `None` for others.
fn of_scheme(scheme: &str, model: &str) -> Option<Vec<QualityPart>> {
    let row = QualityRow::of(LossPart::Weights, scheme)?;
    if row.is_native_to(model) {
        return Some(Vec::new());
    }
    let what = format!("weights in {}", QuantScheme::find(scheme).map_or(scheme, |row| row.id.as_str()));
    Some(vec![part(what, row, row.loss.value.ppm())])
}

/// Each part by its own type, the most parameters first.
fn by_component(model: &ModelPlan, types: &WeightTypes) -> Vec<QualityPart> {
    let active = model.spec.active_params();
    // An embedding is looked up, not multiplied with; a tied one is the output projection.
    let head = if model.spec.tied_embeddings { active.embeddings } else { active.lm_head };
    let blocks = ParamCounts { embeddings: 0, lm_head: 0, norms: 0, ..active }.total().max(1);
    let components = [
        ("routed experts", types.routed_experts, active.routed_experts),
        ("shared experts", types.shared_experts, active.shared_experts),
        ("dense layers", types.dense_ffn, active.dense_ffn),
        ("attention", types.attention, active.attention),
        ("output head", types.lm_head, head),
        ("routers", types.router, active.router),
    ];
    let mut parts = Vec::new();
    for (name, dtype, params) in components {
        if params == 0 || !is_lossy(dtype) {
            continue;
        }
        let what = format!("{name} in {}", dtype.name);
        let Some(row) = QualityRow::of(LossPart::Weights, dtype.name) else {
            parts.push(unknown(what));
            continue;
        };
        if row.is_native_to(&model.spec.name) {
            continue;
        }
        let share = fraction(ALL, params, blocks).min(ALL);
        let loss = row.loss.value.ppm().map(|loss| fraction(loss, share, ALL));
        let how = format!(
            "{} % of what the whole model loses, as of the parameters that a token passes",
            share / 10_000
        );
        parts.push(inferred(what, row, loss, &how));
    }
    parts
}

/// `value * part / whole`, rounded to the nearest.
fn fraction(value: u64, part: u64, whole: u64) -> u64 {
    let scaled = u128::from(value) * u128::from(part) + u128::from(whole) / 2;
    u64::try_from(scaled / u128::from(whole.max(1))).unwrap_or(u64::MAX)
}

/// A file of weights: by the usual type that is nearest to what its experts, or else its layers, take.
fn of_file(model: &ModelPlan) -> Option<QualityPart> {
    let counts = model.spec.params();
    let (bytes, params) = if counts.routed_experts > 0 {
        (model.experts_total().get(), counts.routed_experts)
    } else {
        let dense = model.layers.iter().map(|layer| layer.attention.get() + layer.dense_ffn.get()).sum();
        (dense, counts.attention + counts.dense_ffn)
    };
    let millibits = fraction(8_000, bytes, params.max(1));
    let is_native = |dtype: &Dtype| {
        let row = QualityRow::of(LossPart::Weights, dtype.name);
        row.is_some_and(|row| row.is_native_to(&model.spec.name))
    };
    let known = |dtype: &&Dtype| FILE_TYPES.contains(&dtype.name) || is_native(dtype);
    let distance = |dtype: &&Dtype| dtype.millibits_per_weight().abs_diff(millibits);
    let nearest = DTYPES.iter().filter(known).min_by_key(distance).filter(|dtype| is_lossy(**dtype))?;
    let row = QualityRow::of(LossPart::Weights, nearest.name).filter(|_| !is_native(nearest))?;
    let bits = format!("{}.{:02}", millibits / 1000, millibits % 1000 / 10);
    let what = format!("weights in a file of {bits} bits each");
    Some(inferred(what, row, row.loss.value.ppm(), &format!("as {}, the nearest type", nearest.name)))
}

fn of_kv(kv: Dtype) -> Option<QualityPart> {
    if !is_lossy(kv) {
        return None;
    }
    let what = format!("KV cache in {}", kv.name);
    Some(match QualityRow::of(LossPart::Kv, kv.name) {
        Some(row) => part(what, row, row.loss.value.ppm()),
        None => unknown(what),
    })
}

/// Between published ratios by interpolation, all experts losing nothing; beyond the last one unknown.
fn merged(model: &ModelPlan) -> Option<QualityPart> {
    let (into, experts) = (model.spec.experts(), model.routed.experts());
    if into >= experts {
        return None;
    }
    let what = format!("{experts} experts merged into {into}");
    let kept = fraction(ALL, u64::from(into), u64::from(experts));
    let (mut above, mut lost_above) = (ALL, 0);
    for (point, row) in QualityRow::merging() {
        let lost = row.loss.value.ppm()?;
        if kept == point {
            return Some(part(what, row, Some(lost)));
        }
        if kept > point {
            let loss = lost_above + fraction(lost - lost_above, above - kept, above - point);
            let how = format!("{} % kept, between published ratios", kept / 10_000);
            return Some(inferred(what, row, Some(loss), &how));
        }
        (above, lost_above) = (point, lost);
    }
    let beyond = format!("merging was evaluated down to {} % of the experts", above / 10_000);
    Some(QualityPart { source: beyond, ..unknown(what) })
}

/// Notes that misses cost something that only a run tells.
pub(super) fn is_known_after(placement: &Placement) -> bool {
    matches!(placement.miss.action, MissAction::Degrade | MissAction::Skip | MissAction::Substitute)
}

impl Plan {
    /// What the point costs in quality, misses included, now that it has run.
    pub fn quality_after(&self, summary: &Summary) -> Quality {
        let mut quality = self.quality.clone();
        let mut counts = summary.prefill;
        counts.add(&summary.decode);
        for (lookups, weight, fate) in [
            (counts.degraded, counts.weight_degraded, Fate::degraded(self.placement.miss.low_bit)),
            (counts.skipped, counts.weight_skipped, Fate::of("skip", "skipped")),
            (
                counts.substituted,
                counts.weight_substituted,
                Fate::of("substitute", "answered by other experts"),
            ),
        ] {
            if lookups > 0 {
                quality.parts.push(fate.part(&counts, lookups, weight));
            }
        }
        quality
    }
}

/// What became of missing experts.
struct Fate {
    row: Option<&'static QualityRow>,
    words: String,
}

impl Fate {
    fn of(action: &str, words: &str) -> Self {
        Self { row: QualityRow::of(LossPart::Miss, action), words: words.to_owned() }
    }

    fn degraded(low_bit: Option<Dtype>) -> Self {
        let dtype = low_bit.map_or("fewer bits", |dtype| dtype.name);
        Self { row: QualityRow::of(LossPart::Weights, dtype), words: format!("served in {dtype}") }
    }

    /// Where gate weights are unknown every lookup counts the same.
    fn part(&self, counts: &AccessCounts, lookups: u64, weight: u64) -> QualityPart {
        let (share, of) = match counts.weight_total {
            0 => (fraction(ALL, lookups, counts.lookups.max(1)), "lookups"),
            total => (fraction(ALL, weight, total), "gate weight"),
        };
        let what = format!("{} of the {of} {}", crate::metrics::percent_words(share), self.words);
        let Some(row) = self.row else { return unknown(what) };
        let loss = row.loss.value.ppm().map(|loss| fraction(loss, share, ALL));
        inferred(what, row, loss, &format!("in proportion to the {of} of this run"))
    }
}

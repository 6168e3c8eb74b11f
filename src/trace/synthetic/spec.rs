//! What a synthetic trace is asked to look like.

use serde::Deserialize;

use crate::error::{Error, Result};
use crate::trace::{CONTINUATION, TraceHeader};
use crate::units::Bytes;

/// Steepest exponent accepted: beyond it a layer has practically no expert but its hottest.
const MAX_SLOPE: f64 = 8.0;
/// Strongest tilt accepted, for the same reason.
const MAX_TILT: f64 = 8.0;
/// Widest spread accepted: the power of the narrowest sequence is then about 32.
const MAX_SPREAD: f64 = 2.0;
/// Hottest and coldest softmax accepted: beyond them a router is even, or has no choice.
const TEMPERATURES: [f64; 2] = [0.01, 100.0];
/// Strongest noise accepted: beyond it the router is nearly random, and the weights of its draws lose their grain.
const MAX_NOISE: f64 = 4.0;
/// Most domains: each has a popularity of its own in every layer.
const MAX_DOMAINS: usize = 1_000;
/// Most rows of a generated trace: larger ones would be a slip of the pen.
const MAX_ROWS: u64 = 100_000_000;

/// A synthetic router and the sequences that it serves.
///
/// In each layer, an expert's pull is `(rank + zipf_offset)^-zipf_slope * exp(sequence_tilt * g + topic_tilt * h)`: its
/// rank in the layer's popularity is random, `g` is drawn anew for every sequence and `h` for every topic, both with
/// variance 1. In sequence `i` all pulls are raised to the power `exp(sequence_spread * v)`, where the `v` of the first
/// sequences spread evenly over a range of mean 0 and variance 1. A token keeps each expert of the token before it with
/// probability `stickiness`, and draws the rest by pull without replacement.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyntheticSpec {
    /// Model name for the header.
    pub model: String,
    /// MoE layers.
    pub layers: u32,
    /// The model's own number of the first of them; the others follow without gaps.
    #[serde(default)]
    pub first_layer_id: u32,
    /// Routed experts per layer.
    pub experts: u32,
    /// Experts chosen per token and layer.
    pub top_k: u32,
    /// Size of one expert, the same in all layers; may be left out.
    #[serde(default)]
    pub expert_size: Option<Bytes>,
    /// Exponent of popularity against rank in a layer; 0 is even.
    pub zipf_slope: f64,
    /// Ranks added before the power is taken (Zipf and Mandelbrot's law); larger means a flatter head.
    #[serde(default)]
    pub zipf_offset: f64,
    /// Standard deviation, in nats, of a sequence's own taste; 0 makes all sequences alike.
    #[serde(default)]
    pub sequence_tilt: f64,
    /// How much sequences differ in how narrowly they choose; 0 for no difference.
    #[serde(default)]
    pub sequence_spread: f64,
    /// Standard deviation, in nats, of the taste of a topic within a sequence; 0 makes sequences uniform.
    #[serde(default)]
    pub topic_tilt: f64,
    /// Mean length of a topic in tokens: each token begins a new one with the inverse probability, in all layers at
    /// once.
    #[serde(default = "default_topic_tokens")]
    pub topic_tokens: u32,
    /// Probability that an expert of the previous token stays.
    #[serde(default)]
    pub stickiness: f64,
    /// Add gate weights.
    #[serde(default)]
    pub weights: bool,
    /// Number of sequences.
    pub sequences: u32,
    /// Shortest and longest prompt in tokens; `[0, 0]` for a trace of decode only.
    pub prompt_tokens: [u32; 2],
    /// Fewest and most tokens decoded per sequence.
    pub decode_tokens: [u32; 2],
    /// Seed of everything random here.
    #[serde(default)]
    pub seed: u64,
    /// What the parameters are based on, for the header.
    #[serde(default)]
    pub source: String,
}

fn default_topic_tokens() -> u32 {
    16
}

impl SyntheticSpec {
    /// # Errors
    /// Every parameter that cannot be, all at once.
    pub fn check(&self) -> Result<()> {
        let mut errors = Vec::new();
        let mut wants = |name: &str, found: String, holds: bool, expected: String| {
            if !holds {
                errors.push(Error::new(format!("{name} of a synthetic trace is {found}")).expected(expected));
            }
        };
        for (name, value, most) in [("layers", self.layers, 65_535), ("experts", self.experts, 65_535)] {
            wants(name, value.to_string(), (1..=most).contains(&value), format!("1 to {most}"));
        }
        let top_k = (1..=self.experts).contains(&self.top_k);
        wants("top_k", self.top_k.to_string(), top_k, format!("1 to {} (experts)", self.experts.max(1)));
        let last_id = self.first_layer_id.checked_add(self.layers);
        wants(
            "first_layer_id",
            self.first_layer_id.to_string(),
            last_id.is_some(),
            "a layer number".to_owned(),
        );
        for (name, value, most) in [
            ("zipf_slope", self.zipf_slope, MAX_SLOPE),
            ("zipf_offset", self.zipf_offset, 65_535.0),
            ("sequence_tilt", self.sequence_tilt, MAX_TILT),
            ("sequence_spread", self.sequence_spread, MAX_SPREAD),
            ("topic_tilt", self.topic_tilt, MAX_TILT),
            ("stickiness", self.stickiness, 1.0),
        ] {
            wants(name, value.to_string(), (0.0..=most).contains(&value), format!("0 to {most}"));
        }
        wants("topic_tokens", self.topic_tokens.to_string(), self.topic_tokens > 0, "1 or more".to_owned());
        wants("sequences", self.sequences.to_string(), self.sequences > 0, "1 or more".to_owned());
        for (name, [least, most]) in
            [("prompt_tokens", self.prompt_tokens), ("decode_tokens", self.decode_tokens)]
        {
            wants(name, format!("[{least}, {most}]"), least <= most, "[fewest, most]".to_owned());
        }
        let shortest = u64::from(self.prompt_tokens[0]) + u64::from(self.decode_tokens[0]);
        wants("the shortest sequence", format!("{shortest} tokens"), shortest > 0, "1 or more".to_owned());
        let rows = (u64::from(self.prompt_tokens[1]) + u64::from(self.decode_tokens[1]))
            .saturating_mul(u64::from(self.sequences));
        wants("the length", format!("up to {rows} tokens"), rows <= MAX_ROWS, format!("up to {MAX_ROWS}"));
        Error::join(errors).map_or(Ok(()), Err)
    }

    /// The header of the generated trace.
    pub(super) fn header(&self) -> TraceHeader {
        let layers = self.layers as usize;
        TraceHeader {
            model: self.model.clone(),
            layer_ids: (self.first_layer_id..).take(layers).collect(),
            experts: self.experts,
            top_k: self.top_k,
            expert_bytes: self.expert_size.map_or_else(Vec::new, |size| vec![size.get(); layers]),
            source: if self.source.is_empty() {
                "generated by moesim; parameters chosen by hand".to_owned()
            } else {
                format!("generated by moesim; {}", self.source)
            },
            licence: "Apache-2.0".to_owned(),
            notes: vec![format!(
                "synthetic router: slope {}, offset {}, sequence tilt {}, spread {}, topic tilt {} over {} tokens, \
                 stickiness {}, seed {}",
                self.zipf_slope,
                self.zipf_offset,
                self.sequence_tilt,
                self.sequence_spread,
                self.topic_tilt,
                self.topic_tokens,
                self.stickiness,
                self.seed
            )],
        }
    }
}

/// What is turned in studies of the router, beside the [`SyntheticSpec`] that fixes its statistics. By default nothing
/// is, and traces are what the specification alone gives, to the byte.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RouterKnobs {
    /// Softmax temperature: what the logarithms of all pulls are divided by. 1 is as is, more is flatter.
    pub temperature: f64,
    /// Standard deviation, in nats, of noise on the logarithm of every expert's pull, drawn anew for each token (as in
    /// the noisy top-k gating of Shazeer et al. 2017, arXiv:1701.06538). It acts on the experts that a token draws, not
    /// on those that stay by `stickiness`.
    pub noise: f64,
    /// How much of the unevenness between a layer's experts is taken away, 0 to 1: what an auxiliary loss or a corrected
    /// bias does in training. Over the trace, an expert's distance from the mean count shrinks to `1 - balance` of what
    /// it was, rounded; so does the coefficient of variation. At 1 counts differ by at most 1.
    pub balance: f64,
    /// Names of domains, such as code and maths; sequences take turns, and a sequence's category is its domain. Empty
    /// for one domain without a name.
    pub domains: Vec<String>,
    /// Standard deviation, in nats, of each domain's own taste in experts.
    pub domain_tilt: f64,
}

impl Default for RouterKnobs {
    fn default() -> Self {
        Self { temperature: 1.0, noise: 0.0, balance: 0.0, domains: Vec::new(), domain_tilt: 0.0 }
    }
}

impl RouterKnobs {
    /// # Errors
    /// Every setting that cannot be, all at once.
    pub fn check(&self) -> Result<()> {
        let mut errors = Vec::new();
        let [coldest, hottest] = TEMPERATURES;
        for (name, value, least, most) in [
            ("temperature", self.temperature, coldest, hottest),
            ("noise", self.noise, 0.0, MAX_NOISE),
            ("balance", self.balance, 0.0, 1.0),
            ("domain_tilt", self.domain_tilt, 0.0, MAX_TILT),
        ] {
            if !(least..=most).contains(&value) {
                let found = Error::new(format!("{name} of a synthetic trace is {value}"));
                errors.push(found.expected(format!("{least} to {most}")));
            }
        }
        if self.domains.len() > MAX_DOMAINS {
            let found = Error::new(format!("domains of a synthetic trace are {}", self.domains.len()));
            errors.push(found.expected(format!("up to {MAX_DOMAINS}")));
        }
        for (index, name) in self.domains.iter().enumerate().take(MAX_DOMAINS) {
            let found = || Error::new(format!("a domain of a synthetic trace is named {name:?}"));
            if name.is_empty() || name == CONTINUATION {
                errors.push(found().expected("a name of its own"));
            } else if self.domains[..index].contains(name) {
                errors.push(Error::new(format!("domain {name:?} of a synthetic trace stands there twice")));
            }
        }
        Error::join(errors).map_or(Ok(()), Err)
    }

    /// What is turned, for the header; `None` where nothing is.
    pub(super) fn note(&self) -> Option<String> {
        let standard = Self::default();
        let mut parts = Vec::new();
        for (name, value, usual) in [
            ("temperature", self.temperature, standard.temperature),
            ("noise", self.noise, standard.noise),
            ("balance", self.balance, standard.balance),
        ] {
            if value.to_bits() != usual.to_bits() {
                parts.push(format!("{name} {value}"));
            }
        }
        if !self.domains.is_empty() {
            parts.push(format!("domains {} with tilt {}", self.domains.join(", "), self.domain_tilt));
        }
        (!parts.is_empty()).then(|| format!("router turned: {}", parts.join(", ")))
    }
}

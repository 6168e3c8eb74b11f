//! Routing beyond a recorded sequence: rows for requests that are longer than anything the trace holds.
//!
//! [`continued`] adds one sequence to a trace, the pool: rows drawn by a router with the trace's own statistics, layer by
//! layer. A request reads the rows of a recorded sequence as far as they go and then the pool, from a row of its own,
//! going round ([`RequestRouting`]); which sequence and which row is drawn for each request ([`RequestSources`]).
//!
//! The pool's router keeps each expert of the row before with a probability `q` and draws the others without
//! replacement, by weights. Both follow from what the trace shows of a layer. If expert `e` is chosen by a share `p` of
//! its tokens, then drawing by weight `ln((1 - q p) / (1 - p))` gives it that share again (a draw of several without
//! replacement reaches `e` with probability close to `1 - exp(-weight)`; weights in proportion to `p` would flatten the
//! popularity), and two rows in succession share `q + (1 - q) p (1 - q) / (1 - q p)` of its selections. `q` is the one
//! for which their mean over selections is the measured share, or 0 where the trace repeats less than by chance. Its
//! decode tokens are measured, or all its tokens where none follows another in decode.
//!
//! Left out: differences between sequences and topics, links between layers, and the order of ranks. The pool is what
//! all sequences have in common, so a request that lives on it is more average than a recorded one, and
//! [`RequestRouting::pool_tokens_of`] says how much of a request that is.

use std::collections::BTreeMap;
use std::sync::Arc;

use rand::Rng;

use super::data::{Column, IdColumn};
use super::{ExpertNumber, Ids, SequenceMeta, Trace};
use crate::error::{Error, Result};
use crate::rng::{Purpose, Xoshiro256PlusPlus, index_below, stream};

/// Category of the pool's sequence.
pub const CONTINUATION: &str = "continuation";
/// Most rows of a pool: more would be a slip of the pen.
const MAX_POOL_TOKENS: u64 = 1 << 24;
/// Weight of the expert with the largest pull; others are in proportion.
const LARGEST_WEIGHT: f64 = 4_294_967_296.0;
/// One, in the units of a probability.
const CERTAIN: f64 = 4_294_967_296.0;
/// Draws that may hit experts already chosen before the rest is drawn from what is left.
const ALIAS_TRIES: u32 = 32;
/// Halvings of the interval in which `q` is looked for.
const HALVINGS: u32 = 24;

/// A trace with its pool.
#[derive(Debug)]
pub struct Continued {
    /// The original's rows under the same numbers and its sequences, then the pool as one more sequence of decode rows.
    pub trace: Arc<Trace>,
    /// First row of the pool.
    pub pool_first_row: u64,
    /// Rows of the pool, at least 1.
    pub pool_tokens: u64,
}

/// The trace with a pool of `pool_tokens` rows. A longer pool begins with the shorter one.
///
/// A layer's rows choose as many experts as its tokens do on average, rounded; gate weights, where the trace has them,
/// are each rank's mean.
///
/// # Errors
/// Where the trace has no selections, or the pool no rows or more than 2^24.
pub fn continued(trace: &Trace, pool_tokens: u64, seed: u64) -> Result<Continued> {
    let Some(rows) =
        usize::try_from(pool_tokens).ok().filter(|_| (1..=MAX_POOL_TOKENS).contains(&pool_tokens))
    else {
        return Err(Error::new(format!("a continuation of {pool_tokens} tokens"))
            .expected(format!("1 to {MAX_POOL_TOKENS}")));
    };
    let (ids, weights) = match trace.ids() {
        Ids::U8(ids) => {
            let (ids, weights) = extended(trace, ids, rows, seed)?;
            (IdColumn::U8(Column::Owned(ids)), weights)
        }
        Ids::U16(ids) => {
            let (ids, weights) = extended(trace, ids, rows, seed)?;
            (IdColumn::U16(Column::Owned(ids)), weights)
        }
    };
    let pool_first_row = trace.tokens();
    let mut header = trace.header().clone();
    header.notes.push(format!(
        "continued by {pool_tokens} rows that were drawn from the statistics of its layers, seed {seed}"
    ));
    let mut sequences = trace.sequences().to_vec();
    sequences.push(SequenceMeta {
        first_token: pool_first_row,
        tokens: pool_tokens,
        category: CONTINUATION.to_owned(),
        ..SequenceMeta::default()
    });
    let trace = Trace { header, sequences, ids, weights: weights.map(Column::Owned) };
    Ok(Continued { trace: Arc::new(trace), pool_first_row, pool_tokens })
}

/// Both columns with the pool's rows behind the trace's own.
fn extended<T: ExpertNumber + TryFrom<u16>>(
    trace: &Trace,
    ids: &[T],
    rows: usize,
    seed: u64,
) -> Result<(Vec<T>, Option<Vec<u16>>)> {
    let (layers, width) = (trace.header().layers(), trace.header().slots_per_token());
    let top_k = trace.header().top_k as usize;
    let observed = observe(trace, ids);
    if observed.iter().all(|layer| layer.selections == 0) {
        return Err(Error::new("a trace without selections cannot be continued"));
    }
    let own = ids.len();
    let mut all = Vec::with_capacity(own + rows * width);
    all.extend_from_slice(ids);
    all.resize(own + rows * width, T::NOBODY);
    let mut filled = vec![0; layers];
    for (layer, observed) in observed.iter().enumerate() {
        let Some(router) = PoolRouter::of(observed) else { continue };
        filled[layer] = router.count;
        let mut rng = stream(seed, Purpose::Continuation, layer as u64, 0);
        let mut chosen = Vec::with_capacity(top_k);
        for row in all[own..].chunks_exact_mut(width) {
            router.next(&mut chosen, &mut rng);
            for (slot, expert) in row[layer * top_k..].iter_mut().zip(&chosen) {
                *slot = T::try_from(*expert).unwrap_or(T::NOBODY);
            }
        }
    }
    let weights = trace.weights().map(|weights| {
        let mut typical = typical_weights(weights, width);
        for (layer, slots) in typical.chunks_exact_mut(top_k).enumerate() {
            slots[filled[layer]..].fill(0);
        }
        let mut all = Vec::with_capacity(weights.len() + rows * width);
        all.extend_from_slice(weights);
        (0..rows).for_each(|_| all.extend_from_slice(&typical));
        all
    });
    Ok((all, weights))
}

/// The mean weight of each slot over all rows.
fn typical_weights(weights: &[u16], width: usize) -> Vec<u16> {
    let mut sums = vec![0_u64; width];
    for row in weights.chunks_exact(width) {
        sums.iter_mut().zip(row).for_each(|(sum, weight)| *sum += u64::from(*weight));
    }
    let rows = (weights.len() / width).max(1) as u64;
    sums.iter().map(|sum| u16::try_from(sum / rows).unwrap_or(u16::MAX)).collect()
}

/// What one layer of the trace shows.
#[derive(Clone, Default)]
struct Observed {
    tokens: u64,
    selections: u64,
    /// Selections of each expert.
    counts: Vec<u64>,
    /// Selections by tokens that follow another of their sequence, and those that repeat one of it.
    following: u64,
    repeated: u64,
}

fn observe<T: ExpertNumber>(trace: &Trace, ids: &[T]) -> Vec<Observed> {
    let header = trace.header();
    let (experts, top_k, width) = (header.experts as usize, header.top_k as usize, header.slots_per_token());
    let empty = Observed { counts: vec![0; experts], ..Observed::default() };
    let mut layers = vec![empty; header.layers()];
    let follows = |meta: &SequenceMeta| meta.tokens > meta.prefill_tokens + 1;
    let decode_only = trace.sequences().iter().any(follows);
    // The last row, counted from 1, that chose each expert of each layer.
    let mut latest = vec![0_u64; header.layers() * experts];
    let mut number = 0_u64;
    for meta in trace.sequences() {
        let first_following = if decode_only { meta.prefill_tokens + 1 } else { 1 };
        for token in 0..meta.tokens {
            let follows = token >= first_following;
            let row = usize::try_from(number).unwrap_or(usize::MAX) * width;
            number += 1;
            let slots = ids[row..row + width].chunks_exact(top_k);
            for (layer, (observed, slots)) in layers.iter_mut().zip(slots).enumerate() {
                observed.tokens += 1;
                for id in slots {
                    let expert: u32 = (*id).into();
                    let Some(count) = observed.counts.get_mut(expert as usize) else { continue };
                    *count += 1;
                    observed.selections += 1;
                    let before = std::mem::replace(&mut latest[layer * experts + expert as usize], number);
                    observed.following += u64::from(follows);
                    observed.repeated += u64::from(follows && before + 1 == number);
                }
            }
        }
    }
    layers
}

/// Draws the rows of one layer.
struct PoolRouter {
    /// Experts of a row.
    count: usize,
    /// Probability that an expert stays, in units of 2^-32.
    stay: u64,
    weights: Vec<u64>,
    table: AliasTable,
}

impl PoolRouter {
    /// `None` where the layer's tokens choose nothing.
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "0 ..= 2^32 by construction")]
    fn of(observed: &Observed) -> Option<Self> {
        let tokens = observed.tokens.max(1);
        let count = ((observed.selections + tokens / 2) / tokens).max(1);
        // An expert that every token chose counts as one that half a token missed; its weight would be without bound.
        let most = 1.0 - 0.5 / tokens as f64;
        let shares: Vec<f64> =
            observed.counts.iter().map(|count| (*count as f64 / tokens as f64).min(most)).collect();
        let stay = stickiness(observed, &shares);
        let pulls: Vec<f64> =
            shares.iter().map(|share| libm::log((1.0 - stay * share) / (1.0 - share))).collect();
        let largest = pulls.iter().copied().fold(0.0, f64::max);
        let weight =
            |pull: &f64| if *pull > 0.0 { ((pull / largest * LARGEST_WEIGHT) as u64).max(1) } else { 0 };
        let weights: Vec<u64> = pulls.iter().map(weight).collect();
        let table = AliasTable::of(&weights)?;
        Some(Self {
            count: usize::try_from(count).unwrap_or(usize::MAX),
            stay: (stay * CERTAIN) as u64,
            weights,
            table,
        })
    }

    /// The row after `chosen`, in its place.
    #[inline]
    fn next(&self, chosen: &mut Vec<u16>, rng: &mut Xoshiro256PlusPlus) {
        chosen.retain(|_| rng.next_u64() >> 32 < self.stay);
        while chosen.len() < self.count {
            let drawn =
                (0..ALIAS_TRIES).map(|_| self.table.draw(rng)).find(|expert| !chosen.contains(expert));
            match drawn.or_else(|| self.draw_from_the_rest(chosen, rng)) {
                Some(expert) => chosen.push(expert),
                // Fewer experts were ever used than a row has places.
                None => return,
            }
        }
    }

    #[cold]
    fn draw_from_the_rest(&self, chosen: &[u16], rng: &mut Xoshiro256PlusPlus) -> Option<u16> {
        let rest = || (0_u16..).zip(&self.weights).filter(|(expert, _)| !chosen.contains(expert));
        let total: u128 = rest().map(|(_, weight)| u128::from(*weight)).sum();
        let mut point = (u128::from(rng.next_u64()) * total) >> 64;
        for (expert, weight) in rest() {
            match point.checked_sub(u128::from(*weight)) {
                None => return Some(expert),
                Some(beyond) => point = beyond,
            }
        }
        None
    }
}

/// Walker's alias method (1977), built in integers as Vose does (1991): one random word a draw, where a general table takes
/// two and rejects some.
struct AliasTable {
    /// Of each place: the share of it, in units of 2^-32, that is its own expert's, and the expert of the rest.
    places: Vec<(u32, u16)>,
}

impl AliasTable {
    /// Of weights of at most 2^32 for at most 65,535 experts; `None` where all are zero.
    fn of(weights: &[u64]) -> Option<Self> {
        let experts = weights.len() as u64;
        let full: u64 = weights.iter().sum();
        if full == 0 {
            return None;
        }
        let mut own: Vec<u64> = weights.iter().map(|weight| weight * experts).collect();
        let (mut short, mut ample): (Vec<u16>, Vec<u16>) =
            (0..=u16::MAX).take(own.len()).partition(|expert| own[usize::from(*expert)] < full);
        let mut places: Vec<(u32, u16)> =
            (0..=u16::MAX).take(weights.len()).map(|expert| (0, expert)).collect();
        while let (Some(expert), Some(other)) = (short.pop(), ample.last().copied()) {
            let (place, donor) = (usize::from(expert), usize::from(other));
            let share = (u128::from(own[place]) << 32) / u128::from(full);
            places[place] = (u32::try_from(share).unwrap_or(u32::MAX), other);
            own[donor] -= full - own[place];
            if own[donor] < full {
                ample.pop();
                short.push(other);
            }
        }
        // Sums are exact, so what is left is full: its place is its own whatever is drawn.
        Some(Self { places })
    }

    #[inline]
    fn draw(&self, rng: &mut Xoshiro256PlusPlus) -> u16 {
        let word = rng.next_u64();
        let place = ((word >> 32) * self.places.len() as u64) >> 32;
        // A draw's place lies below their number, which has 16 bits.
        let place = u16::try_from(place).unwrap_or(u16::MAX);
        let (own, other) = self.places[usize::from(place)];
        if word & u64::from(u32::MAX) < u64::from(own) { place } else { other }
    }
}

/// The `q` of the module's head, from the measured repeats.
fn stickiness(observed: &Observed, shares: &[f64]) -> f64 {
    if observed.following == 0 {
        return 0.0;
    }
    let measured = observed.repeated as f64 / observed.following as f64;
    let selections: f64 = shares.iter().sum();
    let reuse = |q: f64| {
        let repeats = |share: &f64| share * (q + (1.0 - q) * share * (1.0 - q) / (1.0 - q * share));
        shares.iter().map(repeats).sum::<f64>() / selections
    };
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..HALVINGS {
        let middle = f64::midpoint(low, high);
        if reuse(middle) < measured {
            low = middle;
        } else {
            high = middle;
        }
    }
    low
}

/// Where one request's rows are: row of the trace by token, prompt first.
///
/// With `t` counted from the first token of the prompt: a prompt token reads prompt row `t` of the recorded sequence and
/// an answer token its decode row `t - prompt_tokens`, where those are recorded; any other reads row
/// `(pool_offset + t) mod pool_tokens` of the pool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RequestRouting {
    first_row: u64,
    prefill_rows: u64,
    decode_rows: u64,
    pool_first_row: u64,
    pool_tokens: u64,
    pool_offset: u64,
    prompt_tokens: u64,
}

impl RequestRouting {
    /// Of a request with `prompt_tokens` prompt tokens that follows a sequence of the trace and, beyond it, its pool from
    /// row `pool_offset`; a larger offset goes round.
    pub fn new(continued: &Continued, sequence: &SequenceMeta, pool_offset: u64, prompt_tokens: u32) -> Self {
        let pool_tokens = continued.pool_tokens.max(1);
        Self {
            first_row: sequence.first_token,
            prefill_rows: sequence.prefill_tokens,
            decode_rows: sequence.tokens - sequence.prefill_tokens,
            pool_first_row: continued.pool_first_row,
            pool_tokens,
            pool_offset: pool_offset % pool_tokens,
            prompt_tokens: u64::from(prompt_tokens),
        }
    }

    /// Appends the rows of the tokens `from_token .. from_token + tokens` as runs of rows in succession, as few as can be, each
    /// a first row and a number of rows. Nothing else is allocated; a decode token is one run.
    #[inline]
    pub fn rows_of(&self, from_token: u32, tokens: u32, out: &mut Vec<(u64, u32)>) {
        let (mut token, end) = (u64::from(from_token), u64::from(from_token) + u64::from(tokens));
        // Runs that were there before belong to others and are left alone.
        let own = out.len();
        while token < end {
            let (first_row, rows) = self.stretch(token);
            let rows = rows.min(end - token);
            token += rows;
            // It fits: a stretch is no longer than `tokens`.
            let rows = u32::try_from(rows).unwrap_or(u32::MAX);
            match out[own..].last_mut() {
                Some((first, before)) if *first + u64::from(*before) == first_row => *before += rows,
                _ => out.push((first_row, rows)),
            }
        }
    }

    /// How many of these tokens read from the pool.
    pub fn pool_tokens_of(&self, from_token: u32, tokens: u32) -> u32 {
        let from = u64::from(from_token);
        let end = from + u64::from(tokens);
        let among = |begin: u64, until: u64| end.min(until).saturating_sub(from.max(begin));
        let of_prompt = among(self.prefill_rows, self.prompt_tokens);
        let of_answer = among(self.prompt_tokens + self.decode_rows, u64::MAX);
        u32::try_from(of_prompt + of_answer).unwrap_or(u32::MAX)
    }

    /// The row of a token, and how many tokens from it on read rows in succession from the same place.
    #[inline]
    fn stretch(&self, token: u64) -> (u64, u64) {
        let until = if token < self.prompt_tokens {
            if token < self.prefill_rows {
                return (self.first_row + token, self.prefill_rows.min(self.prompt_tokens) - token);
            }
            self.prompt_tokens
        } else {
            let step = token - self.prompt_tokens;
            if step < self.decode_rows {
                return (self.first_row + self.prefill_rows + step, self.decode_rows - step);
            }
            u64::MAX
        };
        let row = (self.pool_offset + token) % self.pool_tokens;
        (self.pool_first_row + row, (self.pool_tokens - row).min(until - token))
    }
}

/// The sequences of a trace by category, for requests to choose from.
#[derive(Clone, Debug)]
pub struct RequestSources {
    all: Vec<usize>,
    by_category: BTreeMap<String, Vec<usize>>,
}

impl RequestSources {
    /// Of a trace, with or without a pool; the pool itself is no source.
    ///
    /// # Errors
    /// Where the trace has no sequences.
    pub fn of(trace: &Trace) -> Result<Self> {
        let recorded = trace.sequences().iter().enumerate().filter(|(_, meta)| meta.category != CONTINUATION);
        let (mut all, mut by_category) = (Vec::new(), BTreeMap::<String, Vec<usize>>::new());
        for (index, meta) in recorded {
            all.push(index);
            by_category.entry(meta.category.clone()).or_default().push(index);
        }
        if all.is_empty() {
            return Err(Error::new("a trace without sequences has no routing for requests"));
        }
        Ok(Self { all, by_category })
    }

    /// Whether any sequence is of this category.
    pub fn has(&self, domain: &str) -> bool {
        self.by_category.contains_key(domain)
    }

    /// The sequence that a request follows, as its place in the trace, and its offset in the pool, to be taken modulo the
    /// pool's length. Drawn evenly among the sequences of the domain, or among all where the request has no domain or the
    /// trace does not know it. Replicate 0 of the request's stream is left to what it is about.
    pub fn choose(&self, domain: Option<&str>, seed: u64, request: u64) -> (usize, u64) {
        let candidates = domain.and_then(|name| self.by_category.get(name)).unwrap_or(&self.all);
        let mut rng = stream(seed, Purpose::RequestRouting, request, 1);
        let sequence = candidates[index_below(candidates.len(), &mut rng)];
        (sequence, rng.next_u64() >> 32)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// What the places give an expert adds up to its weight's share, to the rounding of each place.
        #[test]
        fn the_table_holds_the_shares_of_the_weights(weights in prop::collection::vec(0_u64..=1 << 32, 1..50)) {
            let full: u64 = weights.iter().sum();
            let Some(table) = AliasTable::of(&weights) else {
                prop_assert_eq!(full, 0);
                return Ok(());
            };
            let mut shares = vec![0.0; weights.len()];
            for (expert, (own, other)) in table.places.iter().enumerate() {
                let own = f64::from(*own) / CERTAIN;
                shares[expert] += own / weights.len() as f64;
                shares[usize::from(*other)] += (1.0 - own) / weights.len() as f64;
            }
            for (share, weight) in shares.iter().zip(&weights) {
                let wanted = *weight as f64 / full as f64;
                prop_assert!((share - wanted).abs() < 1e-9, "{} and {}", share, wanted);
                prop_assert!(*weight > 0 || *share == 0.0);
            }
        }
    }
}

//! Routing of merged experts: which experts of a trace become one, and the trace as the merged model would route it.
//!
//! Each layer is grouped by itself. The `into` experts that were selected most are the centres of the groups; every other
//! expert joins the centre that it was selected together with the most, by the cosine between the sets of tokens that
//! chose either. So MC-SMoE does (Li et al., "Merge, Then Compress", ICLR 2024, section 3.2: dominant experts by use, the
//! rest by how alike the router's logits are), with the selections that a trace has in place of the logits that it has
//! not. Where nothing tells experts apart they go to the group of the least use, and ties to the lower number.
//!
//! Selections of one token that fall into one group are one selection of the merged expert with their gate weights
//! added, so tokens choose fewer distinct experts, and some slots stay empty. Left out: outputs of experts, by which other
//! methods group (HC-SMoE), and that a merged model's own activations would route a little differently.

use super::{ExpertNumber, Ids, NO_EXPERT_U16, Phase, Trace, TraceBuilder, TraceHeader};
use crate::error::{Error, Result};

/// Which merged expert each expert of each layer becomes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExpertGroups {
    layers: usize,
    experts: u32,
    into: u32,
    /// At `[layer][expert]`.
    group: Vec<u16>,
}

impl ExpertGroups {
    /// Of the trace's own selections, prompt and decode together.
    ///
    /// # Errors
    /// Where `into` is 0 or more than the trace has experts.
    pub fn by_coactivation(trace: &Trace, into: u32) -> Result<Self> {
        let header = trace.header();
        if into == 0 || into > header.experts {
            return Err(Error::new(format!("experts of {} merged into {into}", header.model))
                .expected(format!("1 to {}", header.experts)));
        }
        let group = match trace.ids() {
            Ids::U8(ids) => grouped(header, ids, into),
            Ids::U16(ids) => grouped(header, ids, into),
        };
        Ok(Self { layers: header.layers(), experts: header.experts, into, group })
    }

    /// The merged expert that an expert of a layer becomes. Panics where there is no such layer or expert.
    pub fn group(&self, layer: usize, expert: u32) -> u16 {
        self.group[layer * self.experts as usize + expert as usize]
    }

    /// The trace as the merged model routes it. Merging every expert into itself gives the trace again.
    ///
    /// # Errors
    /// A trace of another shape than that which the groups were made of.
    pub fn merge(&self, trace: &Trace) -> Result<Trace> {
        let header = trace.header();
        if (header.layers(), header.experts) != (self.layers, self.experts) {
            let text = |layers, experts| format!("{layers} MoE layers of {experts} experts");
            return Err(Error::new(format!("the trace holds {}", text(header.layers(), header.experts)))
                .expected(format!("{}, whose experts are merged", text(self.layers, self.experts))));
        }
        match trace.ids() {
            Ids::U8(ids) => self.merged(trace, ids),
            Ids::U16(ids) => self.merged(trace, ids),
        }
    }

    fn header(&self, header: &TraceHeader) -> TraceHeader {
        if self.into == self.experts {
            return header.clone();
        }
        let merged = format!("{} experts of each layer merged into {}", self.experts, self.into);
        TraceHeader {
            experts: self.into,
            top_k: header.top_k.min(self.into),
            source: format!("{}; {merged}", header.source),
            ..header.clone()
        }
    }

    fn merged<T: ExpertNumber>(&self, trace: &Trace, ids: &[T]) -> Result<Trace> {
        let (old, new) = (trace.header(), self.header(trace.header()));
        let (old_k, new_k) = (old.top_k as usize, new.top_k as usize);
        let weights = trace.weights();
        let mut builder = match weights {
            Some(_) => TraceBuilder::with_weights(new)?,
            None => TraceBuilder::new(new)?,
        };
        let width = old.slots_per_token();
        let (mut row, mut gates) = (vec![NO_EXPERT_U16; self.layers * new_k], vec![0; self.layers * new_k]);
        let mut first = 0;
        for meta in trace.sequences() {
            builder.begin_sequence(&meta.category, meta.prompt_length)?;
            for token in 0..meta.tokens {
                for layer in 0..self.layers {
                    let from = first + layer * old_k;
                    let gates_of = weights.map(|weights| &weights[from..from + old_k]);
                    let to = layer * new_k..(layer + 1) * new_k;
                    self.slots(
                        layer,
                        &ids[from..from + old_k],
                        gates_of,
                        (&mut row[to.clone()], &mut gates[to]),
                    );
                }
                let phase = if token < meta.prefill_tokens { Phase::Prefill } else { Phase::Decode };
                match weights {
                    Some(_) => builder.push_weighted(phase, &row, &gates)?,
                    None => builder.push(phase, &row)?,
                }
                first += width;
            }
        }
        builder.finish()
    }

    /// One token's selections in one layer: by rank as they first appear, and by weight anew where any fell together.
    fn slots<T: ExpertNumber>(
        &self,
        layer: usize,
        ids: &[T],
        weights: Option<&[u16]>,
        (slots, gates): (&mut [u16], &mut [u16]),
    ) {
        slots.fill(NO_EXPERT_U16);
        gates.fill(0);
        let (mut used, mut fell) = (0, false);
        for (rank, id) in ids.iter().enumerate().filter(|(_, id)| **id != T::NOBODY) {
            let (merged, weight) =
                (self.group(layer, (*id).into()), weights.map_or(0, |weights| weights[rank]));
            match slots[..used].iter().position(|other| *other == merged) {
                Some(place) => {
                    gates[place] = gates[place].saturating_add(weight);
                    fell = true;
                }
                None => {
                    (slots[used], gates[used]) = (merged, weight);
                    used += 1;
                }
            }
        }
        if !fell && slots.len() == ids.len() {
            // As it was, empty slots between others, too.
            for (rank, id) in ids.iter().enumerate() {
                let is_used = *id != T::NOBODY;
                slots[rank] = if is_used { self.group(layer, (*id).into()) } else { NO_EXPERT_U16 };
                gates[rank] = weights.filter(|_| is_used).map_or(0, |weights| weights[rank]);
            }
        } else if fell && weights.is_some() {
            let mut ranked: Vec<(u16, u16)> =
                slots[..used].iter().copied().zip(gates[..used].iter().copied()).collect();
            ranked.sort_by_key(|(_, weight)| std::cmp::Reverse(*weight));
            for (place, (slot, weight)) in ranked.into_iter().enumerate() {
                (slots[place], gates[place]) = (slot, weight);
            }
        }
    }
}

/// The groups of all layers, at `[layer][expert]`.
fn grouped<T: ExpertNumber>(header: &TraceHeader, ids: &[T], into: u32) -> Vec<u16> {
    let (experts, top_k) = (header.experts as usize, header.top_k as usize);
    let mut all = Vec::with_capacity(header.layers() * experts);
    let (mut uses, mut together) = (vec![0_u64; experts], vec![0_u64; experts * experts]);
    for layer in 0..header.layers() {
        uses.fill(0);
        together.fill(0);
        for row in ids.chunks_exact(header.slots_per_token()) {
            let chosen = &row[layer * top_k..(layer + 1) * top_k];
            for one in chosen.iter().filter(|id| **id != T::NOBODY) {
                let one = Into::<u32>::into(*one) as usize;
                uses[one] += 1;
                for other in chosen.iter().filter(|id| **id != T::NOBODY) {
                    together[one * experts + Into::<u32>::into(*other) as usize] += 1;
                }
            }
        }
        all.extend(groups_of_layer(&uses, &together, into as usize));
    }
    all
}

/// The group of each expert of a layer, from how often each was selected and each two of them together.
fn groups_of_layer(uses: &[u64], together: &[u64], into: usize) -> Vec<u16> {
    let experts = uses.len();
    let mut by_use: Vec<usize> = (0..experts).collect();
    by_use.sort_by_key(|expert| (std::cmp::Reverse(uses[*expert]), *expert));
    let mut centres = by_use[..into].to_vec();
    // Groups are numbered as their centres are, so that merging into as many changes nothing.
    centres.sort_unstable();
    let mut load: Vec<u64> = centres.iter().map(|centre| uses[*centre]).collect();
    let mut group = vec![0_u16; experts];
    for (number, centre) in centres.iter().enumerate() {
        group[*centre] = u16::try_from(number).unwrap_or(u16::MAX);
    }
    for expert in &by_use[into..] {
        // Cosines are compared by their squares, times what is alike: together^2 / uses of the centre.
        let likeness = |number: usize| {
            let both = u128::from(together[expert * experts + centres[number]]);
            (both * both, u128::from(uses[centres[number]]).max(1))
        };
        let mut best = 0;
        for number in 1..into {
            let ((both, of), (most, of_best)) = (likeness(number), likeness(best));
            let (left, right) = (both.saturating_mul(of_best), most.saturating_mul(of));
            if left > right || (left == right && load[number] < load[best]) {
                best = number;
            }
        }
        load[best] += uses[*expert];
        group[*expert] = u16::try_from(best).unwrap_or(u16::MAX);
    }
    group
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trace(experts: u32, rows: &[&[u16]], weights: Option<&[&[u16]]>) -> Trace {
        let top_k = u32::try_from(rows[0].len()).unwrap();
        let header = TraceHeader { layer_ids: vec![3], experts, top_k, ..TraceHeader::default() };
        let mut builder = match weights {
            Some(_) => TraceBuilder::with_weights(header).unwrap(),
            None => TraceBuilder::new(header).unwrap(),
        };
        builder.begin_sequence("a", 9).unwrap();
        for (index, row) in rows.iter().enumerate() {
            let phase = if index == 0 { Phase::Prefill } else { Phase::Decode };
            match weights {
                Some(weights) => builder.push_weighted(phase, row, weights[index]).unwrap(),
                None => builder.push(phase, row).unwrap(),
            }
        }
        builder.finish().unwrap()
    }

    /// 0 and 2 are used most. 1 goes with 0 twice, with 2 once; 3 only with 2. 4 was never chosen: the group of less use.
    #[test]
    fn the_most_used_are_centres_and_the_rest_join_whom_they_go_with() {
        let rows: &[&[u16]] = &[&[0, 1], &[0, 1], &[2, 1], &[2, 3], &[0, 2], &[0, NO_EXPERT_U16], &[2, 0]];
        let groups = ExpertGroups::by_coactivation(&trace(5, rows, None), 2).unwrap();
        assert_eq!((0..5).map(|expert| groups.group(0, expert)).collect::<Vec<_>>(), [0, 0, 1, 1, 1]);
    }

    #[test]
    fn what_falls_together_is_one_selection_with_the_weights_added() {
        let rows: &[&[u16]] = &[&[0, 1, 2], &[1, 2, 0], &[0, 1, 3], &[2, 3, 0]];
        let weights: &[&[u16]] = &[&[30, 20, 10], &[50, 30, 30], &[65_000, 600, 600], &[5, 4, 3]];
        let trace = trace(4, rows, Some(weights));
        let groups = ExpertGroups::by_coactivation(&trace, 2).unwrap();
        assert_eq!((0..4).map(|expert| groups.group(0, expert)).collect::<Vec<_>>(), [0, 1, 0, 0]);
        let merged = groups.merge(&trace).unwrap();
        let Ids::U8(ids) = merged.ids() else { panic!("few experts") };
        // The second row is ranked anew; the last one has one expert left.
        assert_eq!(ids, [0, 1, 0, 1, 0, 1, 0, 255]);
        assert_eq!(merged.weights().unwrap(), [40, 20, 60, 50, 65_535, 600, 12, 0]);
        assert_eq!((merged.header().experts, merged.header().top_k), (2, 2));
        assert_eq!(merged.sequences(), trace.sequences());
    }

    #[test]
    fn a_trace_of_another_shape_is_refused() {
        let small = trace(4, &[&[0, 1]], None);
        let groups = ExpertGroups::by_coactivation(&small, 2).unwrap();
        let refused = groups.merge(&trace(5, &[&[0, 1]], None)).unwrap_err().to_string();
        assert_eq!(
            refused,
            "the trace holds 1 MoE layers of 5 experts, expected 1 MoE layers of 4 experts, whose experts are merged"
        );
        for into in [0, 5] {
            assert!(ExpertGroups::by_coactivation(&small, into).unwrap_err().to_string().ends_with("1 to 4"));
        }
    }
}

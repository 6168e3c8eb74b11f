//! What becomes of the experts that a layer event does not find in GPU memory.

use super::layer::Fate;
use super::run::Simulation;
use crate::cache::replay::Asked;
use crate::cache::{Access, Lookup, NEVER};
use crate::plan::{LayerHome, MissAction};
use crate::trace::ExpertNumber;

impl<I: ExpertNumber> Simulation<'_, I> {
    /// Asks the cache for the experts of the layer and decides what becomes of those it does not hold.
    pub(super) fn decide(&mut self) {
        let (work, layer, home) = (&self.work, self.layer, self.home());
        let size = self.plan.costs.experts().bytes(layer).get();
        let counts = self.books.counts(work.phase);
        let asked = match self.part.own {
            None => Asked::Rows(work),
            Some(_) => Asked::Picked(&self.picked),
        };
        let cached = home == LayerHome::Gpu && self.assumed.is_none() && self.foretold.is_none();
        if cached {
            self.event.ask(&mut self.cache, &self.routing, asked, layer, counts);
        } else if let Some(foretold) = &mut self.foretold {
            foretold.begin_event(layer);
            self.event.ask_without_cache(&self.routing, asked, (layer, size), counts, || foretold.hits());
            foretold.end_event();
        } else {
            let mut assumed = self.assumed.as_mut().filter(|_| home == LayerHome::Gpu);
            let hits = || assumed.as_mut().is_some_and(|assumed| assumed.next());
            self.event.ask_without_cache(&self.routing, asked, (layer, size), counts, hits);
        }
        if !self.event.missing.is_empty() {
            self.claim_prefetched();
            match home {
                LayerHome::Gpu => self.choose_fates(),
                LayerHome::CpuExperts | LayerHome::Cpu => {
                    let offload =
                        self.plan.placement.offload_tokens.is_some_and(|least| self.work.rows >= least);
                    self.set_fates(if offload { Fate::Fetch } else { Fate::Cpu });
                }
            }
            self.look_in_host_memory();
            self.book_fates();
        }
        if cached {
            self.forgo_what_does_not_stay();
            self.routing.close_event(&mut self.cache, layer, &mut self.event.number);
            self.take_back();
            self.allocate_experts();
        }
    }

    /// Gives every missing expert that still would be fetched, and is not on its way already, this fate.
    fn set_fates(&mut self, fate: Fate) {
        for missing in &mut self.event.missing {
            if missing.fate == Fate::Fetch && !missing.under_way {
                missing.fate = fate;
            }
        }
    }

    fn choose_fates(&mut self) {
        match self.plan.placement.miss.action {
            MissAction::Fetch => {}
            MissAction::Cpu => self.set_fates(Fate::Cpu),
            MissAction::Auto => self.choose_the_faster(),
            MissAction::Degrade => self.spare(Fate::Degrade),
            MissAction::Skip => self.spare(Fate::Skip),
            MissAction::Substitute => {
                let layer = self.layer;
                let experts = self.cache.shape().experts;
                let asked = &self.event.asked;
                let any = self.assumed.is_some()
                    || (0..experts)
                        .any(|expert| self.cache.is_resident(layer, expert) && !asked.contains(&expert));
                if any {
                    self.spare(Fate::Substitute);
                }
            }
        }
    }

    /// Spares the fetch of missing experts: of all, or of those that are below the limit of gate weight.
    fn spare(&mut self, fate: Fate) {
        match self.plan.placement.miss.below_ppm {
            None => self.set_fates(fate),
            Some(limit) => {
                for index in 0..self.event.missing.len() {
                    let missing = self.event.missing[index];
                    let small = self.largest_share_ppm(missing.expert) < limit;
                    if small && missing.fate == Fate::Fetch && !missing.under_way {
                        self.event.missing[index].fate = fate;
                    }
                }
            }
        }
    }

    /// The largest share of a token's gate weight that an expert has among the tokens that ask for it, in parts per
    /// million. Where weights are unknown every expert of a token counts the same.
    fn largest_share_ppm(&self, expert: u32) -> u64 {
        let top_k = self.routing.top_k().max(1);
        let (mut largest, mut row, mut total, mut own, mut seen) = (0, 0, 0_u64, None, 0_u64);
        let close = |total: u64, own: Option<u64>, seen: u64, largest: &mut u64| {
            if let Some(own) = own {
                let share = (own * 1_000_000).checked_div(total).unwrap_or(1_000_000 / seen.max(1));
                *largest = share.max(*largest);
            }
        };
        self.routing.selections(&self.work, self.layer, |slot, found| {
            if slot / top_k != row {
                close(total, own, seen, &mut largest);
                (row, total, own, seen) = (slot / top_k, 0, None, 0);
            }
            let weight = u64::from(self.routing.weight(slot));
            total += weight;
            seen += 1;
            if found == expert {
                own = Some(weight);
            }
        });
        close(total, own, seen, &mut largest);
        largest
    }

    /// Of experts that live on NVMe, finds those that host memory holds. Those of the CPU's layers it always holds.
    fn look_in_host_memory(&mut self) {
        if self.plan.machine.nvme.is_none() || self.home() != LayerHome::Gpu {
            return;
        }
        let layer = self.layer;
        let phase = self.work.phase;
        let counts = self.books.counts(phase);
        let wanted = |fate| matches!(fate, Fate::Fetch | Fate::Prefetched | Fate::Cpu);
        let Some(dram) = &mut self.dram else {
            for missing in &mut self.event.missing {
                missing.on_nvme = matches!(missing.fate, Fate::Fetch | Fate::Cpu);
            }
            return;
        };
        let exclusive = self.plan.placement.exclusive;
        dram.begin_event();
        for missing in self.event.missing.iter_mut().filter(|missing| wanted(missing.fate)) {
            let moves = exclusive && matches!(missing.fate, Fate::Fetch | Fate::Prefetched);
            missing.on_nvme = if moves {
                !dram.take(layer, missing.expert)
            } else {
                let access = Access { event: self.event.number, next_event: NEVER, weight: 0 };
                dram.select(layer, missing.expert, &access) == Lookup::Miss
            };
            counts.dram_lookups += 1;
            // One access at a time, an expert can miss twice in an event; the second time it lies there.
            counts.dram_hits += u64::from(!missing.on_nvme);
        }
        dram.end_event(layer);
    }

    /// What GPU memory has evicted is copied back to host memory and takes a place there, where an expert has only one.
    fn take_back(&mut self) {
        let Some(dram) = self.dram.as_mut().filter(|_| self.plan.placement.exclusive) else { return };
        let experts = self.cache.shape().experts;
        self.event.copied_back.clear();
        for object in self.cache.evicted() {
            let (layer, expert) = (object / experts, object % experts);
            dram.begin_event();
            let access = Access { event: self.event.number, next_event: NEVER, weight: 0 };
            if dram.select(layer, expert, &access) == Lookup::Miss {
                self.event.copied_back.push(self.plan.costs.experts().bytes(layer));
            }
            dram.end_event(layer);
        }
    }

    fn book_fates(&mut self) {
        let phase = self.work.phase;
        let counts = self.books.counts(phase);
        for missing in &self.event.missing {
            let (count, weight) = match missing.fate {
                Fate::Fetch => continue,
                Fate::Prefetched => {
                    counts.hits_when_needed += 1;
                    continue;
                }
                Fate::Cpu => {
                    counts.on_cpu += 1;
                    counts.fetched -= 1;
                    continue;
                }
                Fate::Degrade => (&mut counts.degraded, &mut counts.weight_degraded),
                Fate::Skip => (&mut counts.skipped, &mut counts.weight_skipped),
                Fate::Substitute => (&mut counts.substituted, &mut counts.weight_substituted),
            };
            *count += 1;
            *weight += missing.weight;
            counts.fetched -= 1;
        }
    }

    /// Only what is copied to the GPU comes to lie in the cache, and a single buffer keeps nothing.
    fn forgo_what_does_not_stay(&mut self) {
        let none_stays = self.plan.machine.single_buffer;
        for missing in &self.event.missing {
            if none_stays || !matches!(missing.fate, Fate::Fetch | Fate::Prefetched) {
                self.cache.forgo(self.layer, missing.expert);
            }
        }
    }
}

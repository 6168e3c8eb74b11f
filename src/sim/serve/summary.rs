//! From a run to its summary.

use super::event_loop::Serving;
use super::requests::{Progress, Stage};
use super::timer::StageBooks;
use crate::error::Result;
use crate::metrics::{
    ExpertLoad, Goodput, GpuUse, KvUse, LinkUse, Quantiles, RequestCounts, ServingSummary, Summary,
    TokenCounts, quantile,
};
use crate::serving::RequestId;
use crate::trace::stats::LoadStats;
use crate::units::SimDuration;

/// Latencies of the requests that finished, in nanoseconds, in order of the requests.
#[derive(Default)]
struct Latencies {
    ttft: Vec<u64>,
    tpot: Vec<u64>,
    e2e: Vec<u64>,
    queue: Vec<u64>,
    met: u64,
}

/// 101 quantiles, from the smallest to the largest.
fn percentiles(mut values: Vec<u64>) -> Vec<u64> {
    values.sort_unstable();
    if values.is_empty() { Vec::new() } else { (0..=100).map(|percent| quantile(&values, percent)).collect() }
}

impl Serving<'_> {
    pub(super) fn summarise(mut self, span: SimDuration, events: u64) -> Result<Summary> {
        let (requests, tokens) = self.counts();
        let latencies = self.latencies();
        let stages = self.replicas.iter_mut().map(|replica| std::mem::take(&mut replica.stages));
        let books: Vec<Vec<StageBooks>> =
            stages.map(|stages| stages.into_iter().map(|stage| stage.timer.finish(span)).collect()).collect();
        let replicas = u64::from(self.serving.replicas);
        let slices = std::mem::replace(&mut self.slices, super::slices::Slices::new());
        let (slices, kv_mean_bytes) = slices.finish(crate::units::SimTime::ZERO + span, replicas);
        let gpu_use = gpu_use(&books, span);
        let own = &mut self.books;
        let without = Quantiles::weighted(std::mem::take(&mut own.gaps_without.0));
        let serving = ServingSummary {
            load: self.serving.load.clone(),
            rate_millihertz: self.serving.rate_millihertz,
            users: self.serving.requests.closed.as_ref().map_or(0, |closed| u64::from(closed.users)),
            replicas,
            gpus: replicas * u64::from(self.serving.layout.gpus()),
            requests: RequestCounts { too_long: own.too_long, ..requests },
            tokens: TokenCounts {
                generated: own.generated,
                prefilled: own.prefilled,
                recomputed: own.recomputed,
                prefix_hits: own.prefix_hits,
                ..tokens
            },
            span_ns: span.as_ns(),
            ttft_ns_percentiles: percentiles(latencies.ttft.clone()),
            tpot_ns_percentiles: percentiles(latencies.tpot.clone()),
            ttft_ns: Quantiles::of(latencies.ttft),
            tpot_ns: Quantiles::of(latencies.tpot),
            itl_ns: Quantiles::weighted(std::mem::take(&mut own.gaps.0)),
            e2e_ns: Quantiles::of(latencies.e2e),
            queue_ns: Quantiles::of(latencies.queue),
            passes: own.pass_ns.len() as u64,
            batch_limit: u64::from(self.serving.scheduler.max_batch) * u64::from(self.serving.layout.dp),
            batch: Quantiles::of(std::mem::take(&mut own.batch)),
            pass_tokens: Quantiles::of(std::mem::take(&mut own.pass_tokens)),
            pass_ns: Quantiles::of(std::mem::take(&mut own.pass_ns)),
            kv: KvUse {
                capacity_bytes: replicas * self.serving.kv_of_all(self.serving.kv_capacity_of_ranks()),
                peak_bytes: own.kv_peak_bytes,
                mean_bytes: kv_mean_bytes,
                block_tokens: u64::from(self.serving.kv.shape.block_tokens()),
                preemptions: own.preemptions,
                swapped_bytes: own.swapped_bytes,
            },
            expert_load: self.expert_load(&books),
            goodput: self
                .serving
                .slo
                .as_ref()
                .map(|slo| Goodput { slo: slo.text.clone(), met: latencies.met }),
            gpu_use,
            slices,
            notes: self.serving.notes.clone(),
        };
        let mut summary = whole(serving, &books, span, events);
        if let Some(allocator) = &mut summary.allocator {
            (allocator.latency_ns, allocator.latency_without_ns) = (summary.token_latency_ns, without);
        }
        Ok(summary)
    }

    fn counts(&self) -> (RequestCounts, TokenCounts) {
        let (mut requests, mut tokens) = (RequestCounts::default(), TokenCounts::default());
        for index in 0..self.requests.len() {
            let id = RequestId(u32::try_from(index).unwrap_or(u32::MAX));
            let request = self.requests.request(id);
            requests.arrived += u64::from(self.requests.progress(id).stage != Stage::Expected);
            match self.requests.progress(id).stage {
                Stage::Expected => {}
                Stage::Here => requests.in_flight += 1,
                Stage::Rejected => requests.rejected += 1,
                Stage::Finished => {
                    requests.finished += 1;
                    tokens.prompt += u64::from(request.prompt_tokens);
                    tokens.output += u64::from(request.output_tokens);
                }
            }
        }
        (requests, tokens)
    }

    fn latencies(&self) -> Latencies {
        let mut all = Latencies::default();
        for progress in self.requests.all().iter().filter(|progress| progress.stage == Stage::Finished) {
            let Progress { arrival, first_token, last_token, generated, begun, .. } = *progress;
            let (ttft, e2e) = (first_token.since(arrival).as_ns(), last_token.since(arrival).as_ns());
            // Rounded to the nearest nanosecond.
            let gaps = u64::from(generated - 1);
            let tpot = (last_token.since(first_token).as_ns() + gaps / 2).checked_div(gaps);
            all.ttft.push(ttft);
            all.e2e.push(e2e);
            all.queue.push(begun.unwrap_or(first_token).since(arrival).as_ns());
            all.tpot.extend(tpot);
            if let Some(slo) = &self.serving.slo {
                all.met += u64::from(slo.is_met(ttft, tpot, e2e));
            }
        }
        all
    }

    fn expert_load(&self, books: &[Vec<StageBooks>]) -> ExpertLoad {
        let shape = &self.plan.cache.shape;
        let mut selections = vec![0; shape.layers as usize * shape.experts as usize];
        let (mut events, mut busiest, mut lookups, mut layer_events) = (0, 0, 0, 0);
        for stage in books.iter().flatten() {
            selections.iter_mut().zip(&stage.load.selections).for_each(|(sum, count)| *sum += count);
            events += stage.load.spread_events;
            busiest += stage.load.busiest_permille;
            lookups += stage.prefill.lookups + stage.decode.lookups;
            layer_events += stage.prefill.events + stage.decode.events;
        }
        let evenness = LoadStats::of(shape.experts as usize, &selections);
        ExpertLoad {
            never_used: evenness.never_used,
            never_used_count: evenness.never_used_count,
            experts: evenness.experts,
            busiest_permille: evenness.busiest_permille,
            variation_permille: evenness.variation_permille,
            gpu_busiest_permille: busiest.checked_div(events).unwrap_or(0),
            distinct_permille: (lookups * 1000).checked_div(layer_events).unwrap_or(0),
        }
    }
}

/// Every GPU's time, named by replica, stage and rank.
fn gpu_use(books: &[Vec<StageBooks>], span: SimDuration) -> Vec<GpuUse> {
    let mut all = Vec::new();
    for (replica, stages) in books.iter().enumerate() {
        for (stage, books) in stages.iter().enumerate() {
            for (gpu, time) in books.gpus.iter().enumerate() {
                let active = time.busy + time.waited + time.exchanged;
                all.push(GpuUse {
                    name: format!("{replica}/{stage}/{gpu}"),
                    busy_ns: time.busy.as_ns(),
                    wait_ns: time.waited.as_ns(),
                    exchange_ns: time.exchanged.as_ns(),
                    idle_ns: span.as_ns().saturating_sub(active.as_ns()),
                });
            }
        }
    }
    all
}

/// The summary around it: counters of all replicas, devices of the first GPU.
fn whole(serving: ServingSummary, books: &[Vec<StageBooks>], span: SimDuration, events: u64) -> Summary {
    let mut summary = Summary {
        ttft_ns: serving.ttft_ns,
        tpot_ns: serving.tpot_ns,
        token_latency_ns: serving.itl_ns,
        span_ns: span.as_ns(),
        engine_events: events,
        ..Summary::default()
    };
    for stage in books.iter().flatten() {
        summary.prefill.add(&stage.prefill);
        summary.decode.add(&stage.decode);
        summary.engine_events += stage.events;
        summary.overshoot_bytes_max = summary.overshoot_bytes_max.max(stage.overshoot_bytes_max);
    }
    if let Some(first) = books.first().and_then(|stages| stages.first()) {
        summary.prefill_time = first.prefill_time;
        summary.decode_time = first.decode_time;
        summary.prefetch = first.prefetch;
        summary.allocator.clone_from(&first.allocator);
        summary.links.clone_from(&first.links);
        if summary.links.is_empty() {
            let busy = first.gpus.first().map_or(SimDuration::ZERO, |gpu| gpu.busy);
            let idle_ns = span.as_ns().saturating_sub(busy.as_ns());
            let jobs = serving.passes / serving.replicas.max(1);
            summary.links.push(LinkUse {
                name: "gpu".to_owned(),
                bytes: 0,
                jobs,
                busy_ns: busy.as_ns(),
                idle_ns,
            });
        }
    }
    // Every layer of every stage counts a token; there are as many tokens as on the first stage.
    let stages = books.first().map_or(1, Vec::len).max(1) as u64;
    summary.prefill.tokens /= stages;
    summary.decode.tokens /= stages;
    summary.serving = Some(Box::new(serving));
    summary
}

//! M/M/1: a server whose passes take exponential times, against theory and Lindley's recursion.

use std::cell::Cell;
use std::path::Path;
use std::rc::Rc;

use super::event_loop::serve_by;
use super::timer::{GpuTime, StageBooks, Timer};
use crate::error::Result;
use crate::plan::{Inputs, Plan, plan};
use crate::scenario::ScenarioFile;
use crate::serving::Work;
use crate::units::{Bytes, SimDuration, SimTime};

/// Passes that take the next of these times each, in nanoseconds.
struct Drawn<'a> {
    times_ns: std::slice::Iter<'a, u64>,
    busy: SimDuration,
    passes: Rc<Cell<u64>>,
}

impl Timer for Drawn<'_> {
    fn pass(&mut self, start: SimTime, works: &[Work]) -> Result<SimTime> {
        assert_eq!(works.iter().map(Work::own_rows).sum::<u64>(), 1);
        let span = SimDuration::from_ns(*self.times_ns.next().unwrap());
        self.busy += span;
        self.passes.set(self.passes.get() + 1);
        Ok(start + span)
    }

    fn expert_bytes(&self) -> Bytes {
        Bytes::ZERO
    }

    fn lookups(&self) -> (u64, u64) {
        (0, 0)
    }

    fn finish(self: Box<Self>, _: SimDuration) -> StageBooks {
        let gpu = GpuTime { busy: self.busy, ..GpuTime::default() };
        StageBooks { gpus: vec![gpu], ..StageBooks::default() }
    }
}

const COUNT: u64 = 1_000_000;

/// A million requests of one pass each, which come at `rate_per_s`.
fn planned(rate_per_s: u64, seed: u64) -> Plan {
    let text = format!(
        r#"
        seed = {seed}
        model.name = "qwen3-30b-a3b"
        quant.scheme = "q4_k_m"
        hardware.gpu = "rtx4090"
        placement.experts = "vram"
        workload.router = "uniform"
        [requests]
        arrivals = "poisson"
        rate = "{rate_per_s} /s"
        count = {COUNT}
        prompt_tokens = 1
        output_tokens = 1
        routing = "counts"
        [scheduler]
        max_batch = 1
        "#
    );
    let point = ScenarioFile::parse(&text, Path::new("queue.toml"), &[]).unwrap().point(0).unwrap();
    plan(&point, &Inputs::default()).unwrap()
}

fn arrivals_ns(plan: &Plan) -> Vec<u64> {
    let requests = &plan.serving.as_ref().unwrap().requests.requests;
    requests.iter().map(|request| request.arrival.since(SimTime::ZERO).as_ns()).collect()
}

/// The mean wait is `rho / (1 - rho)` mean services. Gaps between the arrivals of another seed are exponential times.
fn m_m_1(rate_per_s: u64, seed: u64) {
    const SERVICES_PER_S: u64 = 1000;
    let load = planned(rate_per_s, seed);
    let gaps: Vec<u64> =
        arrivals_ns(&planned(SERVICES_PER_S, seed + 1)).windows(2).map(|pair| pair[1] - pair[0]).collect();
    let times_ns = [gaps, vec![1_000_000_000 / SERVICES_PER_S]].concat();
    let passes = Rc::new(Cell::new(0));
    let serving = load.serving.as_ref().unwrap();
    let summary = serve_by(&load, serving, |_| {
        Ok(Box::new(Drawn { times_ns: times_ns.iter(), busy: SimDuration::ZERO, passes: Rc::clone(&passes) }))
    });
    let summary = summary.unwrap().serving.unwrap();
    assert_eq!((passes.get(), summary.requests.finished), (COUNT, COUNT));

    let (mut free_ns, mut waits_ns) = (0, 0);
    for (arrival_ns, time_ns) in arrivals_ns(&load).into_iter().zip(&times_ns) {
        let begin_ns = arrival_ns.max(free_ns);
        waits_ns += begin_ns - arrival_ns;
        free_ns = begin_ns + time_ns;
    }
    assert_eq!(summary.queue_ns.sum, waits_ns);
    assert_eq!(summary.ttft_ns.sum, waits_ns + times_ns.iter().sum::<u64>());

    let utilisation = rate_per_s as f64 / SERVICES_PER_S as f64;
    let theory = utilisation / (1.0 - utilisation) * 1e9 / SERVICES_PER_S as f64;
    let mean = waits_ns as f64 / COUNT as f64;
    let off = (mean / theory - 1.0) * 100.0;
    println!("M/M/1 at {utilisation}: mean wait {mean:.0} ns, theory {theory:.0} ns, {off:+.2} %");
    assert!(off.abs() < 2.0, "{off:+.2} %");
}

#[test]
fn m_m_1_half_busy() {
    m_m_1(500, 0);
}

#[test]
fn m_m_1_four_fifths_busy() {
    m_m_1(800, 0);
}

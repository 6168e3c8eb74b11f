//! Exchanges: laws, closed forms, and what was measured.

use moesim::catalogue::{Entry, ExchangeKind, Gpu, LinkClass};
use moesim::serving::parallel::{Exchange, Interconnect, Link};
use moesim::units::{Bandwidth, Bytes, SimDuration};
use proptest::prelude::*;

/// As a plan does it: a class of links between GPUs of a kind.
fn link(class: &LinkClass, gpu: &Gpu) -> Link {
    let peak = class.peak_of(gpu).unwrap();
    let exchange = |kind| {
        let terms = class.terms(kind);
        Exchange { latency: terms.latency, step: terms.step, bandwidth: peak.at_ppm(terms.share.ppm()) }
    };
    Link {
        all_reduce: exchange(ExchangeKind::AllReduce),
        gather: exchange(ExchangeKind::Gather),
        all_to_all: exchange(ExchangeKind::AllToAll),
        send: exchange(ExchangeKind::Send),
    }
}

fn machine(gpu: &str, node_gpus: u32) -> Interconnect {
    let gpu = Gpu::find(gpu).unwrap();
    let near = link(LinkClass::within_machine(gpu).unwrap(), gpu);
    Interconnect { node_gpus, near, far: link(LinkClass::find("infiniband-400g").unwrap(), gpu) }
}

fn micros(time: SimDuration) -> f64 {
    time.as_ns() as f64 / 1e3
}

/// The rows of `scenarios/validation/ep.toml`: id, ranks, bytes, microseconds.
fn measured() -> Vec<(String, u32, u64, f64)> {
    let file: toml::Table = include_str!("../../scenarios/validation/ep.toml").parse().unwrap();
    let rows = file["row"].as_array().unwrap().iter();
    rows.map(|row| {
        let set = &row["set"];
        let bytes: Bytes = set["bytes"].as_str().unwrap().parse().unwrap();
        let ranks = u32::try_from(set["ranks"].as_integer().unwrap()).unwrap();
        let time = row["measured"].as_integer().unwrap();
        (row["id"].as_str().unwrap().to_owned(), ranks, bytes.get(), time as f64)
    })
    .collect()
}

#[test]
fn the_catalogue_s_links_give_what_deepep_measured_on_h800() {
    let net = machine("h800-sxm", 8);
    let (mut errors, mut worst) = (Vec::new(), 0.0_f64);
    for (id, ranks, bytes, measured) in measured() {
        let found = micros(net.all_to_all(ranks, Bytes::new(bytes)));
        // The formula of `src/validate/probe/all_to_all.rs` with the values of `ep.toml`.
        let near = (8.0 / f64::from(ranks)).min(1.0);
        let bytes = bytes as f64;
        let probe = 32.05 + bytes * near / 186.6e3 + bytes * (1.0 - near) / 48.07e3;
        assert!((found - probe).abs() <= 0.003, "{id}: {found} and {probe}");
        errors.push((found - measured).abs() / measured);
        worst = worst.max((found - measured).abs() / measured);
    }
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    println!(
        "DeepEP: mean error {:.1} %, worst {:.1} % over {} rows",
        mean * 100.0,
        worst * 100.0,
        errors.len()
    );
    assert_eq!(errors.len(), 12);
    assert!(mean < 0.10, "{mean}");
}

/// All-reduce of vLLM in CUDA graphs (aiconfigurator-core 0.12.0, `custom_allreduce_perf`): GPU, ranks, KiB, microseconds.
const ALL_REDUCE: [(&str, u32, u64, f64); 18] = [
    ("h100-sxm", 2, 16, 4.5),
    ("h100-sxm", 4, 16, 4.8),
    ("h100-sxm", 8, 16, 5.3),
    ("h100-sxm", 2, 1_024, 8.3),
    ("h100-sxm", 4, 1_024, 12.8),
    ("h100-sxm", 8, 1_024, 15.0),
    ("h100-sxm", 2, 65_536, 306.7),
    ("h100-sxm", 4, 65_536, 329.9),
    ("h100-sxm", 8, 65_536, 344.0),
    ("rtx-pro-6000-server", 2, 16, 5.1),
    ("rtx-pro-6000-server", 4, 16, 14.9),
    ("rtx-pro-6000-server", 8, 16, 27.5),
    ("rtx-pro-6000-server", 2, 1_024, 30.1),
    ("rtx-pro-6000-server", 4, 1_024, 87.7),
    ("rtx-pro-6000-server", 8, 1_024, 133.5),
    ("rtx-pro-6000-server", 2, 65_536, 1_843.7),
    ("rtx-pro-6000-server", 4, 65_536, 3_556.5),
    ("rtx-pro-6000-server", 8, 65_536, 5_067.5),
];

#[test]
fn all_reduce_is_near_what_vllm_takes() {
    let mut errors = Vec::new();
    for (gpu, ranks, kib, measured) in ALL_REDUCE {
        let found = micros(machine(gpu, 8).all_reduce(ranks, Bytes::new(kib << 10)));
        println!("{gpu} {ranks} ranks {kib} KiB: {found:.1} us, measured {measured}");
        let error = (found - measured).abs() / measured;
        assert!(error < 0.45, "{gpu} {ranks} {kib}: {found} and {measured}");
        errors.push(error);
    }
    let mean = errors.iter().sum::<f64>() / errors.len() as f64;
    println!("all-reduce: mean error {:.1} %", mean * 100.0);
    assert!(mean < 0.22, "{mean}");
}

#[test]
fn every_gpu_has_a_link_to_its_neighbours_or_one_memory() {
    for gpu in Gpu::all() {
        let class = LinkClass::within_machine(gpu);
        let expected = match (gpu.gpu_link.is_some(), gpu.host_link.is_some()) {
            (true, _) => Some("nvlink"),
            (false, true) => Some("pcie"),
            (false, false) => None,
        };
        assert_eq!(class.map(Entry::id), expected, "{}", gpu.id);
    }
    // 900 GB/s both ways together.
    let peak = LinkClass::find("NVLink").unwrap().peak_of(Gpu::find("h100-sxm").unwrap()).unwrap();
    assert_eq!(peak.bytes_per_s(), 450_000_000_000);
}

fn simple(latency: u64, step: u64, bytes_per_s: u64) -> Link {
    let bandwidth = Bandwidth::from_bytes_per_s(bytes_per_s).unwrap();
    let exchange =
        Exchange { latency: SimDuration::from_ns(latency), step: SimDuration::from_ns(step), bandwidth };
    Link { all_reduce: exchange, gather: exchange, all_to_all: exchange, send: exchange }
}

#[test]
fn closed_forms() {
    // 1 byte a nanosecond near, half of it far; 4 GPUs a machine.
    let net = Interconnect {
        node_gpus: 4,
        near: simple(100, 10, 1_000_000_000),
        far: simple(1000, 50, 500_000_000),
    };
    let kib = Bytes::new(1024);
    for (what, found, expected) in [
        ("ring of 4", net.all_reduce(4, kib), 100 + 6 * 10 + 2 * 3 * 1024 / 4),
        ("half a ring of 4", net.all_gather(4, kib), 100 + 3 * 10 + 3 * 1024 / 4),
        ("as much", net.reduce_scatter(4, kib), 100 + 3 * 10 + 3 * 1024 / 4),
        ("2 machines", net.all_reduce(8, kib), 1000 + 6 * 10 + 2 * 50 + 1536 + 2 * (1024 / 4 / 2) * 2),
        ("all-to-all of 4", net.all_to_all(4, kib), 100 + 3 * 10 + 1024),
        ("all-to-all of 16", net.all_to_all(16, kib), 1000 + 15 * 50 + 256 + 768 * 2),
        ("empty all-to-all", net.all_to_all(4, Bytes::ZERO), 130),
        ("near", net.send(0, 3, kib), 110 + 1024),
        ("far", net.send(3, 4, kib), 1050 + 2048),
        ("to itself", net.send(3, 3, kib), 0),
        ("one byte", net.send(0, 1, Bytes::new(1)), 111),
        ("one byte among three", net.all_gather(3, Bytes::new(1)), 100 + 20 + 1),
    ] {
        assert_eq!(found.as_ns(), expected, "{what}");
    }
    let huge = net.all_reduce(u32::MAX, Bytes::new(u64::MAX));
    assert_eq!(huge, SimDuration::from_ns(u64::MAX));
}

proptest! {
    #[test]
    fn one_rank_exchanges_nothing_and_more_bytes_never_take_less(
        ranks in 1_u32..600,
        node_gpus in 0_u32..20,
        bytes in 0_u64..1 << 40,
        more in 0_u64..1 << 40,
    ) {
        let net = Interconnect { node_gpus, near: simple(4_200, 200, 270_000_000_000), far: simple(3_600, 2_700, 48_070_000_000) };
        type Collective = fn(&Interconnect, u32, Bytes) -> SimDuration;
        let kinds: [Collective; 4] =
            [Interconnect::all_reduce, Interconnect::all_gather, Interconnect::reduce_scatter, Interconnect::all_to_all];
        for kind in kinds {
            let time = kind(&net, ranks, Bytes::new(bytes));
            prop_assert!(time <= kind(&net, ranks, Bytes::new(bytes + more)));
            prop_assert_eq!(kind(&net, 1, Bytes::new(bytes)), SimDuration::ZERO);
            if bytes > 0 && ranks > 1 {
                prop_assert!(time.as_ns() > 4_200);
            }
        }
        let halves = net.all_gather(ranks, Bytes::new(bytes)) + net.reduce_scatter(ranks, Bytes::new(bytes));
        let whole = net.all_reduce(ranks, Bytes::new(bytes));
        // Two halves pay the fixed time twice and round up twice as often.
        prop_assert!(whole <= halves && halves.as_ns() <= 2 * whole.as_ns());
        prop_assert!(net.send(0, ranks, Bytes::new(bytes)) <= net.send(0, ranks, Bytes::new(bytes + more)));
    }
}

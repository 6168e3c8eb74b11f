//! What a token costs: the formulas by hand-computed numbers, their laws, and prices from scenario to row.

#![allow(clippy::unwrap_used)] // Helpers of tests count as tests.

use std::collections::BTreeSet;

use moesim::catalogue::{Cpu, Entry, Gpu, Price, PricedPart, Storage};
use moesim::metrics::{
    AccessCounts, ConfigLabels, CostBasis, GpuUse, NoPayback, Outcome, PricePart, Quality, Row,
    ServingSummary, Summary, TimeShares, TokenCounts,
};
use moesim::plan::{Inputs, Plan, plan};
use moesim::scenario::ScenarioFile;

const USD: u64 = 1_000_000;
const S: u64 = 1_000_000_000;

fn part(microdollars: u64) -> PricePart {
    PricePart { what: "part".to_owned(), microdollars, date: "2026-11".to_owned(), ..PricePart::default() }
}

/// Bought for 2628 USD, written off over 3 years at 50 %: 0.20 USD for an hour at work. 400 W at work, 100 W waiting.
fn bought() -> CostBasis {
    CostBasis {
        parts: vec![part(1600 * USD), part(1028 * USD)],
        busy_milliwatts: Some(400_000),
        idle_milliwatts: Some(100_000),
        electricity: Some(part(180_000)),
        api: Some(part(670_000)),
        amortisation_hours: 26_280,
        utilisation_ppm: 500_000,
        gpus: 1,
        machines: 1,
        ..CostBasis::default()
    }
}

fn row_of(summary: Summary, cost: CostBasis) -> Row {
    Row {
        index: 0,
        axes: Vec::new(),
        config: ConfigLabels::default(),
        ledger: Vec::new(),
        tiers: Vec::new(),
        quality: Quality::default(),
        cost,
        outcome: Outcome::Done(Box::new(summary)),
    }
}

/// So many tokens decoded in 10 s: 6 s computing, 2 s of launches, 2 s waiting for copies.
fn replayed(tokens: u64, cost: CostBasis) -> Row {
    let time =
        TimeShares { gpu_compute_ns: 6 * S, overhead_ns: 2 * S, wait_h2d_ns: 2 * S, ..TimeShares::default() };
    let decode = AccessCounts { tokens, ..AccessCounts::default() };
    row_of(Summary { decode, decode_time: time, ..Summary::default() }, cost)
}

/// 2000 tokens in 10 s on two GPUs, the one at work for 8 s and the other for 4.
fn served(cost: CostBasis) -> Row {
    let gpu = |busy, exchange, wait, idle| GpuUse {
        busy_ns: busy * S,
        exchange_ns: exchange * S,
        wait_ns: wait * S,
        idle_ns: idle * S,
        ..GpuUse::default()
    };
    let serving = ServingSummary {
        tokens: TokenCounts { output: 2000, ..TokenCounts::default() },
        span_ns: 10 * S,
        gpus: 2,
        gpu_use: vec![gpu(6, 2, 1, 1), gpu(4, 0, 0, 6)],
        ..ServingSummary::default()
    };
    row_of(Summary { serving: Some(Box::new(serving)), ..Summary::default() }, cost)
}

#[test]
fn formulas_give_what_a_hand_computes() {
    let row = replayed(1000, bought());
    assert_eq!(row.output_tokens_per_s_permille(), Some(100_000));
    // 400 W x 8 s + 100 W x 2 s.
    assert_eq!((row.millijoules(), row.millijoules_per_token()), (Some(3_400_000), Some(3_400)));
    // 0.20 USD an hour over 360,000 tokens; 3.4 MJ are 0.944 kWh at 0.18 USD.
    assert_eq!(row.write_off_microdollars_per_mtok(), Some(555_556));
    assert_eq!(row.electricity_microdollars_per_mtok(), Some(170_000));
    assert_eq!(row.microdollars_per_mtok(), Some(725_556));
    // An hour saves 0.36 x (0.67 - 0.17) = 0.18 USD; half of all hours are at work.
    assert_eq!((row.payback(), row.payback_days()), (Ok(14_600), Some(1217)));
    // 0.36 USD an hour, power included.
    let rented = replayed(1000, CostBasis { rent: Some(part(360_000)), ..bought() });
    assert_eq!(rented.microdollars_per_mtok(), Some(1_000_000));
    // (800 W x 12 s + 200 W x 8 s) / 2 GPUs.
    let two =
        CostBasis { busy_milliwatts: Some(800_000), idle_milliwatts: Some(200_000), gpus: 2, ..bought() };
    assert_eq!(
        (served(two.clone()).millijoules(), served(two).millijoules_per_token()),
        (Some(5_600_000), Some(2_800))
    );
}

#[test]
fn costs_follow_price_rate_and_use() {
    let near = |one: Option<u64>, two: Option<u64>| one.unwrap().abs_diff(two.unwrap()) <= 1;
    let base = replayed(1000, bought());
    let half_price = replayed(1000, CostBasis { parts: vec![part(1314 * USD)], ..bought() });
    let write_off = |row: &Row| row.write_off_microdollars_per_mtok();
    assert!(near(write_off(&half_price).map(|cost| cost * 2), write_off(&base)));
    // Twice the rate at the same power halves all of it.
    let twice = replayed(2000, bought());
    assert!(near(twice.microdollars_per_mtok().map(|cost| cost * 2), base.microdollars_per_mtok()));
    let half_used = replayed(1000, CostBasis { utilisation_ppm: 250_000, ..bought() });
    assert!(near(write_off(&half_used), write_off(&base).map(|cost| cost * 2)));
    assert_eq!(half_used.electricity_microdollars_per_mtok(), base.electricity_microdollars_per_mtok());
    // Utilisation stretches the calendar and not the hours at work.
    assert_eq!(half_used.payback_hours(), base.payback_hours());
    assert_eq!(half_used.payback_days(), Some(2434));
    for row in [&base, &half_price, &twice, &half_used] {
        let parts = [write_off(row), row.electricity_microdollars_per_mtok()];
        assert_eq!(row.microdollars_per_mtok(), Some(parts.iter().map(|part| part.unwrap()).sum()));
    }
}

#[test]
fn what_never_pays_says_why() {
    let payback = |cost: CostBasis| replayed(1000, cost).payback();
    let missing = CostBasis { missing: vec!["GPU H800".to_owned()], ..bought() };
    for (cost, why) in [
        (CostBasis { api: None, ..bought() }, NoPayback::NoApiPrice),
        (CostBasis { rent: Some(part(USD)), ..bought() }, NoPayback::Rented),
        (missing.clone(), NoPayback::PriceMissing),
        (CostBasis { busy_milliwatts: None, ..bought() }, NoPayback::PowerUnknown),
        (CostBasis { api: Some(part(170_000)), ..bought() }, NoPayback::Electricity),
        (CostBasis { api: Some(part(1)), ..bought() }, NoPayback::Electricity),
    ] {
        assert_eq!(payback(cost), Err(why));
    }
    assert_eq!(replayed(0, bought()).payback(), Err(NoPayback::NoTokens));
    assert_eq!(replayed(1000, missing).microdollars_per_mtok(), None);
    assert_eq!(replayed(1000, CostBasis::default()).microdollars_per_mtok(), None);
}

/// The largest numbers give nothing rather than nonsense.
#[test]
fn nothing_overflows() {
    let most = CostBasis {
        parts: vec![part(u64::MAX), part(u64::MAX)],
        busy_milliwatts: Some(u64::MAX),
        idle_milliwatts: Some(u64::MAX),
        electricity: Some(part(u64::MAX)),
        api: Some(part(u64::MAX)),
        amortisation_hours: 1,
        utilisation_ppm: 1,
        ..bought()
    };
    let row = replayed(1, most.clone());
    assert_eq!((row.microdollars_per_mtok(), row.payback_hours()), (None, None));
    assert_eq!(served(most).microdollars_per_mtok(), None);
}

#[test]
fn prices_are_dated_and_for_rows_that_are_there() {
    let month = |date: &str| {
        let parts: Vec<u32> = date.split('-').map(|part| part.parse().unwrap()).collect();
        date.len() == 7 && (2017..=2026).contains(&parts[0]) && (1..=12).contains(&parts[1])
    };
    let mut seen = BTreeSet::new();
    for price in Price::all() {
        assert!(month(&price.date), "{}: {}", price.id, price.date);
        assert!(price.price.value.micro() > 0, "{}", price.id);
        for id in &price.of {
            assert!(seen.insert((price.part.to_string(), id)), "{id} has two prices of {}", price.part);
            let known = match price.part {
                PricedPart::Gpu | PricedPart::Machine | PricedPart::Rent => {
                    let gpu = Gpu::all().iter().find(|gpu| gpu.id == *id).unwrap();
                    gpu.unified == (price.part == PricedPart::Machine)
                }
                PricedPart::Cpu | PricedPart::Dram | PricedPart::Platform => {
                    Cpu::all().iter().any(|cpu| cpu.id == *id)
                }
                PricedPart::Storage => Storage::all().iter().any(|drive| drive.id == *id),
                PricedPart::Electricity => false,
            };
            assert!(known, "{}: {id}", price.id);
        }
    }
    // A CPU with a board has memory for it.
    for cpu in Cpu::all() {
        let has = |part| Price::of(part, &cpu.id).is_some();
        assert_eq!((has(PricedPart::Platform), has(PricedPart::Dram)), (true, true), "{}", cpu.id);
    }
    let card = Price::of(PricedPart::Gpu, "rtx4090").unwrap();
    assert_eq!((card.price.value.to_string().as_str(), card.date.as_str()), ("1599 USD", "2022-10"));
    assert!(Price::of(PricedPart::Gpu, "h200-sxm").is_none());
}

const SCENARIO: &str = r#"
[model]
name = "qwen3-30b-a3b"
[quant]
scheme = "q4_k_m"
[hardware]
gpu = "rtx4090"
cpu = "ryzen-7950x"
dram = "64 GiB"
[cache]
capacity = "4 GiB"
[workload]
router = "typical"
context = 2048
sequences = 1
decode_tokens = 4
"#;

/// The scenario above with further settings.
fn load(settings: &[&str]) -> moesim::error::Result<ScenarioFile> {
    let settings: Vec<String> = settings.iter().map(|&setting| setting.to_owned()).collect();
    ScenarioFile::parse(SCENARIO, std::path::Path::new("cost.toml"), &settings)
}

fn planned(settings: &[&str]) -> Plan {
    plan(&load(settings).unwrap().point(0).unwrap(), &Inputs::default()).unwrap()
}

#[test]
fn the_catalogue_prices_a_desktop_with_dates() {
    let plan = planned(&[]);
    let cost = &plan.cost;
    let parts: Vec<(&str, u64, &str)> =
        cost.parts.iter().map(|part| (part.what.as_str(), part.microdollars, part.date.as_str())).collect();
    assert_eq!(
        parts,
        [
            ("GeForce RTX 4090", 1599 * USD, "2022-10"),
            ("AMD Ryzen 9 7950X", 699 * USD, "2022-08"),
            ("64 GiB of DRAM", 64 * 10_620_000, "2026-06"),
            ("1 TB of NVMe PCIe 4.0 x4 consumer (990 Pro class)", 118 * USD, "2026-02"),
            ("desktop board, power supply and case", 450 * USD, "2026-06"),
        ]
    );
    assert_eq!((cost.missing.len(), cost.rent.is_some(), cost.api.is_some()), (0, false, false));
    // 450 W, 30 % of 170 W, 64 x 0.375 W, 40 W.
    assert_eq!(cost.busy_milliwatts, Some(450_000 + 51_000 + 24_000 + 40_000));
    assert_eq!(cost.idle_milliwatts, Some(54_000 + 51_000 + 24_000 + 40_000));
    let setting = |key: &str| plan.settings.iter().find(|setting| setting.key == key).unwrap();
    for (key, value, origin) in [
        ("cost.gpu", "1599 USD", "per GPU, catalogue rtx4090-price, 2022-10, datasheet"),
        ("cost.electricity", "0.1802 USD", "per kWh, catalogue electricity-us, 2025-12, datasheet"),
        ("cost.amortisation", "3 years", "default, assumed"),
        ("cost.utilisation", "50 %", "default, assumed"),
    ] {
        assert_eq!((setting(key).value.as_str(), setting(key).origin.as_str()), (value, origin));
    }
}

#[test]
fn the_scenario_comes_before_the_catalogue() {
    let cost = planned(&[
        "cost.gpu=1000 USD",
        "cost.dram_per_gib=2 USD",
        "cost.date=2026-11",
        "cost.host_power=100 W",
    ])
    .cost;
    assert_eq!((cost.parts[0].microdollars, cost.parts[0].date.as_str()), (1000 * USD, "2026-11"));
    assert_eq!(cost.parts[2].microdollars, 128 * USD);
    assert_eq!(cost.busy_milliwatts, Some(550_000));
    let cost = planned(&["cost.machine=3000 USD", "cost.gpu=1 USD"]).cost;
    assert_eq!((cost.parts.len(), cost.purchase_microdollars()), (1, Some(3000 * USD)));
    // The rent of the machine comes before that of a GPU.
    let rent = |settings: &[&str]| planned(settings).cost.rent_microdollars();
    assert_eq!(rent(&["hardware.hourly_price=2 USD"]), Some(2 * USD));
    assert_eq!(rent(&["hardware.hourly_price=2 USD", "cost.rent=5 USD"]), Some(5 * USD));
}

#[test]
fn a_part_without_a_price_is_named_and_no_error() {
    let cost = planned(&["hardware.gpu=h200-sxm"]).cost;
    assert_eq!(cost.missing, ["H200 SXM 141 GB"]);
    // What cannot be bought as listed is rented.
    assert_eq!((cost.purchase_microdollars(), cost.rent_microdollars()), (None, Some(4 * USD)));
    let cost = planned(&["hardware.gpu=h800-sxm"]).cost;
    assert_eq!((cost.missing.len(), cost.rent), (1, None));
    let cost = planned(&["hardware.gpu=h200-sxm", "cost.gpu=30000 USD"]).cost;
    assert_eq!((cost.missing.len(), cost.rent), (0, None));
}

#[test]
fn every_gpu_and_machine_of_every_replica_counts() {
    let served =
        ["requests.arrivals=closed", "requests.users=2", "requests.count=4", "requests.lengths=fixed"];
    let lengths = ["requests.prompt_tokens=16", "requests.output_tokens=4", "quant.scheme=fp8"];
    let layout = ["parallel.tp=4", "parallel.node_gpus=2", "parallel.replicas=3", "cost.rent=1 USD"];
    let settings = [&served[..], &lengths[..], &layout[..], &["placement.experts=vram"]].concat();
    let (head, _) = SCENARIO.split_once("[cache]").unwrap();
    let text = format!("{head}[workload]\nrouter = \"typical\"\n");
    let settings: Vec<String> = settings.into_iter().map(str::to_owned).collect();
    let file = ScenarioFile::parse(&text, std::path::Path::new("cost.toml"), &settings).unwrap();
    let cost = plan(&file.point(0).unwrap(), &Inputs::default()).unwrap().cost;
    assert_eq!((cost.gpus, cost.machines), (12, 6));
    assert_eq!(cost.parts[0].microdollars, 12 * 1599 * USD);
    assert_eq!(cost.parts[1].microdollars, 6 * 699 * USD);
    assert_eq!(cost.rent_microdollars(), Some(6 * USD));
}

#[test]
fn bad_prices_are_refused_with_what_was_expected() {
    let amount = "expected an amount like \"2.50 USD\"";
    for (setting, found, expected) in [
        ("cost.gpu=-1 USD", "\"-1 USD\"", amount),
        ("cost.rent=2.5", "\"2.5\"", amount),
        ("cost.electricity=0.3 EUR", "\"0.3 EUR\"", amount),
        ("cost.host_power=80", "80", "expected power like \"80 W\", of at most three decimals"),
        (
            "cost.amortisation=0 h",
            "zero, \"0 h\"",
            "expected a time above zero like \"3 years\", \"180 days\" or \"26280 h\"",
        ),
        ("cost.utilisation=0 %", "\"0 %\"", "expected a percentage above 0 % and up to 100 %"),
        ("cost.date=2026", "2026", "expected a month or day like \"2026-11\" or \"2026-11-05\""),
    ] {
        let error = load(&[setting]).map(|_| ()).unwrap_err().to_string();
        assert!(error.contains(&format!("found {found}, {expected}")), "{setting}: {error}");
    }
    let error = load(&["cost.gpus=1 USD"]).map(|_| ()).unwrap_err().to_string();
    assert!(
        error.contains("did you mean \"cost.gpu\"?") || error.contains("did you mean \"gpu\"?"),
        "{error}"
    );
}

#[test]
fn the_same_scenario_costs_the_same() {
    assert_eq!(planned(&[]).cost, planned(&[]).cost);
}

//! What the machine costs and draws: the scenario's prices, else the catalogue's, each with its date.
//!
//! All machines count: each replica has machines of its own, each with the scenario's host memory and drives. A part
//! without a price is named and no error, since most questions are not about money.

use super::machine::MachinePlan;
use super::placement::Placement;
use super::resolve::Resolver;
use super::serving::{Deployment, node_gpus};
use crate::catalogue::{Cpu, Entry, Price, PricedPart};
use crate::memory::Tier;
use crate::metrics::{CostBasis, PricePart};
use crate::scenario::{CostSection, Dollars, Lifetime, Percent, Wattage};
use crate::units::Bytes;

/// Power of a GPU that waits, in thousandths of its board power, assumed: idle data-centre boards draw 50 to 80 of 400 to
/// 700 W.
const IDLE_PERMILLE: u64 = 120;
/// Power of a CPU that computes no experts, in thousandths of its sustained power, assumed: one or two threads launch the
/// GPU's work and copy, and the rest of the package idles.
const CPU_AT_HAND_PERMILLE: u64 = 300;
/// Host memory and board of a machine whose CPU is not named: a current desktop's.
const PLAIN_DRAM: &str = "ddr5-price";
const PLAIN_PLATFORM: &str = "desktop-price";
/// How long a machine is used where the scenario does not say, assumed: what tax offices and data centres write off.
const AMORTISATION_HOURS: u64 = 3 * 365 * 24;
/// Share of that time at work where the scenario does not say, assumed.
const UTILISATION: Percent = Percent::from_ppm(500_000);

/// How much of everything there is.
struct Fleet {
    gpus: u64,
    machines: u64,
    /// CPUs of one machine.
    sockets: u64,
    /// Host memory of one machine.
    dram: Bytes,
    /// Drives of one machine.
    nvme: Bytes,
}

impl Fleet {
    fn of(resolver: &Resolver<'_>, machine: &MachinePlan, deployment: &Deployment) -> Self {
        let scenario = resolver.scenario();
        let one = |count: Option<std::num::NonZeroU32>| count.map_or(1, |count| u64::from(count.get()));
        let gpus = u64::from(deployment.layout.gpus());
        let replicas = one(scenario.parallel.replicas);
        let nodes = machine.cpu.map_or(1, |cpu| u64::from(cpu.numa_nodes.value)).max(1);
        let room =
            |tier| machine.capacities.iter().find(|(of, _)| *of == tier).map_or(Bytes::ZERO, |at| at.1);
        Self {
            gpus: gpus * replicas,
            machines: gpus.div_ceil(u64::from(node_gpus(resolver))) * replicas,
            sockets: one(scenario.hardware.numa_nodes).div_ceil(nodes),
            dram: room(Tier::Dram),
            nvme: room(Tier::Nvme),
        }
    }
}

/// What is bought: where a price of the user's stands, whose price of the catalogue it replaces, how many units.
struct Piece {
    key: &'static str,
    /// What it is called in reports.
    what: String,
    written: Option<Dollars>,
    found: Option<&'static Price>,
    /// Units of the scenario's price.
    count: u64,
    /// Units of the catalogue's price, as a quotient.
    units: (u64, u64),
}

/// The cost basis of the machine.
pub(super) fn resolve(
    resolver: &mut Resolver<'_>,
    machine: &MachinePlan,
    placement: &Placement,
    deployment: &Deployment,
) -> CostBasis {
    let fleet = Fleet::of(resolver, machine, deployment);
    let section = &resolver.scenario().cost;
    let mut basis = CostBasis { gpus: fleet.gpus, machines: fleet.machines, ..CostBasis::default() };
    for piece in pieces(resolver, machine, &fleet) {
        let key = piece.key;
        match price(resolver, &piece) {
            Some(part) => basis.parts.push(part),
            None => {
                resolver.note(key, "not known", "no price in the catalogue");
                basis.missing.push(piece.what);
            }
        }
    }
    basis.rent = rent(resolver, machine, &fleet, &basis);
    let kilowatt_hour = Piece {
        key: "cost.electricity",
        what: "a kilowatt-hour".to_owned(),
        written: section.electricity,
        found: Price::first(PricedPart::Electricity),
        count: 1,
        units: (1, 1),
    };
    basis.electricity = price(resolver, &kilowatt_hour);
    if let Some(api) = section.api_price {
        basis.api =
            Some(given(resolver, "cost.api_price", api, 1, "a million output tokens of an API".to_owned()));
    }
    let host = host_milliwatts(resolver, machine, placement, &fleet);
    if let Some(board) = machine.gpu.tdp.as_ref().map(|tdp| tdp.value.0.saturating_mul(1000)) {
        let all = |each: u64| each.saturating_mul(fleet.gpus).saturating_add(host);
        let (busy, idle) = (all(board), all(board.saturating_mul(IDLE_PERMILLE) / 1000));
        let why =
            format!("{} W a GPU, {} % of it idle (assumed), and the host", board / 1000, IDLE_PERMILLE / 10);
        resolver.note("power at work", Wattage::from_milliwatts(busy), why.clone());
        resolver.note("power while GPUs wait", Wattage::from_milliwatts(idle), why);
        basis.busy_milliwatts = Some(busy);
        basis.idle_milliwatts = Some(idle);
    }
    let years = Lifetime::from_hours(AMORTISATION_HOURS);
    if let Some(default) = years {
        let lifetime =
            resolver.or_default("cost.amortisation", section.amortisation, default, "default, assumed");
        basis.amortisation_hours = lifetime.hours();
    }
    let share = resolver.or_default("cost.utilisation", section.utilisation, UTILISATION, "default, assumed");
    basis.utilisation_ppm = share.ppm();
    basis
}

/// Prices of the scenario that count only where parts are bought one by one.
fn of_parts(section: &CostSection) -> [(&'static str, Option<Dollars>); 5] {
    [
        ("cost.gpu", section.gpu),
        ("cost.cpu", section.cpu),
        ("cost.storage", section.storage),
        ("cost.dram_per_gib", section.dram_per_gib),
        ("cost.platform", section.platform),
    ]
}

/// A machine that is bought at once; prices of parts do not count.
fn whole(resolver: &mut Resolver<'_>, machine: &MachinePlan, fleet: &Fleet) -> Piece {
    let section = &resolver.scenario().cost;
    let is_given = section.machine.is_some();
    let why = if is_given { "cost.machine is given" } else { "the machine is sold as a whole" };
    for (key, written) in of_parts(section) {
        if let Some(written) = written {
            resolver.note(key, written, format!("not counted: {why}"));
        }
    }
    Piece {
        key: "cost.machine",
        what: times(fleet.machines, &format!("machine with {}", machine.gpu.name)),
        written: section.machine,
        found: Price::of(PricedPart::Machine, &machine.gpu.id),
        count: fleet.machines,
        units: (fleet.machines, 1),
    }
}

/// The machine as a whole where it has a price or is sold so, else its parts.
fn pieces(resolver: &mut Resolver<'_>, machine: &MachinePlan, fleet: &Fleet) -> Vec<Piece> {
    let section = &resolver.scenario().cost;
    let gpu = machine.gpu;
    if section.machine.is_some() || gpu.unified {
        return vec![whole(resolver, machine, fleet)];
    }
    let cpus = fleet.machines * fleet.sockets;
    let for_cpu = |part, plain| match machine.cpu {
        Some(cpu) => Price::of(part, &cpu.id),
        None => Price::find(plain),
    };
    let gib = fleet.dram.get() / Bytes::GIB.get();
    let cpu_name = machine.cpu.map_or("CPU, of which hardware.cpu names none", |cpu| cpu.name.as_str());
    let piece =
        |key, count, what: String, written, found, units| Piece { key, what, written, found, count, units };
    let (machines, all_nvme) = (fleet.machines, fleet.nvme.get().saturating_mul(fleet.machines));
    let cpu_price = machine.cpu.and_then(|cpu| Price::of(PricedPart::Cpu, &cpu.id));
    let drive = Price::of(PricedPart::Storage, &machine.storage.id);
    let dram = for_cpu(PricedPart::Dram, PLAIN_DRAM);
    let platform = for_cpu(PricedPart::Platform, PLAIN_PLATFORM);
    let platform_name = platform.map_or("platform", |price| price.name.as_str());
    let platform_name = platform_name.split(':').next().unwrap_or(platform_name).to_lowercase();
    vec![
        piece(
            "cost.gpu",
            fleet.gpus,
            times(fleet.gpus, &gpu.name),
            section.gpu,
            Price::of(PricedPart::Gpu, &gpu.id),
            (fleet.gpus, 1),
        ),
        piece("cost.cpu", cpus, times(cpus, cpu_name), section.cpu, cpu_price, (cpus, 1)),
        piece(
            "cost.dram_per_gib",
            gib * machines,
            times(machines, &format!("{gib} GiB of DRAM")),
            section.dram_per_gib,
            dram,
            (gib * machines, 1),
        ),
        piece(
            "cost.storage",
            machines,
            times(machines, &format!("{} of {}", decimal_size(fleet.nvme), machine.storage.name)),
            section.storage,
            drive,
            (all_nvme, 1_000_000_000_000),
        ),
        piece(
            "cost.platform",
            machines,
            times(machines, &format!("{platform_name} board, power supply and case")),
            section.platform,
            platform,
            (machines, 1),
        ),
    ]
}

/// `2 x RTX 3090`, or the thing alone.
fn times(count: u64, what: &str) -> String {
    if count == 1 { what.to_owned() } else { format!("{count} x {what}") }
}

/// A drive's size as it is sold, in decimal units.
fn decimal_size(bytes: Bytes) -> String {
    match bytes.get() {
        tb if tb % 1_000_000_000_000 == 0 => format!("{} TB", tb / 1_000_000_000_000),
        other => format!("{} GB", other.div_ceil(1_000_000_000)),
    }
}

/// A price of the scenario's, noted with its place and date.
fn given(resolver: &mut Resolver<'_>, key: &str, written: Dollars, count: u64, what: String) -> PricePart {
    let date = resolver.scenario().cost.date.as_ref().map_or("given", |date| date.as_str()).to_owned();
    let place = resolver.place(key).to_string();
    resolver.note(key, written, format!("{place}, date {date}"));
    let microdollars = written.micro().saturating_mul(count);
    PricePart { what, microdollars, date, source: "the scenario".to_owned(), fidelity: "given".to_owned() }
}

/// A price of the catalogue's for so many units.
fn priced(found: &Price, what: String, (count, per): (u64, u64)) -> PricePart {
    let all = u128::from(found.price.value.micro()) * u128::from(count);
    PricePart {
        what,
        microdollars: u64::try_from(all.div_ceil(u128::from(per.max(1)))).unwrap_or(u64::MAX),
        date: found.date.clone(),
        source: found.price.source.clone(),
        fidelity: found.price.fidelity.to_string(),
    }
}

/// Where a price of the catalogue comes from, in short.
fn origin(found: &Price) -> String {
    format!("per {}, catalogue {}, {}, {}", found.part.per(), found.id, found.date, found.price.fidelity)
}

/// What a piece costs; `None` where nobody says.
fn price(resolver: &mut Resolver<'_>, piece: &Piece) -> Option<PricePart> {
    if let Some(written) = piece.written {
        return Some(given(resolver, piece.key, written, piece.count, piece.what.clone()));
    }
    let found = piece.found?;
    resolver.note(piece.key, found.price.value, origin(found));
    Some(priced(found, piece.what.clone(), piece.units))
}

/// The scenario's rent; where there is none and a part of the purchase has no price, the catalogue's.
fn rent(
    resolver: &mut Resolver<'_>,
    machine: &MachinePlan,
    fleet: &Fleet,
    basis: &CostBasis,
) -> Option<PricePart> {
    let scenario = resolver.scenario();
    let hourly = scenario.hardware.hourly_price;
    if let Some(rent) = scenario.cost.rent {
        if let Some(hourly) = hourly {
            resolver.note("hardware.hourly_price", hourly, "not counted: cost.rent is given");
        }
        let what = times(fleet.machines, "machine for an hour");
        return Some(given(resolver, "cost.rent", rent, fleet.machines, what));
    }
    let what = times(fleet.gpus, &format!("{} for an hour", machine.gpu.name));
    if let Some(hourly) = hourly {
        return Some(given(resolver, "hardware.hourly_price", hourly, fleet.gpus, what));
    }
    let found =
        Price::of(PricedPart::Rent, &machine.gpu.id).filter(|_| basis.purchase_microdollars().is_none())?;
    resolver.note(
        "cost.rent",
        found.price.value,
        format!("{}; a part of the purchase has no price", origin(found)),
    );
    Some(priced(found, what, (fleet.gpus, 1)))
}

/// Power of all machines beside their GPUs.
fn host_milliwatts(
    resolver: &mut Resolver<'_>,
    machine: &MachinePlan,
    placement: &Placement,
    fleet: &Fleet,
) -> u64 {
    const KEY: &str = "cost.host_power";
    if let Some(written) = resolver.scenario().cost.host_power {
        resolver.given(KEY, written);
        return written.milliwatts().saturating_mul(fleet.machines);
    }
    if machine.gpu.unified {
        let why = "the board power is that of the whole package; drives and losses are left out";
        resolver.note(KEY, Wattage::from_milliwatts(0), why);
        return 0;
    }
    let row = |part, plain| machine.cpu.map_or_else(|| Price::find(plain), |cpu| Price::of(part, &cpu.id));
    let power = |found: Option<&Price>| {
        found.and_then(|price| price.power.as_ref()).map_or(0, |power| power.value.milliwatts())
    };
    let (cpu, cpu_words) = cpu_milliwatts(machine.cpu, placement.uses_cpu(), fleet.sockets);
    let gib = fleet.dram.get() / Bytes::GIB.get();
    let dram = power(row(PricedPart::Dram, PLAIN_DRAM)).saturating_mul(gib);
    let platform = power(row(PricedPart::Platform, PLAIN_PLATFORM));
    let host = cpu.saturating_add(dram).saturating_add(platform);
    let watts = Wattage::from_milliwatts;
    let why = format!("{cpu_words}, DRAM {}, board and drives {}, assumed", watts(dram), watts(platform));
    resolver.note(KEY, watts(host), why);
    host.saturating_mul(fleet.machines)
}

/// Power of the CPUs of one machine, and how it comes about.
fn cpu_milliwatts(cpu: Option<&Cpu>, computes: bool, sockets: u64) -> (u64, String) {
    let Some(cpu) = cpu else { return (0, "no CPU named, so none counted".to_owned()) };
    let all = cpu.tdp.value.0.saturating_mul(1000).saturating_mul(sockets);
    if computes {
        return (all, format!("CPU {} at work", Wattage::from_milliwatts(all)));
    }
    let part = all.saturating_mul(CPU_AT_HAND_PERMILLE) / 1000;
    let share = CPU_AT_HAND_PERMILLE / 10;
    (
        part,
        format!("CPU {}, {share} % of its power as it computes no experts", Wattage::from_milliwatts(part)),
    )
}

//! Machines to choose from: `2 x rtx3090, ryzen-7950x, 64 GiB, nvme-gen4`.

use crate::catalogue::{Cpu, Entry, Gpu, Price, PricedPart, Storage};
use crate::error::{Error, Result};
use crate::units::Bytes;

/// One machine, as settings of a scenario.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Machine {
    /// As people read it.
    pub(super) text: String,
    /// GPUs of one kind.
    pub(super) gpus: u32,
    /// The GPU, where the machine names one.
    pub(super) gpu: Option<&'static Gpu>,
    /// Keys and values.
    pub(super) settings: Vec<(String, String)>,
}

impl Machine {
    /// The scenario's own machine.
    pub(super) fn of_scenario(gpu: Option<&'static Gpu>, text: &str, gpus: u32) -> Self {
        Self { text: text.to_owned(), gpus, gpu, settings: Vec::new() }
    }
}

/// Reads a machine.
///
/// # Errors
/// No GPU, a part that is neither of the catalogue nor a size, a part of a kind that is already there.
pub(super) fn machine(text: &str) -> Result<Machine> {
    let mut machine = Machine {
        text: text.split_whitespace().collect::<Vec<_>>().join(" "),
        gpus: 1,
        gpu: None,
        settings: Vec::new(),
    };
    for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
        let (key, value) = read(part, &mut machine)?;
        if machine.settings.iter().any(|(known, _)| *known == key) {
            return Err(Error::new(format!("{text:?}: found {part:?}, a second {key}")));
        }
        machine.settings.push((key.to_owned(), value));
    }
    if machine.gpu.is_none() {
        return Err(Error::new(format!("{text:?} has no GPU"))
            .expected("a machine like \"2 x rtx3090, ryzen-7950x, 64 GiB, nvme-gen4\""));
    }
    Ok(machine)
}

fn read(part: &str, machine: &mut Machine) -> Result<(&'static str, String)> {
    let (count, name) =
        part.split_once(" x ").map_or((None, part), |(count, name)| (Some(count.trim()), name.trim()));
    if let Some(gpu) = Gpu::find(name) {
        if let Some(count) = count {
            machine.gpus = count.parse().ok().filter(|count| *count > 0).ok_or_else(|| {
                Error::new(format!("found {part:?}")).expected("a number of GPUs like \"2 x rtx3090\"")
            })?;
        }
        machine.gpu = Some(gpu);
        return Ok(("hardware.gpu", gpu.id.clone()));
    }
    if let Some(cpu) = Cpu::find(part) {
        return Ok(("hardware.cpu", cpu.id.clone()));
    }
    if let Some(storage) = Storage::find(part) {
        return Ok(("hardware.storage", storage.id.clone()));
    }
    if let Ok(size) = part.parse::<Bytes>() {
        if size == Bytes::ZERO {
            return Err(Error::new(format!("found zero, {part:?}")).expected("a size above zero"));
        }
        return Ok(("hardware.dram", part.to_owned()));
    }
    let known = [Gpu::names(), Cpu::names(), Storage::names()].concat();
    let kind = if count.is_some() { "GPU" } else { "GPU, CPU, drive or size of host memory" };
    Err(Error::new(format!("unknown {kind} {name:?}")).nearest(name, known))
}

/// Hosts that are offered with each GPU where nobody names machines: a desktop with more and more memory.
const HOST: &str = "ryzen-7950x";
const DRIVE: &str = "nvme-gen4";
const DRAM_GIB: [u32; 4] = [32, 64, 128, 192];

/// A machine for each GPU of the catalogue that is sold for at most so many millionths of a dollar (all with a price where
/// nothing is said), with several sizes of host memory; machines of one memory pool as they are.
pub(super) fn all(price_at_most: Option<u64>) -> Vec<Machine> {
    let affordable = |gpu: &&'static Gpu| {
        let part = if gpu.unified { PricedPart::Machine } else { PricedPart::Gpu };
        let price = Price::of(part, &gpu.id).map(|row| row.price.value.micro());
        price.is_some_and(|price| price_at_most.is_none_or(|most| price <= most))
    };
    let of_gpu = |gpu: &'static Gpu| -> Vec<Machine> {
        if gpu.unified {
            return machine(&gpu.id).into_iter().collect();
        }
        let texts = DRAM_GIB.map(|gib| format!("{}, {HOST}, {gib} GiB, {DRIVE}", gpu.id));
        texts.iter().filter_map(|text| machine(text).ok()).collect()
    };
    Gpu::all().iter().filter(affordable).flat_map(of_gpu).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: &str) {
        let shown = machine(text).map(|machine| {
            let settings: Vec<String> =
                machine.settings.iter().map(|(key, value)| format!("{key}={value}")).collect();
            format!("{} {}", machine.gpus, settings.join(" "))
        });
        assert_eq!(shown.unwrap_or_else(|error| error.to_string()), expected, "{text}");
    }

    #[test]
    fn parts_are_known_by_their_names() {
        check(
            "2 x rtx3090, ryzen-7950x, 64 GiB, nvme-gen4",
            "2 hardware.gpu=rtx3090 hardware.cpu=ryzen-7950x hardware.dram=64 GiB hardware.storage=nvme-gen4",
        );
        check("RTX 4090", "1 hardware.gpu=rtx4090");
    }

    #[test]
    fn what_cannot_be_is_named() {
        check(
            "rtx4091",
            "unknown GPU, CPU, drive or size of host memory \"rtx4091\", did you mean \"rtx4090\"?",
        );
        check("0 x rtx4090", "found \"0 x rtx4090\", expected a number of GPUs like \"2 x rtx3090\"");
        check("rtx4090, rtx3090", "\"rtx4090, rtx3090\": found \"rtx3090\", a second hardware.gpu");
        check(
            "64 GiB",
            "\"64 GiB\" has no GPU, expected a machine like \"2 x rtx3090, ryzen-7950x, 64 GiB, nvme-gen4\"",
        );
    }

    #[test]
    fn a_budget_leaves_out_what_costs_more() {
        let dear = all(Some(600_000_000));
        assert!(dear.iter().all(|machine| machine.gpu.is_some()));
        assert!(dear.len() < all(None).len() && !dear.is_empty());
    }
}

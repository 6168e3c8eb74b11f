//! Sizes, counts and sentences that text and page share.

use crate::metrics::{ExpertRoom, Footprint, OffloadRun};
use crate::report::format::{counted, ratio, size, span};

/// Three figures of a number in the unit that suits: `61.1`, `5.03`, `262`.
fn three(numerator: u64, unit: u64) -> String {
    let decimals = match numerator / unit {
        0..10 => 2,
        10..100 => 1,
        _ => 0,
    };
    ratio(u128::from(numerator), u128::from(unit), decimals)
}

/// A size in decimal units: `61.1 GB`, `262 MB`.
pub(in crate::report) fn decimal(bytes: u64) -> String {
    match bytes {
        0 => "-".to_owned(),
        1..1_000_000 => format!("{} KB", three(bytes, 1_000)),
        1_000_000..1_000_000_000 => format!("{} MB", three(bytes, 1_000_000)),
        1_000_000_000..1_000_000_000_000 => format!("{} GB", three(bytes, 1_000_000_000)),
        _ => format!("{} TB", three(bytes, 1_000_000_000_000)),
    }
}

/// A size in GB alone, for columns: `61.07`, `0.26`.
pub(super) fn gb(bytes: u64) -> String {
    ratio(u128::from(bytes), 1_000_000_000, 2)
}

/// A number of parameters: `30.5 B`, `117 M`.
pub(super) fn params(count: u64) -> String {
    match count {
        0 => "-".to_owned(),
        1..1_000_000 => format!("{} K", three(count, 1_000)),
        1_000_000..1_000_000_000 => format!("{} M", three(count, 1_000_000)),
        _ => format!("{} B", three(count, 1_000_000_000)),
    }
}

/// What the model is: layers, experts.
pub(super) fn shape(one: &Footprint) -> String {
    let layers = counted(usize::try_from(one.layers).unwrap_or(usize::MAX), "layer");
    if one.experts == 0 {
        return format!("{}: {layers}, dense", one.model);
    }
    format!(
        "{}: {layers}, {} of them with {} experts, top-{}",
        one.model, one.moe_layers, one.experts, one.top_k
    )
}

/// Total and active parameters by the formulas they follow from: name, result, formula.
pub(super) fn formulas(one: &Footprint) -> [(&'static str, String, String); 2] {
    let shared = params(one.shared_params());
    let formula = |chosen: u64| {
        if one.experts == 0 {
            return format!("{shared}, of which every token uses all");
        }
        if one.expert_params == 0 {
            return format!("experts of different sizes + {shared} shared");
        }
        format!(
            "{} layers x {chosen} experts x {} + {shared} shared",
            one.moe_layers,
            params(one.expert_params)
        )
    };
    [
        ("total", params(one.params()), formula(one.experts)),
        ("active", params(one.active_params()), formula(one.top_k)),
    ]
}

/// On what, with how much context.
pub(super) fn setting(one: &Footprint) -> String {
    let degrees = one.degrees;
    let gpus = match degrees.gpus() {
        1 => "one GPU".to_owned(),
        gpus => format!(
            "each of {gpus} GPUs (tp {}, dp {}, ep {}, pp {})",
            degrees.tp, degrees.dp, degrees.ep, degrees.pp
        ),
    };
    let sequences = counted(usize::try_from(one.batch).unwrap_or(usize::MAX), "sequence");
    let counting = if one.is_simplified {
        "counted as introductory texts do".to_owned()
    } else {
        format!("engine {}", one.engine)
    };
    format!("{gpus}, {sequences} of {} tokens, {counting}", one.context_tokens)
}

/// Whether it needs more than the GPU has.
pub(super) fn is_short_of_vram(one: &Footprint) -> bool {
    one.fits().is_some() && one.tier("vram").is_some_and(|tier| tier.needed_bytes > tier.capacity_bytes)
}

/// Whether it fits the GPU: `fits, 7.89 GB left`, `36.4 GB too much`; nothing where no GPU was asked for.
pub(super) fn verdict(one: &Footprint) -> String {
    let Some(fits) = one.fits() else { return String::new() };
    let (needed, capacity) = one.tier("vram").map_or((0, 0), |tier| (tier.needed_bytes, tier.capacity_bytes));
    if is_short_of_vram(one) {
        format!("{} too much", decimal(needed - capacity))
    } else if fits {
        format!("fits, {} left", decimal(capacity - needed))
    } else {
        "does not run".to_owned()
    }
}

/// The GPU's memory in both units: `rtx4090 has 25.8 GB (24.0 GiB)`.
pub(super) fn capacity(one: &Footprint) -> Option<String> {
    let capacity = one.tier("vram")?.capacity_bytes;
    one.fits().map(|_| format!("{} has {} ({})", one.gpu, decimal(capacity), size(capacity)))
}

/// Memory and latency of an offloading run.
pub(super) fn run(run: Option<&OffloadRun>) -> String {
    let Some(run) = run else { return "-".to_owned() };
    let vram = decimal(run.vram_bytes());
    match run.tpot_ns() {
        Some(tpot) => format!("{vram}: {}{}", span(tpot), if run.is_supposed { " *" } else { "" }),
        None => format!("{vram}: cannot run"),
    }
}

/// What a common mistake hides: active parameters are not what memory must hold.
pub(super) fn mistake(one: &Footprint) -> Option<String> {
    if one.experts == 0 {
        return None;
    }
    let routed = one.part("routed_experts");
    let (active, all) = (decimal(one.active_bytes()), decimal(one.weight_bytes()));
    let offloading = if one.offload.is_empty() {
        ""
    } else {
        " So little VRAM works only with offloading, at the latency below."
    };
    Some(format!(
        "Active parameters set the compute and the bytes that are read for a token: {active} of {all} in {}. They do not \
         set the memory: the next token may ask for any expert, so the other {} of experts must lie somewhere, too. \
         \"{active} for a model of {} parameters\" is the working set of one token, {} of it routed experts.{offloading}",
        one.quant,
        decimal(routed.bytes - routed.active_bytes),
        params(one.params()),
        decimal(routed.active_bytes),
    ))
}

/// What the columns of offloading mean, and on what they were simulated.
pub(super) fn offload_note(all: &[&Footprint]) -> Option<String> {
    let runs: Vec<&OffloadRun> = all.iter().flat_map(|one| &one.offload).collect();
    let config = &runs.first()?.row.config;
    let supposed = if runs.iter().any(|run| run.is_supposed) {
        " * More memory than the machine has: as on one as fast that has enough."
    } else {
        ""
    };
    let several = all
        .iter()
        .filter(|one| !one.offload.is_empty())
        .any(|one| one.offload.first().is_some_and(|run| run.row.config.trace != config.trace));
    let routing =
        if several { "its own routing each".to_owned() } else { format!("routing of {}", config.trace) };
    Some(format!(
        "VRAM and median time per output token on {}, one sequence, simulated with {routing}, experts that are not in VRAM \
         fetched from {} (policy {}).{supposed}",
        config.gpu,
        if runs.iter().any(|run| run.row.config.backing == "nvme") { "NVMe" } else { "host memory" },
        config.policy
    ))
}

/// The rooms that offloading was simulated with.
pub(super) const ROOMS: [ExpertRoom; 3] = [ExpertRoom::Resident, ExpertRoom::OneToken, ExpertRoom::OneExpert];

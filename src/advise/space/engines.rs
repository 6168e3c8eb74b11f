//! What engines run: which placements, which quantisations, on how many GPUs. A recommendation must be something that can
//! be started.

use crate::catalogue::{EngineProfile, Entry, Overlap};
use crate::scenario::PlacementFamily as Family;

/// How weights are stored on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// GGUF files.
    Gguf,
    /// Tensors of a Hugging Face repository.
    Tensors,
    /// Either.
    Any,
}

/// What an engine profile stands for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ability {
    pub(super) engine: &'static str,
    pub(super) families: &'static [Family],
    pub(super) format: Format,
    /// Shares the layers of a model between GPUs.
    pub(super) several_gpus: bool,
    /// Offered where nobody names engines: replaying sequences, and under load.
    pub(super) default: (bool, bool),
}

const ALL: &[Family] = &[
    Family::Resident,
    Family::CpuLayers,
    Family::Cache,
    Family::CpuMisses,
    Family::Nvme,
    Family::SingleBuffer,
];

/// By the documentation of each engine; the sources are those of the profiles. llama.cpp splits layers over GPUs too, but one
/// after another, which `parallel.pp` under load is another thing than, and its expert cache (`--moe-cache-mib`) is experimental.
/// Profiles of research engines are offered to whoever names them.
pub(super) const ABILITIES: &[Ability] = &[
    Ability {
        engine: "llama.cpp",
        families: &[Family::Resident, Family::CpuLayers],
        format: Format::Gguf,
        several_gpus: false,
        default: (true, false),
    },
    Ability {
        engine: "ik_llama.cpp",
        families: &[Family::Resident, Family::CpuLayers],
        format: Format::Gguf,
        several_gpus: false,
        default: (false, false),
    },
    Ability {
        engine: "ktransformers",
        families: &[Family::CpuLayers, Family::CpuMisses],
        format: Format::Tensors,
        several_gpus: false,
        default: (false, false),
    },
    Ability {
        engine: "vllm",
        families: &[Family::Resident],
        format: Format::Tensors,
        several_gpus: true,
        default: (true, true),
    },
    Ability {
        engine: "sglang",
        families: &[Family::Resident],
        format: Format::Tensors,
        several_gpus: true,
        default: (false, false),
    },
    Ability {
        engine: "hf-eager",
        families: &[Family::Resident, Family::SingleBuffer],
        format: Format::Tensors,
        several_gpus: false,
        default: (false, false),
    },
    Ability {
        engine: "vram-cache",
        families: &[Family::Cache, Family::CpuMisses],
        format: Format::Any,
        several_gpus: false,
        default: (false, false),
    },
    Ability {
        engine: "direct-nvme",
        families: &[Family::Nvme],
        format: Format::Gguf,
        several_gpus: false,
        default: (false, false),
    },
    Ability {
        engine: "generic",
        families: ALL,
        format: Format::Any,
        several_gpus: true,
        default: (false, false),
    },
];

/// What an engine can do; an engine that is not in the table can do everything.
pub(super) fn ability(engine: &str) -> Ability {
    let known = ABILITIES.iter().find(|ability| ability.engine == engine).copied();
    known.unwrap_or(Ability {
        engine: "",
        families: ALL,
        format: Format::Any,
        several_gpus: true,
        default: (false, false),
    })
}

/// Whether an engine copies while it computes.
pub(super) fn overlaps(engine: &str) -> bool {
    EngineProfile::find(engine).is_none_or(|profile| profile.overlap.value != Overlap::None)
}

/// Quantisations of each format, from the least to the most lossy.
pub(super) const GGUF: &[&str] = &["q8_0", "q6_k", "q5_k_m", "q4_k_m", "iq4_xs", "q3_k_m", "q2_k"];
pub(super) const TENSORS: &[&str] = &["bf16", "fp8", "int8", "nvfp4", "int4"];

/// Models that were published in four bits and are run so by every engine.
const NATIVE: &[(&str, &str)] = &[("gpt-oss-", "mxfp4")];

/// The quantisations that an engine runs of a model.
pub(super) fn quants(model: &str, format: Format) -> Vec<&'static str> {
    if let Some((_, native)) = NATIVE.iter().find(|(prefix, _)| model.starts_with(prefix)) {
        return vec![native];
    }
    match format {
        Format::Gguf => GGUF.to_vec(),
        Format::Tensors => TENSORS.to_vec(),
        Format::Any => [GGUF, TENSORS].concat(),
    }
}

/// Whether a quantisation comes in the format.
pub(super) fn comes_in(quant: &str, format: Format) -> bool {
    let native = NATIVE.iter().any(|(_, native)| *native == quant);
    match format {
        Format::Gguf => !TENSORS.contains(&quant) || native,
        Format::Tensors => !GGUF.contains(&quant) || native,
        Format::Any => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::QuantScheme;

    #[test]
    fn every_profile_has_its_abilities_and_every_quantisation_is_known() {
        for profile in EngineProfile::all() {
            assert_eq!(ability(&profile.id).engine, profile.id);
        }
        assert_eq!(ABILITIES.len(), EngineProfile::all().len());
        for quant in GGUF.iter().chain(TENSORS).chain(NATIVE.iter().map(|(_, quant)| quant)) {
            assert!(QuantScheme::find(quant).is_some(), "{quant}");
        }
    }
}

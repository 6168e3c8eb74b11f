//! The scenarios that answer a question: text with what a table of memory takes for granted, then the options.

use std::path::Path;

use super::{FootprintAsk, ModelAsk};
use crate::error::Result;
use crate::plan::{Inputs, Plan, plan};
use crate::scenario::ScenarioFile;

/// GPU whose speed and links stand in where none is asked for: the usual one of a desktop.
pub(super) const GPU_DEFAULT: &str = "rtx4090";
/// CPU beside it.
const CPU_DEFAULT: &str = "ryzen-7950x";
/// Tokens of a pass: the longest chunk of a prompt, as llama.cpp cuts them (`--ubatch-size`).
const PASS_TOKENS: u64 = 512;

/// One model, stored in one way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Case<'a> {
    pub(super) ask: &'a FootprintAsk,
    pub(super) model: &'a ModelAsk,
    /// `None` for a GGUF file.
    pub(super) scheme: Option<&'a str>,
}

impl Case<'_> {
    /// Every model with every scheme, in their order.
    pub(super) fn all(ask: &FootprintAsk) -> Vec<Case<'_>> {
        let schemes = |model: &ModelAsk| -> Vec<Option<&str>> {
            match model {
                ModelAsk::Gguf(_) => vec![None],
                ModelAsk::Known(_) | ModelAsk::Config(_) => {
                    ask.schemes.iter().map(|scheme| Some(scheme.as_str())).collect()
                }
            }
        };
        let mut cases = Vec::new();
        for model in &ask.models {
            cases.extend(schemes(model).into_iter().map(|scheme| Case { ask, model, scheme }));
        }
        cases
    }

    /// The scenario of this case on top of `base`, a text of defaults that options and settings overrule.
    pub(super) fn scenario(&self, base: &str) -> Result<ScenarioFile> {
        ScenarioFile::parse_with(base, Path::new("moesim memory"), &self.options(), &self.ask.sets)
    }

    /// The options of the command line as settings.
    fn options(&self) -> Vec<(String, String)> {
        let ask = self.ask;
        let (key, name) = self.model.setting();
        let mut options = vec![(self.model.words(), format!("{key}={}", quoted(&name)))];
        let mut option = |option: &str, key: &str, value: Option<String>| {
            if let Some(value) = value {
                options.push((format!("{option} {value}"), format!("{key}={}", quoted(&value))));
            }
        };
        option("--quant", "quant.scheme", self.scheme.map(str::to_owned));
        option("--kv", "quant.kv", ask.kv.clone());
        option("--gpu", "hardware.gpu", ask.gpu.clone());
        // Degrees are judged together, so each stands for all that were written.
        let degrees = [("tp", ask.tp), ("dp", ask.dp), ("ep", ask.ep), ("pp", ask.pp)];
        let written = degrees.into_iter().filter_map(|(name, degree)| Some((name, degree?)));
        let written: Vec<(&str, std::num::NonZeroU32)> = written.collect();
        let together: Vec<String> =
            written.iter().map(|(name, degree)| format!("--{name} {degree}")).collect();
        for (name, degree) in written {
            options.push((together.join(" "), format!("parallel.{name}={degree}")));
        }
        if ask.is_simplified {
            options.push(("--simplified".to_owned(), "model.simplified=true".to_owned()));
        }
        options
    }

    /// The plan whose ledger is asked for.
    pub(super) fn plan(&self, inputs: &Inputs) -> Result<Plan> {
        if !self.ask.serves() {
            return plan(&self.scenario(&self.replayed())?.point(0)?, inputs);
        }
        // How much the keys and values of one GPU take follows from the layout, so that is planned first.
        let first = plan(&self.scenario(&self.served(None))?.point(0)?, inputs)?;
        let room = first.serving.as_ref().map(|serving| {
            let context = u32::try_from(self.ask.context.get()).unwrap_or(u32::MAX);
            serving.kv.shape.bytes(context).saturating_times(u64::from(self.ask.batch_of_rank())).get()
        });
        plan(&self.scenario(&self.served(room))?.point(0)?, inputs)
    }

    /// A prompt that fills a pass, in a context that is long enough.
    fn replayed(&self) -> String {
        let context = self.ask.context.get();
        let prompt = (context - 1).min(PASS_TOKENS);
        format!(
            "{}[workload]\nrouter = \"uniform\"\nsequences = 1\nprompt_tokens = {prompt}\ndecode_tokens = 1\n\
             prefill_chunk = {PASS_TOKENS}\ncontext = {context}\n",
            self.shared()
        )
    }

    /// One request of the whole context, beside as many others as are asked for.
    fn served(&self, kv_room: Option<u64>) -> String {
        let (context, batch) = (self.ask.context.get(), self.ask.batch_of_rank());
        let capacity = kv_room.map_or_else(|| "1 B".to_owned(), |bytes| format!("{bytes} B"));
        format!(
            "{}[workload]\nrouter = \"uniform\"\nsequences = 1\nprompt_tokens = 1\ndecode_tokens = 1\n\
             [requests]\narrivals = \"uniform\"\nrate = \"1 /s\"\ncount = 1\nprompt_tokens = {}\noutput_tokens = 1\n\
             [scheduler]\nmax_batch = {batch}\ntoken_budget = {}\n[kv]\ncapacity = \"{capacity}\"\n",
            self.shared(),
            context.saturating_sub(1).max(1),
            PASS_TOKENS.max(u64::from(batch))
        )
    }

    /// The GPU, and all experts in its memory unless the user says where they lie.
    fn shared(&self) -> String {
        // Whoever places experts may place them on the CPU.
        let home = if self.ask.places_experts() {
            format!("cpu = \"{CPU_DEFAULT}\"\n")
        } else {
            "[placement]\nexperts = \"vram\"\n".to_owned()
        };
        format!("[hardware]\ngpu = \"{GPU_DEFAULT}\"\n{home}")
    }
}

/// A value as TOML text.
fn quoted(text: &str) -> String {
    let escaped: String = text
        .chars()
        .map(|c| match c {
            '"' | '\\' => format!("\\{c}"),
            c if c.is_control() => format!("\\u{:04x}", u32::from(c)),
            c => c.to_string(),
        })
        .collect();
    format!("\"{escaped}\"")
}

//! `moesim memory MODEL...`.

use std::num::{NonZeroU32, NonZeroU64};
use std::path::{Path, PathBuf};

use clap::Args;

use super::{Ended, Known, console};
use crate::error::{Error, Place, Result};
use crate::footprint::{FootprintAsk, ModelAsk, footprints};
use crate::report;

const EXAMPLES: &str = "Examples:
  moesim memory qwen3-30b-a3b --gpu rtx4090
  moesim memory qwen3-30b-a3b qwen3-32b --compare --quant fp16,fp8,int8,int4
  moesim memory mixtral-8x7b --quant fp16 --tp 2 --dp 2 --ep 4 --gpu a100-sxm-80g --batch 8
  moesim memory mixtral-8x7b --simplified --quant fp16,int8,int4 --context 2048";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct MemoryArgs {
    /// Models of the catalogue, config.json files, GGUF files.
    #[arg(value_name = "MODEL", required = true)]
    models: Vec<String>,
    /// Ways to store the weights [default: bf16,fp8,int8,int4; fp16,int8,int4 with --simplified].
    #[arg(long, value_name = "SCHEME,...", value_delimiter = ',')]
    quant: Vec<String>,
    /// Storage type of keys and values [default: the scheme's].
    #[arg(long, value_name = "TYPE")]
    kv: Option<String>,
    /// Tokens of context of each sequence.
    #[arg(long, value_name = "TOKENS", default_value = "4096")]
    context: NonZeroU64,
    /// Sequences at once, on all GPUs together.
    #[arg(long, value_name = "COUNT", default_value = "1")]
    batch: NonZeroU32,
    /// GPU to hold it against, and to simulate offloading on [default of offloading: rtx4090].
    #[arg(long, value_name = "NAME")]
    gpu: Option<String>,
    /// GPUs that split each attention layer.
    #[arg(long, value_name = "COUNT")]
    tp: Option<NonZeroU32>,
    /// Groups of them that serve sequences of their own.
    #[arg(long, value_name = "COUNT")]
    dp: Option<NonZeroU32>,
    /// Ranks that split the experts of each layer.
    #[arg(long, value_name = "COUNT")]
    ep: Option<NonZeroU32>,
    /// Stages that split the layers.
    #[arg(long, value_name = "COUNT")]
    pp: Option<NonZeroU32>,
    /// Any other key of a scenario; may be given several times.
    #[arg(long = "set", value_name = "KEY=VALUE")]
    sets: Vec<String>,
    /// Lay all models and ways to store them side by side in one table.
    #[arg(long)]
    compare: bool,
    /// Count as introductory texts do: two matrices an expert, keys and values for every head, whole bits.
    #[arg(long)]
    simplified: bool,
    /// Leave out the simulation of offloading.
    #[arg(long)]
    no_offload: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    /// Print nothing but errors, and JSON where asked for.
    #[arg(long, short)]
    quiet: bool,
    /// Folder of memory.csv, .json, .md, .svg and .png [default: output/memory-<first model>].
    #[arg(long, short, value_name = "FOLDER")]
    output: Option<PathBuf>,
}

pub(super) fn run(args: &MemoryArgs, known: Known) -> Result<Ended> {
    let ask = ask(args)?;
    let all = footprints(&ask, &known.inputs())?;
    let folder = args.output.clone().unwrap_or_else(|| Path::new("output").join(name(&args.models)));
    report::folder::write(&folder, &report::footprint_files(&all, args.compare)?)?;
    if args.json {
        console::out(&String::from_utf8_lossy(&report::footprint_json(&all)?))?;
    } else if !args.quiet {
        console::out(&report::footprint_text(&all, args.compare))?;
    }
    if !args.quiet {
        console::note(&format!("tables and picture are in {}", folder.display()));
    }
    Ok(Ended::Well)
}

fn ask(args: &MemoryArgs) -> Result<FootprintAsk> {
    let (models, errors): (Vec<_>, Vec<_>) =
        args.models.iter().map(|name| ModelAsk::named(name)).partition(Result::is_ok);
    if let Some(error) = Error::join(errors.into_iter().filter_map(Result::err)) {
        return Err(error);
    }
    let models: Vec<ModelAsk> = models.into_iter().filter_map(Result::ok).collect();
    if !args.quant.is_empty() && models.iter().all(|model| matches!(model, ModelAsk::Gguf(_))) {
        let found = "found beside GGUF files alone, which say how their weights are stored";
        return Err(Error::at(Place::option("--quant"), found)
            .expected("no such option, or a model that is not a GGUF file"));
    }
    let usual: &[&str] =
        if args.simplified { &["fp16", "int8", "int4"] } else { &["bf16", "fp8", "int8", "int4"] };
    let schemes = if args.quant.is_empty() {
        usual.iter().map(|scheme| (*scheme).to_owned()).collect()
    } else {
        args.quant.iter().map(|scheme| scheme.trim().to_owned()).collect()
    };
    Ok(FootprintAsk {
        models,
        schemes,
        kv: args.kv.clone(),
        gpu: args.gpu.clone(),
        context: args.context,
        batch: args.batch,
        tp: args.tp,
        dp: args.dp,
        ep: args.ep,
        pp: args.pp,
        is_simplified: args.simplified,
        offloads: !args.no_offload,
        sets: args.sets.clone(),
    })
}

/// `memory-mixtral-8x7b`; of a file its stem.
fn name(models: &[String]) -> String {
    let first = models.first().map_or("", String::as_str);
    let stem =
        Path::new(first).file_stem().map_or_else(String::new, |stem| stem.to_string_lossy().into_owned());
    // A catalogue name such as `qwen3.5-35b-a3b` has a dot that ends nothing.
    let plain = if Path::new(first).is_file() { stem } else { first.to_owned() };
    format!("memory-{}", plain.to_lowercase().replace(['/', '\\', ' '], "-"))
}

//! `moesim curve TRACE...`.

use std::path::{Path, PathBuf};

use clap::Args;

use super::{Ended, console};
use crate::cache::{Grouping, Registry};
use crate::curve::parse::{self, Split};
use crate::curve::{
    CapacityAsked, CurveRequest, Progress, Series, check, judge, merged, profile_of, run_all,
};
use crate::error::{Error, Result};
use crate::metrics::{TraceCurves, Verdict};
use crate::plan::ExpertSizes;
use crate::report;
use crate::trace::{self, ImportOptions, PassOptions, Trace, import};

const EXAMPLES: &str = "Examples:
  moesim curve traces/gpt-oss-20b.moetrace
  moesim curve chat.moetrace --policy lru,lfu-perfect,random,belady --capacity 2%..40%:20
  moesim curve chat.moetrace --model qwen3-30b-a3b --quant q4_k_m --capacity \"2 GiB..16 GiB:8\"
  moesim curve tokens.jsonl --split tokens.jsonl=399,399,399,199 --docs docs/policies.md";

/// Storage of a model whose quantisation is not given: 16 bits, as in scenarios.
const QUANT_DEFAULT: &str = "bf16";

#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct CurveArgs {
    /// Traces in any format that `moesim trace formats` lists.
    #[arg(value_name = "TRACE", required = true)]
    traces: Vec<PathBuf>,
    #[command(flatten)]
    compared: ComparedArgs,
    #[command(flatten)]
    replayed: ReplayedArgs,
    #[command(flatten)]
    written: WrittenArgs,
    /// Threads [default: one per core].
    #[arg(long, short, value_name = "COUNT")]
    threads: Option<usize>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "What is compared")]
struct ComparedArgs {
    /// Policies, or all of them; NAME+floor keeps room for one token in every layer's share.
    #[arg(long, value_name = "NAME,...", default_value = "all")]
    policy: String,
    /// What comes to stay after a miss: always, second-hit, bypass-large-events.
    #[arg(long, value_name = "NAME,...", default_value = "always")]
    admission: String,
    /// Capacities: shares (25%), sizes (8 GiB), numbers of experts (1536), and ranges A..B (20 points) or A..B:N.
    #[arg(long, value_name = "LIST", default_value = "5%..100%")]
    capacity: String,
    /// Model of the catalogue, for the size of an expert where a trace does not say.
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// How its weights are stored [default: bf16].
    #[arg(long, value_name = "SCHEME", requires = "model")]
    quant: Option<String>,
    /// Merge the experts of each layer into so many, as the scenario key model.merge_experts does.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    merge_experts: Option<u32>,
    /// Another trace for policies that need a profile [default: every second sequence, for the others].
    #[arg(long, value_name = "TRACE")]
    profile: Option<PathBuf>,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "What is replayed")]
struct ReplayedArgs {
    /// Tokens of each sequence, for a file that does not mark where one ends; may be given several times.
    #[arg(long, value_name = "FILE=TOKENS,...")]
    split: Vec<Split>,
    /// Whether a sequence finds what the one before has left in the cache.
    #[arg(long, default_value = "keep", value_parser = ["keep", "clear"])]
    between: String,
    /// What is looked up at once: what a pass asks for in a layer, or one expert as in textbooks.
    #[arg(long, default_value = "layer", value_parser = ["layer", "access"])]
    replay: String,
    /// Most sequences, from the first.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    sequences: Option<u64>,
    /// Most decode tokens of each sequence.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    decode_tokens: Option<u64>,
    /// Leave out prompts.
    #[arg(long)]
    no_prefill: bool,
    /// Seed of policies that draw.
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
}

#[derive(Debug, Args)]
#[command(next_help_heading = "What is written")]
struct WrittenArgs {
    /// Folder of the results [default: output/curve-<first trace>].
    #[arg(long, short, value_name = "FOLDER")]
    output: Option<PathBuf>,
    /// Write layers.csv, too.
    #[arg(long)]
    per_layer: bool,
    /// Write a page on the policies as Markdown, and its pictures into the folder `pictures` beside it.
    #[arg(long, value_name = "FILE")]
    docs: Option<PathBuf>,
    /// Print the results as JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// Print nothing but errors, and JSON where asked for.
    #[arg(long, short)]
    quiet: bool,
}

/// A trace and what is known of it beside.
struct Loaded {
    name: String,
    trace: Trace,
    /// Bytes of an expert by layer, and where they come from.
    expert_bytes: Vec<u64>,
    sized_by: String,
    profile: Option<(String, Vec<u64>)>,
}

pub(super) fn run(args: &CurveArgs, registry: &Registry) -> Result<Ended> {
    super::in_threads(args.threads, || compare(args, registry))
}

fn compare(args: &CurveArgs, registry: &Registry) -> Result<Ended> {
    let (series, capacities) = asked(&args.compared, registry)?;
    let sizes = sizes(&args.compared)?;
    let loaded = load(args, sizes.as_ref())?;
    let requests: Vec<CurveRequest<'_>> =
        loaded.iter().map(|loaded| request(loaded, &args.replayed, &series, &capacities)).collect();
    check(&requests)?;
    let folder = folder(args, &loaded)?;
    let (progress, quiet) = (Progress::default(), args.written.quiet);
    let (curves, seconds) =
        console::watched("replays", quiet, || progress.get(), || run_all(&requests, &progress));
    let mut curves = curves?;
    for (curves, loaded) in curves.iter_mut().zip(&loaded) {
        curves.settings.push(("expert size".to_owned(), loaded.sized_by.clone()));
        if let Some(into) = args.compared.merge_experts {
            curves.settings.push(("merged experts".to_owned(), format!("{into} a layer")));
        }
        if let Some(sizes) = sizes.as_ref().filter(|_| curves.model.is_empty()) {
            sizes.model().clone_into(&mut curves.model);
        }
    }
    write(&args.written, &folder, curves)?;
    if !quiet {
        let of =
            |count: usize, one: &str, more: &str| format!("{count} {}", if count == 1 { one } else { more });
        console::note(&format!(
            "{} at {} on {} in {seconds:.2} s; results are in {}",
            of(series.len(), "policy", "policies"),
            of(capacities.len(), "capacity", "capacities"),
            of(loaded.len(), "trace", "traces"),
            folder.display()
        ));
    }
    Ok(Ended::Well)
}

/// The policies and capacities, all mistakes in them at once.
fn asked(args: &ComparedArgs, registry: &Registry) -> Result<(Vec<Series>, Vec<CapacityAsked>)> {
    let series = parse::admissions(&args.admission)
        .and_then(|admissions| parse::series(registry, &args.policy, &admissions));
    match (series, parse::capacities(&args.capacity)) {
        (Ok(series), Ok(capacities)) => Ok((series, capacities)),
        (series, capacities) => {
            let errors = [series.err(), capacities.err()].into_iter().flatten();
            Err(Error::join(errors).unwrap_or_else(|| Error::new("nothing to compare")))
        }
    }
}

fn sizes(args: &ComparedArgs) -> Result<Option<ExpertSizes>> {
    let quant = args.quant.as_deref().unwrap_or(QUANT_DEFAULT);
    args.model.as_deref().map(|model| ExpertSizes::named(model, quant)).transpose()
}

fn load(args: &CurveArgs, sizes: Option<&ExpertSizes>) -> Result<Vec<Loaded>> {
    let splits = Split::for_files(&args.replayed.split, &args.traces)?;
    let profile = args.compared.profile.as_deref().map(|path| Ok((path, trace::open(path)?))).transpose()?;
    let names = parse::trace_names(&args.traces);
    let one = |((path, split), name): ((&PathBuf, Vec<u64>), String)| {
        let options = ImportOptions { split, ..ImportOptions::default() };
        let trace = import::read(path, &options)?.trace;
        let (expert_bytes, sized_by) = match sizes {
            _ if !trace.header().expert_bytes.is_empty() => {
                (trace.header().expert_bytes.clone(), "as the trace says".to_owned())
            }
            Some(sizes) => (sizes.of_trace(path, &trace)?, sizes.origin()),
            None => (Vec::new(), "not known".to_owned()),
        };
        let file_name = |path: &Path| {
            path.file_name().map_or_else(String::new, |name| name.to_string_lossy().into_owned())
        };
        let other = profile.as_ref().map(|(path, profile): &(&Path, Trace)| (file_name(path), profile));
        let (trace, merged_profile) = match args.compared.merge_experts {
            None => (trace, None),
            Some(into) => merged(&name, &trace, other.as_ref().map(|(_, profile)| *profile), into)?,
        };
        let profile = other
            .map(|(name, other)| profile_of(&name, merged_profile.as_ref().unwrap_or(other), &trace))
            .transpose()?;
        Ok(Loaded { name, trace, expert_bytes, sized_by, profile })
    };
    let found: Vec<Result<Loaded>> = args.traces.iter().zip(splits).zip(names).map(one).collect();
    let (found, errors): (Vec<_>, Vec<_>) = found.into_iter().partition(Result::is_ok);
    Error::join(errors.into_iter().filter_map(Result::err))
        .map_or_else(|| Ok(found.into_iter().filter_map(Result::ok).collect()), Err)
}

fn request<'a>(
    loaded: &'a Loaded,
    args: &ReplayedArgs,
    series: &'a [Series],
    capacities: &'a [CapacityAsked],
) -> CurveRequest<'a> {
    let options = PassOptions::default();
    CurveRequest {
        name: loaded.name.clone(),
        trace: &loaded.trace,
        options: PassOptions {
            prefill: !args.no_prefill,
            sequences: args.sequences.unwrap_or(options.sequences),
            decode_tokens: args.decode_tokens.unwrap_or(options.decode_tokens),
            ..options
        },
        grouping: if args.replay == "access" { Grouping::Access } else { Grouping::Layer },
        clear_between: args.between == "clear",
        series,
        capacities,
        expert_bytes: loaded.expert_bytes.clone(),
        profile: loaded.profile.clone(),
        seed: args.seed,
    }
}

/// The folder of the results, made before anything is replayed, so that a folder that cannot be written is told of at once.
fn folder(args: &CurveArgs, loaded: &[Loaded]) -> Result<PathBuf> {
    let first = loaded.first().map_or("", |loaded| loaded.name.as_str());
    let default = || Path::new("output").join(format!("curve-{first}"));
    let folder = args.written.output.clone().unwrap_or_else(default);
    report::folder::write(&folder, &[])?;
    Ok(folder)
}

fn write(args: &WrittenArgs, folder: &Path, curves: Vec<TraceCurves>) -> Result<()> {
    let pictures = args.docs.as_ref().map(|_| report::curve_page_pictures(&curves)).transpose()?;
    let judged = |curves: TraceCurves| {
        let verdict = judge(&curves);
        (curves, verdict)
    };
    let all: Vec<(TraceCurves, Verdict)> = curves.into_iter().map(judged).collect();
    report::folder::write(folder, &report::curve_files(&all, args.per_layer)?)?;
    if let (Some(page), Some(pictures)) = (&args.docs, &pictures) {
        super::write_page(page, report::policies_page(&all), pictures)?;
    }
    if args.json {
        console::out(&String::from_utf8_lossy(&report::curve_json(&all)?))
    } else if args.quiet {
        Ok(())
    } else {
        console::out(&report::curve_text(&all))
    }
}

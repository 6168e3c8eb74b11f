//! The tables as files.

use serde::Serialize;

use super::words;
use crate::error::{Error, Result};
use crate::metrics::{Agreement, Deployment, Quote};
use crate::report::NamedFile;
use crate::report::draw;
use crate::report::format::ms;
use crate::report::pictures::deployments as pictures;

#[derive(Serialize)]
struct Document<'a> {
    moesim: &'static str,
    deployments: &'a [Deployment],
}

/// Everything as indented JSON, ending in a line feed.
///
/// # Errors
/// When the encoder fails, which these types do not cause.
pub fn deployments_json(all: &[Deployment]) -> Result<Vec<u8>> {
    let document = Document { moesim: env!("CARGO_PKG_VERSION"), deployments: all };
    let mut text = serde_json::to_vec_pretty(&document)
        .map_err(|cause| Error::new(format!("cannot encode deployments.json: {cause}")))?;
    text.push(b'\n');
    Ok(text)
}

/// `deployments.csv` with a line for each quoted figure, `deployments.json`, and each picture as `.svg` and `.png`.
///
/// # Errors
/// When a document cannot be encoded, which no number causes.
pub fn deployments_files(all: &[Deployment]) -> Result<Vec<NamedFile>> {
    let mut files = vec![
        ("deployments.csv".to_owned(), csv(all)?),
        ("deployments.json".to_owned(), deployments_json(all)?),
    ];
    files.extend(pictures::render(all, draw::files)?);
    Ok(files)
}

const HEAD: [&str; 22] = [
    "table",
    "row",
    "model",
    "quant",
    "gpu",
    "gpus",
    "backing",
    "cache_bytes",
    "metric",
    "quoted",
    "quoted_bytes",
    "simplified_bytes",
    "exact_bytes",
    "agreement",
    "vram_needed_bytes",
    "vram_capacity_bytes",
    "ttft_ms_p50",
    "tpot_ms_p50",
    "tokens_per_s",
    "loss_ppm",
    "price_usd",
    "reason",
];

fn csv(all: &[Deployment]) -> Result<Vec<u8>> {
    let failed = |cause: String| Error::new(format!("cannot encode deployments.csv: {cause}"));
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    writer.write_record(HEAD).map_err(|cause| failed(cause.to_string()))?;
    let number = |number: Option<u64>| number.map_or_else(String::new, |number| number.to_string());
    for (one, row) in all.iter().flat_map(|one| one.rows.iter().map(move |row| (one, row))) {
        let config = &row.row.config;
        let vram = row.row.tier("vram");
        let (ttft, tpot) = words::shown_latency(row);
        let rate = row.row.output_tokens_per_s_permille();
        let milli = |value: u64| crate::report::format::ratio(u128::from(value), 1000, 3);
        let dollars = |value: u64| crate::report::format::ratio(u128::from(value), 1_000_000, 2);
        let quotes: Vec<Option<&Quote>> =
            if row.quotes.is_empty() { vec![None] } else { row.quotes.iter().map(Some).collect() };
        for quote in quotes {
            let of = |text: fn(&Quote) -> String| quote.map_or_else(String::new, text);
            let record = [
                one.id.clone(),
                row.id.clone(),
                config.model.clone(),
                config.quant.clone(),
                config.gpu.clone(),
                row.row.cost.gpus.to_string(),
                config.backing.clone(),
                config.cache_capacity_bytes.to_string(),
                of(|quote| quote.metric.clone()),
                of(|quote| quote.value.clone()),
                of(|quote| quote.from_bytes.to_string()),
                number(quote.and_then(|quote| quote.simplified_bytes)),
                number(quote.map(|quote| quote.exact_bytes)),
                of(|quote| agreement(quote.agreement()).to_owned()),
                row.vram_bytes().to_string(),
                number(vram.map(|tier| tier.capacity_bytes)),
                ttft.map_or_else(String::new, ms),
                tpot.map_or_else(String::new, ms),
                rate.map_or_else(String::new, milli),
                number(row.row.quality.loss_ppm()),
                row.row.cost.purchase_microdollars().map_or_else(String::new, dollars),
                words::short_of(row),
            ];
            writer.write_record(record).map_err(|cause| failed(cause.to_string()))?;
        }
    }
    writer.into_inner().map_err(|cause| failed(cause.to_string()))
}

fn agreement(agreement: Agreement) -> &'static str {
    match agreement {
        Agreement::Follows => "follows",
        Agreement::Misses => "misses",
        Agreement::DoesNotFollow => "does-not-follow",
        Agreement::AllCards => "all-cards",
        Agreement::LargestCards => "largest-cards",
        Agreement::NoCard => "no-card",
    }
}

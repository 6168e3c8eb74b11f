//! Which column of a log means what, by the names that logs use.

use super::time::Unit;
use crate::error::{Error, Place, Result, nearest_name};

const TIME: &[&str] = &["arrival", "arrival_time", "arrived_at", "timestamp", "time"];
const PROMPT: &[&str] = &[
    "input_tokens",
    "prompt_tokens",
    "context_tokens",
    "input_length",
    "prompt_length",
    "context_length",
    "input_len",
    "prompt_len",
    "request_tokens",
    "num_prefill_tokens",
];
const OUTPUT: &[&str] = &[
    "output_tokens",
    "generated_tokens",
    "completion_tokens",
    "response_tokens",
    "output_length",
    "output_len",
    "num_decode_tokens",
];
const PRIORITY: &[&str] = &["priority"];
const DOMAIN: &[&str] = &["domain", "category", "type"];

/// The columns of a log, as positions among its names.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) time: usize,
    pub(super) unit: Unit,
    pub(super) prompt: usize,
    pub(super) output: usize,
    pub(super) priority: Option<usize>,
    pub(super) domain: Option<usize>,
}

impl Columns {
    /// Binds `names`; times without a unit in their name are in `unit`.
    ///
    /// # Errors
    /// Columns that are missing, all at once, with the name that may have been meant.
    pub(super) fn bind(place: &Place, names: &[&str], unit: Unit) -> Result<Self> {
        let plain: Vec<(String, Option<Unit>)> = names.iter().map(|name| split_unit(name)).collect();
        // The first of the aliases wins, so that `arrival` is preferred to `timestamp`.
        let find = |aliases: &[&str]| {
            let found = |alias: &&str| names.iter().position(|name| squeezed(name) == squeezed(alias));
            aliases.iter().find_map(found)
        };
        let timed = |alias: &&str| plain.iter().position(|(base, _)| *base == squeezed(alias));
        let (time, prompt, output) = (TIME.iter().find_map(timed), find(PROMPT), find(OUTPUT));
        let (Some(time), Some(prompt), Some(output)) = (time, prompt, output) else {
            let missing = [("times of arrival", TIME, time), ("prompt tokens", PROMPT, prompt)];
            let missing = missing.into_iter().chain([("output tokens", OUTPUT, output)]);
            let errors = missing
                .filter(|(_, _, found)| found.is_none())
                .map(|(what, aliases, _)| lacks(place, names, what, aliases));
            return Err(Error::join(errors).unwrap_or_else(|| Error::at(place.clone(), "has no columns")));
        };
        Ok(Self {
            time,
            unit: plain[time].1.unwrap_or(unit),
            prompt,
            output,
            priority: find(PRIORITY),
            domain: find(DOMAIN),
        })
    }

    /// What was bound to what.
    pub(super) fn note(&self, file: &str, names: &[&str]) -> String {
        let mut note = format!(
            "{file}: times from {:?} ({}) counted from the first, prompts from {:?}, answers from {:?}",
            names[self.time], self.unit, names[self.prompt], names[self.output]
        );
        for (what, column) in [("priorities", self.priority), ("domains", self.domain)] {
            if let Some(column) = column {
                note.push_str(&format!(", {what} from {:?}", names[column]));
            }
        }
        note
    }
}

fn lacks(place: &Place, names: &[&str], what: &str, aliases: &[&str]) -> Error {
    let found = format!("has no column of {what} among {}", names.join(", "));
    let error = Error::at(place.clone(), found);
    let near = names.iter().find_map(|name| Some((nearest_name(name, aliases)?, name)));
    match near {
        Some((alias, name)) => error.hint(format!("did you mean {alias:?} by {name:?}?")),
        None => error.expected(format!("one of {}", aliases.join(", "))),
    }
}

/// A name without case and separators: `ContextTokens` and `context_tokens` are one.
fn squeezed(name: &str) -> String {
    name.to_lowercase().replace(['_', '-', ' '], "")
}

/// A name without its unit, squeezed, and the unit: `arrival_ms` is `arrival` in ms.
fn split_unit(name: &str) -> (String, Option<Unit>) {
    let lower = name.to_lowercase();
    let unit = lower.rsplit_once(['_', '-', ' ']).and_then(|(base, suffix)| {
        let suffix = suffix.trim_matches(['(', ')', '[', ']']);
        Some((squeezed(base), Some(Unit::of_suffix(suffix)?)))
    });
    unit.unwrap_or_else(|| (squeezed(name), None))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(names: &[&str], expected: (usize, Unit, usize, usize, Option<usize>, Option<usize>)) {
        let bound = Columns::bind(&Place::file("x"), names, Unit::SECONDS).unwrap();
        let found = (bound.time, bound.unit, bound.prompt, bound.output, bound.priority, bound.domain);
        assert_eq!(found, expected, "{names:?}");
    }

    #[test]
    fn columns_are_bound_by_name_whatever_their_case() {
        let ms = Unit::of_suffix("ms").unwrap();
        check(&["TIMESTAMP", "ContextTokens", "GeneratedTokens"], (0, Unit::SECONDS, 1, 2, None, None));
        check(&["output_tokens", "x", "Arrival_MS", "input-tokens"], (2, ms, 3, 0, None, None));
        check(
            &["arrived_at", "num_prefill_tokens", "num_decode_tokens"],
            (0, Unit::SECONDS, 1, 2, None, None),
        );
        check(
            &["Timestamp", "Model", "Request tokens", "Response tokens", "Total tokens", "Log Type"],
            (0, Unit::SECONDS, 2, 3, None, None),
        );
        check(
            &["category", "priority", "time [ns]", "prompt_tokens", "completion_tokens"],
            (2, Unit::of_suffix("ns").unwrap(), 3, 4, Some(1), Some(0)),
        );
        check(
            &["timestamp", "arrival_s", "isl", "input_len", "output_len"],
            (1, Unit::of_suffix("s").unwrap(), 3, 4, None, None),
        );
    }

    #[test]
    fn all_missing_columns_are_named_at_once() {
        let error =
            Columns::bind(&Place::file("x").line(1), &["timestmp", "tokens"], Unit::SECONDS).unwrap_err();
        assert_eq!(
            error.to_string(),
            "x:1: has no column of times of arrival among timestmp, tokens, did you mean \"timestamp\" by \
             \"timestmp\"?\nx:1: has no column of prompt tokens among timestmp, tokens, expected one of input_tokens, \
             prompt_tokens, context_tokens, input_length, prompt_length, context_length, input_len, prompt_len, \
             request_tokens, num_prefill_tokens\nx:1: has no column of output tokens among timestmp, tokens, expected \
             one of output_tokens, generated_tokens, completion_tokens, response_tokens, output_length, output_len, \
             num_decode_tokens"
        );
    }
}

//! nvmoe tokens: JSON lines, each one token as a list of `[layer, expert]` pairs (`sim/trace_post.py`).
//!
//! The file states neither the number of experts nor where a sequence ends, and its tokens are all decode.

use super::gather::ONE_SEQUENCE;
use super::{Gather, ImportOptions, Imported, Inferred, Known, RowKey, Selection, Source};
use crate::error::Result;
use crate::trace::builder::Phase;
use crate::trace::data::TraceHeader;

pub(super) fn detect(source: &Source) -> bool {
    let head = source.head();
    let start: String = head.chars().filter(|letter| !letter.is_whitespace()).take(3).collect();
    start.starts_with("[[") && start.ends_with(|letter: char| letter.is_ascii_digit())
}

pub(super) fn read(source: &Source, options: &ImportOptions) -> Result<Imported> {
    let mut gather = Gather::default();
    gather.note(ONE_SEQUENCE);
    gather.note("the file holds decode tokens only");
    for (position, (line, text)) in (0..).zip(source.lines()) {
        let pairs: Vec<(u64, u64)> = source.json_line(line, text?)?;
        let key = RowKey { sequence: 0, phase: Phase::Decode, position };
        gather.row(key);
        for (index, (layer, expert)) in pairs.iter().enumerate() {
            let rank = pairs[..index].iter().filter(|(other, _)| other == layer).count() as u64;
            gather.select(source, key, Selection::plain(*layer, rank, *expert, line))?;
        }
    }
    let header = TraceHeader { source: format!("nvmoe tokens, {}", source.name()), ..TraceHeader::default() };
    let experts = Known::or_infer(options.experts, None, Inferred::PowerOfTwo);
    let top_k = Known::or_infer(options.top_k, None, Inferred::LargestPlusOne);
    gather.finish(source, header, experts, top_k)
}

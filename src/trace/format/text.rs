//! The text block of a `.moetrace` file: names, notes, categories, layer ids, expert sizes.

use super::head::Head;
use crate::trace::data::TraceHeader;

/// The block of a header and its categories; `None` where a string or list exceeds 4 GiB.
pub(super) fn encode(header: &TraceHeader, categories: &[&str]) -> Option<Vec<u8>> {
    let mut block = Vec::new();
    for text in [&header.model, &header.source, &header.licence] {
        put_string(&mut block, text)?;
    }
    put_count(&mut block, header.notes.len())?;
    for note in &header.notes {
        put_string(&mut block, note)?;
    }
    put_count(&mut block, categories.len())?;
    for category in categories {
        put_string(&mut block, category)?;
    }
    block.extend(header.layer_ids.iter().flat_map(|id| id.to_le_bytes()));
    put_count(&mut block, header.expert_bytes.len())?;
    block.extend(header.expert_bytes.iter().flat_map(|bytes| bytes.to_le_bytes()));
    Some(block)
}

/// The header and the categories; `None` where the block is not well formed or goes on after its end.
pub(super) fn decode(block: &[u8], head: &Head) -> Option<(TraceHeader, Vec<String>)> {
    let mut rest = block;
    let (model, source, licence) = (string(&mut rest)?, string(&mut rest)?, string(&mut rest)?);
    let notes = strings(&mut rest)?;
    let categories = strings(&mut rest)?;
    let layer_ids = numbers(&mut rest, head.layers, u32::from_le_bytes)?;
    let sizes = u32::from_le_bytes(array(&mut rest)?);
    let expert_bytes = numbers(&mut rest, sizes, u64::from_le_bytes)?;
    let header = TraceHeader {
        model,
        layer_ids,
        experts: head.experts,
        top_k: head.top_k,
        expert_bytes,
        source,
        licence,
        notes,
    };
    rest.is_empty().then_some((header, categories))
}

fn put_count(block: &mut Vec<u8>, count: usize) -> Option<()> {
    block.extend(u32::try_from(count).ok()?.to_le_bytes());
    Some(())
}

fn put_string(block: &mut Vec<u8>, text: &str) -> Option<()> {
    put_count(block, text.len())?;
    block.extend(text.as_bytes());
    Some(())
}

fn array<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, after) = rest.split_first_chunk::<N>()?;
    *rest = after;
    Some(*taken)
}

fn string(rest: &mut &[u8]) -> Option<String> {
    let bytes = usize::try_from(u32::from_le_bytes(array(rest)?)).ok()?;
    let (taken, after) = rest.split_at_checked(bytes)?;
    *rest = after;
    String::from_utf8(taken.to_vec()).ok()
}

fn strings(rest: &mut &[u8]) -> Option<Vec<String>> {
    // Not collected into a preallocated vector: the count is not yet known to be true.
    (0..u32::from_le_bytes(array(rest)?)).map(|_| string(rest)).collect()
}

fn numbers<T, const N: usize>(rest: &mut &[u8], count: u32, number: fn([u8; N]) -> T) -> Option<Vec<T>> {
    let bytes = usize::try_from(count).ok()?.checked_mul(N)?;
    let (taken, after) = rest.split_at_checked(bytes)?;
    *rest = after;
    taken.as_chunks::<N>().0.iter().map(|chunk| Some(number(*chunk))).collect()
}

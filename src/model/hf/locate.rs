//! Finds a key in JSON text that is known to be valid, for the line and column of an error.

/// Line and column, both from 1, of the key at this path; the last section of the path may lie at any depth.
pub(super) fn key(text: &str, path: &[&str]) -> Option<(usize, usize)> {
    let mut open: Vec<Option<&str>> = Vec::new();
    let mut pending: Option<&str> = None;
    let mut at = 0;
    while let Some(&byte) = text.as_bytes().get(at) {
        match byte {
            b'{' | b'[' => open.push(pending.take()),
            b'}' | b']' => {
                open.pop();
                pending = None;
            }
            b',' => pending = None,
            b'"' => {
                let end = string_end(text, at);
                let name = text.get(at + 1..end)?;
                if text[end + 1..].trim_start().starts_with(':') {
                    pending = Some(name);
                    let inside: Vec<&str> = open.iter().copied().flatten().chain([name]).collect();
                    if inside.ends_with(path) && (path.len() > 1 || inside.len() == 1) {
                        return Some(line_and_column(text, at));
                    }
                }
                at = end;
            }
            _ => {}
        }
        at += 1;
    }
    None
}

/// The closing quote of the string that opens at `start`.
fn string_end(text: &str, start: usize) -> usize {
    let bytes = text.as_bytes();
    let mut at = start + 1;
    while let Some(&byte) = bytes.get(at) {
        match byte {
            b'"' => return at,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len().saturating_sub(1)
}

fn line_and_column(text: &str, at: usize) -> (usize, usize) {
    let before = &text[..at];
    let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
    (before.matches('\n').count() + 1, before[line_start..].chars().count() + 1)
}

#[cfg(test)]
mod tests {
    use super::key;

    #[test]
    fn finds_a_key_by_its_path_and_not_its_namesakes() {
        let text = "{\n \"a\": \"x\",\n \"vision\": {\"x\": 1},\n \"text\": {\"q\\\"\": [{\"x\": 0}],\n   \"x\": 2},\n \"x\": 3}";
        assert_eq!(key(text, &["x"]), Some((6, 2)));
        assert_eq!(key(text, &["vision", "x"]), Some((3, 13)));
        assert_eq!(key(text, &["text", "x"]), Some((5, 4)));
        assert_eq!(key(text, &["text", "y"]), None);
    }
}

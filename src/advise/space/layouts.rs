//! Layouts over several GPUs to choose from.

use crate::error::{Error, Result};

/// How the GPUs of a machine share the work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::advise) struct LayoutChoice {
    pub(super) tp: u32,
    pub(super) dp: u32,
    pub(super) ep: u32,
    pub(super) pp: u32,
    pub(super) replicas: u32,
}

const ONE: LayoutChoice = LayoutChoice { tp: 1, dp: 1, ep: 1, pp: 1, replicas: 1 };

impl LayoutChoice {
    /// GPUs of all replicas.
    pub(super) fn gpus(&self) -> u32 {
        self.tp * self.dp * self.pp * self.replicas
    }

    fn degrees(&self) -> [(&'static str, u32); 5] {
        [("tp", self.tp), ("dp", self.dp), ("ep", self.ep), ("pp", self.pp), ("replicas", self.replicas)]
    }

    /// As it is written: `tp2 replicas2`; `one GPU` where nothing is shared.
    pub(super) fn text(&self) -> String {
        let shared: Vec<String> = self
            .degrees()
            .into_iter()
            .filter(|(_, degree)| *degree > 1)
            .map(|(name, degree)| format!("{name}{degree}"))
            .collect();
        if shared.is_empty() { "one GPU".to_owned() } else { shared.join(" ") }
    }

    /// Keys and values of the degrees above one.
    pub(super) fn settings(&self) -> Vec<(String, String)> {
        let shared = self.degrees().into_iter().filter(|(_, degree)| *degree > 1);
        shared.map(|(name, degree)| (format!("parallel.{name}"), degree.to_string())).collect()
    }
}

/// Reads a layout like `tp2 dp2 ep4`.
///
/// # Errors
/// An unknown degree, or one that is no number above zero.
pub(in crate::advise) fn layout(text: &str) -> Result<LayoutChoice> {
    let mut layout = ONE;
    for part in text.split_whitespace() {
        let at = part.find(|c: char| c.is_ascii_digit()).unwrap_or(part.len());
        let (name, degree) = part.split_at(at);
        let slot = match name {
            "tp" => &mut layout.tp,
            "dp" => &mut layout.dp,
            "ep" => &mut layout.ep,
            "pp" => &mut layout.pp,
            "replicas" => &mut layout.replicas,
            _ => {
                let error = Error::new(format!("unknown degree {name:?} in {text:?}"));
                return Err(error.nearest(name, ["tp", "dp", "ep", "pp", "replicas"]));
            }
        };
        *slot = degree.parse().ok().filter(|degree| *degree > 0).ok_or_else(|| {
            Error::new(format!("found {part:?}")).expected("a degree above zero, like \"tp4\"")
        })?;
    }
    Ok(layout)
}

/// The usual ways to share so many GPUs: tensor-parallel, with experts split or sliced; attention data-parallel and experts
/// spread; both halves; independent replicas.
pub(super) fn usual(gpus: u32) -> Vec<LayoutChoice> {
    let mut layouts = vec![
        LayoutChoice { tp: gpus, ..ONE },
        LayoutChoice { tp: gpus, ep: gpus, ..ONE },
        LayoutChoice { dp: gpus, ep: gpus, ..ONE },
    ];
    if gpus.is_multiple_of(2) && gpus > 2 {
        layouts.push(LayoutChoice { tp: 2, dp: gpus / 2, ep: gpus, ..ONE });
        layouts.push(LayoutChoice { tp: gpus / 2, replicas: 2, ..ONE });
    }
    layouts.push(LayoutChoice { replicas: gpus, ..ONE });
    layouts.push(LayoutChoice { pp: gpus, ..ONE });
    let mut distinct = Vec::new();
    for layout in layouts {
        if !distinct.contains(&layout) {
            distinct.push(layout);
        }
    }
    distinct
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layouts_read_as_they_are_shown() {
        for text in ["tp4", "dp4 ep4", "tp2 dp2 ep4", "tp2 replicas2", "one GPU"] {
            let read = if text == "one GPU" { layout("") } else { layout(text) };
            assert_eq!(read.unwrap().text(), text);
        }
        assert_eq!(
            layout("tq4").unwrap_err().to_string(),
            "unknown degree \"tq\" in \"tq4\", did you mean \"tp\"?"
        );
        assert_eq!(
            layout("tp0").unwrap_err().to_string(),
            "found \"tp0\", expected a degree above zero, like \"tp4\""
        );
    }

    #[test]
    fn usual_layouts_use_every_gpu_and_differ() {
        for gpus in 1..9 {
            let all = usual(gpus);
            assert!(all.iter().all(|layout| layout.gpus() == gpus), "{gpus}");
            assert_eq!(all.iter().filter(|layout| **layout == all[0]).count(), 1);
        }
        assert_eq!(usual(1), [ONE]);
    }
}

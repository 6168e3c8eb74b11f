//! The effects that measurements show, as text, as a page, as CSV and as pictures.

use std::fmt::Write as _;

use super::NamedFile;
use super::format::counted;
use super::pictures::effect as pictures;
use super::text_table::aligned;
use super::validation::number;
use super::validation_page::linked;
use crate::error::{Error, Result};
use crate::metrics::{Effect, EffectChart};

/// Every effect with its numbers.
pub fn effects_text(all: &[Effect]) -> String {
    let mut text = String::new();
    for effect in all {
        let _ = writeln!(text, "{}: {}\n{}", effect.id, effect.title, effect.setting);
        for chart in &effect.charts {
            let _ = writeln!(text, "{}", chart.title());
            text.push_str(&aligned(&table(effect, chart), 1));
        }
        text.push('\n');
    }
    text
}

/// A line for each place of the x axis, a column for each curve.
fn table(effect: &Effect, chart: &EffectChart) -> Vec<Vec<String>> {
    let groups = chart.groups();
    let title = |group: &&str| if group.is_empty() { chart.title() } else { (*group).to_owned() };
    let mut lines = vec![vec![effect.x_label.clone()]];
    lines[0].extend(groups.iter().map(title));
    for place in chart.places() {
        let cell = |group: &&str| {
            let found = chart.at(place, group);
            found.map_or_else(String::new, |found| found.value.map_or_else(|| "-".to_owned(), number))
        };
        let mut line = vec![place.to_owned()];
        line.extend(groups.iter().map(cell));
        lines.push(line);
    }
    lines
}

/// The page as Markdown; pictures are looked for in the folder `pictures` beside it.
pub fn effects_page(all: &[Effect]) -> String {
    let mut text = String::from("# Effects\n\n");
    text.push_str(
        "What measurements show when one setting of a machine changes, and what the simulation makes of it.\n\
         `moesim effects --docs docs/effects.md` writes this page from `scenarios/effects/`; `tests/effects.rs` holds\n\
         each effect to what it must show. Nothing here was fitted to the measurements that are quoted: how close the\n\
         numbers themselves come is in [`validation.md`](validation.md).\n\n",
    );
    for effect in all {
        let _ = writeln!(text, "- [{}](#{})", effect.title, anchor(&effect.title));
    }
    for effect in all {
        section(&mut text, effect);
    }
    text
}

/// As GitHub makes anchors of headings.
fn anchor(title: &str) -> String {
    let kept = title.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
    kept.map(|c| if c == ' ' { '-' } else { c.to_ascii_lowercase() }).collect()
}

fn section(text: &mut String, effect: &Effect) {
    let _ = write!(text, "\n## {}\n\n", effect.title);
    let _ = writeln!(text, "**Measured.** {} Source: {}\n", effect.says, linked(&effect.source));
    let _ = writeln!(text, "**Simulated.** {}\n", effect.shows);
    for chart in &effect.charts {
        let _ = writeln!(text, "![{}](pictures/{}.svg)\n", effect.id, pictures::name(effect, chart));
        if effect.charts.len() > 1 {
            let _ = writeln!(text, "{}:\n", chart.title());
        }
        for (index, line) in table(effect, chart).iter().enumerate() {
            let cells: Vec<String> = line.iter().map(|cell| cell.replace('|', "\\|")).collect();
            let _ = writeln!(text, "| {} |", cells.join(" | "));
            if index == 0 {
                let _ = writeln!(text, "|{}", " --- |".repeat(line.len()));
            }
        }
        text.push('\n');
    }
    let _ = writeln!(
        text,
        "{}: `moesim effects {}`, {}.",
        effect.setting,
        effect.file,
        counted(effect.points, "point")
    );
}

/// The pictures of the page, as SVG.
///
/// # Errors
/// When a picture cannot be drawn, which no number causes.
pub fn effects_page_pictures(all: &[Effect]) -> Result<Vec<NamedFile>> {
    let mut files = pictures::render(all)?;
    files.retain(|(name, _)| name.ends_with(".svg"));
    Ok(files)
}

/// `effects.csv`, and each picture as `.svg` and `.png`.
///
/// # Errors
/// When a document cannot be encoded, which no number causes.
pub fn effects_files(all: &[Effect]) -> Result<Vec<NamedFile>> {
    let mut files = vec![("effects.csv".to_owned(), csv(all)?)];
    files.extend(pictures::render(all)?);
    Ok(files)
}

fn csv(all: &[Effect]) -> Result<Vec<u8>> {
    let failed = |cause: String| Error::new(format!("cannot encode effects.csv: {cause}"));
    let mut writer = ::csv::Writer::from_writer(Vec::new());
    let head = ["effect", "metric", "unit", "group", "x", "value", "reason"];
    writer.write_record(head).map_err(|cause| failed(cause.to_string()))?;
    let charts = all.iter().flat_map(|effect| effect.charts.iter().map(move |chart| (effect, chart)));
    for (effect, chart) in charts {
        for value in &chart.values {
            let shown = value.value.map_or_else(String::new, |value| format!("{value:.6}"));
            let record =
                [&effect.id, &chart.metric, &chart.unit, &value.group, &value.x, &shown, &value.reason];
            writer.write_record(record).map_err(|cause| failed(cause.to_string()))?;
        }
    }
    writer.into_inner().map_err(|cause| failed(cause.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::metrics::EffectValue;

    fn value(x: &str, group: &str, value: Option<f64>) -> EffectValue {
        let place = x.parse().ok();
        let reason = if value.is_none() { "too large".to_owned() } else { String::new() };
        EffectValue { x: x.to_owned(), place, group: group.to_owned(), value, reason }
    }

    #[test]
    fn the_table_has_a_column_for_each_curve() {
        let values = vec![
            value("1", "a", Some(2.5)),
            value("1", "b", Some(100.0)),
            value("2", "a", Some(0.031_25)),
            value("2", "b", None),
        ];
        let chart =
            EffectChart { metric: "m".to_owned(), label: "time".to_owned(), unit: "ms".to_owned(), values };
        let effect = Effect {
            id: "one".to_owned(),
            title: "More of it, slower".to_owned(),
            says: "So it is.".to_owned(),
            source: "https://example.org page 3".to_owned(),
            shows: "The same.".to_owned(),
            file: "one.toml".to_owned(),
            setting: "machine".to_owned(),
            x_label: "threads".to_owned(),
            group_label: "engine".to_owned(),
            points: 4,
            charts: vec![chart],
        };
        let all = [effect];
        assert_eq!(
            effects_text(&all),
            "one: More of it, slower\nmachine\ntime (ms)\n\
             threads      a            b\n1        2.500        100.0\n2        0.0312  -\n\n"
        );
        let page = effects_page(&all);
        for part in [
            "- [More of it, slower](#more-of-it-slower)",
            "Source: <https://example.org> page 3",
            "| threads | a | b |\n| --- | --- | --- |\n| 1 | 2.500 | 100.0 |",
            "![one](pictures/effect-one.svg)",
            "`moesim effects one.toml`, 4 points.",
        ] {
            assert!(page.contains(part), "{part}:\n{page}");
        }
        let csv = String::from_utf8(csv(&all).unwrap()).unwrap();
        assert!(csv.ends_with("one,m,ms,b,2,,too large\n"), "{csv}");
    }
}

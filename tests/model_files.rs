//! Real `config.json` files, where they are at hand: each imports or names what is not modelled.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

mod common;

use std::path::{Path, PathBuf};

use moesim::catalogue::models;
use moesim::model::{ModelSpec, hf};

fn shared_models() -> Option<PathBuf> {
    Some(common::shared("model_files")?.join("models"))
}

fn config_files(folder: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<PathBuf> =
        entries.filter(|path| path.to_string_lossy().contains("_config.")).collect();
    files.sort();
    files
}

/// Configs that hold a feature which no count here models, and its name.
const REFUSED: [(&str, &str); 3] = [
    ("deepseek-ai--DeepSeek-V4-Flash", "hyper-connections (hc_mult) is not modelled"),
    ("deepseek-ai--DeepSeek-V4-Pro", "hyper-connections (hc_mult) is not modelled"),
    ("moonshotai--Kimi-K3", "latent-MoE expert projection (routed_expert_hidden_size) is not modelled"),
];

#[test]
fn real_files_import_or_name_the_feature() {
    let Some(folder) = shared_models() else { return };
    for path in config_files(&folder) {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let refused = REFUSED.iter().find(|(model, _)| name.starts_with(model));
        match (hf::import(&std::fs::read_to_string(&path).unwrap(), &path), refused) {
            (Ok(spec), None) => println!("{name}: {:.1}B", spec.params().total() as f64 / 1e9),
            (Err(error), Some((_, feature))) => {
                println!("{error}");
                assert!(error.to_string().ends_with(feature), "{error}");
            }
            (Ok(_), Some(_)) => panic!("{name} imports, though a feature of it is not modelled"),
            (Err(error), None) => panic!("{error}"),
        }
    }
}

/// Another count of the same files: layers, experts and widths, and the size of an expert.
#[test]
fn real_files_agree_with_the_summary_beside_them() {
    let Some(folder) = shared_models() else { return };
    let mut reader = csv::Reader::from_path(folder.join("summary.csv")).unwrap();
    let columns = reader.headers().unwrap().clone();
    let mut compared = 0;
    for record in reader.records() {
        let record = record.unwrap();
        let cell =
            |name: &str| record.get(columns.iter().position(|column| column == name).unwrap()).unwrap();
        let path = folder.join(cell("file"));
        let Ok(spec) = hf::import(&std::fs::read_to_string(&path).unwrap(), &path) else { continue };
        let layers = spec.moe_layer_ids();
        let number = |name: &str| cell(name).parse::<u64>().unwrap();
        assert_eq!(spec.layers.len() as u64, number("layers"), "{}", cell("file"));
        assert_eq!(layers.len() as u64, number("moe_layers"), "{}", cell("file"));
        assert_eq!(u64::from(spec.experts()), number("experts"), "{}", cell("file"));
        assert_eq!(u64::from(spec.top_k()), number("top_k"), "{}", cell("file"));
        assert_eq!(spec.hidden, number("hidden"), "{}", cell("file"));
        let moe = spec.layers[layers[0] as usize].moe().unwrap();
        let matrices = 2 + u64::from(moe.gated);
        assert_eq!(
            matrices * spec.hidden * moe.expert_inter,
            number("params_per_expert"),
            "{}",
            cell("file")
        );
        compared += 1;
    }
    assert!(compared >= 40, "{compared}");
}

/// The catalogue's rows hold every figure of the files that matters.
#[test]
fn known_models_equal_the_files_they_come_from() {
    let Some(folder) = shared_models() else { return };
    let mut compared = Vec::new();
    for path in config_files(&folder) {
        let Ok(spec) = hf::import(&std::fs::read_to_string(&path).unwrap(), &path) else { continue };
        let repository = spec.name.replace("--", "/").replace("Meta-Llama-3.1", "Llama-3.1");
        let name = |source: &str| source.to_lowercase().trim_start_matches("huggingface.co/").to_owned();
        let repository = repository.to_lowercase();
        // The shortest source that begins so: `DeepSeek-V2`, not `DeepSeek-V2-Lite`.
        let rows = models::all().iter().filter(|row| name(&row.source).starts_with(&repository));
        let row = rows.min_by_key(|row| row.source.len());
        let Some(row) = row else { continue };
        assert!(ModelSpec { name: row.spec.name.clone(), ..spec } == row.spec, "{}", row.id);
        compared.push(row.id.as_str());
    }
    assert!(compared.len() >= 30, "{compared:?}");
}

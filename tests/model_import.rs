//! Reading `config.json`: every spelling, every shared real file, and what a bad file gets to hear.

use std::path::{Path, PathBuf};

use moesim::model::hf;

fn shared_models() -> Option<PathBuf> {
    let near = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../shared");
    let root = std::env::var_os("MOESIM_SHARED").map_or(near, PathBuf::from);
    let models = root.join("models");
    models.is_dir().then_some(models)
}

#[test]
fn real_files_import_or_name_the_feature() {
    let Some(models) = shared_models() else {
        eprintln!("skipped: ../shared is not here");
        return;
    };
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(models).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.to_string_lossy().contains("config"));
    files.sort();
    for path in files {
        let text = std::fs::read_to_string(&path).unwrap();
        match hf::import(&text, &path) {
            Ok(spec) => {
                let (all, active) = (spec.params(), spec.active_params());
                let b = |n: u64| n as f64 / 1e9;
                println!(
                    "{:48} {:9.3} act {:7.3} noin {:7.3} noemb {:7.3} moe {} x {} top {} mtp {:.3}",
                    spec.name,
                    b(all.total()),
                    b(active.total()),
                    b(active.without_input_embedding().total()),
                    b(active.without_embeddings().total()),
                    spec.moe_layer_ids().len(),
                    spec.experts(),
                    spec.top_k(),
                    spec.mtp.as_ref().map_or(0.0, |m| b(m.params().total())),
                );
            }
            Err(error) => println!("REFUSED {error}"),
        }
    }
    let _ = Path::new("");
}

//! Reading GGUF headers, written here by a small writer: whole, split, cut off and damaged ones.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]
#![allow(clippy::too_many_lines, reason = "tables of cases are long")]

use std::path::PathBuf;

use moesim::model::gguf::{self, GgufModel};
use moesim::model::{Attention, Dtype};
use moesim::units::Bytes;

#[path = "common/gguf.rs"]
mod writer;

use writer::*;

/// A file in a folder of its own, removed at the end.
struct File(#[allow(dead_code)] tempfile::TempDir, PathBuf);

fn file(bytes: &[u8]) -> File {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.gguf");
    std::fs::write(&path, bytes).unwrap();
    File(folder, path)
}

fn import(bytes: &[u8]) -> Result<GgufModel, String> {
    let File(_folder, path) = file(bytes);
    let folder = format!("{}/", path.parent().unwrap().display());
    gguf::import(&path).map_err(|error| error.to_string().replace(&folder, ""))
}

#[test]
fn a_whole_file_has_the_architecture_s_weights_and_its_own_bytes() {
    let model = import(&qwen3moe().bytes()).unwrap();
    assert_eq!(model.spec.name, "Small");
    assert_eq!((model.spec.experts(), model.spec.top_k(), model.spec.moe_layer_ids().len()), (8, 2, 4));
    assert_eq!(model.params, model.spec.params());
    assert_eq!((model.missing.len(), model.shards), (0, 1));
    let bytes = |name: &str, weights| Dtype::by_name(name).unwrap().bytes_for(weights);
    let matrix = 256 * 256;
    assert_eq!(model.layers[0].expert_bytes, bytes("q4_k", 3 * matrix));
    assert_eq!(model.layers[3].expert_bytes, bytes("q4_k", 2 * matrix) + bytes("q6_k", matrix));
    assert_eq!(model.layers[3].bytes.router, bytes("f32", 8 * 256));
    assert_eq!(model.bytes.embeddings, bytes("q4_k", 25_600));
    assert_eq!(model.bytes.lm_head, bytes("q6_k", 25_600));
    assert_eq!(model.other_bytes, Bytes::new(128));
    let of_layers: Bytes = model.layers.iter().map(|layer| layer.bytes.total()).sum();
    let outside = model.bytes.embeddings + model.bytes.lm_head + bytes("f32", 256);
    assert_eq!(of_layers + outside, model.bytes.total());
}

#[test]
fn other_architectures_have_their_weights() {
    let shared: &[(&str, &[u64], &str)] = &[
        ("ffn_gate_inp_shexp.weight", &[256], "f32"),
        ("ffn_gate_shexp.weight", &[256, 512], "f16"),
        ("ffn_up_shexp.weight", &[256, 512], "f16"),
        ("ffn_down_shexp.weight", &[512, 256], "f16"),
    ];
    let dense: &[(&str, &[u64], &str)] = &[
        ("ffn_gate.weight", &[256, 768], "f16"),
        ("ffn_up.weight", &[256, 768], "f16"),
        ("ffn_down.weight", &[768, 256], "f16"),
    ];
    let biases: &[(&str, &[u64], &str)] =
        &[("attn_q.bias", &[512], "f32"), ("attn_k.bias", &[128], "f32"), ("attn_v.bias", &[128], "f32")];
    let gpt_oss: &[(&str, &[u64], &str)] = &[
        ("attn_output.bias", &[256], "f32"),
        ("attn_sinks.weight", &[8], "f32"),
        ("ffn_gate_inp.bias", &[8], "f32"),
        ("ffn_gate_exps.bias", &[256, 8], "f32"),
        ("ffn_up_exps.bias", &[256, 8], "f32"),
        ("ffn_down_exps.bias", &[256, 8], "f32"),
    ];
    let latent: &[(&str, &[u64], &str)] = &[
        ("attn_norm.weight", &[256], "f32"),
        ("attn_q_a.weight", &[256, 64], "f16"),
        ("attn_q_a_norm.weight", &[64], "f32"),
        ("attn_q_b.weight", &[64, 8 * 48], "f16"),
        ("attn_kv_a_mqa.weight", &[256, 128 + 16], "f16"),
        ("attn_kv_a_norm.weight", &[128], "f32"),
        ("attn_k_b.weight", &[32, 128, 8], "f16"),
        ("attn_v_b.weight", &[128, 32, 8], "f16"),
        ("attn_output.weight", &[8 * 32, 256], "f16"),
        ("ffn_norm.weight", &[256], "f32"),
    ];
    let mla = &[
        ("attention.q_lora_rank", 64),
        ("attention.kv_lora_rank", 128),
        ("attention.key_length_mla", 48),
        ("attention.value_length_mla", 32),
        ("rope.dimension_count", 16),
        ("leading_dense_block_count", 1),
        ("expert_shared_count", 2),
        ("expert_feed_forward_length", 256),
    ];
    let bias: &[(&str, &[u64], &str)] = &[("exp_probs_b.bias", &[8], "f32")];
    let qwen2moe = ends(start("qwen2moe"))
        .layers(0..4, ATTENTION)
        .layers(0..4, biases)
        .layers(0..4, EXPERTS)
        .layers(0..4, DOWN_Q4)
        .layers(0..4, shared);
    let gpt_oss = ends(start("gpt-oss"))
        .numbers("gpt-oss", &[("expert_feed_forward_length", 256), ("attention.sliding_window", 128)])
        .layers(0..4, ATTENTION)
        .layers(0..4, biases)
        .layers(0..4, gpt_oss)
        .layers(0..4, EXPERTS)
        .layers(0..4, DOWN_Q4);
    let deepseek = ends(start("deepseek2"))
        .numbers("deepseek2", mla)
        .layers(0..4, latent)
        .layers(0..1, dense)
        .layers(1..4, EXPERTS)
        .layers(1..4, DOWN_Q6)
        .layers(1..4, bias)
        .layers(1..4, &shared[1..]);
    // The last of five blocks predicts further tokens.
    let glm = ends(start("glm4moe"))
        .numbers(
            "glm4moe",
            &[("block_count", 5), ("nextn_predict_layers", 1), ("leading_dense_block_count", 1)],
        )
        .numbers("glm4moe", &[("expert_feed_forward_length", 256), ("expert_shared_count", 2)])
        .layers(0..5, ATTENTION)
        .layers(0..5, biases)
        .layers(0..1, dense)
        .layers(1..5, EXPERTS)
        .layers(1..5, DOWN_Q4)
        .layers(1..5, bias)
        .layers(1..5, &shared[1..]);
    for (name, writer) in
        [("qwen2moe", qwen2moe), ("gpt-oss", gpt_oss), ("deepseek2", deepseek), ("glm4moe", glm)]
    {
        let model = import(&writer.bytes()).unwrap();
        assert_eq!(model.params, model.spec.params(), "{name}");
        assert_eq!(model.missing, Vec::<String>::new(), "{name}");
    }
}

#[test]
fn experts_in_tensors_of_their_own() {
    let mut writer = start("llama").tensor("token_embd.weight", &[256, 100], "q4_k").layers(0..4, ATTENTION);
    for (matrix, dims) in [("gate", [256, 768]), ("up", [256, 768]), ("down", [768, 256])] {
        for expert in 0..8 {
            writer = writer.layers(0..4, &[(&format!("ffn_{matrix}.{expert}.weight"), &dims, "q4_0")]);
        }
    }
    let model =
        import(&writer.layers(0..4, &EXPERTS[..1]).tensor("output_norm.weight", &[256], "f32").bytes());
    let model = model.unwrap();
    assert_eq!(model.params, model.spec.params());
    assert!(model.spec.tied_embeddings && model.missing.is_empty());
    assert_eq!(model.layers[1].expert_bytes, Dtype::by_name("q4_0").unwrap().bytes_for(3 * 256 * 768));
}

#[test]
fn gpt_oss_alternates_and_equal_lists_are_numbers() {
    let writer = ends(start("gpt-oss"))
        .numbers("gpt-oss", &[("expert_feed_forward_length", 256), ("attention.sliding_window", 128)])
        .key("gpt-oss.attention.head_count_kv", &Value::List(vec![2, 2, 2, 2]));
    let spec = import(&writer.bytes()).unwrap().spec;
    let windowed =
        |index: usize| matches!(spec.layers[index].attention, Attention::SlidingWindow { window: 128, .. });
    assert!(windowed(0) && !windowed(1) && windowed(2) && !windowed(3));
}

#[test]
fn the_first_of_several_files_says_what_it_lacks() {
    let writer = start("qwen3moe")
        .numbers("qwen3moe", &[("expert_feed_forward_length", 256)])
        .key("split.count", &Value::U32(2))
        .tensor("token_embd.weight", &[256, 100], "q4_k")
        .layers(0..3, ATTENTION)
        .layers(0..3, QK_NORM)
        .layers(0..3, EXPERTS)
        .layers(0..2, DOWN_Q4);
    let model = import(&writer.bytes()).unwrap();
    assert_eq!(model.shards, 2);
    let lacking = [
        "output_norm.weight",
        "output.weight",
        "blk.2.ffn_down_exps.weight",
        "blk.3.attn_*",
        "blk.3.ffn_gate_exps.weight",
        "blk.3.ffn_up_exps.weight",
        "blk.3.ffn_down_exps.weight",
    ];
    assert_eq!(model.missing, lacking);
    assert_eq!(model.spec.layers.len(), 4);
    assert_eq!(model.layers[3].expert_bytes, Bytes::ZERO);
}

#[test]
fn a_file_cut_off_anywhere_is_refused() {
    let bytes = qwen3moe().bytes();
    let File(_folder, path) = file(&bytes);
    assert!(gguf::import(&path).is_ok());
    let shrinking = std::fs::File::options().write(true).open(&path).unwrap();
    for length in (0..bytes.len() as u64).rev() {
        shrinking.set_len(length).unwrap();
        let error = gguf::import(&path).expect_err("a header that is not whole").to_string();
        assert!(error.contains("model.gguf: "), "{length}: {error}");
    }
    // Weights may be cut off.
    let mut longer = bytes;
    longer.extend([0; 100]);
    assert!(import(&longer).is_ok());
}

#[test]
fn no_damaged_byte_makes_it_panic() {
    let mut bytes = qwen3moe().bytes();
    let File(_folder, path) = file(&bytes);
    let (mut refused, mut read) = (0, 0);
    for at in (0..bytes.len()).step_by(3) {
        let whole = bytes[at];
        for damage in [whole ^ 0x10, 0xff] {
            bytes[at] = damage;
            std::fs::write(&path, &bytes).unwrap();
            match gguf::import(&path) {
                Ok(_) => read += 1,
                Err(_) => refused += 1,
            }
        }
        bytes[at] = whole;
    }
    assert!(refused > 0 && read > 0, "{refused} refused, {read} read");
}

#[test]
fn damaged_files_hear_what_is_wrong() {
    let header = |tensors: u64, keys: u64, rest: &[u8]| {
        let mut out = b"GGUF\x03\0\0\0".to_vec();
        out.extend(tensors.to_le_bytes());
        out.extend(keys.to_le_bytes());
        out.extend(rest);
        out
    };
    let key = |length: u64, rest: &[u8]| [length.to_le_bytes().as_slice(), rest].concat();
    let tensor = |name: &str, dims: &[u64], dtype: u32| {
        let mut out = Vec::new();
        text(&mut out, name);
        out.extend(u32::try_from(dims.len()).unwrap().to_le_bytes());
        dims.iter().for_each(|dim| out.extend(dim.to_le_bytes()));
        out.extend(dtype.to_le_bytes());
        out.extend([0; 16]);
        out
    };
    for (bytes, message) in [
        (b"GGML\0\0\0\0".to_vec(), "not a GGUF file, expected \"GGUF\" in its first four bytes"),
        (b"GGUF\0\0\0\x03".to_vec(), "a big-endian GGUF file, expected little endian"),
        (b"GGUF\x01\0\0\0".to_vec(), "GGUF version 1, expected version 2 or 3"),
        (
            header(1 << 60, 0, &[]),
            "the number of tensors, 1152921504606846976 at byte 8, needs more than the 8 bytes that follow, \
             expected a file that is not damaged",
        ),
        (
            header(0, u64::MAX, &[0; 64]),
            "the number of keys, 18446744073709551615 at byte 16, needs more than the 64 bytes that follow, \
             expected a file that is not damaged",
        ),
        (
            header(0, 1, &key(1 << 40, &[0; 64])),
            "the length of a key, 1099511627776 at byte 24, needs more than the 64 bytes that follow, \
             expected a file that is not damaged",
        ),
        (
            header(0, 1, &key(1, b"k\x09\0\0\0\x04\0\0\0\xff\xff\xff\xff\xff\xff\xff\x3f")),
            "the length of key \"k\", 4611686018427387903 at byte 41, needs more than the 0 bytes that follow, \
             expected a file that is not damaged",
        ),
        (header(0, 1, &key(1, b"k\x0d\0\0\0")), "key \"k\" has value type 13, expected a type from 0 to 12"),
        (header(0, 1, &key(1, b"\xff\0\0\0\0\0")), "a key at byte 32 is not UTF-8, expected text"),
        (
            header(1, 0, &tensor("t", &[u64::MAX, 2], 0)),
            "tensor \"t\" has dimensions [18446744073709551615, 2], expected 1 to 4398046511104 weights",
        ),
        (header(1, 0, &tensor("t", &[], 0)), "tensor \"t\" has 0 dimensions, expected 1 to 4"),
        (header(1, 0, &tensor("t", &[32], 250)), "tensor \"t\" has storage type 250, which is not known"),
        (
            header(1, 0, &tensor("t", &[100], 12)),
            "tensor \"t\" has rows of 100 weights in type q4_k, expected a multiple of the type's 256 weights",
        ),
        (header(0, 0, &[]), "key \"general.architecture\" is missing, expected text"),
        (
            start("qwen3mow").bytes(),
            "GGUF architecture \"qwen3mow\" is not modelled, did you mean \"qwen3moe\"?",
        ),
        (
            start("qwen3moe").bytes(),
            "key \"moe_intermediate_size\" is missing, expected a whole number from 1 to 524288",
        ),
        (
            qwen3moe().numbers("qwen3moe", &[("expert_count", 4)]).bytes(),
            "tensor \"blk.0.ffn_gate_exps.weight\" holds 8 experts, expected 4, as the metadata say",
        ),
        (
            qwen3moe().numbers("qwen3moe", &[("nextn_predict_layers", 4)]).bytes(),
            "key \"qwen3moe.block_count\" leaves 4 - 4 layers, expected at least one layer",
        ),
        (
            qwen3moe().key("qwen3moe.attention.head_count", &Value::List(vec![8, 8, 8, 4])).bytes(),
            "key \"num_attention_heads\" is a list of 4, expected a whole number from 1 to 4096",
        ),
    ] {
        assert_eq!(import(&bytes).unwrap_err(), format!("model.gguf: {message}"));
    }
}

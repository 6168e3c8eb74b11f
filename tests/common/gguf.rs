//! A small writer of GGUF headers, and the tensors of a small model.

#![allow(dead_code, reason = "each test file uses a part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic")]

use moesim::model::Dtype;

/// A metadata value.
pub(crate) enum Value {
    U32(u32),
    Text(&'static str),
    /// A list of texts, as a vocabulary is.
    Tokens(u64),
    /// A list of 32-bit numbers.
    List(Vec<u32>),
    F32(f32),
}

#[derive(Default)]
pub(crate) struct Writer {
    keys: Vec<u8>,
    key_count: u64,
    tensors: Vec<u8>,
    tensor_count: u64,
}

pub(crate) fn text(bytes: &mut Vec<u8>, text: &str) {
    bytes.extend((text.len() as u64).to_le_bytes());
    bytes.extend(text.as_bytes());
}

impl Writer {
    pub(crate) fn key(mut self, key: &str, value: &Value) -> Self {
        let out = &mut self.keys;
        text(out, key);
        match value {
            Value::U32(number) => {
                out.extend(4_u32.to_le_bytes());
                out.extend(number.to_le_bytes());
            }
            Value::F32(number) => {
                out.extend(6_u32.to_le_bytes());
                out.extend(number.to_le_bytes());
            }
            Value::Text(value) => {
                out.extend(8_u32.to_le_bytes());
                text(out, value);
            }
            Value::Tokens(count) => {
                out.extend(9_u32.to_le_bytes());
                out.extend(8_u32.to_le_bytes());
                out.extend(count.to_le_bytes());
                (0..*count).for_each(|_| text(out, "ab"));
            }
            Value::List(numbers) => {
                out.extend(9_u32.to_le_bytes());
                out.extend(5_u32.to_le_bytes());
                out.extend((numbers.len() as u64).to_le_bytes());
                numbers.iter().for_each(|number| out.extend(number.to_le_bytes()));
            }
        }
        self.key_count += 1;
        self
    }

    /// All numbers of one architecture.
    pub(crate) fn numbers(self, architecture: &str, numbers: &[(&str, u32)]) -> Self {
        numbers.iter().fold(self, |writer, (key, number)| {
            writer.key(&format!("{architecture}.{key}"), &Value::U32(*number))
        })
    }

    pub(crate) fn tensor(mut self, name: &str, dims: &[u64], dtype: &str) -> Self {
        let number = Dtype::by_name(dtype).unwrap().ggml_type.unwrap();
        let out = &mut self.tensors;
        text(out, name);
        out.extend(u32::try_from(dims.len()).unwrap().to_le_bytes());
        dims.iter().for_each(|dim| out.extend(dim.to_le_bytes()));
        out.extend(number.to_le_bytes());
        out.extend(0_u64.to_le_bytes());
        self.tensor_count += 1;
        self
    }

    /// The tensors of layers `layers`, `N` in a name standing for the layer.
    pub(crate) fn layers(self, layers: std::ops::Range<u32>, tensors: &[(&str, &[u64], &str)]) -> Self {
        layers.fold(self, |writer, layer| {
            tensors.iter().fold(writer, |writer, (name, dims, dtype)| {
                writer.tensor(&format!("blk.{layer}.{name}"), dims, dtype)
            })
        })
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut out = b"GGUF".to_vec();
        out.extend(3_u32.to_le_bytes());
        out.extend(self.tensor_count.to_le_bytes());
        out.extend(self.key_count.to_le_bytes());
        out.extend(&self.keys);
        out.extend(&self.tensors);
        out
    }
}

pub(crate) const ATTENTION: &[(&str, &[u64], &str)] = &[
    ("attn_norm.weight", &[256], "f32"),
    ("attn_q.weight", &[256, 512], "q4_k"),
    ("attn_k.weight", &[256, 128], "q4_k"),
    ("attn_v.weight", &[256, 128], "q6_k"),
    ("attn_output.weight", &[512, 256], "q4_k"),
    ("ffn_norm.weight", &[256], "f32"),
];
pub(crate) const QK_NORM: &[(&str, &[u64], &str)] =
    &[("attn_q_norm.weight", &[64], "f32"), ("attn_k_norm.weight", &[64], "f32")];
pub(crate) const EXPERTS: &[(&str, &[u64], &str)] = &[
    ("ffn_gate_inp.weight", &[256, 8], "f32"),
    ("ffn_gate_exps.weight", &[256, 256, 8], "q4_k"),
    ("ffn_up_exps.weight", &[256, 256, 8], "q4_k"),
];
pub(crate) const DOWN_Q4: &[(&str, &[u64], &str)] = &[("ffn_down_exps.weight", &[256, 256, 8], "q4_k")];
pub(crate) const DOWN_Q6: &[(&str, &[u64], &str)] = &[("ffn_down_exps.weight", &[256, 256, 8], "q6_k")];

pub(crate) const SHAPE: &[(&str, u32)] = &[
    ("block_count", 4),
    ("embedding_length", 256),
    ("feed_forward_length", 768),
    ("attention.head_count", 8),
    ("attention.head_count_kv", 2),
    ("attention.key_length", 64),
    ("attention.value_length", 64),
    ("expert_count", 8),
    ("expert_used_count", 2),
];

pub(crate) fn start(architecture: &'static str) -> Writer {
    Writer::default()
        .key("general.architecture", &Value::Text(architecture))
        .key("general.name", &Value::Text("Small"))
        .key("general.rope", &Value::F32(1.5))
        .key("tokenizer.ggml.tokens", &Value::Tokens(100))
        .numbers(architecture, SHAPE)
}

pub(crate) fn ends(writer: Writer) -> Writer {
    writer
        .tensor("token_embd.weight", &[256, 100], "q4_k")
        .tensor("output.weight", &[256, 100], "q6_k")
        .tensor("output_norm.weight", &[256], "f32")
        .tensor("rope_freqs.weight", &[32], "f32")
}

/// Four layers; the down projection of the last two has more bits, as `Q4_K_M` mixes them.
pub(crate) fn qwen3moe() -> Writer {
    ends(start("qwen3moe"))
        .numbers("qwen3moe", &[("expert_feed_forward_length", 256)])
        .layers(0..4, ATTENTION)
        .layers(0..4, QK_NORM)
        .layers(0..4, EXPERTS)
        .layers(0..2, DOWN_Q4)
        .layers(2..4, DOWN_Q6)
}

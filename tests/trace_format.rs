//! `.moetrace` and its CSV twin: what is written comes back, and damage is never read as data.

#![allow(clippy::unwrap_used, reason = "a failed helper is a failed test")]

use std::path::Path;

use moesim::trace::{
    Compression, Ids, NO_EXPERT_U16, Phase, Trace, TraceBuilder, TraceHeader, format, open, write, write_csv,
    write_csv_file, write_file,
};
use proptest::prelude::*;

/// Everything a trace says, for comparison.
fn contents(trace: &Trace) -> String {
    format!("{:?} {:?} {:?} {:?}", trace.header(), trace.sequences(), trace.ids(), trace.weights())
}

fn small(weighted: bool) -> Trace {
    let header = TraceHeader {
        model: "tiny \"model\", v1".into(),
        layer_ids: vec![1, 4],
        experts: 5,
        top_k: 2,
        expert_bytes: vec![3_059_712, 2_654_208],
        source: "by hand".into(),
        licence: "CC0".into(),
        notes: vec!["one\ntwo".into(), "back\\slash".into()],
    };
    let new = if weighted { TraceBuilder::with_weights } else { TraceBuilder::new };
    let mut builder = new(header).unwrap();
    let rows = [[0, 1, 2, 3], [4, NO_EXPERT_U16, NO_EXPERT_U16, 0], [NO_EXPERT_U16; 4]];
    for (category, phases) in
        [("chat", [Phase::Prefill, Phase::Decode, Phase::Decode]), ("", [Phase::Decode; 3])]
    {
        builder.begin_sequence(category, 7).unwrap();
        for (row, phase) in rows.iter().zip(phases) {
            if weighted {
                builder.push_weighted(phase, row, &[65_535, 1, 32_768, 0]).unwrap();
            } else {
                builder.push(phase, row).unwrap();
            }
        }
    }
    builder.finish().unwrap()
}

fn bytes_of(trace: &Trace, compression: Compression) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(trace, compression, &mut bytes).unwrap();
    bytes
}

fn open_bytes(folder: &Path, bytes: &[u8]) -> moesim::error::Result<Trace> {
    let path = folder.join("t.moetrace");
    // Removed first: a file that is mapped must not be written into.
    let _ = std::fs::remove_file(&path);
    std::fs::write(&path, bytes).unwrap();
    open(&path)
}

/// Builds a valid trace from arbitrary numbers.
fn arbitrary_trace() -> impl Strategy<Value = Trace> {
    let shape = (1u32..5, prop_oneof![1u32..20, 250u32..260, Just(65_535)], 1u32..5, any::<bool>());
    (
        shape,
        prop::collection::vec((0usize..4, 1usize..6, "[a-z ,\"\n=#\\\\]{0,6}", 0u64..9), 0..4),
        any::<u64>(),
    )
        .prop_map(|((layers, experts, top_k, weighted), sequences, seed)| {
            let top_k = top_k.min(experts);
            let header = TraceHeader {
                model: format!("m,{seed}"),
                layer_ids: (0..layers).map(|layer| layer * 2 + 1).collect(),
                experts,
                top_k,
                expert_bytes: if seed % 2 == 0 { vec![seed; layers as usize] } else { Vec::new() },
                source: "s # = \r\n x".into(),
                notes: vec![String::new(), " padded ".into()],
                ..TraceHeader::default()
            };
            let new = if weighted { TraceBuilder::with_weights } else { TraceBuilder::new };
            let mut builder = new(header).unwrap();
            let mut state = seed;
            let mut draw = move |below: u64| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                (state >> 33) % below
            };
            for (prefill, tokens, category, prompt_length) in sequences {
                builder.begin_sequence(&category, prompt_length).unwrap();
                for token in 0..tokens {
                    let phase = if token < prefill { Phase::Prefill } else { Phase::Decode };
                    let (mut ids, mut weights) = (Vec::new(), Vec::new());
                    for _ in 0..layers {
                        let mut layer: Vec<u16> = Vec::new();
                        while layer.len() < top_k as usize {
                            let id = u16::try_from(draw(u64::from(experts))).unwrap();
                            let empty = draw(4) == 0 || layer.contains(&id);
                            layer.push(if empty { NO_EXPERT_U16 } else { id });
                            weights.push(u16::try_from(draw(65_536)).unwrap());
                        }
                        ids.extend(layer);
                    }
                    if weighted {
                        builder.push_weighted(phase, &ids, &weights).unwrap();
                    } else {
                        builder.push(phase, &ids).unwrap();
                    }
                }
            }
            builder.finish().unwrap()
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn what_is_written_comes_back(trace in arbitrary_trace()) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("t.moetrace");
        for compression in [Compression::None, Compression::Zstd] {
            write_file(&trace, compression, &path).unwrap();
            let again = open(&path).unwrap();
            prop_assert_eq!(contents(&again), contents(&trace));
            prop_assert_eq!(again.fingerprint(), trace.fingerprint());
            prop_assert_eq!(bytes_of(&again, compression), std::fs::read(&path).unwrap());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 200, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn csv_comes_back(trace in arbitrary_trace()) {
        // A CSV without rows has no tokens to read.
        prop_assume!(trace.tokens() > 0);
        let folder = tempfile::tempdir().unwrap();
        let (csv, binary) = (folder.path().join("t.csv"), folder.path().join("t.moetrace"));
        write_csv_file(&trace, &csv).unwrap();
        let read = open(&csv).unwrap();
        prop_assert_eq!(contents(&read), contents(&trace));
        write_file(&read, Compression::None, &binary).unwrap();
        let mut again = Vec::new();
        write_csv(&open(&binary).unwrap(), &mut again).unwrap();
        prop_assert_eq!(again, std::fs::read(&csv).unwrap());
    }
}

#[test]
fn the_csv_is_as_documented() {
    let mut csv = Vec::new();
    write_csv(&small(true), &mut csv).unwrap();
    let expect = "# moesim trace v1
# model=tiny \"model\", v1
# layer_ids=1,4
# experts=5
# top_k=2
# expert_bytes=3059712,2654208
# source=by hand
# licence=CC0
# note=one\\x0atwo
# note=back\\\\slash
# sequence=0 prompt_length=7 category=chat
# sequence=1 prompt_length=7 category=
sequence,token,phase,layer,rank,expert,weight
0,0,prefill,1,0,0,1.000000
0,0,prefill,1,1,1,0.000015
0,0,prefill,4,0,2,0.500008
0,0,prefill,4,1,3,0.000000
0,1,decode,1,0,4,1.000000
0,1,decode,4,1,0,0.000000
0,2,decode,,,,
1,0,decode,1,0,0,1.000000
";
    assert!(String::from_utf8(csv).unwrap().starts_with(expect));
}

#[test]
fn every_damaged_byte_is_noticed() {
    let folder = tempfile::tempdir().unwrap();
    for compression in [Compression::None, Compression::Zstd] {
        let good = bytes_of(&small(true), compression);
        open_bytes(folder.path(), &good).unwrap();
        for at in 0..good.len() {
            for change in [0x01, 0x80, 0xFF] {
                let mut bad = good.clone();
                bad[at] ^= change;
                assert!(open_bytes(folder.path(), &bad).is_err(), "{compression:?}: byte {at} ^ {change:#x}");
            }
        }
    }
}

#[test]
fn every_shorter_or_longer_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let good = bytes_of(&small(false), Compression::None);
    for length in 0..good.len() {
        assert!(open_bytes(folder.path(), &good[..length]).is_err(), "{length} bytes");
    }
    let message = open_bytes(folder.path(), &good[..200]).unwrap_err().to_string();
    assert!(
        message.ends_with(&format!("is truncated: it has 200 bytes, expected {}", good.len())),
        "{message}"
    );
    let longer = [good.as_slice(), &[0]].concat();
    assert!(open_bytes(folder.path(), &longer).is_err());
}

/// Numbers that lie under a right checksum are refused before anything is allocated. Some shapes lie without
/// contradiction (more experts than any id shows): those open, and their columns still have the size they claim.
#[test]
fn a_lying_head_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for compression in [Compression::None, Compression::Zstd] {
        let good = bytes_of(&small(false), compression);
        for at in 8..124 {
            for value in [0, 1, 0x7F, 0xFF] {
                let mut bad = good.clone();
                bad[at] = value;
                let crc = crc32fast::hash(&bad[..124]).to_le_bytes();
                bad[124..128].copy_from_slice(&crc);
                let opened = open_bytes(folder.path(), &bad);
                let is_shape = (16..28).contains(&at);
                assert!(bad == good || is_shape || opened.is_err(), "byte {at} = {value}");
                if let Ok(trace) = opened {
                    let Ids::U8(ids) = trace.ids() else { panic!("at most 255 experts") };
                    assert_eq!(ids.len() as u64, trace.tokens() * trace.header().slots_per_token() as u64);
                }
            }
        }
    }
}

#[test]
fn says_what_is_wrong() {
    let folder = tempfile::tempdir().unwrap();
    let good = bytes_of(&small(false), Compression::None);
    let message = |change: fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        let text = open_bytes(folder.path(), &bytes).unwrap_err().to_string();
        text.rsplit_once("t.moetrace: ").unwrap().1.to_owned()
    };
    assert_eq!(
        message(|bytes| bytes[8] = 2),
        "is a .moetrace file of version 2, expected version 1; a newer moesim reads it"
    );
    assert_eq!(message(|bytes| bytes[20] = 9), "is corrupt: its head does not match its checksum");
    assert_eq!(message(|bytes| bytes[130] = 9), "is corrupt: its text block does not match its checksum");
    assert_eq!(
        message(
            |bytes| *bytes = b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 1\n".to_vec()
        ),
        "is a Git-LFS pointer, not the trace; run `git lfs pull`"
    );
}

#[test]
fn ids_are_read_where_they_lie() {
    let folder = tempfile::tempdir().unwrap();
    let trace = open_bytes(folder.path(), &bytes_of(&small(true), Compression::None)).unwrap();
    let Ids::U8(ids) = trace.ids() else { panic!("5 experts fit 8 bits") };
    assert_eq!(ids.as_ptr().addr() % 64, 0, "columns start on a cache line");
    assert_eq!(trace.weights().unwrap().as_ptr().addr() % 64, 0);
    assert_eq!(&ids[..8], [0, 1, 2, 3, 4, 255, 255, 0]);
}

#[test]
fn the_fingerprint_ignores_names_and_sees_routing() {
    assert_eq!(small(true).fingerprint(), format::fingerprint(&small(true)));
    assert_ne!(small(true).fingerprint(), small(false).fingerprint());
    assert_eq!(small(true).fingerprint().len(), 8);
}

//! The embedded catalogue: every number sourced, names unambiguous, laws between figures, and agreement with real files.

#![allow(clippy::unwrap_used)] // Helpers of tests count as tests.

mod common;

use std::collections::{BTreeMap, BTreeSet};

use moesim::catalogue::{
    Cpu, EngineProfile, Entry, Fidelity, Gpu, Kernel, LinkClass, Price, PricedPart, QuantScheme, Ratio,
    Sourced, Storage, view,
};
use moesim::model::Dtype;
use moesim::units::{Bandwidth, Bytes, FlopRate};

/// A file of the shared data, where it is at hand.
fn shared(path: &str) -> Option<String> {
    Some(std::fs::read_to_string(common::shared("catalogue")?.join(path)).expect("shared data"))
}

#[test]
fn every_fact_has_a_value_and_a_source() {
    for name in view::names() {
        let sheet = view::show(name).unwrap();
        assert_eq!(sheet.id, name);
        assert!(!sheet.name.is_empty() && !sheet.facts.is_empty(), "{name}");
        for fact in &sheet.facts {
            assert!(fact.source.trim().len() > 10, "{name}.{}: {:?}", fact.key, fact.source);
            assert!(!fact.source.contains('@'), "{name}.{}: {:?}", fact.key, fact.source);
            assert!(!fact.value.is_empty(), "{name}.{}", fact.key);
        }
    }
}

#[test]
fn facts_leave_out_nothing_that_the_data_files_hold() {
    let keys_of = |text: &str| {
        let file: toml::Table = text.parse().unwrap();
        let plain = ["id", "name", "aliases", "note", "unified", "part", "of", "date", "source", "fidelity"];
        let rows = file["row"].as_array().unwrap().iter();
        rows.map(|row| {
            let row = row.as_table().unwrap();
            let keys = row.iter().filter(|(key, _)| !plain.contains(&key.as_str()));
            let keys = keys.flat_map(|(key, value)| match value.as_table() {
                Some(map) if key == "cpu_dtype_efficiency" => {
                    map.keys().map(|name| format!("{key}.{name}")).collect()
                }
                _ => vec![key.clone()],
            });
            (row["id"].as_str().unwrap().to_owned(), keys.collect())
        })
        .collect::<BTreeMap<String, BTreeSet<String>>>()
    };
    for text in [
        include_str!("../src/catalogue/data/gpus.toml"),
        include_str!("../src/catalogue/data/cpus.toml"),
        include_str!("../src/catalogue/data/storage.toml"),
        include_str!("../src/catalogue/data/interconnects.toml"),
        include_str!("../src/catalogue/data/quant.toml"),
        include_str!("../src/catalogue/data/engines.toml"),
        include_str!("../src/catalogue/data/kernels.toml"),
        include_str!("../src/catalogue/data/prices.toml"),
    ] {
        for (id, keys) in keys_of(text) {
            // Prices are shown with what they are for, and lie in a file of their own.
            let facts = view::show(&id).unwrap().facts.into_iter().map(|fact| fact.key);
            let shown: BTreeSet<String> =
                facts.filter(|key| keys.contains(key) || !key.ends_with("price") && key != "rent").collect();
            assert_eq!(shown, keys, "{id}");
        }
    }
}

fn collect_names<T: Entry>(seen: &mut BTreeMap<String, String>) {
    for row in T::all() {
        let mut names: BTreeSet<String> = BTreeSet::new();
        for name in [row.id(), row.display_name()].into_iter().chain(row.aliases().iter().map(String::as_str))
        {
            names.insert(name.to_lowercase().replace(['-', '_', ' ', '.', '/', '(', ')'], ""));
            assert_eq!(T::find(name).map(Entry::id), Some(row.id()), "{name}");
        }
        for name in names {
            let before = seen.insert(name.clone(), row.id().to_owned());
            assert_eq!(before, None, "{name} names {} too", row.id());
        }
    }
}

#[test]
fn a_name_means_one_row_over_all_kinds() {
    let mut seen = BTreeMap::new();
    collect_names::<Gpu>(&mut seen);
    collect_names::<Cpu>(&mut seen);
    collect_names::<Storage>(&mut seen);
    collect_names::<LinkClass>(&mut seen);
    collect_names::<QuantScheme>(&mut seen);
    collect_names::<EngineProfile>(&mut seen);
    collect_names::<Kernel>(&mut seen);
    collect_names::<Price>(&mut seen);
}

#[test]
fn lookup_forgives_case_and_separators_but_not_typos() {
    for name in ["rtx4090", "RTX 4090", "rtx-4090", "GeForce RTX 4090"] {
        assert_eq!(Gpu::find(name).map(Entry::id), Some("rtx4090"), "{name}");
    }
    assert_eq!(Gpu::find("h200").map(Entry::id), Some("h200-sxm"));
    assert_eq!(QuantScheme::find("Q4_K_M").map(Entry::id), Some("q4_k_m"));
    assert_eq!(EngineProfile::find("llamacpp").map(Entry::id), Some("llama.cpp"));
    assert!(Gpu::find("rtx4091").is_none());
    let message = moesim::error::Error::new("unknown GPU \"rtx4091\"").nearest("rtx4091", Gpu::names());
    assert_eq!(message.to_string(), "unknown GPU \"rtx4091\", did you mean \"rtx4090\"?");
}

/// Whether two figures agree within so many parts per thousand.
fn near(one: u64, two: u64, permille: u64) -> bool {
    u128::from(one.abs_diff(two)) * 1000 <= u128::from(two) * u128::from(permille)
}

#[test]
fn cpu_bandwidth_is_channels_times_rate_times_eight_bytes() {
    for cpu in Cpu::all() {
        let expected = u64::from(cpu.channels.value) * cpu.transfer_rate.value.0 * 1_000_000 * 8;
        assert_eq!(cpu.bandwidth.value.bytes_per_s(), expected, "{}", cpu.id);
        if let Some(matrix) = &cpu.matrix_bf16 {
            assert!(matrix.value > cpu.fp32.value, "{}", cpu.id);
        }
    }
}

#[test]
fn host_links_are_lanes_times_the_generation_s_rate() {
    for gpu in Gpu::all() {
        let (Some(generation), Some(lanes)) = (&gpu.pcie_generation, &gpu.pcie_lanes) else { continue };
        // 8, 16 and 32 GT/s, 128 bits of data in 130.
        let lane = match generation.value {
            3 => 984_615_385,
            4 => 1_969_230_769,
            5 => 3_938_461_538,
            other => panic!("{}: PCIe {other}", gpu.id),
        };
        let link = gpu.host_link.as_ref().unwrap().value.bytes_per_s();
        assert!(near(link, lane * u64::from(lanes.value), 10), "{}: {link}", gpu.id);
    }
}

#[test]
fn narrower_types_are_never_slower() {
    let rate = |value: &Option<Sourced<FlopRate>>| value.as_ref().map(|rate| rate.value);
    for gpu in Gpu::all() {
        let fp16 = gpu.fp16.value;
        for (what, faster) in [("fp8", &gpu.fp8), ("int8", &gpu.int8), ("fp16_fp16acc", &gpu.fp16_fp16acc)] {
            assert!(rate(faster).is_none_or(|faster| faster >= fp16), "{}: {what}", gpu.id);
        }
        assert!(rate(&gpu.fp4).is_none_or(|fp4| rate(&gpu.fp8).is_none_or(|fp8| fp4 >= fp8)), "{}", gpu.id);
        assert!(rate(&gpu.fp32).is_none_or(|fp32| fp32 <= fp16), "{}", gpu.id);
    }
}

#[test]
fn drives_do_not_outrun_their_lanes() {
    for drive in Storage::all() {
        let (Some(generation), Some(lanes)) = (&drive.pcie_generation, &drive.pcie_lanes) else { continue };
        let lane = 984_615_385_u64 << (generation.value - 3);
        let limit = lane * u64::from(lanes.value) * u64::from(drive.drives.value);
        assert!(drive.read.value.bytes_per_s() <= limit, "{}", drive.id);
    }
}

/// Bytes per second of reads of `size` with `depth` in flight.
fn rate(drive: &Storage, size: Bytes, depth: u32) -> u64 {
    let time = drive.curve().unwrap().time(size, depth);
    u64::try_from(u128::from(size.get()) * 1_000_000_000 / u128::from(time.as_ns())).unwrap()
}

#[test]
fn read_curves_pass_through_what_was_measured() {
    // GB/s of reads of 2.7 MB on a Samsung 990 PRO by queue depth (NVMOE-IO-001, -003, -005, -007).
    let drive = Storage::find("samsung-990-pro").unwrap();
    for (depth, measured) in [(1, 4_140), (2, 6_910), (4, 5_740), (32, 5_730)] {
        let found = rate(drive, Bytes::new(2_700_000), depth) / 1_000_000;
        assert!(near(found, measured, 5), "{depth}: {found}");
    }
    // MiB/s of UFS 4 by KiB and queue depth (BMOE-IO).
    let drive = Storage::find("ufs-4").unwrap();
    for (kib, depth, measured) in
        [(4096, 1, 1810), (4096, 4, 2206), (128, 4, 1486), (128, 8, 1859), (512, 2, 1882), (8192, 8, 2474)]
    {
        let found = rate(drive, Bytes::new(kib << 10), depth) >> 20;
        assert!(near(found, measured, 200), "{kib} KiB at {depth}: {found}");
    }
}

#[test]
fn read_curves_rise_with_size_and_never_pass_the_drive() {
    for drive in Storage::all() {
        let Some(stream) = &drive.stream else {
            assert_eq!(drive.curve(), None, "{}", drive.id);
            assert!(drive.best_depth.is_none() && drive.deep_share.is_none(), "{}", drive.id);
            continue;
        };
        assert!(stream.value <= drive.read.value, "{}", drive.id);
        assert_eq!(drive.best_depth.is_some(), drive.deep_share.is_some(), "{}", drive.id);
        for depth in [1, 2, 4, 32, u32::MAX] {
            let sizes = (10..36).map(|power| Bytes::new(1 << power));
            let rates: Vec<_> = sizes.map(|size| rate(drive, size, depth)).collect();
            // A time is rounded up to a nanosecond, which small reads feel.
            let rises = rates.windows(2).all(|pair| pair[0] <= pair[1] + pair[1] / 50);
            assert!(rises, "{} at {depth}: {rates:?}", drive.id);
            let peak = drive.read.value.bytes_per_s();
            assert!(rates.iter().all(|rate| *rate <= peak), "{} at {depth}", drive.id);
        }
    }
}

/// gpt-oss-120b on an H200: 14.4 ms a token with a graph, about 42 ms without, 36 layers.
#[test]
fn launches_without_graphs_take_what_was_measured() {
    let cache = EngineProfile::find("vram-cache").unwrap();
    let launches = u64::from(cache.launches_per_layer.value);
    let extra = 36 * launches * cache.kernel_launch.value.as_ns();
    assert!(near(extra, 27_600_000, 10), "{extra}");
}

#[test]
fn engines_say_when_experts_go_to_the_gpu_for_a_prompt() {
    let offload = |name| EngineProfile::find(name).unwrap().prefill_offload(128, 8);
    assert_eq!(offload("llama.cpp"), Some(32));
    assert_eq!(offload("ik_llama.cpp"), Some(512));
    assert_eq!(offload("vllm"), None);
}

#[test]
fn shares_by_storage_type_are_of_types_that_exist() {
    for engine in EngineProfile::all() {
        for dtype in engine.cpu_dtype_efficiency.keys() {
            assert!(Dtype::by_name(dtype).is_some(), "{}: {dtype}", engine.id);
        }
    }
    let share = |name, dtype| {
        EngineProfile::find(name).unwrap().cpu_dtype_share(Dtype::by_name(dtype).unwrap()).ppm()
    };
    assert_eq!((share("vram-cache", "nf4"), share("vram-cache", "bf16")), (555_000, 1_000_000));
    assert_eq!(share("ktransformers", "bf16"), 1_034_000);
}

#[test]
fn engines_reach_no_more_than_the_memory_gives() {
    for engine in EngineProfile::all() {
        for (what, share) in [
            ("gpu_memory", &engine.gpu_memory_efficiency),
            ("gpu_compute", &engine.gpu_compute_efficiency),
            ("cpu_memory", &engine.cpu_memory_efficiency),
            ("cpu_matrix", &engine.cpu_matrix_efficiency),
            ("h2d", &engine.h2d_efficiency),
            ("nvme", &engine.nvme_efficiency),
            ("numa", &engine.cpu_numa_efficiency),
        ] {
            assert!(share.value <= Ratio::ONE, "{}: {what}", engine.id);
        }
        assert!(engine.h2d_pageable_efficiency.value <= engine.h2d_efficiency.value, "{}", engine.id);
        assert!(engine.h2d_latency.value.as_ns() > 0, "{}", engine.id);
        assert!(engine.framework_overhead.value > Bytes::ZERO, "{}", engine.id);
        assert!(engine.nvme_queue_depth.value > 0, "{}", engine.id);
        // A rate per thread, so below what one memory channel gives.
        assert!(engine.cpu_thread_bandwidth.value.bytes_per_s() < 40_000_000_000, "{}", engine.id);
    }
    let kt = EngineProfile::find("ktransformers").unwrap();
    let amx = kt.cpu_rate(Cpu::find("xeon-8480p").unwrap()).flops_per_s();
    assert!(near(amx, 32_685_000_000_000, 10), "{amx}");
    let plain = kt.cpu_rate(Cpu::find("ryzen-7950x").unwrap());
    assert_eq!(plain, Cpu::find("ryzen-7950x").unwrap().fp32.value.at_ppm(600_000));
}

/// Weights of one expert of Qwen3-30B-A3B: gate and up together, down; 48 layers (its config.json).
const QWEN_EXPERT: (u64, u64, usize) = (2 * 2048 * 768, 768 * 2048, 48);

#[test]
fn q4_k_m_has_the_experts_that_an_engine_recorded() {
    let scheme = QuantScheme::find("q4_k_m").unwrap();
    let (gate_up, down, layers) = QWEN_EXPERT;
    let bytes = |layer| scheme.expert_bytes(gate_up, down, layer, layers).get();
    // Layers 0 to 8 as BigMoeOnEdge printed them for Qwen3-30B-A3B-Q4_K_M.gguf.
    let (more, less) = (3_059_712, 2_654_208);
    assert_eq!([0, 5, 6, 7, 8, 9, 42, 47].map(bytes), [more, more, less, less, more, less, more, more]);

    let Some(text) = shared("traces/bigmoe/qwen.route.csv") else { return };
    let header: Vec<(u64, u64)> = text.lines().filter_map(layer_line).collect();
    assert_eq!(header.len(), layers);
    // The attention and the router of the layer: 32 query heads and 4 key heads of 128, FP32 router and norms.
    let dense = |layer| {
        let attention = scheme.attention.value;
        let projections = attention.bytes_at(2048 * (4096 + 512), 2048 * 512, 4096 * 2048, layer, layers);
        let rest =
            scheme.router.value.bytes_for(128 * 2048) + scheme.norms.value.bytes_for(2 * 2048 + 2 * 128);
        (projections + rest).get()
    };
    let ours: Vec<(u64, u64)> = (0..layers).map(|layer| (bytes(layer), dense(layer))).collect();
    assert_eq!(ours, header);
}

/// `# layer=0 expert_bytes=3059712 dense_bytes=11953152`
fn layer_line(line: &str) -> Option<(u64, u64)> {
    let rest = line.strip_prefix("# layer=")?;
    let field = |name: &str| rest.split(' ').find_map(|word| word.strip_prefix(name)?.parse().ok());
    Some((field("expert_bytes=")?, field("dense_bytes=")?))
}

#[test]
fn mxfp4_has_the_experts_of_gpt_oss() {
    // Three matrices of 2880 x 2880 (its config.json).
    let scheme = QuantScheme::find("mxfp4").unwrap();
    let expert = |layer| scheme.expert_bytes(2 * 2880 * 2880, 2880 * 2880, layer, 36).get();
    assert_eq!(expert(0), 13_219_200);
    let Some(text) = shared("traces/bigmoe/gptoss.route.csv") else { return };
    let header: Vec<u64> = text.lines().filter_map(layer_line).map(|(expert, _)| expert).collect();
    assert_eq!((0..36).map(expert).collect::<Vec<_>>(), header);
}

/// Bytes of all weights of Qwen3-30B-A3B.
fn qwen_file(scheme: &QuantScheme) -> u64 {
    let (gate_up, down, layers) = QWEN_EXPERT;
    let layer = |layer| {
        let experts = scheme.expert_bytes(gate_up, down, layer, layers).times(128);
        let attention = scheme.attention.value;
        let attention = attention.bytes_at(2048 * (4096 + 512), 2048 * 512, 4096 * 2048, layer, layers);
        experts + attention + scheme.router.value.bytes_for(128 * 2048)
    };
    let tables = [&scheme.embeddings, &scheme.lm_head].map(|dtype| dtype.value.bytes_for(151_936 * 2048));
    ((0..layers).map(layer).sum::<Bytes>() + tables.into_iter().sum()).get()
}

#[test]
fn file_sizes_are_those_of_published_files() {
    // Sizes in MB as Hugging Face lists them for Qwen/Qwen3-30B-A3B-GGUF and Qwen/Qwen3-30B-A3B, from memory: hence 1 %.
    for (id, megabytes) in
        [("q4_k_m", 18_560), ("q5_k_m", 21_730), ("q6_k", 25_090), ("q8_0", 32_480), ("bf16", 61_070)]
    {
        let ours = qwen_file(QuantScheme::find(id).unwrap()) / 1_000_000;
        assert!(near(ours, megabytes, 10), "{id}: {ours} MB, published {megabytes} MB");
    }
}

#[test]
fn fewer_bits_make_smaller_files() {
    let sizes = ["q8_0", "q6_k", "q5_k_m", "q4_k_m", "q4_k_s", "iq4_xs", "q3_k_m", "q2_k"]
        .map(|id| (qwen_file(QuantScheme::find(id).unwrap()), id));
    assert!(sizes.windows(2).all(|pair| pair[0].0 > pair[1].0), "{sizes:?}");
    assert_eq!(
        QuantScheme::find("attn16-exp4").unwrap().routed_experts.value.down.base,
        Dtype::by_name("int4").unwrap()
    );
}

/// Machines that published series were measured on, beyond the shared hardware table.
const NOT_IN_THE_TABLE: [&str; 11] = [
    "rx6700xt",
    "rtx2070-super",
    "rtx5090-laptop",
    "quadro-rtx6000",
    "h800-sxm",
    "oneplus-15r",
    "ryzen-5800x",
    "i5-12400f-1dimm",
    "epyc-zen4-24vcpu",
    "samsung-990-pro",
    "ufs-4",
];

/// Columns of the shared hardware table that a row of ours repeats, as numbers in base units.
fn ours(gpu: &Gpu) -> Vec<(&'static str, Option<u64>)> {
    let price = Price::of(PricedPart::Gpu, &gpu.id).or_else(|| Price::of(PricedPart::Machine, &gpu.id));
    let price = price.filter(|price| price.price.fidelity == Fidelity::Datasheet);
    let flops = |rate: Option<&Sourced<FlopRate>>| rate.map(|rate| rate.value.flops_per_s());
    let bytes = |rate: Option<&Sourced<Bandwidth>>| rate.map(|rate| rate.value.bytes_per_s());
    vec![
        ("mem_gib", Some(gpu.memory.value.get())),
        ("mem_bw_gbs", Some(gpu.bandwidth.value.bytes_per_s())),
        ("fp32_tflops", flops(gpu.fp32.as_ref())),
        ("fp16_tc_dense_fp32acc_tflops", flops(Some(&gpu.fp16))),
        ("fp16_tc_dense_fp16acc_tflops", flops(gpu.fp16_fp16acc.as_ref())),
        ("bf16_tc_dense_tflops", flops(gpu.bf16.as_ref())),
        ("fp8_tc_dense_tflops", flops(gpu.fp8.as_ref())),
        ("int8_tc_dense_tops", flops(gpu.int8.as_ref())),
        ("fp4_tc_dense_tflops", flops(gpu.fp4.as_ref())),
        ("pcie_gen", gpu.pcie_generation.as_ref().map(|value| value.value.into())),
        ("pcie_lanes", gpu.pcie_lanes.as_ref().map(|value| value.value.into())),
        ("pcie_gbs_per_dir_theory", bytes(gpu.host_link.as_ref())),
        ("nvlink_gbs_total_bidir", bytes(gpu.gpu_link.as_ref())),
        ("tdp_w", gpu.tdp.as_ref().map(|tdp| tdp.value.0)),
        ("msrp_usd", price.map(|price| price.price.value.micro() / 1_000_000)),
        ("year", Some(gpu.year.value.into())),
    ]
}

/// A cell in the base unit of its column.
fn theirs(column: &str, cell: &str) -> Option<u64> {
    let unit = match column {
        "mem_gib" => "GiB",
        "lat_us" => "us",
        name if name.contains("gbs") => "GB/s",
        name if name.contains("tflops") || name.contains("tops") => "TFLOP/s",
        _ => return cell.parse().ok(),
    };
    let text = format!("{cell} {unit}");
    match unit {
        _ if cell.is_empty() => None,
        "GiB" => Some(text.parse::<Bytes>().unwrap().get()),
        "us" => Some(text.parse::<moesim::units::SimDuration>().unwrap().as_ns()),
        "GB/s" => Some(text.parse::<Bandwidth>().unwrap().bytes_per_s()),
        _ => Some(text.parse::<FlopRate>().unwrap().flops_per_s()),
    }
}

/// Figures that differ from the shared table, and why.
fn deviates(id: &str, column: &str, notes: &str, ours: Option<u64>, theirs: Option<u64>) -> bool {
    match (id, column) {
        // The table leaves the link to the host empty, and names NVLink-C2C at 450 GB/s in its notes.
        ("gh200-96g", "pcie_gbs_per_dir_theory") => ours == Some(450_000_000_000) && theirs.is_none(),
        // The table gives GeForce cards the rate with FP16 accumulation; ours is with FP32 accumulation, half of it.
        (_, "fp8_tc_dense_tflops") if notes.contains("halve it") => ours.map(|rate| rate * 2) == theirs,
        _ => false,
    }
}

#[test]
fn hardware_agrees_with_the_shared_table() {
    let Some(text) = shared("hardware.csv") else { return };
    let mut table = csv::Reader::from_reader(text.as_bytes());
    let mut rows = 0;
    for row in table.deserialize::<BTreeMap<String, String>>() {
        let row = row.unwrap();
        let id = row["id"].as_str();
        let (name, figures) = match row["kind"].as_str() {
            "gpu" | "soc" => {
                let gpu = Gpu::find(id).unwrap_or_else(|| panic!("no {id}"));
                assert_eq!(gpu.unified, row["kind"] == "soc", "{id}");
                let is_unsure = row["source"].contains("verify");
                assert_eq!(gpu.memory.fidelity == Fidelity::Assumed, is_unsure, "{id}");
                (&gpu.name, ours(gpu))
            }
            "cpu" => {
                let cpu = Cpu::find(id).unwrap_or_else(|| panic!("no {id}"));
                let figures = vec![
                    ("mem_bw_gbs", Some(cpu.bandwidth.value.bytes_per_s())),
                    ("pcie_gen", Some(cpu.pcie_generation.value.into())),
                    ("tdp_w", Some(cpu.tdp.value.0)),
                    ("year", Some(cpu.year.value.into())),
                    ("cores", Some(cpu.cores.value.into())),
                    ("mem_channels", Some(cpu.channels.value.into())),
                    ("mem_mts", Some(cpu.transfer_rate.value.0)),
                ];
                (&cpu.name, figures)
            }
            _ => {
                let drive = Storage::find(id).unwrap_or_else(|| panic!("no {id}"));
                let figures = vec![
                    ("pcie_gen", drive.pcie_generation.as_ref().map(|value| value.value.into())),
                    ("pcie_lanes", drive.pcie_lanes.as_ref().map(|value| value.value.into())),
                    ("read_gbs", Some(drive.read.value.bytes_per_s())),
                    ("write_gbs", Some(drive.write.value.bytes_per_s())),
                    ("lat_us", Some(drive.latency.value.as_ns())),
                ];
                (&drive.name, figures)
            }
        };
        assert_eq!(name, &row["name"]);
        for (column, ours) in figures {
            let theirs = theirs(column, &row[column]);
            let agrees = ours == theirs || deviates(id, column, &row["notes"], ours, theirs);
            assert!(agrees, "{id}.{column}: {ours:?}, shared table {theirs:?}");
        }
        rows += 1;
    }
    let ids = Gpu::all().iter().map(Entry::id).chain(Cpu::all().iter().map(Entry::id));
    let ids = ids.chain(Storage::all().iter().map(Entry::id));
    assert_eq!(rows, ids.filter(|id| !NOT_IN_THE_TABLE.contains(id)).count());
}

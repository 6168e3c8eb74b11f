//! Reports: exact text of small documents, and laws that every document keeps.

// The lint's exemption for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

#[path = "report/fixture.rs"]
mod fixture;

use fixture::{GIB, MIB, capacities, meta, row, summary, sweep};
use moesim::error::Place;
use moesim::metrics::{LinkUse, Outcome, Row, Summary};
use moesim::report::{self, ReportMeta};

fn text_of(meta: &ReportMeta, rows: &[Row]) -> String {
    String::from_utf8(report::csv(meta, rows).unwrap()).unwrap()
}

#[test]
fn csv_has_this_header_and_this_row() {
    let done = Outcome::Done(Box::new(summary(25, 40_000_000)));
    let text = text_of(&meta(), &[row(0, "lru", 3 * GIB, 24 * GIB, done)]);
    let expected = concat!(
        "index,cache.policy,cache.capacity,model,quant,gpu,engine,backing,policy,oracle,cache_scope,replay,prefetch,",
        "cache_capacity_bytes,cache_share_pct,vram_needed_bytes,vram_capacity_bytes,dram_needed_bytes,",
        "nvme_needed_bytes,quality_loss_pct,quality_fidelity,status,reason,decode_tokens_per_s,tpot_ms_min,",
        "tpot_ms_p10,tpot_ms_p50,tpot_ms_p90,",
        "tpot_ms_max,tpot_sequences,token_latency_ms_p50,token_latency_ms_p90,token_latency_ms_p99,ttft_ms_min,",
        "ttft_ms_p50,ttft_ms_max,hit_rate_decode_pct,hit_rate_when_needed_pct,hit_rate_weight_pct,",
        "hit_rate_dram_pct,miss_bytes_per_token,fetched_experts_per_token,on_cpu_experts_per_token,",
        "degraded_experts_per_token,skipped_experts_per_token,substituted_experts_per_token,degraded_weight_pct,",
        "skipped_weight_pct,substituted_weight_pct,prefetch_issued_per_token,prefetch_used_per_token,",
        "prefetch_late_per_token,prefetch_wasted_bytes_per_token,h2d_bytes,nvme_bytes,gpu_bytes_per_token,",
        "h2d_bytes_per_token,d2h_bytes_per_token,nvme_bytes_per_token,cpu_bytes_per_token,dram_bytes_per_token,",
        "gpu_utilisation_pct,h2d_utilisation_pct,d2h_utilisation_pct,nvme_utilisation_pct,cpu_utilisation_pct,",
        "dram_utilisation_pct,gpu_compute_ms_per_token,wait_h2d_ms_per_token,wait_nvme_ms_per_token,",
        "wait_cpu_ms_per_token,overhead_ms_per_token,overshoot_bytes_max,purchase_usd,rent_usd_per_hour,",
        "cost_usd_per_mtok,joules_per_token,payback_days,price_missing\n",
        "0,lru,3072 MiB,olmoe-1b-7b,bf16,rtx3090,hf-eager,dram,lru,false,global,layer,none,3221225472,25.0000,",
        "5553258496,25769803776,13153337344,0,0.0000,,ok,,25.000,32.000000,32.000000,40.000000,52.000000,52.000000,3,",
        "40.000000,52.000000,52.000000,,,,25.0000,25.0000,,,1207959552.0,96.0000,0.0000,0.0000,0.0000,0.0000,,,,",
        ",,,,120795955200,0,53687091.2,1207959552.0,,0.0,,,25.0000,50.0000,,0.0000,,,10.000000,20.000000,",
        "0.000000,,10.000000,0,,,,,,\n",
    );
    assert_eq!(text, expected);
}

#[test]
fn csv_quotes_reasons_and_renames_an_axis_that_is_also_a_column() {
    let reasons = vec!["needs 1, has \"0\"".to_owned(), "no <gpu> & no hope".to_owned()];
    let mut refused = row(7, "lru", MIB, GIB, Outcome::CannotRun(reasons));
    refused.axes = vec![("model".to_owned(), "a,b".to_owned())];
    let meta = ReportMeta { axes: vec!["model".to_owned()], ..meta() };
    let text = text_of(&meta, &[refused]);
    assert!(text.starts_with("index,axis.model,model,"), "{text}");
    assert!(text.contains("\n7,\"a,b\",olmoe-1b-7b,"), "{text}");
    assert!(text.contains(",cannot-run,\"needs 1, has \"\"0\"\"; no <gpu> & no hope\",,,"), "{text}");
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    assert_eq!(reader.headers().unwrap().len(), reader.records().next().unwrap().unwrap().len());
}

#[test]
fn json_reads_back_as_the_same_rows() {
    let rows = sweep(&["lru", "belady"], &capacities(GIB, GIB, 24), 24 * GIB);
    assert!(rows.iter().any(|row| row.summary().is_none()));
    let text = report::json(&meta(), &rows).unwrap();
    assert_eq!(report::parse_json(&Place::none(), &text), Ok((meta(), rows)));
    let place = Place::file("results.json");
    let error = report::parse_json(&place, b"{\"meta\": 1}").unwrap_err().to_string();
    assert!(error.starts_with("results.json:1:"), "{error}");
}

#[test]
fn table_is_aligned_and_says_what_it_leaves_out() {
    let rows = sweep(&["lru"], &[GIB, 22 * GIB, 23 * GIB], 24 * GIB);
    let expected = "\
policy  capacity   hit %  TPOT ms p50 [min-max]  tok/s      VRAM  status
lru     1024 MiB    0.00    75.00 [60.00-97.50]  13.33  3.17 GiB  ok
lru     22528 MiB      -                      -      -  24.2 GiB  cannot run
lru     23552 MiB      -                      -      -  25.2 GiB  cannot run
";
    assert_eq!(report::table(&rows), expected);
    let many = sweep(&["lru", "lfu"], &capacities(GIB, 64 * MIB, 100), 24 * GIB);
    let text = report::table(&many);
    assert_eq!(text.lines().count(), 42);
    let last = "the fastest policy at each setting and capacity; 160 more points in results.csv\n";
    assert!(text.ends_with(last), "{text}");
    let answer = report::answer_text(&many);
    assert!(answer.starts_with("Fastest that fits: "), "{answer}");
    assert!(!answer.contains("**"), "{answer}");
}

#[test]
fn summary_answers_in_words() {
    let rows = sweep(&["lru", "lfu", "belady"], &[GIB, 8 * GIB, 12 * GIB, 24 * GIB], 24 * GIB);
    let text = report::markdown(&meta(), &rows);
    for line in [
        "# Latency against VRAM",
        "Scenario example.toml: 12 points, of which 3 cannot run.",
        "- cache.policy (3): lru, lfu, belady",
        "- **Fastest that fits:** lru with 12.0 GiB for experts (point 2): TPOT 15.0 ms \
         (12.0 ms to 19.5 ms over 3 sequences)",
        "- **Bottleneck:** host link (H2D) at all 6 points. Of the fastest: host link (H2D), 50.0 % of each token is \
         waiting for copies (busy 50.0 % of the run).",
        "| point | GPU compute ms | waiting for H2D ms | overheads ms | gpu busy % | h2d busy % | nvme busy % |",
        "| 0 | 18.750 | 37.500 | 18.750 | 25.0 | 50.0 | 0.0 |",
        "- **Policy:** lfu alone is fastest at 2 of the 3 points where several ran. Against lru its TPOT is 1.6 % lower \
         in the median (equal to 8.0 % lower). Against belady its TPOT is 9.4 % higher in the median",
        "- **LRU cliff:** one token asks for 1.50 GiB of experts. Below that these policies hit nothing in decode: lru",
        "- 3 points (3, 7, 11): needs 26.2 GiB of VRAM, has 24.0 GiB; the expert cache is most of it",
        "- The trace has no prefill.",
        "- trace olmoe.moetrace, crc32 89abcdef",
    ] {
        assert!(text.contains(line), "{line}\nis not in\n{text}");
    }
}

#[test]
fn summary_of_nothing_or_of_refusals_says_so() {
    let text = report::markdown(&meta(), &[]);
    assert!(text.contains("- The sweep has no points."), "{text}");
    let rows = sweep(&["lru"], &capacities(8 * GIB, GIB, 4), 4 * GIB);
    let text = report::markdown(&meta(), &rows);
    assert!(text.contains("- No point ran and decoded a token"), "{text}");
    assert!(text.contains("## Cannot run"), "{text}");
    let rows = sweep(&["belady"], &[GIB], 24 * GIB);
    assert!(report::markdown(&meta(), &rows).contains("Only oracle policies ran"));
}

#[test]
fn folder_is_written_whole_or_refused_by_name() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("a/b");
    let files = [("x.txt".to_owned(), b"1".to_vec()), ("y.txt".to_owned(), b"22".to_vec())];
    report::folder::write(&folder, &files).unwrap();
    report::folder::write(&folder, &files).unwrap();
    let mut names: Vec<_> =
        std::fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    names.sort();
    assert_eq!(names, ["x.txt", "y.txt"]);
    assert_eq!(std::fs::read(folder.join("y.txt")).unwrap(), b"22");

    let taken = home.path().join("file");
    std::fs::write(&taken, "in the way").unwrap();
    let error = report::folder::write(&taken, &files).unwrap_err().to_string();
    assert!(error.starts_with(&taken.display().to_string()), "{error}");
    assert!(error.contains("cannot create the folder: "), "{error}");
}

#[test]
fn pictures_come_in_both_formats_and_are_whole() {
    let odd = sweep(&["a<b> & \"c\"", "d'e\u{7}"], &[GIB, 2 * GIB], 24 * GIB);
    let refused = sweep(&["lru"], &capacities(8 * GIB, GIB, 4), 4 * GIB);
    let usual = sweep(&["lru", "lfu", "belady"], &capacities(GIB / 2, GIB, 12), 12 * GIB);
    let point = sweep(&["lru"], &[0], 24 * GIB);
    for rows in [vec![], odd, refused, usual, point] {
        let files = report::render_all(&meta(), &rows).unwrap();
        let names: Vec<&str> = files.iter().map(|(name, _)| name.as_str()).collect();
        let stems = ["tpot_vs_vram", "throughput_vs_vram", "time_shares", "hit_rate", "memory", "pareto"];
        let mut expected = vec!["results.csv".to_owned(), "results.json".to_owned(), "summary.md".to_owned()];
        expected.extend(stems.iter().flat_map(|stem| [format!("{stem}.svg"), format!("{stem}.png")]));
        assert_eq!(names, expected);
        for (name, bytes) in &files {
            match name.rsplit_once('.').unwrap().1 {
                "svg" => check_svg(name, std::str::from_utf8(bytes).unwrap()),
                "png" => check_png(name, bytes),
                _ => assert!(!bytes.is_empty(), "{name}"),
            }
        }
    }
}

/// Tags nest, text and attributes hold no raw markup, and no number is missing.
fn check_svg(name: &str, text: &str) {
    let head =
        "<svg width=\"1000\" height=\"640\" viewBox=\"0 0 4000 2560\" xmlns=\"http://www.w3.org/2000/svg\">";
    assert!(text.starts_with(head), "{name}: {}", &text[..120]);
    assert!(text.ends_with("</svg>\n"), "{name}");
    assert!(!text.contains("NaN") && !text.contains("inf"), "{name}");
    assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{name}");
    let mut open = Vec::new();
    for piece in text.split('<').skip(1) {
        let (tag, content) = piece.split_once('>').unwrap();
        let word = tag.split_whitespace().next().unwrap();
        match word.strip_prefix('/') {
            Some(closed) => assert_eq!(open.pop(), Some(closed), "{name}: {tag}"),
            None if tag.ends_with('/') => {}
            None => open.push(word),
        }
        assert_eq!(tag.matches('"').count() % 2, 0, "{name}: {tag}");
        for entity in tag.split('&').skip(1).chain(content.split('&').skip(1)) {
            let known = ["amp;", "lt;", "gt;", "quot;", "apos;"];
            assert!(known.iter().any(|known| entity.starts_with(known)), "{name}: &{entity}");
        }
    }
    assert!(open.is_empty(), "{name}: {open:?}");
}

/// It decodes, has twice the nominal size, and is not blank.
fn check_png(name: &str, bytes: &[u8]) {
    let mut reader = png::Decoder::new(std::io::Cursor::new(bytes)).read_info().unwrap();
    let mut pixels = vec![0; reader.output_buffer_size().unwrap()];
    let info = reader.next_frame(&mut pixels).unwrap();
    assert_eq!((info.width, info.height, info.color_type), (2000, 1280, png::ColorType::Rgb), "{name}");
    let dark = pixels.chunks_exact(3).filter(|pixel| pixel.iter().all(|channel| *channel < 128)).count();
    assert!(dark > 200, "{name} has {dark} dark pixels");
}

#[test]
fn svg_escapes_what_a_user_named() {
    let rows = sweep(&["a<b> & \"c\""], &[GIB, 2 * GIB], 24 * GIB);
    let files = report::render_all(&meta(), &rows).unwrap();
    let svg = files.iter().find(|(name, _)| name == "hit_rate.svg").unwrap();
    let text = std::str::from_utf8(&svg.1).unwrap();
    assert!(text.contains("a&lt;b&gt; &amp; &quot;c&quot;"), "{text}");
    let markdown = files.iter().find(|(name, _)| name == "summary.md").unwrap();
    assert!(std::str::from_utf8(&markdown.1).unwrap().contains("a&lt;b> &amp; \"c\""));
}

#[test]
fn equal_input_gives_equal_bytes_on_any_number_of_threads() {
    let rows = sweep(&["lru", "lfu", "belady"], &capacities(GIB, 2 * GIB, 5), 24 * GIB);
    let render = |threads: usize| {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        pool.install(|| report::render_all(&meta(), &rows).unwrap())
    };
    let (one, three) = (render(1), render(3));
    for (a, b) in one.iter().zip(&three) {
        assert!(a == b, "{} differs between 1 and 3 threads", a.0);
    }
    assert_eq!(one.len(), three.len());
}

#[test]
fn oracles_and_the_cliff_are_marked_in_pictures() {
    let rows = sweep(&["lru", "belady"], &capacities(GIB, GIB, 6), 24 * GIB);
    let files = report::render_all(&meta(), &rows).unwrap();
    let text = |name: &str| {
        let (_, bytes) = files.iter().find(|(found, _)| found == name).unwrap();
        String::from_utf8(bytes.clone()).unwrap()
    };
    assert!(text("tpot_vs_vram.svg").contains("belady (oracle)"));
    assert!(text("tpot_vs_vram.svg").contains("one token&apos;s experts, 1.50 GiB (LRU cliff)"));
    assert!(text("throughput_vs_vram.svg").contains("VRAM of the card, 24.0 GiB"));
    assert!(text("hit_rate.svg").contains("beyond the oracle"));
    assert!(text("memory.svg").contains("kv cache"));
    assert!(text("pareto.svg").contains("lru, 6.00 GiB"));
}

#[test]
fn trace_pictures_are_whole_and_refuse_a_wrong_shape() {
    let counts: Vec<u64> = (0..4 * 16).map(|index| index * index % 97).collect();
    let mut files = report::trace_pictures::popularity("Popularity", &counts, 4, 16).unwrap();
    files.extend(report::trace_pictures::heat_map("Selections", &counts, 4, 16).unwrap());
    files.extend(report::trace_pictures::popularity("Nothing", &[0, 0], 1, 2).unwrap());
    files.extend(report::trace_pictures::heat_map("Nothing", &[], 0, 0).unwrap());
    assert_eq!(files.len(), 8);
    for (name, bytes) in &files {
        match name.rsplit_once('.').unwrap().1 {
            "svg" => check_svg(name, std::str::from_utf8(bytes).unwrap()),
            _ => check_png(name, bytes),
        }
    }
    let error = report::trace_pictures::heat_map("x", &counts, 4, 15).unwrap_err().to_string();
    assert_eq!(error, "64 counts for 4 layers of 15 experts, expected one per layer and expert");
}

/// A run whose books have everything: every device, every fate of a miss, prefetches.
fn busy_summary() -> Summary {
    let mut summary = summary(50, 40_000_000);
    let decode = &mut summary.decode;
    decode.hits_when_needed = 9_600;
    (decode.weight_hit, decode.weight_total) = (40_000, 100_000);
    (decode.fetched, decode.on_cpu, decode.degraded) = (3_000, 2_000, 400);
    (decode.skipped, decode.substituted) = (600, 400);
    (decode.weight_degraded, decode.weight_skipped, decode.weight_substituted) = (1_000, 2_000, 1_500);
    (decode.dram_lookups, decode.dram_hits) = (5_000, 4_000);
    let shares = &mut summary.decode_time;
    (shares.wait_h2d_ns, shares.wait_cpu_ns) = (shares.wait_h2d_ns / 4, shares.wait_h2d_ns / 4 * 3);
    let prefetch = &mut summary.prefetch;
    (prefetch.predicted, prefetch.issued, prefetch.used, prefetch.late) = (9_000, 6_000, 4_500, 300);
    (prefetch.wasted, prefetch.wasted_bytes) = (1_500, 1_500 * 12 * MIB);
    for (name, bytes, part) in [("d2h", 2 * GIB, 10), ("cpu", 100 * GIB, 2), ("dram", 200 * GIB, 1)] {
        let busy_ns = summary.span_ns / part;
        let idle_ns = summary.span_ns - busy_ns;
        summary.links.push(LinkUse { name: name.to_owned(), bytes, jobs: 7, busy_ns, idle_ns });
    }
    summary
}

#[test]
fn a_point_says_where_its_time_went() {
    let done = Outcome::Done(Box::new(busy_summary()));
    let text = report::point(&row(0, "lru", 3 * GIB, 24 * GIB, done));
    let expected = "\
decode   25.0 tokens/s, TPOT 40.0 ms (32.0 ms to 52.0 ms over 3 sequences)
decode   50.0 % of 12800 lookups hit (50.0 % to 50.0 % over sequences), 75.0 % when needed, 40.0 % of the gate weight
misses   30.0 fetched, 20.0 on the CPU, 4.0 degraded (1.00 % of the gate weight), 6.0 skipped (2.00 % of the gate weight), 4.0 substituted (1.50 % of the gate weight) per token
dram     80.0 % of 5000 lookups in host memory hit
prefetch 60.0 experts per token issued, 45.0 used (75.0 %), of which 3.0 late; 180 MiB per token in vain

per decoded token
  GPU compute       10.0 ms   25.0 %
  waiting for H2D   5.00 ms   12.5 %
  waiting for CPU   15.0 ms   37.5 %
  overheads         10.0 ms   25.0 %

gpu      busy 25.0 %, 5.00 GiB, 51.2 MiB per token
h2d      busy 50.0 %, 75.0 GiB, 768 MiB per token
nvme     busy 0.0 %, 0 B, 0 B per token
d2h      busy 10.0 %, 2.00 GiB, 20.5 MiB per token
cpu      busy 50.0 %, 100 GiB, 1.00 GiB per token
dram     busy 100.0 %, 200 GiB, 2.00 GiB per token

Bottleneck: CPU, 37.5 % of each token is waiting for the CPU (busy 50.0 % of the run). `moesim explain` says what would relieve it.
";
    assert!(text.ends_with(expected), "{text}");
}

/// Each column stands under its name, whatever stands before it.
#[test]
fn csv_has_every_device_where_there_is_one() {
    let rows = [
        row(0, "lru", 3 * GIB, 24 * GIB, Outcome::Done(Box::new(busy_summary()))),
        row(1, "lru", 3 * GIB, 24 * GIB, Outcome::Done(Box::new(summary(50, 40_000_000)))),
    ];
    let text = text_of(&meta(), &rows);
    let mut reader = csv::Reader::from_reader(text.as_bytes());
    let names = reader.headers().unwrap().clone();
    let records: Vec<_> = reader.records().map(Result::unwrap).collect();
    for (name, busy, plain) in [
        ("wait_cpu_ms_per_token", "15.000000", ""),
        ("wait_h2d_ms_per_token", "5.000000", "20.000000"),
        ("cpu_utilisation_pct", "50.0000", ""),
        ("dram_utilisation_pct", "100.0000", ""),
        ("d2h_bytes_per_token", "21474836.5", ""),
        ("hit_rate_dram_pct", "80.0000", ""),
        ("hit_rate_when_needed_pct", "75.0000", "50.0000"),
        ("on_cpu_experts_per_token", "20.0000", "0.0000"),
        ("skipped_weight_pct", "2.0000", ""),
        ("prefetch_used_per_token", "45.0000", ""),
        ("prefetch_wasted_bytes_per_token", "188743680.0000", ""),
    ] {
        let column = names.iter().position(|found| found == name).unwrap();
        assert_eq!((&records[0][column], &records[1][column]), (busy, plain), "{name}");
    }
}

/// Times of tokens are drawn wherever something numeric varies, whatever it is.
#[test]
fn time_shares_are_drawn_along_what_varies() {
    let drawn = |rows: &[Row]| {
        let files = report::render_all(&meta(), rows).unwrap();
        let (_, bytes) = files.into_iter().find(|(name, _)| name == "time_shares.svg").unwrap();
        String::from_utf8(bytes).unwrap()
    };
    let text = drawn(&sweep(&["lru", "belady"], &capacities(GIB, GIB, 6), 24 * GIB));
    for words in
        ["VRAM for routed experts (GiB)", "waiting for H2D", "belady (oracle)", "time per output token (ms)"]
    {
        assert!(text.contains(words), "{words}");
    }
    let mut rows = sweep(&["lru", "lru", "lru"], &[GIB], 24 * GIB);
    for (row, rate) in rows.iter_mut().zip(["10 GB/s", "20 GB/s", "40 GB/s"]) {
        row.axes[1] = ("engine.h2d_bandwidth".to_owned(), rate.to_owned());
    }
    assert!(drawn(&rows).contains("engine.h2d_bandwidth (GB/s)"));
    rows[0].axes[1].1 = "auto".to_owned();
    assert!(drawn(&rows).contains("Nothing numeric varies"));
}

//! A timeline as Chrome trace JSON, which Perfetto (<https://ui.perfetto.dev>) and `chrome://tracing` open.
//!
//! The format is the "Trace Event Format" of Chromium: `M` names processes and threads, `X` is a slice, `C` a counter,
//! `i` an instant. Devices are processes and their rows are threads. Times are microseconds with three decimals, so
//! exact to the nanosecond. One event stands on one line.

use std::fmt::Write as _;

use super::format::ratio;
use crate::metrics::timeline::{Activity, Awaited, Cause, Lane, Level, Slice, Timeline};

/// A lane's process and thread, by number and name.
struct Placed {
    process: (u32, &'static str),
    thread: (u32, &'static str),
}

fn placed(lane: Lane) -> Placed {
    let (process, thread) = match lane {
        Lane::Passes => ((1, "GPU"), (1, "passes")),
        Lane::Gpu => ((1, "GPU"), (2, "compute stream")),
        Lane::Waits => ((1, "GPU"), (3, "idle")),
        Lane::H2d => ((2, "host link"), (4, "H2D")),
        Lane::D2h => ((2, "host link"), (5, "D2H")),
        Lane::Nvme => ((3, "NVMe"), (6, "reads")),
        Lane::Cpu => ((4, "CPU"), (7, "experts and layers")),
        Lane::Dram => ((5, "DRAM bus"), (8, "in use by")),
    };
    Placed { process, thread }
}

/// The name of a lane where others speak of it.
fn user(lane: Lane) -> &'static str {
    match lane {
        Lane::Nvme => "NVMe",
        Lane::Cpu => "CPU",
        other => placed(other).thread.1,
    }
}

/// The timeline as JSON, ending in a line feed.
pub fn timeline(timeline: &Timeline) -> Vec<u8> {
    let mut text = String::from("{\"displayTimeUnit\": \"ns\",\n\"otherData\": {");
    let window = timeline.window;
    let _ = write!(text, "\"span_us\": {}, \"from_us\": {}", us(timeline.span_ns), us(window.from_ns));
    let _ = write!(text, ", \"until_us\": {}", us(window.until_ns.min(timeline.span_ns)));
    if let Some(cut_ns) = timeline.cut_ns {
        let _ = write!(text, ", \"complete_until_us\": {}", us(cut_ns));
    }
    text.push_str("},\n\"traceEvents\": [\n");
    let mut lines = metadata(&timeline.lanes);
    lines.extend(timeline.cut_ns.map(|cut_ns| {
        let what = format!("cut here: the limit of {} events", window.events_max);
        format!(r#"{{"ph": "i", "s": "g", "pid": 1, "tid": 1, "ts": {}, "name": "{what}"}}"#, us(cut_ns))
    }));
    lines.extend(timeline.slices.iter().map(slice));
    lines.extend(timeline.samples.iter().map(|sample| {
        let (pid, name, unit) = match sample.level {
            Level::CacheBytes => (1, "expert cache", "bytes"),
            Level::PrefetchBytes => (1, "prefetch buffer", "bytes"),
            Level::H2dQueue => (2, "H2D queue", "copies"),
        };
        let (at, value) = (us(sample.at_ns), sample.value);
        format!(r#"{{"ph": "C", "pid": {pid}, "tid": 0, "ts": {at}, "name": "{name}", "args": {{"{unit}": {value}}}}}"#)
    }));
    text.push_str(&lines.join(",\n"));
    text.push_str("\n]}\n");
    text.into_bytes()
}

/// Microseconds, exact to the nanosecond.
fn us(ns: u64) -> String {
    ratio(u128::from(ns), 1_000, 3)
}

fn metadata(lanes: &[Lane]) -> Vec<String> {
    let mut lines = Vec::new();
    let mut named = 0;
    for lane in lanes {
        let Placed { process: (pid, process), thread: (tid, thread) } = placed(*lane);
        let mut note = |tid: u32, what: &str, key: &str, value: String| {
            lines.push(format!(
                r#"{{"ph": "M", "pid": {pid}, "tid": {tid}, "name": "{what}", "args": {{"{key}": {value}}}}}"#
            ));
        };
        if pid != named {
            named = pid;
            note(0, "process_name", "name", format!("\"{process}\""));
            note(0, "process_sort_index", "sort_index", pid.to_string());
        }
        note(tid, "thread_name", "name", format!("\"{thread}\""));
        note(tid, "thread_sort_index", "sort_index", tid.to_string());
    }
    lines
}

fn slice(slice: &Slice) -> String {
    let Placed { process: (pid, _), thread: (tid, _) } = placed(slice.lane);
    let (start, length) = (us(slice.start_ns), us(slice.end_ns - slice.start_ns));
    let mut args =
        format!(r#""pass": {}, "sequence": {}, "token": {}"#, slice.pass, slice.sequence, slice.context);
    let mut note = |key: &str, value: u64| {
        let _ = write!(args, r#", "{key}": {value}"#);
    };
    let (layer, expert, found) = details(slice.activity);
    layer.into_iter().for_each(|layer| note("layer", layer.into()));
    expert.into_iter().for_each(|expert| note("expert", expert.into()));
    if slice.bytes > 0 {
        note("bytes", slice.bytes);
    }
    if let Activity::Pass { tokens, .. } = slice.activity {
        note("tokens", tokens);
    }
    if let Activity::Experts { count, .. } = slice.activity {
        note("experts", count);
    }
    if slice.overhead_ns > 0 {
        let _ = write!(args, r#", "overhead_us": {}"#, us(slice.overhead_ns));
    }
    if let Some(found) = found {
        let _ = write!(args, r#", "found": "{found}""#);
    }
    let name = name(slice);
    format!(
        r#"{{"ph": "X", "pid": {pid}, "tid": {tid}, "ts": {start}, "dur": {length}, "name": "{name}", "args": {{{args}}}}}"#
    )
}

/// Layer, expert, and whether it was there.
fn details(activity: Activity) -> (Option<u32>, Option<u32>, Option<&'static str>) {
    match activity {
        Activity::Stretch { layer } | Activity::Activations { layer } | Activity::Evicted { layer } => {
            (Some(layer), None, None)
        }
        Activity::Experts { layer, resident, expert, .. } => {
            (Some(layer), expert, Some(if resident { "hit" } else { "miss" }))
        }
        Activity::Expert { layer, expert, cause } => {
            let found = match cause {
                Cause::Miss => "miss",
                Cause::Prefetch => "prefetch",
                Cause::LatePrefetch => "late prefetch",
            };
            (Some(layer), Some(expert), Some(found))
        }
        Activity::Pass { .. }
        | Activity::Head
        | Activity::Compaction
        | Activity::Wait(_)
        | Activity::Bus(_) => (None, None, None),
    }
}

fn name(slice: &Slice) -> String {
    let on_cpu = slice.lane == Lane::Cpu;
    match slice.activity {
        Activity::Pass { prefill: true, tokens } => format!("prompt, {tokens} tokens"),
        Activity::Pass { prefill: false, .. } => format!("token {}", slice.context),
        Activity::Stretch { layer } => format!("L{layer} attention+router"),
        Activity::Head => "output head".to_owned(),
        Activity::Compaction => "compaction of GPU memory".to_owned(),
        Activity::Experts { layer, count, .. } if on_cpu => format!("L{layer} experts ({count} on CPU)"),
        Activity::Experts { layer, count, resident: true, .. } => {
            format!("L{layer} experts ({count} resident)")
        }
        Activity::Experts { layer, expert: Some(expert), .. } => {
            format!("L{layer} E{expert} expert (fetched)")
        }
        Activity::Experts { layer, count, .. } => format!("L{layer} experts ({count} fetched)"),
        Activity::Expert { layer, expert, cause } => {
            let how = if slice.lane == Lane::Nvme { "read" } else { "fetch" };
            match cause {
                Cause::Miss => format!("L{layer} E{expert} {how} (miss)"),
                Cause::Prefetch => format!("L{layer} E{expert} prefetch"),
                Cause::LatePrefetch => format!("L{layer} E{expert} prefetch (late)"),
            }
        }
        Activity::Activations { layer } => format!("L{layer} activations"),
        Activity::Evicted { layer } => format!("L{layer} evicted"),
        Activity::Wait(Awaited::H2d) => "waiting for H2D".to_owned(),
        Activity::Wait(Awaited::Nvme) => "waiting for NVMe".to_owned(),
        Activity::Wait(Awaited::Cpu) => "waiting for CPU".to_owned(),
        Activity::Bus(open) => {
            let users = Lane::ALL.into_iter().zip(open).filter(|(_, open)| *open);
            users.map(|(lane, _)| user(lane)).collect::<Vec<_>>().join(" + ")
        }
    }
}

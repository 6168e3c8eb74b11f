//! Request logs: formats, what is refused, and the logs that services published.

use std::fs;

use moesim::error::Result;
use moesim::serving::workload::{
    Arrivals, Extent, Lengths, RequestLog, WorkloadSpec, generate, read_log, read_log_with,
};

use super::common::shared;
use super::{spec, times_ns};

/// Reads a log of this content; messages name it `log`.
fn read(content: impl AsRef<[u8]>, hash_tokens: Option<u32>) -> std::result::Result<RequestLog, String> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("log");
    fs::write(&path, content).unwrap();
    let read: Result<RequestLog> = read_log_with(&path, hash_tokens);
    read.map_err(|error| error.to_string().replace(&path.display().to_string(), "log"))
}

/// Rows as `time prompt output priority domain hashes`.
#[track_caller]
fn reads(content: &str, rows: &[&str], note: &str) -> RequestLog {
    let log = read(content, None).unwrap();
    let told = log.rows.iter().map(|row| {
        let hashes = &log.hashes[row.hashes.0 as usize..row.hashes.1 as usize];
        let domain = log.domains.get(usize::from(row.domain)).map_or("-", String::as_str);
        let (time, prompt, output) = (row.arrival_ns, row.prompt_tokens, row.output_tokens);
        format!("{time} {prompt} {output} {} {domain} {hashes:?}", row.priority)
    });
    assert_eq!(told.collect::<Vec<_>>(), rows);
    assert_eq!(log.notes.join("\n"), note);
    log
}

#[test]
fn csv_of_many_hands() {
    reads(
        "\u{feff}TIMESTAMP,ContextTokens,GeneratedTokens\r\n2023-11-16 18:17:03.9799600,4808,10\r\n\
         2023-11-16 18:17:04.0319600,3180,8",
        &["0 4808 10 0 - []", "52000000 3180 8 0 - []"],
        "log: times from \"TIMESTAMP\" (s or dates) counted from the first, prompts from \"ContextTokens\", answers \
         from \"GeneratedTokens\"",
    );
    reads(
        "# by hand\nCategory, priority,arrival_ms,colour,prompt_tokens,output_tokens\n\n# x\nchat,2, 1.5 ,red,7,8\n\
         code,0,1.5,,9,10\nchat,0,3,blue,\"11\",12\n",
        &["0 7 8 2 chat []", "0 9 10 0 code []", "1500000 11 12 0 chat []"],
        "log: times from \"arrival_ms\" (ms) counted from the first, prompts from \"prompt_tokens\", answers from \
         \"output_tokens\", priorities from \"priority\", domains from \"Category\"",
    );
    reads(
        "arrived_at,num_prefill_tokens,num_decode_tokens\n0.25,1,4294967295\n1e0,2,3\n",
        &["0 1 4294967295 0 - []", "750000000 2 3 0 - []"],
        "log: times from \"arrived_at\" (s or dates) counted from the first, prompts from \"num_prefill_tokens\", \
         answers from \"num_decode_tokens\"",
    );
}

#[test]
fn json_lines_with_hashes() {
    let mooncake = "{\"timestamp\": 27000, \"input_length\": 1025, \"output_length\": 52, \"hash_ids\": [46, 47, 48]}\n\
                    {\"timestamp\": 30535, \"input_length\": 672, \"output_length\": 26, \"hash_ids\": [46, 99]}\n\n\
                    {\"timestamp\": 30535, \"input_length\": 5, \"output_length\": 1}\n";
    let times = "log: times from \"timestamp\" (ms or dates) counted from the first, prompts from \"input_length\", \
                 answers from \"output_length\"";
    let log = reads(
        mooncake,
        &["0 1025 52 0 - [46, 47, 48]", "3535000000 672 26 0 - [46, 99]", "3535000000 5 1 0 - []"],
        &format!("{times}\nlog: each of its hashes stands for 512 tokens"),
    );
    assert_eq!(log.hash_tokens, 512);
    assert_eq!(
        read(mooncake, Some(1_024)).unwrap_err(),
        "log:1: 3 hashes for 1025 tokens of prompt, expected at \
         most 2, for 1024 tokens each"
    );
    assert_eq!(read(mooncake, Some(400)).unwrap().hash_tokens, 400);
    assert_eq!(
        read(mooncake, Some(0)).unwrap_err(),
        "log: hashes stand for 0 tokens each, expected 1 or more"
    );

    let bailian = "{\"chat_id\": 1, \"timestamp\": 61.114, \"input_length\": 20, \"output_length\": 9, \"type\": \"text\", \
                   \"turn\": 2, \"hash_ids\": [5, 6]}\n";
    let log = reads(
        bailian,
        &["0 20 9 0 text [5, 6]"],
        "log: times from \"timestamp\" (s or dates) counted from the first, prompts from \"input_length\", answers \
         from \"output_length\", domains from \"type\"\nlog: each of its hashes stands for 16 tokens",
    );
    assert_eq!(log.hash_tokens, 16);
}

#[test]
fn files_that_are_no_logs() {
    for (content, expected) in [
        (String::new(), "log: is empty, expected a request log".to_owned()),
        (" \n".to_owned(), "log: is empty, expected a request log".to_owned()),
        (
            "time,prompt_tokens,output_tokens\n".to_owned(),
            "log: has no requests, expected one or more".to_owned(),
        ),
        ("[{}]".to_owned(), "log: is one JSON list, expected one JSON object a line, or CSV".to_owned()),
        ("time\0".to_owned(), "log: is not text, expected CSV or JSON lines".to_owned()),
        (
            "time,prompt_tokens,outptu_tokens\n1,1,1\n".to_owned(),
            "log:1: has no column of output tokens among time, prompt_tokens, outptu_tokens, did you mean \
             \"output_tokens\" by \"outptu_tokens\"?"
                .to_owned(),
        ),
        ("{\"timestamp\": 5,\n".to_owned(), "log:1:16: EOF while parsing a value".into()),
    ] {
        assert_eq!(read(&content, None), Err(expected), "{content:?}");
    }
}

/// What is wrong in a row is shown where it stands.
#[test]
fn rows_that_cannot_be() {
    const DATES: &str = "expected a time of 0 or more in s, or a date such as 2023-11-16 18:15:46.6805900";
    let csv = |row: &str| format!("time,prompt_tokens,output_tokens\n5,1,1\n{row}\n");
    let json = |row: &str| {
        format!(
            "{{\"timestamp\": 5, \"input_length\": 1, \"output_length\": 1}}\n{{\"timestamp\": 5, {row}}}\n"
        )
    };
    for (content, expected) in [
        (
            csv("4,1,1"),
            "log:3: column \"time\": found \"4\", expected a time not before that of the row above".into(),
        ),
        (csv("-1,1,1"), format!("log:3: column \"time\": found \"-1\", {DATES}")),
        (csv("NaN,1,1"), format!("log:3: column \"time\": found \"NaN\", {DATES}")),
        (csv("inf,1,1"), format!("log:3: column \"time\": found \"inf\", {DATES}")),
        (csv("1e12,1,1"), format!("log:3: column \"time\": found \"1e12\", {DATES}")),
        (
            csv("2023-02-29 00:00:00,1,1"),
            format!("log:3: column \"time\": found \"2023-02-29 00:00:00\", {DATES}"),
        ),
        (
            csv("6,0,1"),
            "log:3: column \"prompt_tokens\": found \"0\", expected 1 to 4294967295 tokens".into(),
        ),
        (
            csv("6,1,0"),
            "log:3: column \"output_tokens\": found \"0\", expected 1 to 4294967295 tokens".into(),
        ),
        (
            csv("6,1,-3"),
            "log:3: column \"output_tokens\": found \"-3\", expected 1 to 4294967295 tokens".into(),
        ),
        (
            csv("6,4294967296,1"),
            "log:3: column \"prompt_tokens\": found \"4294967296\", expected 1 to 4294967295 tokens".into(),
        ),
        (csv("6,1"), "log:3: column \"output_tokens\" is missing: the row has 2 cells, expected 3".into()),
        (
            "arrival_ms,prompt_tokens,output_tokens\n2023-11-16 18:15:46,1,1\n".to_owned(),
            "log:2: column \"arrival_ms\": found \"2023-11-16 18:15:46\", expected a time of 0 or more in ms"
                .into(),
        ),
        (
            "time,prompt_tokens,output_tokens,priority\n0,1,1,256\n".to_owned(),
            "log:2: column \"priority\": found \"256\", expected a priority from 0 (most urgent) to 255"
                .into(),
        ),
        (json("\"input_length\": 1"), "log:2: column \"output_length\" is missing".into()),
        (
            json("\"input_length\": 1.5, \"output_length\": 1"),
            "log:2: column \"input_length\": found \"1.5\", expected 1 to 4294967295 tokens".into(),
        ),
        (
            json("\"input_length\": null, \"output_length\": 1"),
            "log:2: column \"input_length\": found \"null\", expected 1 to 4294967295 tokens".into(),
        ),
        (
            json("\"input_length\": 1, \"output_length\": 1, \"hash_ids\": [-1]"),
            "log:2: column \"hash_ids\": found -1, expected a list of whole numbers from 0".into(),
        ),
        (
            json("\"input_length\": 1, \"output_length\": 1, \"hash_ids\": [1, 2]"),
            "log:2: 2 hashes for 1 tokens of prompt, expected at most 1, for 512 tokens each".into(),
        ),
    ] {
        assert_eq!(read(&content, None), Err(expected), "{content:?}");
    }
}

#[test]
fn a_file_that_is_not_there_is_said() {
    let error = read_log("nowhere/requests.csv".as_ref()).unwrap_err().to_string();
    assert!(error.starts_with("nowhere/requests.csv: cannot read: "), "{error}");
}

/// The Azure logs of November 2023, against figures that a few lines of Python give. They are in order and hold no empty
/// prompt or answer, which is why the reader takes those as errors.
#[test]
fn azure_logs_of_2023() {
    let Some(shared) = shared("azure_logs_of_2023") else { return };
    for (kind, rows, prompt, output, last_ns) in [
        ("code", 8_819, 18_059_974_u64, 245_896_u64, 3_435_948_056_000_u64),
        ("conv", 19_366, 22_361_870, 4_088_665, 3_501_721_937_000),
    ] {
        let path = shared.join(format!("requests/AzureLLMInferenceTrace_{kind}.csv"));
        let log = read_log(&path).unwrap();
        let sum =
            |pick: fn(&(u32, u32)) -> u32| log.pairs().iter().map(|pair| u64::from(pick(pair))).sum::<u64>();
        assert_eq!(
            (log.rows.len(), sum(|pair| pair.0), sum(|pair| pair.1)),
            (rows, prompt, output),
            "{kind}"
        );
        assert_eq!((log.rows[0].arrival_ns, log.span_ns()), (0, last_ns), "{kind}");
        let replay = WorkloadSpec {
            lengths: Lengths::Log,
            extent: Extent::Log,
            log: Some(log.into()),
            ..spec(Arrivals::Log { scale: 2.0 })
        };
        let set = generate(&replay).unwrap();
        assert_eq!(
            (set.requests.len(), *times_ns(&replay).last().unwrap()),
            (rows, last_ns.div_ceil(2)),
            "{kind}"
        );
    }
}

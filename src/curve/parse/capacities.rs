//! Capacities: shares of all experts, sizes, numbers of experts, and ranges of each.
//!
//! All arithmetic is on integers, so that the points of `5%..100%` are 5 %, 10 % and so on to the last digit.

use crate::curve::CapacityAsked;
use crate::error::{Error, Place, Result};
use crate::units::{Bytes, parse_ppm};

/// Points of a range that does not say how many.
const POINTS: u64 = 20;
/// More points than any comparison needs; a slip should not fill the memory.
const POINTS_MAX: u64 = 10_000;
/// The whole in parts per million.
const WHOLE_PPM: u64 = 1_000_000;

const EXPECTED: &str =
    "a share like 25%, a size like \"8 GiB\", a number of experts like 1536, or a range like 5%..100%";

/// Reads a list like `2%, 8 GiB, 5%..100%`. A range `A..B` has 20 points from A to B in equal steps, and `A..B:N` has N.
/// What stands there twice is taken once.
///
/// # Errors
/// Every item that cannot be read.
pub fn capacities(list: &str) -> Result<Vec<CapacityAsked>> {
    let mut all = Vec::new();
    let mut errors = Vec::new();
    for item in list.split(',').map(str::trim) {
        match of_item(item) {
            Ok(found) => found.into_iter().for_each(|one| {
                if !all.contains(&one) {
                    all.push(one);
                }
            }),
            Err(error) => errors.push(error),
        }
    }
    Error::join(errors).map_or(Ok(all), Err)
}

fn refuse(found: String) -> Error {
    Error::at(Place::option("--capacity"), found)
}

fn of_item(item: &str) -> Result<Vec<CapacityAsked>> {
    let Some((first, rest)) = item.split_once("..") else { return Ok(vec![one(item)?]) };
    let (last, points) = match rest.rsplit_once(':') {
        Some((last, points)) => (last, count(item, points)?),
        None => (rest, POINTS),
    };
    let ends = (one(first)?, one(last)?);
    let (kind, first, last): (fn(u64) -> CapacityAsked, u64, u64) = match ends {
        (CapacityAsked::Share(first), CapacityAsked::Share(last)) => (CapacityAsked::Share, first, last),
        (CapacityAsked::Bytes(first), CapacityAsked::Bytes(last)) => (CapacityAsked::Bytes, first, last),
        (CapacityAsked::Experts(first), CapacityAsked::Experts(last)) => {
            (CapacityAsked::Experts, first, last)
        }
        _ => {
            let error = refuse(format!("found {item:?}, whose ends are of different kinds"));
            return Err(error.expected("two shares, two sizes or two numbers of experts"));
        }
    };
    if last < first {
        let error = refuse(format!("found {item:?}, a range downwards"));
        return Err(error.expected("the smaller end first"));
    }
    // Each point is worked out from the ends, so that nothing adds up.
    let steps = u128::from(points) - 1;
    let along = |step: u128| first + u64::try_from(u128::from(last - first) * step / steps).unwrap_or(0);
    Ok((0..=steps).map(|step| kind(along(step))).collect())
}

/// The number of points in a range.
fn count(item: &str, text: &str) -> Result<u64> {
    let count = text.trim().parse().ok().filter(|count| (2..=POINTS_MAX).contains(count));
    count.ok_or_else(|| {
        refuse(format!("found {item:?}, a range of {:?} points", text.trim()))
            .expected(format!("2 to {POINTS_MAX}"))
    })
}

fn one(text: &str) -> Result<CapacityAsked> {
    let text = text.trim();
    if text.ends_with('%') {
        let ppm = parse_ppm(text).map_err(|error| refuse(error.to_string()))?;
        if ppm == 0 || ppm > WHOLE_PPM {
            return Err(refuse(format!("found {text:?}")).expected("a share above 0% and up to 100%"));
        }
        return Ok(CapacityAsked::Share(ppm));
    }
    if !text.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return Err(refuse(format!("found {text:?}")).expected(EXPECTED));
    }
    let capacity = if text.chars().all(|c| c.is_ascii_digit() || c == '_') {
        text.replace('_', "").parse().map(CapacityAsked::Experts).map_err(|_| {
            refuse(format!("found {text:?}, which is too large")).expected("a number of experts like 1536")
        })?
    } else {
        let bytes: Bytes = text.parse().map_err(|error| refuse(format!("{error}")))?;
        CapacityAsked::Bytes(bytes.get())
    };
    if matches!(capacity, CapacityAsked::Bytes(0) | CapacityAsked::Experts(0)) {
        return Err(refuse(format!("found {text:?}, which holds nothing")).expected(EXPECTED));
    }
    Ok(capacity)
}

#[cfg(test)]
mod tests {
    use super::CapacityAsked::{Bytes, Experts, Share};
    use super::*;

    #[test]
    fn the_default_is_every_five_percent() {
        let expected: Vec<CapacityAsked> = (1..=20).map(|step| Share(step * 50_000)).collect();
        assert_eq!(capacities("5%..100%").unwrap(), expected);
    }

    #[test]
    fn lists_and_ranges_are_exact() {
        for (list, expected) in [
            ("25%", vec![Share(250_000)]),
            ("12.5 %, 8 GiB, 1_536", vec![Share(125_000), Bytes(8 << 30), Experts(1536)]),
            ("1%..2%:3", vec![Share(10_000), Share(15_000), Share(20_000)]),
            ("1 GiB..2 GiB:3", vec![Bytes(1 << 30), Bytes(3 << 29), Bytes(2 << 30)]),
            ("512 MiB..1GiB:2", vec![Bytes(1 << 29), Bytes(1 << 30)]),
            // A third of a step is rounded down; the ends are kept.
            ("0%.. 1%:4", vec![]),
            ("0.1%..1%:4", vec![Share(1000), Share(4000), Share(7000), Share(10_000)]),
            ("1..3:9", vec![Experts(1), Experts(2), Experts(3)]),
            ("7..7", vec![Experts(7)]),
            ("50%,5%,50%", vec![Share(500_000), Share(50_000)]),
        ] {
            let found = capacities(list);
            if expected.is_empty() {
                assert!(found.is_err(), "{list}");
            } else {
                assert_eq!(found.unwrap(), expected, "{list}");
            }
        }
        // The steps of every range of whole percents to 100 % add up exactly.
        for points in 2..100 {
            let all = capacities(&format!("1%..100%:{points}")).unwrap();
            assert_eq!((all[0], *all.last().unwrap()), (Share(10_000), Share(1_000_000)));
            assert_eq!(all.len(), points);
        }
    }

    #[test]
    fn says_what_is_wrong_with_each_item() {
        const SIZE: &str = "expected a size like \"8 GiB\" (B, KB, MB, GB, TB, KiB, MiB, GiB, TiB)";
        for (list, expected) in [
            ("", format!("found \"\", expected {EXPECTED}")),
            ("lots", format!("found \"lots\", expected {EXPECTED}")),
            ("-5%", "found a negative value, \"-5%\", expected a percentage like \"25 %\"".to_owned()),
            ("0%", "found \"0%\", expected a share above 0% and up to 100%".to_owned()),
            ("120%", "found \"120%\", expected a share above 0% and up to 100%".to_owned()),
            (
                "0.00001%",
                "found \"0.00001%\", which is finer than 0.0001 %, expected a percentage like \"25 %\"".to_owned(),
            ),
            ("8G", format!("found unit \"G\" in \"8G\", {SIZE}")),
            ("1.5", format!("found \"1.5\" without a unit, {SIZE}")),
            ("0", format!("found \"0\", which holds nothing, expected {EXPECTED}")),
            ("0 GiB", format!("found \"0 GiB\", which holds nothing, expected {EXPECTED}")),
            (
                "99999999999999999999",
                "found \"99999999999999999999\", which is too large, expected a number of experts like 1536"
                    .to_owned(),
            ),
            (
                "5%..8 GiB",
                "found \"5%..8 GiB\", whose ends are of different kinds, expected two shares, two sizes or two \
                 numbers of experts"
                    .to_owned(),
            ),
            ("50%..5%", "found \"50%..5%\", a range downwards, expected the smaller end first".to_owned()),
            ("5%..50%:1", "found \"5%..50%:1\", a range of \"1\" points, expected 2 to 10000".to_owned()),
            ("5%..50%:x", "found \"5%..50%:x\", a range of \"x\" points, expected 2 to 10000".to_owned()),
            ("5%..", format!("found \"\", expected {EXPECTED}")),
        ] {
            let found = capacities(list).unwrap_err().to_string();
            assert_eq!(found, format!("--capacity: {expected}"), "{list}");
        }
        assert_eq!(capacities("a,5%,b").unwrap_err().problems().len(), 2);
    }
}

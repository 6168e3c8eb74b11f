//! Ranges of a sweep, `{from, to, step}`, in exact decimal arithmetic.
//!
//! All three carry the same unit, so that only their digits matter and no value is ever a rounded sum.

use toml::Value;

use super::given::show;

/// More values than any sweep can run; a slip in `step` should not fill the memory.
pub(super) const VALUES_MAX: u128 = 1_000_000;

/// More digits than any quantity needs; keeps all sums and products within 128 bits.
const DIGITS_MAX: usize = 18;

/// What is wrong with a range, and which of its three parts to point at (`None`: the range as a whole).
pub(super) struct RangeError {
    pub(super) part: Option<&'static str>,
    pub(super) message: String,
}

fn refuse<T>(part: impl Into<Option<&'static str>>, message: String) -> Result<T, RangeError> {
    Err(RangeError { part: part.into(), message })
}

/// A non-negative decimal number with a unit: `digits * 10^-decimals unit`. TOML integers have no unit.
#[derive(Clone)]
struct Decimal {
    digits: u128,
    decimals: u32,
    unit: Option<String>,
}

fn parse(part: &'static str, value: &Value) -> Result<Decimal, RangeError> {
    const EXPECTED: &str = "expected a whole number or a text like \"8 GiB\"";
    match value {
        Value::Integer(number) => match u128::try_from(*number) {
            Ok(digits) => Ok(Decimal { digits, decimals: 0, unit: None }),
            Err(_) => refuse(part, format!("found a negative value, {number}, {EXPECTED}")),
        },
        Value::String(text) => {
            let text = text.trim();
            if text.starts_with('-') {
                return refuse(part, format!("found a negative value, {text:?}, {EXPECTED}"));
            }
            let end =
                text.find(|c: char| !(c.is_ascii_digit() || c == '.' || c == '_')).unwrap_or(text.len());
            let (number, unit) = (text[..end].replace('_', ""), text[end..].trim());
            let (whole, fraction) = number.split_once('.').unwrap_or((&number, ""));
            let digits = format!("{whole}{fraction}");
            match (digits.parse(), u32::try_from(fraction.len())) {
                (Ok(digits_value), Ok(decimals)) if digits.len() <= DIGITS_MAX => {
                    Ok(Decimal { digits: digits_value, decimals, unit: Some(unit.to_owned()) })
                }
                _ => refuse(part, format!("found {}, {EXPECTED}", show(value))),
            }
        }
        _ => refuse(part, format!("found {}, {EXPECTED}", show(value))),
    }
}

impl Decimal {
    fn digits_at(&self, decimals: u32) -> u128 {
        self.digits * 10_u128.pow(decimals - self.decimals)
    }
}

fn unit_name(unit: Option<&str>) -> String {
    unit.filter(|unit| !unit.is_empty()).map_or_else(|| "none".to_owned(), |unit| format!("{unit:?}"))
}

/// `digits * 10^-decimals`, without trailing zeros.
fn decimal_text(digits: u128, decimals: u32) -> String {
    let scale = 10_u128.pow(decimals);
    let (whole, fraction) = (digits / scale, digits % scale);
    let width = decimals as usize;
    let fraction = if decimals == 0 { String::new() } else { format!("{fraction:0width$}") };
    match fraction.trim_end_matches('0') {
        "" => whole.to_string(),
        fraction => format!("{whole}.{fraction}"),
    }
}

/// The values of a range from its first to the last that is not above `to`.
pub(super) fn values(table: &toml::Table) -> Result<Vec<Value>, RangeError> {
    let part = |name: &'static str| match table.get(name) {
        Some(value) => parse(name, value),
        None => refuse(None, format!("found a range without {name:?}, expected {{from, to, step}}")),
    };
    let (from, to, step) = (part("from")?, part("to")?, part("step")?);
    for (name, other) in [("to", &to), ("step", &step)] {
        if other.unit != from.unit {
            let (first, second) = (unit_name(from.unit.as_deref()), unit_name(other.unit.as_deref()));
            return refuse(
                name,
                format!("found unit {second} beside {first}, expected one unit in from, to and step"),
            );
        }
    }
    let decimals = from.decimals.max(to.decimals).max(step.decimals);
    let [first, last, width] = [&from, &to, &step].map(|number| number.digits_at(decimals));
    if width == 0 {
        return refuse("step", "found step zero, expected a step above zero".to_owned());
    }
    if last < first {
        let (from, to) = (show(&table["from"]), show(&table["to"]));
        return refuse(
            "to",
            format!("found a range from {from} down to {to}, expected \"to\" at or above \"from\""),
        );
    }
    let count = (last - first) / width + 1;
    if count > VALUES_MAX {
        return refuse(None, format!("found {count} values, expected at most {VALUES_MAX}"));
    }
    (0..count)
        .map(|index| {
            let digits = first + index * width;
            match &from.unit {
                // Each is at most `to`, which came from an i64.
                None => i64::try_from(digits)
                    .map(Value::from)
                    .or_else(|_| refuse("to", format!("found {digits}"))),
                Some(unit) => Ok(Value::from(format!("{} {unit}", decimal_text(digits, decimals)).trim())),
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(range: &str, expect: Result<&[&str], &str>) {
        let table: toml::Table = toml::from_str(range).unwrap();
        let shown = values(&table).map(|values| values.iter().map(show).collect::<Vec<_>>());
        let expect = expect.map(|values| values.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        assert_eq!(shown.map_err(|error| error.message), expect.map_err(str::to_owned), "{range}");
    }

    fn ranges_of(unit: &str, from: &str, to: &str, step: &str) -> String {
        format!("from = \"{from} {unit}\"\nto = \"{to} {unit}\"\nstep = \"{step} {unit}\"")
    }

    #[test]
    fn includes_the_end_only_where_it_is_on_the_grid() {
        check("from = 1\nto = 7\nstep = 3", Ok(&["1", "4", "7"]));
        check("from = 1\nto = 6\nstep = 3", Ok(&["1", "4"]));
        check("from = 4\nto = 4\nstep = 1", Ok(&["4"]));
    }

    #[test]
    fn decimals_do_not_drift() {
        check(
            &ranges_of("GiB", "0.5", "2", "0.50"),
            Ok(&["\"0.5 GiB\"", "\"1 GiB\"", "\"1.5 GiB\"", "\"2 GiB\""]),
        );
        check(&ranges_of("%", "99.9", "100", "0.05"), Ok(&["\"99.9 %\"", "\"99.95 %\"", "\"100 %\""]));
        // In binary floating point 0.1 + 0.1 + 0.1 is above 0.3, which would lose the last value.
        let table: toml::Table = toml::from_str(&ranges_of("ms", "0", "100", "0.1")).unwrap();
        let values = values(&table).map_err(|error| error.message).unwrap();
        assert_eq!(
            (values.len(), values[3].as_str(), values[1000].as_str()),
            (1001, Some("0.3 ms"), Some("100 ms"))
        );
    }

    #[test]
    fn refuses_what_is_no_range() {
        check("from = 1\nto = 7", Err("found a range without \"step\", expected {from, to, step}"));
        check("from = 1\nto = 7\nstep = 0", Err("found step zero, expected a step above zero"));
        check(
            &ranges_of("GiB", "8", "4", "1"),
            Err("found a range from \"8 GiB\" down to \"4 GiB\", expected \"to\" at or above \"from\""),
        );
        check("from = 0\nto = 1_000_000\nstep = 1", Err("found 1000001 values, expected at most 1000000"));
        check(
            "from = 1\nto = \"7 GiB\"\nstep = 1",
            Err("found unit \"GiB\" beside none, expected one unit in from, to and step"),
        );
        check(
            "from = 0.5\nto = 1\nstep = 1",
            Err("found 0.5, expected a whole number or a text like \"8 GiB\""),
        );
        check(
            "from = 1\nto = 2\nstep = -1",
            Err("found a negative value, -1, expected a whole number or a text like \"8 GiB\""),
        );
    }
}

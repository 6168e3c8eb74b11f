//! Policies by name, with what is added to them.

use crate::cache::{Admission, PolicyRow, Registry, Scope};
use crate::curve::Series;
use crate::error::{Error, Place, Result};

/// In a list of policies: every one, and each with a floor that can have one.
const ALL: &str = "all";
/// What a name ends in where every layer's share has room for the experts of one token.
const FLOOR: &str = "+floor";

/// The admissions of a list like `always,second-hit`.
///
/// # Errors
/// Every name that is not known.
pub fn admissions(list: &str) -> Result<Vec<Admission>> {
    let mut found = Vec::new();
    let mut errors = Vec::new();
    for name in list.split(',').map(str::trim) {
        match Admission::ALL.into_iter().find(|(known, _)| *known == name) {
            Some((_, kind)) if found.contains(&kind) => {}
            Some((_, kind)) => found.push(kind),
            None => {
                let error = Error::at(Place::option("--admission"), format!("unknown admission {name:?}"));
                errors.push(error.nearest(name, Admission::ALL.map(|(known, _)| known)));
            }
        }
    }
    Error::join(errors).map_or(Ok(found), Err)
}

/// The series of a list like `lru,layer-lru+floor` or `all`, each with every admission. Bounds come once, always
/// admitting: with anything else they would bound nothing.
///
/// # Errors
/// Every name that is not known, and floors of policies whose layers have no shares.
pub fn series(registry: &Registry, list: &str, admissions: &[Admission]) -> Result<Vec<Series>> {
    let known = known(registry);
    let mut chosen: Vec<&Series> = Vec::new();
    let mut errors = Vec::new();
    for name in list.split(',').map(str::trim) {
        let found: Vec<&Series> = known.iter().filter(|one| name == ALL || one.name() == name).collect();
        if found.is_empty() {
            errors.push(unknown(registry, &known, name));
        }
        chosen.extend(found);
    }
    if let Some(error) = Error::join(errors) {
        return Err(error);
    }
    let mut all: Vec<Series> = Vec::new();
    for one in chosen {
        let of_bound = [Admission::Always];
        let admissions = if one.row.needs.is_bound() { &of_bound[..] } else { admissions };
        for admission in admissions {
            let series = Series { admission: *admission, ..one.clone() };
            if all.iter().all(|known| known.name() != series.name()) {
                all.push(series);
            }
        }
    }
    Ok(all)
}

fn has_shares(row: &PolicyRow) -> bool {
    row.scope == Some(Scope::PerLayer)
}

/// Every policy, each that can have a floor followed by itself with one.
fn known(registry: &Registry) -> Vec<Series> {
    let of_row = |row: &PolicyRow| {
        let plain = Series::plain(row.clone());
        let floor = has_shares(row).then(|| Series { floor: true, ..plain.clone() });
        std::iter::once(plain).chain(floor)
    };
    registry.rows().iter().flat_map(of_row).collect()
}

fn unknown(registry: &Registry, known: &[Series], name: &str) -> Error {
    let place = Place::option("--policy");
    let row = name.strip_suffix(FLOOR).and_then(|name| registry.find(name));
    if let Some(row) = row {
        let found = format!("policy {:?} does not divide the cache by layer and has no floor", row.name);
        let with: Vec<String> = known.iter().filter(|one| one.floor).map(Series::name).collect();
        let error = Error::at(place, found);
        return if with.is_empty() { error } else { error.expected(format!("one of {}", with.join(", "))) };
    }
    let names: Vec<String> = known.iter().map(Series::name).chain([ALL.to_owned()]).collect();
    Error::at(place, format!("unknown cache policy {name:?}")).nearest(name, names.iter().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn registry() -> Registry {
        let mut row = Registry::default().find("lru").unwrap().clone().scoped(Scope::PerLayer);
        row.name = "own-lru".to_owned();
        Registry::default().with(row)
    }

    fn names(list: &str, admissions: &[Admission]) -> Vec<String> {
        series(&registry(), list, admissions).unwrap().iter().map(Series::name).collect()
    }

    #[test]
    fn all_is_every_policy_and_every_floor() {
        let all = names("all", &[Admission::Always]);
        for row in registry().rows() {
            assert!(all.contains(&row.name), "{}", row.name);
            assert_eq!(all.contains(&format!("{}+floor", row.name)), row.scope == Some(Scope::PerLayer));
        }
        assert_eq!(names("lru,all", &[Admission::Always]).len(), all.len(), "each once");
    }

    #[test]
    fn every_policy_but_a_bound_with_every_admission() {
        let both = admissions("always, second-hit,always").unwrap();
        assert_eq!(both, [Admission::Always, Admission::SecondHit]);
        let expected = ["lru", "lru/second-hit", "own-lru+floor", "own-lru+floor/second-hit", "belady"]
            .map(str::to_owned);
        assert_eq!(names("lru, own-lru+floor,belady", &both), expected);
    }

    #[test]
    fn unknown_names_get_the_nearest() {
        let refused = |list: &str| series(&registry(), list, &[Admission::Always]).unwrap_err().to_string();
        assert_eq!(
            refused("beladdy"),
            "--policy: unknown cache policy \"beladdy\", did you mean \"belady\"?"
        );
        assert_eq!(
            refused("own-lru+flor"),
            "--policy: unknown cache policy \"own-lru+flor\", did you mean \"own-lru+floor\"?"
        );
        let floor = refused("lru+floor");
        let begins =
            "--policy: policy \"lru\" does not divide the cache by layer and has no floor, expected one of ";
        assert!(floor.starts_with(begins) && floor.contains("own-lru+floor"), "{floor}");
        assert_eq!(refused("lruu,beladdy").lines().count(), 2);
        let admission = admissions("second-hitt").unwrap_err().to_string();
        assert_eq!(admission, "--admission: unknown admission \"second-hitt\", did you mean \"second-hit\"?");
    }
}

//! A counting Bloom filter over dense object numbers (Fan, Cao, Almeida and Broder, "Summary cache", IEEE/ACM Transactions
//! on Networking, 2000), dimensioned and hashed as libCacheSim 0.3.5 does for its W-TinyLFU.
//!
//! Each object has [`HASHES`] counters, which it shares with others; its estimate is the smallest of them. libCacheSim
//! calls the structure one of minimal increments, but increments all of an object's counters, and so does this one.

/// Counters of an object: for one wrong answer in a thousand, log2(1000) rounded up.
const HASHES: usize = 10;
/// Counters for each entry, in billionths: for one wrong answer in a thousand, ln(1000) / ln(2)^2.
const COUNTERS_PER_ENTRY: u64 = 14_377_587_566;
const BILLION: u64 = 1_000_000_000;
/// Seeds of the two hashes that an object's counters follow from.
const SEEDS: [u64; 2] = [0x1234_5678, 0x1234_4321];

/// How often objects were seen, never too low until it is halved.
#[derive(Clone, Debug)]
pub struct CountingBloom {
    places: Vec<[u32; HASHES]>,
    counters: Vec<u32>,
}

impl CountingBloom {
    /// Over the objects `0..objects`, large enough to tell `entries` of them apart.
    pub fn new(objects: u32, entries: u32) -> Self {
        let counters = (u64::from(entries) * COUNTERS_PER_ENTRY).div_ceil(BILLION);
        let counters = u32::try_from(counters).unwrap_or(u32::MAX).max(2 * lower(HASHES as u64));
        // Objects are numbered from one in the runs that libCacheSim was measured with.
        let places = |object| {
            let [first, step] = SEEDS.map(|seed| lower(hash(u64::from(object) + 1, seed)));
            let mut place = first;
            [(); HASHES].map(|()| {
                let here = place % counters;
                place = place.wrapping_add(step);
                here
            })
        };
        Self { places: (0..objects).map(places).collect(), counters: vec![0; counters as usize] }
    }

    /// Counts an object once.
    #[inline]
    pub fn count(&mut self, object: u32) {
        for place in self.places[object as usize] {
            let counter = &mut self.counters[place as usize];
            *counter = counter.saturating_add(1);
        }
    }

    /// How often an object was seen, or more where all its counters are shared.
    #[inline]
    pub fn estimate(&self, object: u32) -> u32 {
        let counters = self.places[object as usize].iter().map(|place| self.counters[*place as usize]);
        counters.min().unwrap_or(0)
    }

    /// Halves all counts.
    pub fn halve(&mut self) {
        self.counters.iter_mut().for_each(|counter| *counter >>= 1);
    }
}

/// The lower half.
fn lower(number: u64) -> u32 {
    u32::try_from(number & u64::from(u32::MAX)).unwrap_or(0)
}

/// XXH64 (Collet, 2014) of the eight bytes of a number.
fn hash(number: u64, seed: u64) -> u64 {
    const PRIMES: [u64; 5] = [
        0x9E37_79B1_85EB_CA87,
        0xC2B2_AE3D_27D4_EB4F,
        0x1656_67B1_9E37_79F9,
        0x85EB_CA77_C2B2_AE63,
        0x27D4_EB2F_1656_67C5,
    ];
    let word = number.wrapping_mul(PRIMES[1]).rotate_left(31).wrapping_mul(PRIMES[0]);
    let mut mixed = seed.wrapping_add(PRIMES[4]).wrapping_add(8) ^ word;
    mixed = mixed.rotate_left(27).wrapping_mul(PRIMES[0]).wrapping_add(PRIMES[3]);
    mixed = (mixed ^ mixed >> 33).wrapping_mul(PRIMES[1]);
    mixed = (mixed ^ mixed >> 29).wrapping_mul(PRIMES[2]);
    mixed ^ mixed >> 32
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_xxh64() {
        // From the reference implementation, of the eight bytes of each number.
        assert_eq!(hash(0, 0), 0x34C9_6ACD_CADB_1BBB);
        assert_eq!(hash(1, 0x1234_5678), 0x071B_9484_A237_4097);
    }

    /// An estimate is never below the truth, and with few objects it is the truth.
    #[test]
    fn estimates_are_never_too_low() {
        let mut crowded = CountingBloom::new(1000, 10);
        let mut roomy = CountingBloom::new(1000, 1000);
        for object in 0..1000 {
            for _ in 0..object % 7 {
                crowded.count(object);
                roomy.count(object);
            }
        }
        assert!((0..1000).all(|object| crowded.estimate(object) >= object % 7));
        let exact = (0..1000).filter(|object| roomy.estimate(*object) == object % 7).count();
        assert!(exact > 990, "{exact} of 1000");
        crowded.halve();
        assert!((0..1000).all(|object| crowded.estimate(object) >= object % 7 / 2));
    }
}

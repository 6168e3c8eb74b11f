//! Worked streams: what each policy keeps, small enough to follow by hand. The laws that all policies share are in
//! `cache::conformance`.

// The lint's exemption for tests does not reach the functions that tests share.
#![allow(clippy::unwrap_used)]

use moesim::cache::{Access, CacheShape, ExpertCache, Lookup, NEVER, PolicyInput, Registry, Scope};

/// Policy, slots, the experts asked for one after another, and what became of each: `+` a hit, `.` a miss.
///
/// The profile of `static` and `pin+lru` has A hottest, then B, and so on. The expert just asked for is never the victim.
const STREAMS: &[(&str, u64, &str, &str)] = &[
    // C takes the place of B, which was used before A.
    ("lru", 2, "A B A C A B", "..+.+."),
    // A cycle one longer than the cache: the next expert is always the one just evicted.
    ("lru", 2, "A B C A B C", "......"),
    // C takes the place of A, which came first, though it was used last.
    ("fifo", 2, "A B A C A B", "..+..."),
    // Everything but C was asked for again, so D takes its place. E finds the bits of all others cleared by then, and
    // takes the place of A, for which the hand comes first, though A was used last.
    ("clock", 3, "A B C B A D E B A", "...++..+."),
    // D spares A and takes the place of B, E that of C. F comes to A again, where the hand goes on after C.
    ("clock", 3, "A B C A D E F A", "...+...."),
    // The same, but here the hand comes to D before it begins again with A.
    ("sieve", 3, "A B C A D E F A", "...+...+"),
    // A cycle one longer than the cache: all but the most recent stay, so every second ask hits.
    ("mru", 2, "A B C A B C A B", "...+.+.+"),
    // A, B, C and D fill a segment each. From then on newcomers replace one another in the lowest one.
    ("slru", 4, "A B C D E F B E D", "......+.+"),
    // Two slots are too few for a small queue, so A and B fill the main one. C and D are on trial one after the other.
    // C is remembered when it comes again, so it enters the main queue and stays beside B.
    ("s3-fifo", 2, "A B C D C B C", ".....++"),
    // A was asked for twice and stays; B and C take turns, each forgotten as soon as it leaves.
    ("lfu", 2, "A A B C B C A", ".+....+"),
    // Until something is evicted the age is zero and further uses add nothing, so A goes, used longest ago.
    ("lfu-da", 2, "A A B C B C A", ".+..++."),
    // B's and C's two uses each lie within the window; A, with as many, was used longest ago.
    ("lfu-window", 2, "A A B C B C B C", ".+....++"),
    // Two later uses count for more than two earlier ones.
    ("lfu-ema", 2, "A A B C B C B C", ".+....++"),
    // With less than 100 slots all of them are the window, which is LRU.
    ("w-tinylfu", 2, "A B A C A B", "..+.+."),
    // Of one size and one cost it is LFU that ages: B and C draw level with A's two uses, and A, used longest ago, goes.
    ("gdsf", 2, "A A B C B C A", ".+....."),
    // B and C are remembered after their eviction: with two uses each they draw level with A, used longest ago.
    ("lfu-perfect", 2, "A A B C B C B C", ".+....++"),
    // A comes back while its name is remembered, so it stays in the main queue while C, D and B pass through the first.
    ("2q", 2, "A B C A D B A", "......+"),
    // A was asked for again, so B leaves for C. That B returns says that the first list was too short: A leaves, C stays.
    ("arc", 2, "A A B C A B C", ".+..+.+"),
    // A has the one long-term place; B and C share the other until B is asked for twice in a row and takes A's.
    ("lirs", 2, "A B C A B B C B", "...+.+.+"),
    // B has left but returns before A does: it takes A's place, and A takes C's.
    ("lirs", 2, "A B C B A", "....+"),
    // Whichever is drawn, A is both the least recently and, in its only use, the least frequently used.
    ("lecar", 2, "A B B C B", "..+.+"),
    // A stays whatever comes, the colder of the others goes.
    ("static", 2, "A B C B A", "....+"),
    // One layer has the whole cache, so a layer's share changes nothing.
    ("layer-lru", 2, "A B A C A B", "..+.+."),
    ("layer-lfu", 2, "A A B C B C B C", ".+....++"),
    // All that is here is of the same layer, and so equally far ahead: the least recently used goes.
    ("layer-distance", 2, "A B A C A B", "..+.+."),
    // With a half-life of one pass and equal weights, three uses of A are worth less than the one of B after them.
    ("gate-weight", 2, "A A A B C A", ".++..."),
    // C takes the place of B, which this sequence has asked for less than A, and B then that of C.
    ("activation-aware", 2, "A A B C A B", ".+..+."),
    // A, the hottest, has one of the two slots for good; in the other B and C take turns.
    ("pin+lru", 2, "A B C A B", "...+."),
    // When C comes, B is needed later than A.
    ("belady", 2, "A B C A B", "...+."),
    // The same, all sizes being equal.
    ("belady-size", 2, "A B C A B", "...+."),
    // What has come stays, with room for it or not.
    ("unbounded", 2, "A B C A B C", "...+++"),
];

/// Policies that draw have no stream to follow.
const DRAWING: [&str; 1] = ["random"];

const EXPERTS: u32 = 8;

fn experts(stream: &str) -> Vec<u32> {
    stream.bytes().filter(u8::is_ascii_uppercase).map(|letter| u32::from(letter - b'A')).collect()
}

/// One layer, one expert for each event.
fn outcome(policy: &str, slots: u64, stream: &str) -> String {
    let registry = Registry::default();
    let row = registry.find(policy).unwrap_or_else(|| panic!("no policy {policy:?} in the registry"));
    let stream = experts(stream);
    let next_use = |from: usize, expert: u32| {
        let found = stream.iter().skip(from).position(|next| *next == expert);
        found.filter(|_| row.needs.future).map_or(NEVER, |ahead| (from + ahead) as u64)
    };
    let first_events: Vec<u64> = (0..EXPERTS).map(|expert| next_use(0, expert)).collect();
    let profile: Vec<u64> = (0..u64::from(EXPERTS)).rev().collect();
    let shape = CacheShape {
        layers: 1,
        experts: EXPERTS,
        sizes: vec![1],
        scope: Scope::Global,
        pool_capacity: vec![slots],
        pinned: Vec::new(),
    };
    let mut cache = ExpertCache::new(shape, |input| {
        (row.build)(&PolicyInput { profile: &profile, first_events: &first_events, ..input })
    });
    let mut ask = |(event, expert): (usize, &u32)| {
        cache.begin_event();
        let next_event = next_use(event + 1, *expert);
        let found = cache.select(0, *expert, &Access { event: event as u64, next_event, weight: 0 });
        cache.end_event(0);
        if found == Lookup::Hit { '+' } else { '.' }
    };
    stream.iter().enumerate().map(&mut ask).collect()
}

#[test]
fn every_policy_keeps_what_it_should() {
    for (policy, slots, stream, expect) in STREAMS {
        assert_eq!(outcome(policy, *slots, stream), *expect, "{policy} with {slots} slots: {stream}");
    }
}

#[test]
fn every_policy_has_a_stream() {
    for row in Registry::default().rows() {
        let shown = STREAMS.iter().any(|(policy, ..)| *policy == row.name);
        assert!(shown || DRAWING.contains(&row.name.as_str()), "{} has no worked stream", row.name);
    }
}

//! The cache against a slow one that recounts everything, operation by operation.

use super::*;
use proptest::prelude::*;

const BLOCK_BYTES: u64 = 10;

/// What is known of a sequence from outside.
#[derive(Clone, Debug, Default)]
struct Slow {
    tokens: u32,
    prompt: Vec<u64>,
    shared: usize,
}

/// Nothing but lists: sequences, and the prefixes that lie unused, oldest first.
#[derive(Clone, Debug)]
struct Recount {
    block_tokens: u32,
    node_hashes: usize,
    hash_tokens: u32,
    sequences: Vec<Slow>,
    unused: Vec<Vec<u64>>,
}

impl Recount {
    fn node_tokens(&self) -> u32 {
        self.hash_tokens * u32::try_from(self.node_hashes).unwrap()
    }

    fn node_bytes(&self) -> u64 {
        u64::from(self.node_tokens() / self.block_tokens) * BLOCK_BYTES
    }

    fn held(&self) -> Vec<Vec<u64>> {
        let prefixes = |one: &Slow| {
            (1..=one.shared).map(|nodes| one.prompt[..nodes * self.node_hashes].to_vec()).collect::<Vec<_>>()
        };
        let mut all: Vec<Vec<u64>> = self.sequences.iter().flat_map(prefixes).collect();
        all.sort();
        all.dedup();
        all
    }

    fn used(&self) -> u64 {
        let own = |one: &Slow| {
            u64::from(one.tokens.div_ceil(self.block_tokens)) * BLOCK_BYTES
                - one.shared as u64 * self.node_bytes()
        };
        self.sequences.iter().map(own).sum::<u64>() + self.held().len() as u64 * self.node_bytes()
    }

    fn cached(&self) -> u64 {
        self.unused.len() as u64 * self.node_bytes()
    }

    fn fit(&mut self, capacity: u64) {
        while self.used() + self.cached() > capacity && !self.unused.is_empty() {
            let gone = self.unused.remove(0);
            assert!(
                !self.unused.iter().any(|prefix| prefix.starts_with(&gone)),
                "a block before the one it follows"
            );
        }
    }

    /// A sequence begins: it holds what is there of its prompt, and room for `tokens`.
    fn begin(&mut self, prompt: &[u64], tokens: u32, capacity: u64) -> Option<u32> {
        let before = self.clone();
        let held = self.held();
        let mut one = Slow { prompt: prompt.to_vec(), ..Slow::default() };
        let nodes = prompt.len() / self.node_hashes;
        while one.shared < nodes.min((tokens / self.node_tokens()) as usize) {
            let prefix = &prompt[..(one.shared + 1) * self.node_hashes];
            if !held.iter().chain(&self.unused).any(|there| there == prefix) {
                break;
            }
            self.unused.retain(|there| there != prefix);
            one.shared += 1;
        }
        let found = u32::try_from(one.shared).unwrap() * self.node_tokens();
        one.tokens = tokens;
        self.sequences.push(one);
        if self.used() > capacity.max(before.used()) {
            let released = self.sequences.pop().unwrap();
            *self = Self { sequences: before.sequences, unused: before.unused, ..*self };
            // Being asked for is a use.
            self.touch(&released);
            return None;
        }
        self.fit(capacity);
        Some(found)
    }

    fn touch(&mut self, one: &Slow) {
        let held = self.held();
        for nodes in (1..=one.shared).rev() {
            let prefix = one.prompt[..nodes * self.node_hashes].to_vec();
            self.unused.retain(|there| *there != prefix);
            if !held.contains(&prefix) {
                self.unused.push(prefix);
            }
        }
    }

    fn grow(&mut self, at: usize, tokens: u32, capacity: u64) -> bool {
        let before = std::mem::replace(&mut self.sequences[at].tokens, tokens);
        let same = before.div_ceil(self.block_tokens) == tokens.div_ceil(self.block_tokens);
        if self.used() > capacity && !same {
            self.sequences[at].tokens = before;
            return false;
        }
        self.fit(capacity);
        true
    }

    fn share(&mut self, at: usize) {
        let one = &self.sequences[at];
        let room = one.tokens.next_multiple_of(self.block_tokens);
        let nodes = (room / self.node_tokens()) as usize;
        let shared = one.shared.max(nodes.min(one.prompt.len() / self.node_hashes));
        self.sequences[at].shared = shared;
        let held = self.held();
        self.unused.retain(|prefix| !held.contains(prefix));
    }

    fn free(&mut self, at: usize, capacity: u64) {
        let gone = self.sequences.swap_remove(at);
        self.touch(&gone);
        self.fit(capacity);
    }
}

#[derive(Clone, Debug)]
enum Operation {
    Begin(Vec<u64>, u32),
    Grow(usize, u32),
    Share(usize),
    Free(usize),
    Capacity(u64),
}

fn operations() -> impl Strategy<Value = Vec<Operation>> {
    let prompt = prop::collection::vec(0..2_u64, 0..8);
    let operation = prop_oneof![
        4 => (prompt, 1..40_u32).prop_map(|(prompt, tokens)| Operation::Begin(prompt, tokens)),
        4 => (0..9_usize, 0..12_u32).prop_map(|(at, more)| Operation::Grow(at, more)),
        4 => (0..9_usize).prop_map(Operation::Share),
        3 => (0..9_usize).prop_map(Operation::Free),
        1 => (0..400_u64).prop_map(Operation::Capacity),
    ];
    prop::collection::vec(operation, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Bytes, hits and refusals are those of a recount; nothing is above the capacity unless that was lowered.
    #[test]
    fn agrees_with_a_recount(operations in operations(), block_tokens in 1..7_u32, hash_tokens in 1..7_u32) {
        let shape = KvShape::uniform(block_tokens, Bytes::new(BLOCK_BYTES));
        let mut capacity = 400;
        let mut cache = KvCache::new(shape, Bytes::new(capacity), hash_tokens);
        let node_hashes = (block_tokens / common_divisor(block_tokens, hash_tokens)) as usize;
        let mut slow = Recount { block_tokens, node_hashes, hash_tokens, sequences: vec![], unused: vec![] };
        let mut sequences: Vec<KvSequence> = Vec::new();
        for operation in operations {
            let before = cache.used();
            match operation {
                Operation::Begin(prompt, tokens) => {
                    let mut sequence = KvSequence::default();
                    let found = cache.attach(&mut sequence, &prompt, tokens);
                    let fits = cache.grow(&mut sequence, tokens);
                    prop_assert_eq!(fits.then_some(found), slow.begin(&prompt, tokens, capacity));
                    if fits { sequences.push(sequence) } else { cache.free(&mut sequence) }
                }
                Operation::Grow(at, more) if at < sequences.len() => {
                    let tokens = slow.sequences[at].tokens + more;
                    let (revision, cached) = (cache.revision(), cache.cached());
                    prop_assert_eq!(cache.grow(&mut sequences[at], tokens), slow.grow(at, tokens, capacity));
                    prop_assert_eq!(cache.revision() == revision, cache.cached() == cached);
                }
                Operation::Share(at) if at < sequences.len() => {
                    let prompt = slow.sequences[at].prompt.clone();
                    cache.share(&mut sequences[at], &prompt, u32::MAX);
                    slow.share(at);
                }
                Operation::Free(at) if at < sequences.len() => {
                    cache.free(&mut sequences.swap_remove(at));
                    slow.free(at, capacity);
                }
                Operation::Capacity(bytes) => {
                    capacity = bytes;
                    cache.set_capacity(Bytes::new(bytes));
                    slow.fit(capacity);
                }
                _ => {}
            }
            prop_assert_eq!((cache.used().get(), cache.cached().get()), (slow.used(), slow.cached()));
            let all = cache.used().get() + cache.cached().get();
            prop_assert!(all <= capacity || (cache.used() <= before && cache.cached() == Bytes::ZERO));
            prop_assert!(cache.peak() >= cache.used());
        }
        for mut sequence in sequences {
            cache.free(&mut sequence);
        }
        prop_assert_eq!(cache.used(), Bytes::ZERO);
    }
}

#[test]
fn a_second_prompt_finds_the_first() {
    let mut cache = KvCache::new(KvShape::uniform(16, Bytes::new(100)), Bytes::new(1_000), 32);
    let (mut one, mut two) = (KvSequence::default(), KvSequence::default());
    assert!(cache.grow(&mut one, 70));
    cache.share(&mut one, &[7, 8], 70);
    assert_eq!((cache.used().get(), one.own_bytes().get(), one.room_tokens()), (500, 100, 80));
    // The second hash differs, and a prompt shorter than a hash shares nothing.
    assert_eq!(cache.attach(&mut two, &[7, 9], 100), 32);
    assert!(cache.grow(&mut two, 33));
    assert_eq!((cache.used().get(), two.own_bytes().get()), (600, 100));
    cache.free(&mut one);
    assert_eq!((cache.used().get(), cache.cached().get()), (300, 200));
    cache.free(&mut two);
    assert_eq!((cache.used().get(), cache.cached().get()), (0, 400));
    assert!(cache.grow(&mut one, 16 * 7));
    assert_eq!((cache.used().get(), cache.cached().get(), cache.peak().get()), (700, 200, 700));
    assert_eq!(cache.attach(&mut two, &[7, 8], 31), 0);
    assert_eq!(cache.attach(&mut two, &[7, 8], 64), 32);
}

#[test]
fn windows_are_never_shared() {
    let shape = KvShape::uniform(16, Bytes::ZERO);
    let mut cache = KvCache::new(shape, Bytes::new(1), 16);
    let mut one = KvSequence::default();
    assert!(cache.grow(&mut one, 160));
    cache.share(&mut one, &[1, 2], 160);
    assert_eq!(cache.attach(&mut KvSequence::default(), &[1, 2], 160), 0);
}

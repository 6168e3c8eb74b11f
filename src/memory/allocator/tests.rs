//! Laws, a naive allocator over a map of bytes, and small examples followed by hand.

use proptest::prelude::*;

use super::*;

const MIB: u64 = 1 << 20;
const KIB: u64 = 1 << 10;

/// What holds of a caching allocator at any time.
fn check(caching: &Caching) {
    let books = caching.books();
    let (mut reserved, mut occupied, mut allocated, mut segments) = (0, 0, 0, 0);
    for blocks in &caching.pools {
        let mut free = Vec::new();
        for (address, (first, size)) in &blocks.segments {
            let (mut at, mut before, mut free_before) = (*address, blocks::NONE, false);
            for number in blocks.chain(*first) {
                let block = blocks.get(number);
                assert_eq!((block.address, block.before), (at, before), "blocks follow each other");
                assert!(block.size > 0 && block.size % 512 == 0);
                assert!(!(free_before && block.is_free()), "free neighbours are joined");
                if block.is_free() {
                    free.push(number);
                } else {
                    assert!(block.asked <= block.size);
                    occupied += block.size;
                    allocated += block.asked;
                }
                (at, before, free_before) = (at + block.size, number, block.is_free());
            }
            assert_eq!(at, address + size, "the blocks of a segment add up to it");
            reserved += size;
            segments += 1;
        }
        let mut listed = blocks.free_blocks();
        listed.sort_unstable();
        free.sort_unstable();
        assert_eq!(listed, free, "all that is free is listed");
    }
    assert_eq!((books.reserved, books.occupied), (reserved, occupied));
    assert_eq!((books.allocated, books.segments), (allocated, segments));
    assert!(allocated <= occupied && occupied <= reserved && reserved <= books.capacity);
    assert!(books.allocated_peak >= allocated && books.reserved_peak >= reserved);
}

/// The same rules on a map with one entry for every 512 bytes.
struct Naive {
    capacity: u64,
    max_split: u64,
    /// Of each pool the segments, oldest first, and who has each of their cells.
    pools: [Vec<Vec<Option<u32>>>; 2],
    flushes: u64,
}

impl Naive {
    fn reserved(&self) -> u64 {
        self.pools.iter().flatten().map(|segment| segment.len() as u64 * 512).sum()
    }

    /// Where and how long the runs of free cells of a pool are.
    fn runs(&self, pool: usize) -> Vec<(usize, usize, usize)> {
        let mut runs = Vec::new();
        for (segment, cells) in self.pools[pool].iter().enumerate() {
            let mut at = 0;
            for run in cells.chunk_by(|a, b| a.is_some() == b.is_some()) {
                if run[0].is_none() {
                    runs.push((run.len(), segment, at));
                }
                at += run.len();
            }
        }
        runs
    }

    fn allocate(&mut self, name: u32, bytes: u64) -> bool {
        let cells = usize::try_from(bytes.div_ceil(512)).unwrap();
        let size = cells as u64 * 512;
        let pool = usize::from(size > MIB);
        let best = self.runs(pool).into_iter().filter(|(length, ..)| *length >= cells).min();
        let best = best.filter(|(length, ..)| {
            let found = *length as u64 * 512;
            let oversized = size < self.max_split && found >= self.max_split;
            !oversized && (size < self.max_split || found < size + 20 * MIB)
        });
        let (length, segment, at) = match best {
            Some(best) => best,
            None => {
                let wanted = match size {
                    0..=0x10_0000 => 2 * MIB,
                    0x10_0001..=0x9f_ffff => 20 * MIB,
                    _ => size.div_ceil(2 * MIB) * 2 * MIB,
                };
                if self.reserved() + wanted > self.capacity {
                    self.flushes += 1;
                    for pool in &mut self.pools {
                        pool.retain(|cells| cells.iter().any(Option::is_some));
                    }
                    if self.reserved() + wanted > self.capacity {
                        return false;
                    }
                }
                let length = usize::try_from(wanted / 512).unwrap();
                self.pools[pool].push(vec![None; length]);
                (length, self.pools[pool].len() - 1, 0)
            }
        };
        let left = (length - cells) as u64 * 512;
        let cut = if pool == 0 { left >= 512 } else { size < self.max_split && left > MIB };
        let taken = if cut { cells } else { length };
        self.pools[pool][segment][at..at + taken].fill(Some(name));
        true
    }

    fn free(&mut self, name: u32) {
        let cells = self.pools.iter_mut().flatten().flatten();
        cells.filter(|cell| **cell == Some(name)).for_each(|cell| *cell = None);
    }

    fn occupied(&self) -> u64 {
        self.pools.iter().flatten().flatten().filter(|cell| cell.is_some()).count() as u64 * 512
    }
}

/// Requests of all three kinds, most of them in the middle.
fn bytes() -> impl Strategy<Value = u64> {
    prop_oneof![1..3000_u64, 100 * KIB..2 * MIB, MIB..4 * MIB, 2 * MIB..12 * MIB, 9 * MIB..40 * MIB]
}

/// What to do: ask for so many bytes, give one back, or move all together.
#[derive(Clone, Debug)]
enum Step {
    Ask(u64),
    Give(usize),
    Compact,
}

fn steps(compacts: bool) -> impl Strategy<Value = Vec<Step>> {
    let weight = u32::from(compacts);
    let step = prop_oneof![
        5 => bytes().prop_map(Step::Ask),
        4 => any::<usize>().prop_map(Step::Give),
        weight => Just(Step::Compact),
    ];
    prop::collection::vec(step, 1..60)
}

fn options() -> impl Strategy<Value = CachingOptions> {
    (prop_oneof![Just(None), (21 * MIB..40 * MIB).prop_map(Some)], any::<bool>()).prop_map(
        |(max_split, expandable)| CachingOptions { max_split: max_split.filter(|_| !expandable), expandable },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// The books add up at every step, and all that was handed out can be given back.
    #[test]
    fn the_books_add_up(options in options(), capacity in 20 * MIB..200 * MIB, steps in steps(true)) {
        let mut caching = Caching::new(options, capacity);
        let mut held: Vec<BlockId> = Vec::new();
        for step in steps {
            match step {
                Step::Ask(bytes) => match caching.allocate(bytes) {
                    Ok(block) => held.push(block),
                    Err(refused) => {
                        prop_assert!(refused.largest <= refused.free && refused.asked == bytes);
                        // Pages and segments are the unit of the device, so the largest piece may be a little larger.
                        prop_assert!(refused.largest < bytes + 20 * MIB);
                    }
                },
                Step::Give(which) if !held.is_empty() => caching.free(held.swap_remove(which % held.len())),
                Step::Give(_) => {}
                Step::Compact => {
                    let before = *caching.books();
                    let moved = caching.compact();
                    let after = *caching.books();
                    prop_assert!(moved <= before.allocated && after.reserved <= before.reserved);
                    prop_assert_eq!(after.allocated, before.allocated);
                    prop_assert_eq!(caching.compact(), 0, "what lies together stays");
                }
            }
            check(&caching);
        }
        held.into_iter().for_each(|block| caching.free(block));
        check(&caching);
        for blocks in &caching.pools {
            prop_assert_eq!(blocks.free_blocks().len(), blocks.segments.len(), "each segment is one free block");
        }
        caching.compact();
        prop_assert_eq!((caching.books().reserved, caching.books().segments), (0, 0));
        prop_assert_eq!(caching.books().allocations, caching.books().frees);
    }

    /// Every answer is that of the map of bytes.
    #[test]
    fn it_does_what_a_map_of_bytes_does(
        max_split in prop_oneof![Just(None), (21 * MIB..32 * MIB).prop_map(Some)],
        capacity in 20 * MIB..90 * MIB,
        steps in steps(false),
    ) {
        let mut caching = Caching::new(CachingOptions { max_split, expandable: false }, capacity);
        let pools = Default::default();
        let mut naive = Naive { capacity, max_split: max_split.unwrap_or(u64::MAX), pools, flushes: 0 };
        let mut held: Vec<(BlockId, u32)> = Vec::new();
        for (name, step) in (0_u32..).zip(steps) {
            match step {
                Step::Ask(bytes) => {
                    let found = caching.allocate(bytes);
                    prop_assert_eq!(found.is_ok(), naive.allocate(name, bytes), "{} bytes", bytes);
                    held.extend(found.ok().map(|block| (block, name)));
                }
                Step::Give(which) if !held.is_empty() => {
                    let (block, name) = held.swap_remove(which % held.len());
                    caching.free(block);
                    naive.free(name);
                }
                _ => {}
            }
            let books = caching.books();
            prop_assert_eq!((books.reserved, books.occupied), (naive.reserved(), naive.occupied()));
            prop_assert_eq!(books.flushes, naive.flushes);
        }
    }

    /// Slots waste only what is left of each slot, and never refuse a request that fits into what is free.
    #[test]
    fn slots_do_not_fragment(steps in prop::collection::vec((any::<bool>(), 1..4 * MIB), 1..80)) {
        let sizes = [0, 4 * MIB, 0, 0, 0, 0];
        let mut slots = Slots::new(sizes, 40 * MIB);
        let mut held: Vec<(BlockId, u64)> = Vec::new();
        for (asks, bytes) in steps {
            if asks || held.is_empty() {
                match slots.allocate(Class::Expert, bytes) {
                    Ok(block) => held.push((block, bytes)),
                    Err(_) => prop_assert_eq!(held.len(), 10),
                }
            } else {
                let (block, _) = held.swap_remove(usize::try_from(bytes).unwrap() % held.len());
                slots.free(block);
            }
            let books = slots.books();
            prop_assert_eq!(books.allocated, held.iter().map(|(_, bytes)| bytes).sum::<u64>());
            prop_assert_eq!(books.occupied, held.len() as u64 * 4 * MIB);
            prop_assert!(books.occupied <= books.reserved && books.reserved <= books.capacity);
            prop_assert_eq!(books.reserved, books.segments * 4 * MIB);
        }
    }
}

#[test]
fn requests_are_rounded_and_get_their_segments() {
    for (asked, occupied, reserved) in [
        (1, 512, 2 * MIB),
        (512, 512, 2 * MIB),
        (513, 1024, 2 * MIB),
        (MIB, MIB, 2 * MIB),
        (MIB + 1, MIB + 512, 20 * MIB),
        (10 * MIB - 512, 10 * MIB - 512, 20 * MIB),
        // In a segment of its own, and what is left of it is too little to be cut off.
        (10 * MIB, 10 * MIB, 10 * MIB),
        (11 * MIB, 12 * MIB, 12 * MIB),
        (11 * MIB - 512, 11 * MIB - 512, 12 * MIB),
    ] {
        let mut caching = Caching::new(CachingOptions::default(), 1 << 30);
        caching.allocate(asked).unwrap();
        let books = caching.books();
        assert_eq!((books.allocated, books.occupied, books.reserved), (asked, occupied, reserved), "{asked}");
        let mut growing = Caching::new(CachingOptions { expandable: true, max_split: None }, 1 << 30);
        growing.allocate(asked).unwrap();
        let page = if occupied <= MIB { 2 * MIB } else { 20 * MIB };
        assert_eq!(growing.books().occupied, asked.next_multiple_of(512), "{asked}");
        assert_eq!(growing.books().reserved, asked.next_multiple_of(512).next_multiple_of(page), "{asked}");
    }
}

/// Two segments of two experts of 9 MiB each; one of each goes, and 20 MiB are free in pieces of 11 MiB at most.
#[test]
fn fragments_refuse_what_compaction_finds_room_for() {
    let mut caching = Allocator::new(AllocatorKind::Caching(CachingOptions::default()), 40 * MIB);
    let blocks: Vec<BlockId> = (0..4).map(|_| caching.allocate(Class::Expert, 9 * MIB).unwrap()).collect();
    assert_eq!((caching.books().reserved, caching.books().segments), (40 * MIB, 2));
    caching.free(blocks[0]);
    caching.free(blocks[3]);
    let refused = caching.allocate(Class::Expert, 14 * MIB).unwrap_err();
    assert_eq!(refused, OutOfMemory { asked: 14 * MIB, free: 22 * MIB, largest: 11 * MIB });
    assert_eq!((caching.books().flushes, caching.books().failures), (1, 1));
    // Both live blocks move: one to the begin of its segment, the other beside it.
    assert_eq!(caching.compact(), 18 * MIB);
    assert_eq!((caching.books().reserved, caching.books().segments), (20 * MIB, 1));
    assert!(caching.allocate(Class::Expert, 14 * MIB).is_ok());
}

/// A block of 24 MiB has taken the segment of one of 30 MiB, and what is left of that serves nobody.
#[test]
fn a_block_alone_in_too_large_a_segment_moves_to_one_that_fits() {
    let mut caching = Caching::new(CachingOptions::default(), 60 * MIB);
    let large = caching.allocate(30 * MIB).unwrap();
    caching.free(large);
    let block = caching.allocate(24 * MIB).unwrap();
    assert_eq!(caching.books().reserved, 30 * MIB);
    assert!(caching.allocate(31 * MIB).is_err());
    assert_eq!(caching.compact(), 24 * MIB);
    assert_eq!((caching.books().reserved, caching.books().segments), (24 * MIB, 1));
    check(&caching);
    assert!(caching.allocate(31 * MIB).is_ok());
    caching.free(block);
    check(&caching);
}

#[test]
fn an_oversized_block_is_kept_for_oversized_requests() {
    let ask = |max_split: Option<u64>| {
        let mut caching = Caching::new(CachingOptions { max_split, expandable: false }, 200 * MIB);
        let large = caching.allocate(60 * MIB).unwrap();
        caching.free(large);
        caching.allocate(30 * MIB).unwrap();
        caching.books().reserved
    };
    assert_eq!(ask(None), 60 * MIB, "cut out of the large one");
    assert_eq!(ask(Some(40 * MIB)), 90 * MIB, "beside the large one");
}

#[test]
fn a_growing_segment_uses_the_room_at_its_end_and_gives_whole_pages_back() {
    let mut caching = Caching::new(CachingOptions { expandable: true, max_split: None }, 100 * MIB);
    let first = caching.allocate(15 * MIB).unwrap();
    let second = caching.allocate(15 * MIB).unwrap();
    // 5 MiB were free at the end, so one page of 20 MiB is enough.
    assert_eq!((caching.books().reserved, caching.books().segments), (40 * MIB, 1));
    let third = caching.allocate(30 * MIB).unwrap();
    assert_eq!(caching.books().reserved, 60 * MIB);
    caching.free(second);
    caching.free(first);
    // 30 MiB are free at the begin, of which one page is whole; 50 MiB do not fit beside it.
    assert!(caching.allocate(70 * MIB).is_err());
    assert_eq!((caching.books().reserved, caching.books().segments), (40 * MIB, 1));
    caching.free(third);
    assert!(caching.allocate(70 * MIB).is_ok());
    check(&caching);
}

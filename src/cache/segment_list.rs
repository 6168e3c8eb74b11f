//! Several order lists over the same dense object numbers, for policies that keep an object in one queue or another: as
//! an object stands in at most one of them, they share their links.

/// The segment of an object that stands in none.
pub const NOWHERE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Node {
    previous: u32,
    next: u32,
    segment: u32,
}

/// Objects in `SEGMENTS` orders, each from front (oldest) to back (newest).
#[derive(Clone, Debug)]
pub struct SegmentList<const SEGMENTS: usize> {
    /// By object; behind them one sentinel for each segment, whose next is the front.
    nodes: Vec<Node>,
    lengths: [u32; SEGMENTS],
    objects: u32,
}

impl<const SEGMENTS: usize> SegmentList<SEGMENTS> {
    /// Empty lists over the objects `0..objects`.
    pub fn new(objects: u32) -> Self {
        let nowhere = Node { previous: objects, next: objects, segment: NOWHERE };
        let mut nodes = vec![nowhere; objects as usize];
        let sentinels = (objects..).take(SEGMENTS);
        nodes.extend(sentinels.map(|own| Node { previous: own, next: own, segment: NOWHERE }));
        Self { nodes, lengths: [0; SEGMENTS], objects }
    }

    /// The segment that an object stands in, or [`NOWHERE`].
    #[inline]
    pub fn segment(&self, object: u32) -> u32 {
        self.nodes[object as usize].segment
    }

    /// Objects in a segment.
    #[inline]
    pub fn len(&self, segment: u32) -> u32 {
        self.lengths[segment as usize]
    }

    /// Whether a segment holds nothing.
    pub fn is_empty(&self, segment: u32) -> bool {
        self.len(segment) == 0
    }

    /// Appends an object that stands nowhere.
    #[inline]
    pub fn push_back(&mut self, segment: u32, object: u32) {
        let sentinel = self.objects + segment;
        let last = self.nodes[sentinel as usize].previous;
        self.nodes[object as usize] = Node { previous: last, next: sentinel, segment };
        self.nodes[last as usize].next = object;
        self.nodes[sentinel as usize].previous = object;
        self.lengths[segment as usize] += 1;
    }

    /// Takes an object out of the segment it stands in, if any.
    #[inline]
    pub fn remove(&mut self, object: u32) {
        let Node { previous, next, segment } = self.nodes[object as usize];
        if segment == NOWHERE {
            return;
        }
        self.nodes[object as usize].segment = NOWHERE;
        self.nodes[previous as usize].next = next;
        self.nodes[next as usize].previous = previous;
        self.lengths[segment as usize] -= 1;
    }

    /// Moves an object, wherever it stands, to the back of a segment.
    #[inline]
    pub fn move_to_back(&mut self, segment: u32, object: u32) {
        let Node { previous, next, segment: from } = self.nodes[object as usize];
        if from != segment {
            self.remove(object);
            self.push_back(segment, object);
            return;
        }
        let sentinel = self.objects + segment;
        self.nodes[previous as usize].next = next;
        self.nodes[next as usize].previous = previous;
        let last = self.nodes[sentinel as usize].previous;
        self.nodes[object as usize] = Node { previous: last, next: sentinel, segment };
        self.nodes[last as usize].next = object;
        self.nodes[sentinel as usize].previous = object;
    }

    /// The oldest object of a segment.
    #[inline]
    pub fn front(&self, segment: u32) -> Option<u32> {
        let first = self.nodes[(self.objects + segment) as usize].next;
        (first < self.objects).then_some(first)
    }

    /// Takes objects off the front of a segment until it holds no more than `length`.
    #[inline]
    pub fn shorten(&mut self, segment: u32, length: u32) {
        while self.len(segment) > length {
            let Some(oldest) = self.front(segment) else { break };
            self.remove(oldest);
        }
    }

    /// A segment from front to back.
    #[inline]
    pub fn iter(&self, segment: u32) -> impl Iterator<Item = u32> + '_ {
        std::iter::successors(self.front(segment), |object| {
            let next = self.nodes[*object as usize].next;
            (next < self.objects).then_some(next)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        /// Against plain vectors, operation by operation.
        #[test]
        fn agrees_with_vectors(operations in prop::collection::vec((0_u32..8, 0_u32..4, 0_u32..6), 1..200)) {
            let mut lists = SegmentList::<3>::new(8);
            let mut vectors: [Vec<u32>; 3] = Default::default();
            for (object, segment, length) in operations {
                if segment == 3 {
                    // The fourth choice shortens the first list or takes an object out.
                    if length < 3 {
                        lists.shorten(0, length);
                        let excess = vectors[0].len().saturating_sub(length as usize);
                        vectors[0].drain(..excess);
                    } else {
                        lists.remove(object);
                        vectors.iter_mut().for_each(|vector| vector.retain(|other| *other != object));
                    }
                } else {
                    lists.move_to_back(segment, object);
                    vectors.iter_mut().for_each(|vector| vector.retain(|other| *other != object));
                    vectors[segment as usize].push(object);
                }
                for (segment, vector) in (0..).zip(&vectors) {
                    prop_assert_eq!(&lists.iter(segment).collect::<Vec<_>>(), vector);
                    prop_assert_eq!(lists.len(segment) as usize, vector.len());
                    prop_assert_eq!(lists.is_empty(segment), vector.is_empty());
                    prop_assert_eq!(lists.front(segment), vector.first().copied());
                }
                let stands = (0..).zip(&vectors).find(|(_, vector)| vector.contains(&object));
                prop_assert_eq!(lists.segment(object), stands.map_or(NOWHERE, |(segment, _)| segment));
            }
        }
    }
}

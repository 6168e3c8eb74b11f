//! Several lists over the same dense object numbers, an object standing in one of them at most: the queues and
//! segments of one policy, and its memory of what was evicted.

/// `Node::list` of an object that stands in no list.
const NOWHERE: u32 = u32::MAX;

#[derive(Clone, Copy, Debug)]
struct Node {
    previous: u32,
    next: u32,
    list: u32,
}

/// A fixed number of lists, each in an order from front (oldest) to back (newest).
#[derive(Clone, Debug)]
pub struct OrderLists {
    /// The objects, and behind them the sentinel of each list, whose next is the list's front.
    nodes: Vec<Node>,
    lengths: Vec<u32>,
    objects: u32,
}

impl OrderLists {
    /// So many empty lists over the objects `0..objects`.
    pub fn new(objects: u32, lists: u32) -> Self {
        let nowhere = (0..objects).map(|_| Node { previous: NOWHERE, next: NOWHERE, list: NOWHERE });
        let sentinel = |list| Node { previous: objects + list, next: objects + list, list };
        let nodes = nowhere.chain((0..lists).map(sentinel)).collect();
        Self { nodes, lengths: vec![0; lists as usize], objects }
    }

    /// Objects in a list.
    #[inline]
    pub fn len(&self, list: u32) -> u32 {
        self.lengths[list as usize]
    }

    /// Whether a list has no objects.
    #[inline]
    pub fn is_empty(&self, list: u32) -> bool {
        self.len(list) == 0
    }

    /// Whether an object stands in this list.
    #[inline]
    pub fn contains(&self, list: u32, object: u32) -> bool {
        self.nodes[object as usize].list == list
    }

    /// The list that an object stands in.
    #[inline]
    pub fn list_of(&self, object: u32) -> Option<u32> {
        let list = self.nodes[object as usize].list;
        (list != NOWHERE).then_some(list)
    }

    /// Appends an object that stands in no list.
    #[inline]
    pub fn push_back(&mut self, list: u32, object: u32) {
        self.link(list, object);
        self.lengths[list as usize] += 1;
    }

    /// Takes an object out of its list.
    #[inline]
    pub fn remove(&mut self, object: u32) {
        let list = self.unlink(object);
        self.nodes[object as usize].list = NOWHERE;
        self.lengths[list as usize] -= 1;
    }

    /// Moves an object from the list it stands in to the back of this one, which may be the same.
    #[inline]
    pub fn move_to_back(&mut self, list: u32, object: u32) {
        let from = self.unlink(object);
        self.link(list, object);
        if from != list {
            self.lengths[from as usize] -= 1;
            self.lengths[list as usize] += 1;
        }
    }

    #[inline]
    fn link(&mut self, list: u32, object: u32) {
        let sentinel = self.objects + list;
        let last = self.nodes[sentinel as usize].previous;
        self.nodes[object as usize] = Node { previous: last, next: sentinel, list };
        self.nodes[last as usize].next = object;
        self.nodes[sentinel as usize].previous = object;
    }

    #[inline]
    fn unlink(&mut self, object: u32) -> u32 {
        let Node { previous, next, list } = self.nodes[object as usize];
        self.nodes[previous as usize].next = next;
        self.nodes[next as usize].previous = previous;
        list
    }

    /// The oldest object of a list.
    #[inline]
    pub fn front(&self, list: u32) -> Option<u32> {
        self.after(self.objects + list)
    }

    /// The object that follows one of a list.
    #[inline]
    pub fn next(&self, object: u32) -> Option<u32> {
        self.after(object)
    }

    #[inline]
    fn after(&self, place: u32) -> Option<u32> {
        let next = self.nodes[place as usize].next;
        (next < self.objects).then_some(next)
    }

    /// The objects of a list from front to back.
    #[inline]
    pub fn iter(&self, list: u32) -> impl Iterator<Item = u32> + '_ {
        std::iter::successors(self.front(list), |object| self.next(*object))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_move_between_lists_that_keep_their_order() {
        let mut lists = OrderLists::new(4, 2);
        for object in [2, 0, 3] {
            lists.push_back(0, object);
        }
        lists.move_to_back(1, 0);
        lists.move_to_back(0, 2);
        assert_eq!(lists.iter(0).collect::<Vec<_>>(), [3, 2]);
        assert_eq!(lists.iter(1).collect::<Vec<_>>(), [0]);
        lists.remove(0);
        assert_eq!((lists.len(0), lists.is_empty(1), lists.front(1)), (2, true, None));
        assert_eq!((lists.list_of(2), lists.list_of(0), lists.next(2)), (Some(0), None, None));
    }
}

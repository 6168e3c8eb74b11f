//! A doubly linked list over dense object numbers: constant-time moves without allocation or hashing.

/// Objects in an order from front (oldest) to back (newest). An object stands in it at most once.
#[derive(Clone, Debug)]
pub struct OrderList {
    /// `links[object] = [previous, next]`; the last entry is the sentinel, whose next is the front.
    links: Vec<[u32; 2]>,
    sentinel: u32,
}

const PREVIOUS: usize = 0;
const NEXT: usize = 1;

impl OrderList {
    /// An empty list over the objects `0..objects`.
    pub fn new(objects: u32) -> Self {
        let mut links = vec![[objects; 2]; objects as usize + 1];
        links[objects as usize] = [objects; 2];
        Self { links, sentinel: objects }
    }

    /// Appends an object that is not in the list.
    #[inline]
    pub fn push_back(&mut self, object: u32) {
        self.insert_before(self.sentinel, object);
    }

    /// Puts an object that is not in the list right before `place`: an object of the list, or [`OrderList::end`].
    #[inline]
    pub fn insert_before(&mut self, place: u32, object: u32) {
        let before = self.links[place as usize][PREVIOUS];
        self.links[object as usize] = [before, place];
        self.links[before as usize][NEXT] = object;
        self.links[place as usize][PREVIOUS] = object;
    }

    /// The place behind the back, which no object has.
    #[inline]
    pub fn end(&self) -> u32 {
        self.sentinel
    }

    /// The place that follows `place`: the front follows [`OrderList::end`], and the end follows the back.
    #[inline]
    pub fn after(&self, place: u32) -> u32 {
        self.links[place as usize][NEXT]
    }

    /// Takes an object out that is in the list.
    #[inline]
    pub fn remove(&mut self, object: u32) {
        let [previous, next] = self.links[object as usize];
        self.links[previous as usize][NEXT] = next;
        self.links[next as usize][PREVIOUS] = previous;
    }

    /// Moves an object of the list to the back.
    #[inline]
    pub fn move_to_back(&mut self, object: u32) {
        self.remove(object);
        self.push_back(object);
    }

    /// From front to back.
    #[inline]
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        self.walk(NEXT)
    }

    /// From back to front.
    #[inline]
    pub fn iter_back(&self) -> impl Iterator<Item = u32> + '_ {
        self.walk(PREVIOUS)
    }

    #[inline]
    fn walk(&self, direction: usize) -> impl Iterator<Item = u32> + '_ {
        let step = move |object: &u32| Some(self.links[*object as usize][direction]);
        std::iter::successors(step(&self.sentinel), step).take_while(|object| *object != self.sentinel)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keeps_the_order_of_arrival_and_of_moves() {
        let mut list = OrderList::new(4);
        assert_eq!(list.iter().next(), None);
        for object in [2, 0, 3, 1] {
            list.push_back(object);
        }
        list.move_to_back(0);
        list.remove(3);
        assert_eq!(list.iter().collect::<Vec<_>>(), [2, 1, 0]);
        list.insert_before(1, 3);
        assert_eq!(list.iter_back().collect::<Vec<_>>(), [0, 1, 3, 2]);
        assert_eq!((list.after(list.end()), list.after(0)), (2, list.end()));
    }
}

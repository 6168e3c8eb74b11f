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
        let last = self.links[self.sentinel as usize][PREVIOUS];
        self.links[object as usize] = [last, self.sentinel];
        self.links[last as usize][NEXT] = object;
        self.links[self.sentinel as usize][PREVIOUS] = object;
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
    pub fn iter(&self) -> impl Iterator<Item = u32> + '_ {
        let step = |object: &u32| Some(self.links[*object as usize][NEXT]);
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
    }
}

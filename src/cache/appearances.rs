//! Numbers for appearances, in order, which also tell an object's first appearance in an event from later ones.

use super::Access;

/// Counts appearances. A policy keeps each object's last number, and needs no other note of the event it was in.
#[derive(Clone, Copy, Debug, Default)]
pub struct Appearances {
    /// The number of the last appearance.
    last: u64,
    /// The number of the last appearance before the current event.
    before_event: u64,
    /// The current event.
    event: u64,
}

impl Appearances {
    /// Whether this appearance belongs to another event than what came before. It is told so once.
    #[inline]
    pub fn begins(&mut self, access: &Access) -> bool {
        let begins = access.event != self.event;
        if begins {
            self.event = access.event;
            self.before_event = self.last;
        }
        begins
    }

    /// A number for something that is no appearance, to be taken where an event begins.
    #[inline]
    pub fn other(&mut self) -> u64 {
        self.last += 1;
        self.before_event = self.last;
        self.last
    }

    /// The number of this appearance, greater than any before and than zero, and whether it is the object's first in
    /// its event; `before` is the number of the object's previous appearance, zero where there is none.
    #[inline]
    pub fn next(&mut self, access: &Access, before: u64) -> (u64, bool) {
        self.begins(access);
        self.last += 1;
        (self.last, before <= self.before_event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cache::NEVER;

    #[test]
    fn an_event_begins_anew() {
        let mut appearances = Appearances::default();
        let mut next =
            |event, before| appearances.next(&Access { event, next_event: NEVER, weight: 0 }, before);
        assert_eq!(next(NEVER, 0), (1, true));
        assert_eq!(next(0, 1), (2, true));
        assert_eq!(next(0, 0), (3, true));
        assert_eq!(next(0, 2), (4, false));
        assert_eq!(next(1, 4), (5, true));
    }
}

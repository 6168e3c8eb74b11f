//! The models: one per policy, each from its paper, with vectors for queues.

/// What one event asks for.
pub(crate) struct Event {
    /// Every selection.
    pub(crate) selections: Vec<u32>,
    /// Each expert once, by first appearance.
    pub(crate) experts: Vec<u32>,
}

impl Event {
    pub(crate) fn of(selections: &[u32]) -> Self {
        let mut experts: Vec<u32> = Vec::new();
        for expert in selections {
            if !experts.contains(expert) {
                experts.push(*expert);
            }
        }
        Self { selections: selections.to_vec(), experts }
    }

    fn spares(&self, expert: u32) -> bool {
        self.experts.contains(&expert)
    }

    /// Experts that are resident, and experts that are not.
    fn split(&self, resident: &[u32]) -> (Vec<u32>, Vec<u32>) {
        self.experts.iter().partition(|expert| resident.contains(expert))
    }
}

pub(crate) trait Model {
    fn serve(&mut self, event: &Event);

    /// In any order.
    fn resident(&self) -> Vec<u32>;
}

fn take(queue: &mut Vec<u32>, expert: u32) -> bool {
    let at = queue.iter().position(|held| *held == expert);
    at.map(|at| queue.remove(at)).is_some()
}

/// Takes the first of a queue that the event spares not.
fn take_first(queue: &mut Vec<u32>, event: &Event) -> Option<u32> {
    let at = queue.iter().position(|held| !event.spares(*held))?;
    Some(queue.remove(at))
}

pub(crate) struct Lru {
    slots: usize,
    queue: Vec<u32>,
}

impl Lru {
    pub(crate) fn new(slots: usize) -> Self {
        Self { slots, queue: Vec::new() }
    }
}

impl Model for Lru {
    fn serve(&mut self, event: &Event) {
        for expert in &event.selections {
            take(&mut self.queue, *expert);
            self.queue.push(*expert);
        }
        while self.queue.len() > self.slots && take_first(&mut self.queue, event).is_some() {}
    }

    fn resident(&self) -> Vec<u32> {
        self.queue.clone()
    }
}

pub(crate) struct Fifo {
    slots: usize,
    queue: Vec<u32>,
}

impl Fifo {
    pub(crate) fn new(slots: usize) -> Self {
        Self { slots, queue: Vec::new() }
    }
}

impl Model for Fifo {
    fn serve(&mut self, event: &Event) {
        let (_, missing) = event.split(&self.queue);
        while self.queue.len() + missing.len() > self.slots && take_first(&mut self.queue, event).is_some() {}
        self.queue.extend(missing);
    }

    fn resident(&self) -> Vec<u32> {
        self.queue.clone()
    }
}

/// The hand stands before the first of the queue; what it spares goes to the back.
pub(crate) struct Clock {
    slots: usize,
    queue: Vec<u32>,
    referenced: Vec<u32>,
}

impl Clock {
    pub(crate) fn new(slots: usize) -> Self {
        Self { slots, queue: Vec::new(), referenced: Vec::new() }
    }

    fn evict(&mut self, event: &Event) -> bool {
        for _ in 0..2 * self.queue.len() {
            let expert = self.queue.remove(0);
            if !take(&mut self.referenced, expert) && !event.spares(expert) {
                return true;
            }
            self.queue.push(expert);
        }
        false
    }
}

impl Model for Clock {
    fn serve(&mut self, event: &Event) {
        let (found, missing) = event.split(&self.queue);
        for expert in found {
            take(&mut self.referenced, expert);
            self.referenced.push(expert);
        }
        while self.queue.len() + missing.len() > self.slots && self.evict(event) {}
        self.queue.extend(missing);
    }

    fn resident(&self) -> Vec<u32> {
        self.queue.clone()
    }
}

/// The hand is a place in the queue, or nowhere after it has come by the newest.
pub(crate) struct Sieve {
    slots: usize,
    queue: Vec<u32>,
    referenced: Vec<u32>,
    hand: Option<usize>,
}

impl Sieve {
    pub(crate) fn new(slots: usize) -> Self {
        Self { slots, queue: Vec::new(), referenced: Vec::new(), hand: None }
    }

    fn evict(&mut self, event: &Event) -> bool {
        for _ in 0..2 * self.queue.len() {
            let at = self.hand.unwrap_or(0);
            let expert = self.queue[at];
            let goes = !take(&mut self.referenced, expert) && !event.spares(expert);
            let next = if goes { at } else { at + 1 };
            if goes {
                self.queue.remove(at);
            }
            self.hand = (next < self.queue.len()).then_some(next);
            if goes {
                return true;
            }
        }
        false
    }
}

impl Model for Sieve {
    fn serve(&mut self, event: &Event) {
        let (found, missing) = event.split(&self.queue);
        for expert in found {
            take(&mut self.referenced, expert);
            self.referenced.push(expert);
        }
        while self.queue.len() + missing.len() > self.slots && self.evict(event) {}
        self.queue.extend(missing);
    }

    fn resident(&self) -> Vec<u32> {
        self.queue.clone()
    }
}

/// Segments from the lowest up. An event's experts are served one after another; only evictions wait for its end.
pub(crate) struct Slru {
    slots: usize,
    segments: [Vec<u32>; 4],
}

impl Slru {
    pub(crate) fn new(slots: usize) -> Self {
        Self { slots, segments: Default::default() }
    }

    fn ask(&mut self, expert: u32) {
        let room = self.slots / 4;
        let Some(segment) = self.segments.iter().position(|segment| segment.contains(&expert)) else {
            let full = self.resident().len() >= self.slots;
            let free = self.segments.iter().position(|segment| segment.len() < room);
            self.segments[free.filter(|_| !full).unwrap_or(0)].push(expert);
            return;
        };
        take(&mut self.segments[segment], expert);
        self.segments[(segment + 1).min(3)].push(expert);
        for above in [3, 2, 1] {
            while self.segments[above].len() > room {
                let dropped = self.segments[above].remove(0);
                self.segments[above - 1].push(dropped);
            }
        }
    }
}

impl Model for Slru {
    fn serve(&mut self, event: &Event) {
        for expert in &event.experts {
            self.ask(*expert);
        }
        let mut evicts = true;
        while self.resident().len() > self.slots && evicts {
            evicts = self.segments.iter_mut().any(|segment| take_first(segment, event).is_some());
        }
    }

    fn resident(&self) -> Vec<u32> {
        self.segments.concat()
    }
}

/// A resident expert with the number of events that asked for it again.
type Counted = (u32, u32);

pub(crate) struct S3Fifo {
    slots: usize,
    small: Vec<Counted>,
    main: Vec<Counted>,
    ghost: Vec<u32>,
    has_evicted: bool,
}

impl S3Fifo {
    pub(crate) fn new(slots: usize) -> Self {
        Self { slots, small: Vec::new(), main: Vec::new(), ghost: Vec::new(), has_evicted: false }
    }

    fn evict_small(&mut self, event: &Event) -> bool {
        while let Some(at) = self.small.iter().position(|(expert, _)| !event.spares(*expert)) {
            let (expert, uses) = self.small.remove(at);
            if uses >= 2 {
                self.main.push((expert, 0));
                continue;
            }
            self.ghost.push(expert);
            if self.ghost.len() > self.slots * 9 / 10 {
                self.ghost.remove(0);
            }
            return true;
        }
        false
    }

    fn evict_main(&mut self, event: &Event) -> bool {
        while let Some(at) = self.main.iter().position(|(expert, _)| !event.spares(*expert)) {
            let (expert, uses) = self.main.remove(at);
            if uses == 0 {
                return true;
            }
            self.main.push((expert, uses.min(3) - 1));
        }
        false
    }

    fn evict(&mut self, event: &Event) -> bool {
        self.has_evicted = true;
        let main_first = self.main.len() > self.slots - self.slots / 10 || self.small.is_empty();
        (!main_first && self.evict_small(event))
            || self.evict_main(event)
            || self.evict_small(event)
            || self.evict_main(event)
    }
}

impl Model for S3Fifo {
    fn serve(&mut self, event: &Event) {
        let (_, missing) = event.split(&self.resident());
        for (expert, uses) in self.small.iter_mut().chain(&mut self.main) {
            *uses += u32::from(event.spares(*expert));
        }
        let remembered: Vec<bool> = missing.iter().map(|expert| take(&mut self.ghost, *expert)).collect();
        while self.resident().len() + missing.len() > self.slots && self.evict(event) {}
        for (expert, remembered) in missing.into_iter().zip(remembered) {
            let filling = !self.has_evicted && self.small.len() >= self.slots / 10;
            let queue = if remembered || filling { &mut self.main } else { &mut self.small };
            queue.push((expert, 0));
        }
    }

    fn resident(&self) -> Vec<u32> {
        self.small.iter().chain(&self.main).map(|(expert, _)| *expert).collect()
    }
}

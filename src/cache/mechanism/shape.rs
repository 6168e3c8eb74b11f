//! What a cache is made of: how many layers and experts, their sizes, and how much room each pool has.

/// How the objects are divided into pools, each with its own capacity and its own policy instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// One pool holds the experts of all layers.
    Global,
    /// Each layer has its own.
    PerLayer,
}

/// Sizes and limits of a cache, in bytes. A number of slots is as many times the size of an expert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CacheShape {
    /// MoE layers.
    pub layers: u32,
    /// Experts per layer.
    pub experts: u32,
    /// Size of one expert, by layer.
    pub sizes: Vec<u64>,
    /// One pool or one per layer.
    pub scope: Scope,
    /// Capacity of each pool: one entry, or one per layer.
    pub pool_capacity: Vec<u64>,
    /// Experts that are resident from the start and stay, as `layer * experts + expert`; their sizes count.
    pub pinned: Vec<u32>,
}

impl CacheShape {
    /// All experts together.
    pub fn total(&self) -> u64 {
        self.sizes.iter().map(|size| size * u64::from(self.experts)).sum()
    }

    /// Number of pools.
    pub fn pools(&self) -> u32 {
        match self.scope {
            Scope::Global => 1,
            Scope::PerLayer => self.layers,
        }
    }

    /// Objects of one pool.
    pub fn pool_objects(&self) -> u32 {
        match self.scope {
            Scope::Global => self.layers * self.experts,
            Scope::PerLayer => self.experts,
        }
    }

    /// Size of one expert in each layer of a pool.
    pub fn pool_sizes(&self, pool: u32) -> &[u64] {
        match self.scope {
            Scope::Global => &self.sizes,
            Scope::PerLayer => &self.sizes[pool as usize..=pool as usize],
        }
    }

    /// Objects of average size that fit into so many bytes of a pool.
    pub(super) fn slots(&self, pool: u32, bytes: u64) -> u32 {
        let sizes = self.pool_sizes(pool);
        let one_each = u128::from(sizes.iter().sum::<u64>().max(1));
        let slots = u128::from(bytes) * sizes.len() as u128 / one_each;
        u32::try_from(slots).unwrap_or(u32::MAX).min(self.pool_objects())
    }
}

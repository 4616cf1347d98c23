//! Map and set of a few elements: a desktop has a handful of calls. The standard B-trees, one for each pair of types,
//! would be a third of the download.

/// Keys to values, in the order of the keys.
#[derive(Clone, Debug)]
pub(crate) struct Map<K, V>(Vec<(K, V)>);

impl<K, V> Default for Map<K, V> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<K: Ord, V> Map<K, V> {
    fn place(&self, key: &K) -> Result<usize, usize> {
        // Few enough for a linear search, which is the smallest code.
        match self.0.iter().position(|(other, _)| other >= key) {
            Some(at) if self.0[at].0 == *key => Ok(at),
            Some(at) => Err(at),
            None => Err(self.0.len()),
        }
    }

    pub(crate) fn get(&self, key: &K) -> Option<&V> {
        self.0.iter().find(|(other, _)| other == key).map(|(_, value)| value)
    }

    pub(crate) fn get_mut(&mut self, key: &K) -> Option<&mut V> {
        self.0.iter_mut().find(|(other, _)| other == key).map(|(_, value)| value)
    }

    pub(crate) fn contains(&self, key: &K) -> bool {
        self.get(key).is_some()
    }

    /// Inserts a value and returns the old one, if any.
    pub(crate) fn insert(&mut self, key: K, value: V) -> Option<V> {
        match self.place(&key) {
            Ok(at) => Some(std::mem::replace(&mut self.0[at].1, value)),
            Err(at) => {
                self.0.insert(at, (key, value));
                None
            }
        }
    }

    pub(crate) fn get_or_insert(&mut self, key: K, value: impl FnOnce() -> V) -> &mut V {
        let at = match self.place(&key) {
            Ok(at) => at,
            Err(at) => {
                self.0.insert(at, (key, value()));
                at
            }
        };
        &mut self.0[at].1
    }

    pub(crate) fn remove(&mut self, key: &K) -> Option<V> {
        let at = self.0.iter().position(|(other, _)| other == key)?;
        Some(self.0.remove(at).1)
    }

    #[cfg(all(test, not(target_arch = "wasm32")))]
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (&K, &mut V)> {
        self.0.iter_mut().map(|(key, value)| (&*key, value))
    }

    pub(crate) fn keys(&self) -> impl Iterator<Item = &K> {
        self.0.iter().map(|(key, _)| key)
    }

    pub(crate) fn values(&self) -> impl Iterator<Item = &V> {
        self.0.iter().map(|(_, value)| value)
    }

    pub(crate) fn values_mut(&mut self) -> impl Iterator<Item = &mut V> {
        self.0.iter_mut().map(|(_, value)| value)
    }

    pub(crate) fn retain(&mut self, mut keep: impl FnMut(&K, &V) -> bool) {
        self.0.retain(|(key, value)| keep(key, value));
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// A set.
pub(crate) type Set<K> = Map<K, ()>;

impl<K: Ord> Set<K> {
    /// Adds a key; true when it is new.
    pub(crate) fn add(&mut self, key: K) -> bool {
        self.insert(key, ()).is_none()
    }

    pub(crate) fn of(keys: impl IntoIterator<Item = K>) -> Self {
        let mut set = Self::default();
        for key in keys {
            set.add(key);
        }
        set
    }

    /// Removes a key; true when it was there.
    pub(crate) fn take(&mut self, key: &K) -> bool {
        self.remove(key).is_some()
    }
}

#[cfg(all(test, not(target_arch = "wasm32")))]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::collections::BTreeMap;

    proptest! {
        #[test]
        fn does_what_the_standard_map_does(steps in prop::collection::vec((0u8..3, 0u8..8, any::<u8>()), 0..60)) {
            let (mut ours, mut standard) = (Map::default(), BTreeMap::new());
            for (what, key, value) in steps {
                match what {
                    0 => prop_assert_eq!(ours.insert(key, value), standard.insert(key, value)),
                    1 => prop_assert_eq!(ours.remove(&key), standard.remove(&key)),
                    _ => prop_assert_eq!(
                        *ours.get_or_insert(key, || value),
                        *standard.entry(key).or_insert(value)
                    ),
                }
                prop_assert_eq!(ours.get(&key), standard.get(&key));
                prop_assert!(ours.iter().eq(standard.iter()));
            }
        }
    }
}

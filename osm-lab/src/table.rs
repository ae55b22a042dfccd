//! Rows in the order they were made, found by id.

/// Something with an id.
pub(crate) trait Row {
    /// The id, unique in its table.
    fn id(&self) -> &str;
}

/// A small table; looked through from end to end, as a lab holds tens of rows.
#[derive(Debug)]
pub(crate) struct Table<T>(Vec<T>);

impl<T> Default for Table<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<T: Row> Table<T> {
    pub(crate) fn get(&self, id: &str) -> Option<&T> {
        self.0.iter().find(|row| row.id() == id)
    }

    pub(crate) fn get_mut(&mut self, id: &str) -> Option<&mut T> {
        self.0.iter_mut().find(|row| row.id() == id)
    }

    pub(crate) fn insert(&mut self, row: T) {
        self.0.push(row);
    }

    pub(crate) fn remove(&mut self, id: &str) -> Option<T> {
        let index = self.0.iter().position(|row| row.id() == id)?;
        Some(self.0.remove(index))
    }

    pub(crate) fn retain(&mut self, keep: impl FnMut(&T) -> bool) {
        self.0.retain(keep);
    }

    pub(crate) fn iter(&self) -> std::slice::Iter<'_, T> {
        self.0.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> std::slice::IterMut<'_, T> {
        self.0.iter_mut()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }
}

//! How many requests a service works on at once.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use crate::cloud::{Cloud, Service};

/// Counts requests under way, and the most there were.
#[derive(Debug, Default)]
pub(crate) struct Flights(Mutex<HashMap<Service, Count>>);

#[derive(Debug, Default, Clone, Copy)]
struct Count {
    now: usize,
    most: usize,
}

impl Flights {
    /// The most that a service had at once.
    pub(crate) fn most(&self, service: Service) -> usize {
        let counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.get(&service).map_or(0, |count| count.most)
    }

    fn change(&self, service: Service, begins: bool) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let count = counts.entry(service).or_default();
        count.now = if begins { count.now + 1 } else { count.now.saturating_sub(1) };
        count.most = count.most.max(count.now);
    }
}

/// One request under way.
pub(crate) struct Flight {
    cloud: Cloud,
    service: Service,
}

impl Flight {
    pub(crate) fn of(cloud: &Cloud, service: Service) -> Self {
        cloud.flights().change(service, true);
        Self { cloud: cloud.clone(), service }
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.cloud.flights().change(self.service, false);
    }
}

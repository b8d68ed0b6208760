//! Going where the hub sends its clients, and back.

use super::Driver;
use crate::net::Base;
use crosspoint_core::{Fault, Retry};

/// The first attempt after a loss, and one at another address, come within so long, at random, ms.
pub(super) const QUICK_MS: f64 = 200.0;
/// Attempts at another hub's address that may fail before the first address is tried again.
const MISSES_MAX: u32 = 2;
/// Hubs that may send a client on before one of them takes it.
const HOPS_MAX: u32 = 4;

pub(super) struct Detour {
    /// Where the application said the hub is.
    home: Base,
    misses: u32,
    hops: u32,
}

impl Detour {
    pub(super) fn new(home: Base) -> Detour {
        Detour { home, misses: 0, hops: 0 }
    }

    /// A hub has taken the client.
    pub(super) fn arrived(&mut self) {
        (self.misses, self.hops) = (0, 0);
    }
}

impl Driver {
    /// Whether the fault leads to another hub, where the next attempt goes then.
    pub(super) fn follow(&mut self, fault: &Fault) -> bool {
        let Some(address) = fault.address.as_deref() else { return false };
        if !self.shared.options.redirect || fault.retry == Retry::Never {
            return false;
        }
        let Ok(base) = Base::parse(address) else { return false };
        let safe = base.is_as_safe_as(&self.base) && base.is_as_safe_as(&self.detour.home);
        let circles = self.detour.hops >= HOPS_MAX;
        if !safe || base == self.base || circles {
            tracing::debug!(address, "not followed");
            // After the wait that comes now it may be.
            self.detour.hops = 0;
            return false;
        }
        self.detour.hops += 1;
        self.detour.misses = 0;
        self.go_to(base);
        true
    }

    /// An attempt came to nothing.
    pub(super) fn missed(&mut self) {
        if self.base == self.detour.home {
            return;
        }
        self.detour.misses += 1;
        if self.detour.misses >= MISSES_MAX {
            self.detour.arrived();
            self.go_to(self.detour.home.clone());
        }
    }

    fn go_to(&mut self, base: Base) {
        self.base = base;
        self.connect.forget_hub();
    }
}

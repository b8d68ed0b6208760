//! Limits of rates that were met. All labels come from fixed lists.

use super::text::Text;
use crosspoint_hub::Hub;

pub(super) fn write(out: &mut Text, hub: &Hub) {
    let name = "rates_refused_total";
    out.head(
        name,
        "counter",
        "What was refused because of a rate or of too many at once, by whose limit it was",
    );
    for refused in hub.refused() {
        out.line(name, &[("scope", refused.scope), ("kind", refused.kind)], refused.count);
    }
    let (users, addresses) = hub.rate_entries();
    out.single("rate_users", "gauge", "Users that are known apart for their rates now", users);
    out.single("rate_addresses", "gauge", "Addresses that are known apart for their rates now", addresses);
}

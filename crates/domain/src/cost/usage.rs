//! Usage: what was consumed, as it is recorded and as it is summed by day.

use chrono::{DateTime, NaiveDate, Utc};

use super::{Meter, Service};
use crate::{TenantId, Tier};

/// One thing that was consumed.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsageRecord {
    /// Its id; the same id again is the same record.
    pub id: String,
    /// Who caused it; none: the platform itself.
    pub tenant: Option<TenantId>,
    /// When.
    pub at: DateTime<Utc>,
    /// Which service did the work.
    pub service: Service,
    /// What was consumed.
    pub meter: Meter,
    /// The RPC it was consumed for, for example `RecommendExperts`; may be empty.
    pub rpc: String,
    /// The tier of the model that did the work, if one did.
    pub tier: Option<Tier>,
    /// The name of the model that did the work; may be empty.
    pub model: String,
    /// How much, in the meter's base unit.
    pub quantity: u64,
}

/// The usage of one day, one tenant, service, meter, RPC and model.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct UsageLine {
    /// The day it is booked on (UTC).
    pub day: NaiveDate,
    /// Who caused it; none: the platform itself.
    pub tenant: Option<TenantId>,
    /// Which service did the work.
    pub service: Service,
    /// What was consumed.
    pub meter: Meter,
    /// The RPC it was consumed for; may be empty.
    pub rpc: String,
    /// The tier of the model that did the work, if one did.
    pub tier: Option<Tier>,
    /// The name of the model that did the work; may be empty.
    pub model: String,
    /// The sum of the day, or its highest, in the meter's base unit.
    pub quantity: u64,
    /// It became known after its day was closed. Of a meter that takes the highest of a day, it
    /// carries what goes beyond the highest that the closed day has.
    pub adjustment: bool,
    /// Of an adjustment: the day it was consumed on. None: the day it is booked on.
    pub for_day: Option<NaiveDate>,
}

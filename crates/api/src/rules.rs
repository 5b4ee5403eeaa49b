//! The rules that hold on both sides of the contract, for clients that check before they send: what
//! ids, names and texts may be, and the codes of what is wrong with a row.

pub use domain::{
    ExpertId, ExpertPatch, MAX_ATTRIBUTES, RejectionReason, RequestId, ResourceName, RowIssue,
    clean_text, escape_id, has_usable_text, normalized, unescape_id,
};

//! The short names of the contract's enums: without the prefix that the contract's style asks for.

use crate::v1;

macro_rules! short_names {
    ($($name:ty),+ $(,)?) => {
        $(impl $name {
            /// The value's name without its enum's prefix, for example `ACTIVE` of `STATE_ACTIVE`:
            /// what commands print.
            #[must_use]
            pub fn short_name(&self) -> &'static str {
                let prefix = Self::Unspecified.as_str_name().trim_end_matches("UNSPECIFIED");
                let name = self.as_str_name();
                name.strip_prefix(prefix).unwrap_or(name)
            }
        })+

        #[cfg(test)]
        const COVERED: &[&str] = &[$(stringify!($name)),+];
    };
}

// Every enum of the contract; a test counts them.
short_names!(
    v1::Permission,
    v1::Tier,
    v1::Verdict,
    v1::api_key::Role,
    v1::compare_models_response::Outcome,
    v1::export_costs_request::Format,
    v1::get_cost_report_request::By,
    v1::expert_merge::State,
    v1::job::Kind,
    v1::job::State,
    v1::list_usage_request::Period,
    v1::model_value::Verdict,
    v1::promote_model_request::Alias,
    v1::routing_policy::Mode,
    v1::send_feedback_request::Verdict,
    v1::task::Kind,
    v1::task::source::Field,
    v1::tenant::State,
);

#[cfg(test)]
mod tests {
    use prost::Message as _;
    use prost_types::{DescriptorProto, FileDescriptorSet};

    use super::*;

    #[test]
    fn names_have_no_prefix() {
        assert_eq!(v1::tenant::State::Active.short_name(), "ACTIVE");
        assert_eq!(v1::job::Kind::IndexItems.short_name(), "INDEX_ITEMS");
        assert_eq!(
            v1::Verdict::InsufficientData.short_name(),
            "INSUFFICIENT_DATA"
        );
        assert_eq!(v1::Tier::Unspecified.short_name(), "UNSPECIFIED");
        // The name on the wire has it.
        assert_eq!(v1::tenant::State::Active.as_str_name(), "STATE_ACTIVE");
    }

    #[test]
    fn every_enum_has_short_names() {
        fn enums(message: &DescriptorProto) -> usize {
            message.enum_type.len() + message.nested_type.iter().map(enums).sum::<usize>()
        }
        let set = FileDescriptorSet::decode(crate::DESCRIPTORS).unwrap();
        let ours = set
            .file
            .iter()
            .filter(|file| file.package() == "tenantry.v1");
        let found: usize = ours
            .map(|file| file.enum_type.len() + file.message_type.iter().map(enums).sum::<usize>())
            .sum();
        assert_eq!(found, COVERED.len(), "add the new enum to the list above");
    }
}

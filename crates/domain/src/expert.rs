//! Experts: the people who can answer.

use chrono::{DateTime, Utc};

use crate::{ExpertId, FieldViolation, clean_text};

/// The most characters of an expert's profile.
pub const EXPERT_PROFILE_MAX_CHARS: usize = 4_000;
/// The most experts that a tenant lists.
///
/// Each answer weighs every expert who may be recommended, and a tenant's history numbers those who are
/// listed and those whom items alone name with 16 bits (65,535): a tenant with more could not be made
/// resident and would be left without answers. The bound leaves two thirds of the numbers to names in items.
/// At the bound, with 4,000 items, ranking takes 5 to 26 ms in a build for tests on two busy cores.
pub const MAX_EXPERTS: u64 = 20_000;
/// The most experts that a tenant's items name; with those who are listed they stay below 65,535.
pub const MAX_NAMED_EXPERTS: u64 = 40_000;
const DISPLAY_NAME_MAX_CHARS: usize = 200;

/// An expert as a caller describes it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewExpert {
    /// Unique inside the tenant.
    pub id: ExpertId,
    /// Name for people.
    pub display_name: String,
    /// What this person knows, in words.
    pub profile: String,
    /// Still there. An inactive expert is never recommended.
    pub active: bool,
    /// Can take work now. An unavailable expert is not recommended.
    pub available: bool,
}

impl NewExpert {
    /// Checks lengths and cleans the texts.
    ///
    /// # Errors
    /// The field that cannot be accepted.
    pub fn validate(mut self) -> Result<Self, FieldViolation> {
        self.display_name = clean_text(&self.display_name);
        self.profile = clean_text(&self.profile);
        if self.display_name.chars().count() > DISPLAY_NAME_MAX_CHARS {
            let message = format!("at most {DISPLAY_NAME_MAX_CHARS} characters");
            return Err(FieldViolation::new("display_name", message));
        }
        if self.profile.chars().count() > EXPERT_PROFILE_MAX_CHARS {
            let message = format!("at most {EXPERT_PROFILE_MAX_CHARS} characters");
            return Err(FieldViolation::new("profile", message));
        }
        Ok(self)
    }
}

/// What a caller says of an expert. What is none stays as it is; for an expert who is new, it is empty, or
/// true.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExpertPatch {
    /// Unique inside the tenant.
    pub id: ExpertId,
    /// Name for people.
    pub display_name: Option<String>,
    /// What this person knows, in words.
    pub profile: Option<String>,
    /// Still there.
    pub active: Option<bool>,
    /// Can take work now.
    pub available: Option<bool>,
}

impl ExpertPatch {
    /// Checks lengths and cleans the texts.
    ///
    /// # Errors
    /// The field that cannot be accepted.
    pub fn validate(self) -> Result<Self, FieldViolation> {
        let whole = self.onto(None).validate()?;
        Ok(Self {
            display_name: self.display_name.map(|_| whole.display_name),
            profile: self.profile.map(|_| whole.profile),
            ..self
        })
    }

    /// The expert after this was said of what was known before.
    #[must_use]
    pub fn onto(&self, before: Option<&NewExpert>) -> NewExpert {
        let text = |said: &Option<String>, known: Option<&String>| {
            said.as_ref().or(known).cloned().unwrap_or_default()
        };
        NewExpert {
            id: self.id.clone(),
            display_name: text(&self.display_name, before.map(|e| &e.display_name)),
            profile: text(&self.profile, before.map(|e| &e.profile)),
            active: self.active.or(before.map(|e| e.active)).unwrap_or(true),
            available: self
                .available
                .or(before.map(|e| e.available))
                .unwrap_or(true),
        }
    }
}

impl From<NewExpert> for ExpertPatch {
    fn from(expert: NewExpert) -> Self {
        Self {
            id: expert.id,
            display_name: Some(expert.display_name),
            profile: Some(expert.profile),
            active: Some(expert.active),
            available: Some(expert.available),
        }
    }
}

/// A person who can answer (SME).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expert {
    /// Unique inside the tenant.
    pub id: ExpertId,
    /// Name for people.
    pub display_name: String,
    /// What this person knows, in words.
    pub profile: String,
    /// Still there. An inactive expert is never recommended.
    pub active: bool,
    /// Can take work now. An unavailable expert is not recommended.
    pub available: bool,
    /// When it was changed last.
    pub updated_at: DateTime<Utc>,
}

impl From<Expert> for NewExpert {
    fn from(expert: Expert) -> Self {
        Self {
            id: expert.id,
            display_name: expert.display_name,
            profile: expert.profile,
            active: expert.active,
            available: expert.available,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_patch_changes_what_it_names() {
        let id = ExpertId::parse("ada").unwrap();
        let away = ExpertPatch {
            id: id.clone(),
            display_name: None,
            profile: Some(String::new()),
            active: None,
            available: Some(false),
        };
        let before = NewExpert {
            id,
            display_name: "Ada".into(),
            profile: "engines".into(),
            active: false,
            available: true,
        };
        let after = away.onto(Some(&before));
        assert_eq!(after.display_name, "Ada", "not named");
        assert_eq!(after.profile, "", "cleared");
        assert!(!after.active && !after.available);
        let new = away.onto(None);
        assert!(new.active && new.display_name.is_empty());
        let long = ExpertPatch {
            profile: Some("x".repeat(4_001)),
            ..away
        };
        assert_eq!(long.validate().unwrap_err().field, "profile");
    }
}

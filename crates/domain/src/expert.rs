//! Experts: the people who can answer.

use chrono::{DateTime, Utc};

use crate::{ExpertId, FieldViolation, clean_text};

/// The most characters of an expert's profile.
pub const EXPERT_PROFILE_MAX_CHARS: usize = 4_000;
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

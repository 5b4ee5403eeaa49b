//! Feedback that names nobody known: refused, with the names that may have been meant.

use domain::{ErrorKind, Expert, ExpertId, Fault, FieldViolation, folded};
use storage::{ItemQuery, TenantTx};

/// Names that are told.
const NEAREST: usize = 3;
/// Names that are less alike than this are not what was meant.
const ALIKE: f64 = 0.7;

/// Feedback names an expert whom the tenant does not have.
#[derive(Debug, thiserror::Error)]
#[error("{field} names {expert:?}, whom nobody knows here; {remedy}")]
pub(crate) struct UnknownExpert {
    field: &'static str,
    expert: String,
    remedy: String,
}

impl Fault for UnknownExpert {
    fn kind(&self) -> ErrorKind {
        ErrorKind::InvalidArgument
    }

    fn reason(&self) -> &'static str {
        "UNKNOWN_EXPERT"
    }

    fn violations(&self) -> Vec<FieldViolation> {
        let message = format!("{:?} is not known; {}", self.expert, self.remedy);
        vec![FieldViolation::new(self.field, message)]
    }
}

impl UnknownExpert {
    fn new(field: &'static str, expert: &ExpertId, listed: &[Expert]) -> Self {
        let names = nearest(expert, listed);
        let remedy = match names.is_empty() {
            true => "list the expert first, with BatchUpsertExperts".to_owned(),
            false => format!("did you mean {}?", names.join(", ")),
        };
        Self {
            field,
            expert: expert.to_string(),
            remedy,
        }
    }
}

/// Checks that the expert is listed or has answered an item; whom the answer recommended is not asked
/// about.
///
/// # Errors
/// [`UnknownExpert`]; the database fails.
pub(crate) async fn check_known(
    tx: &TenantTx,
    field: &'static str,
    expert: &ExpertId,
) -> Result<(), server::ServiceError> {
    if tx.experts().get(expert).await?.is_some() {
        return Ok(());
    }
    let query = ItemQuery {
        limit: 1,
        expert: Some(expert.clone()),
        ..ItemQuery::default()
    };
    if !tx.items().list(query).await?.is_empty() {
        return Ok(());
    }
    let mut listed = tx.experts().all().await?;
    listed.retain(|expert| expert.active);
    Err(UnknownExpert::new(field, expert, &listed).into())
}

/// The ids that are most like `expert`, or whose names are, the most alike first.
fn nearest(expert: &ExpertId, listed: &[Expert]) -> Vec<String> {
    let meant = folded(expert.as_str());
    let likeness = |text: &str| strsim::jaro_winkler(&meant, &folded(text));
    let mut scored: Vec<(f64, &ExpertId)> = listed
        .iter()
        .map(|one| {
            let by_name = likeness(&one.display_name);
            (likeness(one.id.as_str()).max(by_name), &one.id)
        })
        .filter(|(alike, _)| *alike >= ALIKE)
        .collect();
    scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(b.1)));
    let nearest = scored.into_iter().take(NEAREST);
    nearest
        .map(|(_, id)| format!("{:?}", id.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listed(id: &str, name: &str) -> Expert {
        Expert {
            id: ExpertId::parse(id).unwrap(),
            display_name: name.to_owned(),
            profile: String::new(),
            active: true,
            available: true,
            updated_at: chrono::DateTime::UNIX_EPOCH,
        }
    }

    #[test]
    fn the_nearest_names_are_told() {
        let all = [
            listed("özlem.kaya", "Özlem Kaya"),
            listed("u-77", "Marta Nowak"),
            listed("zed", "Zed"),
        ];
        let told = |id: &str| {
            let error = UnknownExpert::new("expert_id", &ExpertId::parse(id).unwrap(), &all);
            error.violations().remove(0).message
        };
        assert!(
            told("OZLEM.KAYA").contains("did you mean \"özlem.kaya\"?"),
            "{}",
            told("OZLEM.KAYA")
        );
        assert!(told("marta nowack").contains("\"u-77\""), "by the name");
        assert!(told("qqq").contains("BatchUpsertExperts"));
    }
}

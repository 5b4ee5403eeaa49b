//! The price book and the budgets: what is in force, and how it is changed.

use api::v1;
use chrono::{DateTime, Utc};
use domain::cost::{AMOUNT_DECIMALS, CostError, MAX_MONTHLY, PriceBook, PriceVersionDraft};
use domain::{ErrorKind, FieldViolation, OperatorContext, ResourceName, TenantId, TenantState};
use rust_decimal::Decimal;
use server::ServiceError;
use storage::Purpose;

use crate::Costs;
use crate::error::BadPrices;
use crate::scope::ALL;

const FIELD: &str = "price_book";

/// The price book in force.
#[derive(Debug, Clone)]
pub(crate) struct InForce {
    pub book: PriceBook,
    /// 0: the example.
    pub revision: u64,
    /// Who wrote it, and when; none of the example.
    written: Option<(String, DateTime<Utc>)>,
}

impl InForce {
    /// The example.
    pub(crate) fn example() -> Self {
        Self {
            book: PriceBook::example(),
            revision: 0,
            written: None,
        }
    }

    pub(crate) fn to_wire(&self) -> v1::PriceBook {
        let mut wire = v1::PriceBook::of(&self.book, self.revision);
        if let Some((actor, at)) = &self.written {
            wire.updated_by.clone_from(actor);
            wire.update_time = Some(api::timestamp(*at));
        }
        wire
    }
}

impl From<storage::StoredPriceBook> for InForce {
    fn from(kept: storage::StoredPriceBook) -> Self {
        Self {
            book: kept.book,
            revision: kept.revision,
            written: Some((kept.actor, kept.at)),
        }
    }
}

/// The price book that a message holds.
///
/// # Errors
/// All that is wrong with it, by field.
pub(crate) fn parse(wire: &v1::PriceBook) -> Result<PriceBook, BadPrices> {
    let mut bad = BadPrices::none();
    if wire.versions.is_empty() {
        let message = format!("PRICE_BOOK_EMPTY: {}", CostError::EmptyPriceBook);
        bad.add_violation(FIELD, FieldViolation::new("versions", message));
    }
    let mut versions = Vec::with_capacity(wire.versions.len());
    for (at, version) in wire.versions.iter().enumerate() {
        let prefix = format!("{FIELD}.versions[{at}]");
        let draft = match PriceVersionDraft::try_from(version) {
            Ok(draft) => draft,
            Err(violations) => {
                for violation in violations {
                    bad.add_violation(&prefix, violation);
                }
                continue;
            }
        };
        match draft.build() {
            Ok(version) => versions.push(version),
            Err(problems) => bad.add(&prefix, problems),
        }
    }
    bad.into_result()?;
    // Each version is sound; now how they stand to each other.
    let book = PriceBook { versions };
    let mut bad = BadPrices::none();
    bad.add(FIELD, book.validate());
    bad.into_result()?;
    Ok(book)
}

/// The amount of a budget; none clears it.
fn budget(text: &str) -> Result<Option<Decimal>, ServiceError> {
    let monthly =
        api::decimal("monthly", text).map_err(|error| ServiceError::violations(vec![error]))?;
    let Some(monthly) = monthly else {
        return Ok(None);
    };
    let fits = (Decimal::ZERO..=MAX_MONTHLY).contains(&monthly)
        && monthly.normalize().scale() <= AMOUNT_DECIMALS;
    if !fits {
        let message = format!(
            "is {monthly}; send an amount from 0 to {MAX_MONTHLY} with at most {AMOUNT_DECIMALS} \
             decimals, or nothing to clear the budget"
        );
        return Err(ServiceError::invalid("monthly", message));
    }
    Ok(Some(monthly))
}

impl Costs {
    /// The price book in force; the example before the first was written.
    pub(crate) async fn prices_in_force(&self) -> Result<InForce, ServiceError> {
        let prices = self.store.maintenance(Purpose::Costs).prices();
        let kept = prices.book().await?;
        Ok(kept.map_or_else(InForce::example, InForce::from))
    }

    /// Replaces the price book after the revision that the message names, or only checks it; and says
    /// what has to be changed with it.
    pub(crate) async fn update_prices(
        &self,
        request: v1::UpdatePriceBookRequest,
        operator: &OperatorContext,
    ) -> Result<v1::UpdatePriceBookResponse, ServiceError> {
        let wire = request.price_book.unwrap_or_default();
        let book = parse(&wire)?;
        let before = self.prices_in_force().await?;
        let warnings = self
            .currency_warnings(operator, &before.book, &book)
            .await?;
        let made = match request.validate_only {
            true if before.revision != wire.revision => return Err(outdated(&wire, &before)),
            true => InForce {
                book,
                revision: wire.revision.saturating_add(1),
                written: None,
            },
            false => self.store_prices(&wire, book, operator).await?,
        };
        Ok(v1::UpdatePriceBookResponse {
            price_book: Some(made.to_wire()),
            warnings,
        })
    }

    async fn store_prices(
        &self,
        wire: &v1::PriceBook,
        book: PriceBook,
        operator: &OperatorContext,
    ) -> Result<InForce, ServiceError> {
        let now = self.clock.now();
        let prices = self.store.platform(operator).prices();
        match prices
            .keep(&book, wire.revision, operator.actor(), now)
            .await
        {
            Ok(kept) => Ok(kept.into()),
            Err(error) => {
                let error = ServiceError::from(error);
                if error.kind() != ErrorKind::Aborted {
                    return Err(error);
                }
                let current = self.prices_in_force().await?;
                // The same again: the first answer was lost on its way.
                let again = wire.revision.checked_add(1) == Some(current.revision);
                if again && current.book == book {
                    return Ok(current);
                }
                Err(outdated(wire, &current))
            }
        }
    }

    /// Sets or clears the budget of a tenant, or of all together.
    pub(crate) async fn set_budget(
        &self,
        request: v1::SetBudgetRequest,
        operator: &OperatorContext,
    ) -> Result<v1::SetBudgetResponse, ServiceError> {
        let tenant: Option<TenantId> = match request.parent.as_str() {
            ALL => None,
            name => {
                let id = ResourceName::tenant(name);
                Some(id.map_err(|error| ServiceError::name("parent", &error))?)
            }
        };
        let monthly = budget(&request.monthly)?;
        let platform = self.store.platform(operator);
        if let Some(id) = &tenant {
            let known = platform.get_tenant(id).await?;
            if known.is_none_or(|tenant| tenant.state == TenantState::Erasing) {
                return Err(ServiceError::not_found(&request.parent));
            }
        }
        platform
            .prices()
            .set_budget(tenant.as_ref(), monthly, operator.actor(), self.clock.now())
            .await?;
        let today = self.clock.now().date_naive();
        let prices = self.prices_in_force().await?;
        let currency = prices.book.at(today).map(|version| version.currency.code());
        Ok(v1::SetBudgetResponse {
            monthly: monthly.map_or_else(String::new, |monthly| monthly.to_string()),
            currency: currency.unwrap_or_default().to_owned(),
        })
    }
}

fn outdated(wire: &v1::PriceBook, current: &InForce) -> ServiceError {
    let message = format!(
        "the price book has revision {} by now, and this change was made after {}; read it, and \
         make the change again",
        current.revision, wire.revision
    );
    ServiceError::new(ErrorKind::Aborted, "PRICE_BOOK_CHANGED", message)
}

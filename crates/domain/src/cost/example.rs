//! A price book to start with, until somebody writes the true one.

use std::collections::BTreeMap;

use chrono::NaiveDate;
use rust_decimal::Decimal;

use super::{Allocation, Currency, IdleCost, Meter, PriceBook, PriceVersion};

/// What the note of the example says.
const NOTE: &str = "Example: orders of magnitude of public list prices, in US dollars. Good for \
                    comparing tenants, not for bills. Replace it by your own prices.";

impl PriceBook {
    /// Prices of the order of magnitude of public clouds' on-demand list prices without discounts,
    /// marked as an example. Each is rounded on purpose, so that nobody takes it for an offer:
    ///
    /// - a CPU-hour, 0.04: general-purpose machines of the large clouds list 0.03 to 0.05 a vCPU-hour
    ///   with the memory that belongs to it;
    /// - memory of resident models, 0.005 a GiB-hour: what a memory-heavy machine costs beyond a
    ///   compute-heavy one, for each GiB more;
    /// - storage, 0.0033 a GiB-day: network block storage lists about 0.10 a GiB-month;
    /// - vectors, 0.02 a million vector-days: about 2 GiB of vectors of 384 dimensions with their
    ///   index on such storage is 0.007; the rest is the memory they are searched in;
    /// - bytes sent, 0.09 a GiB: traffic to the internet lists 0.08 to 0.12; bytes received are free;
    /// - requests, items, tokens and retrains, 0: their CPU time, memory and storage are priced, and
    ///   a price of their own would count the same work twice.
    ///
    /// Two cores are taken as paid for, the smallest machine that runs everything; what is idle of
    /// them is borne by usage.
    #[must_use]
    pub fn example() -> Self {
        let prices = BTreeMap::from([
            (Meter::Requests, Decimal::ZERO),
            (Meter::ItemsIngested, Decimal::ZERO),
            (Meter::Retrains, Decimal::ZERO),
            (Meter::EmbeddingTokens, Decimal::ZERO),
            (Meter::StoredVectors, Decimal::new(2, 2)),
            (Meter::StoredBytes, Decimal::new(33, 4)),
            (Meter::ModelMemory, Decimal::new(5, 3)),
            (Meter::BytesIn, Decimal::ZERO),
            (Meter::BytesOut, Decimal::new(9, 2)),
        ]);
        Self {
            versions: vec![PriceVersion {
                valid_from: NaiveDate::from_ymd_opt(2020, 1, 1).unwrap_or_default(),
                valid_until: None,
                currency: Currency::USD,
                cpu_hour: Some(Decimal::new(4, 2)),
                prices,
                shared: Vec::new(),
                idle: Some(IdleCost {
                    cores: Decimal::TWO,
                    allocation: Allocation::ByUsage,
                }),
                note: NOTE.to_owned(),
                example: true,
            }],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_prices_every_meter_and_says_that_it_is_one() {
        let book = PriceBook::example();
        assert!(book.validate().is_empty());
        let version = &book.versions[0];
        assert!(version.example && version.note.contains("Example"));
        for meter in Meter::ALL.into_iter().filter(|meter| meter.is_priced()) {
            assert!(version.price_of(meter).is_some(), "{meter:?}");
        }
    }

    #[test]
    fn a_book_is_kept_as_text_and_read_again() {
        let book = PriceBook::example();
        let text = serde_json::to_string(&book).unwrap();
        assert!(text.contains(r#""stored_bytes":"0.0033""#), "{text}");
        assert_eq!(serde_json::from_str::<PriceBook>(&text).unwrap(), book);
        let strange = text.replace(r#""note""#, r#""remark""#);
        assert!(serde_json::from_str::<PriceBook>(&strange).is_err());
    }
}

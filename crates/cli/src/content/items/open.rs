//! `tenantry items list --open`: what nobody has answered yet, and who should.

use api::v1;
use serde::Serialize;

use crate::args::{PageArgs, filled, item_id};
use crate::client::Client;
use crate::error::CliError;
use crate::output::{Row, short_time, time};

/// An open item as it is printed.
#[derive(Debug, Serialize)]
pub struct OpenItemView {
    id: String,
    text: String,
    area: Option<String>,
    at: Option<String>,
    experts: Vec<ExpertView>,
    precompute_time: Option<String>,
    stale: bool,
}

#[derive(Debug, Serialize)]
struct ExpertView {
    expert_id: String,
    display_name: String,
    probability: f64,
}

impl From<v1::OpenItem> for OpenItemView {
    fn from(item: v1::OpenItem) -> Self {
        let experts = item.experts.into_iter().map(|one| ExpertView {
            expert_id: one.expert_id,
            display_name: one.display_name,
            probability: one.probability,
        });
        Self {
            id: item_id(&item.name),
            text: item.text,
            area: filled(item.area),
            at: time(item.occur_time.as_ref()),
            experts: experts.collect(),
            precompute_time: time(item.precompute_time.as_ref()),
            stale: item.stale,
        }
    }
}

impl Row for OpenItemView {
    const COLUMNS: &'static [&'static str] = &["id", "area", "at", "experts", "computed", "text"];
    fn cells(&self) -> Vec<String> {
        let experts = self.experts.iter();
        let experts: Vec<_> = experts
            .map(|one| format!("{} {:.0} %", one.expert_id, one.probability * 100.0))
            .collect();
        let computed = short_time(self.precompute_time.as_ref());
        vec![
            self.id.clone(),
            self.area.clone().unwrap_or_default(),
            short_time(self.at.as_ref()),
            experts.join("; "),
            match self.stale {
                true => format!("{computed} (outdated)"),
                false => computed,
            },
            self.text.clone(),
        ]
    }
}

/// Open items, newest first.
///
/// # Errors
/// What the person should be told.
pub async fn list(
    client: &Client,
    parent: &str,
    page: &PageArgs,
) -> Result<Vec<OpenItemView>, CliError> {
    let items = page
        .collect(async |page_size, page_token| {
            let request = client.timed(v1::ListOpenItemsRequest {
                parent: parent.to_owned(),
                page_size,
                page_token,
            });
            let answer = client.answer(client.router().list_open_items(request).await)?;
            Ok((answer.items, answer.next_page_token))
        })
        .await?;
    Ok(items.into_iter().map(OpenItemView::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn experts_and_their_age_are_told() {
        let item = v1::OpenItem {
            name: "tenants/acme/items/q-1".to_owned(),
            experts: vec![v1::OpenItemExpert {
                expert_id: "anna".to_owned(),
                display_name: "Anna".to_owned(),
                probability: 0.625,
            }],
            precompute_time: Some(prost_types::Timestamp {
                seconds: 1_714_546_800,
                nanos: 0,
            }),
            stale: true,
            ..Default::default()
        };
        let cells = OpenItemView::from(item).cells();
        assert_eq!(cells[0], "q-1");
        assert_eq!(cells[3], "anna 62 %");
        assert_eq!(cells[4], "2024-05-01T07:00:00Z (outdated)");
    }
}

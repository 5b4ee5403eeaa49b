//! `tenantry datasets`: immutable, numbered versions of a tenant's items.

use api::v1;
use serde::Serialize;

use crate::Context;
use crate::args::{PageArgs, TenantArg, last};
use crate::error::{CliError, Exit};
use crate::output::{Row, pairs, short_time, time};

/// Pin and look at datasets.
#[derive(Debug, clap::Subcommand)]
pub enum DatasetsCommand {
    /// Pin the items as they are now; the same content gives the same dataset
    #[command(after_help = "Example:\n  tenantry datasets create -t acme")]
    Create {
        #[command(flatten)]
        tenant: TenantArg,
    },
    /// List datasets, newest first
    #[command(after_help = "Example:\n  tenantry datasets list -t acme -o json")]
    List {
        #[command(flatten)]
        tenant: TenantArg,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Show one dataset with its validation report
    #[command(after_help = "Example:\n  tenantry datasets show -t acme 3")]
    Show {
        #[command(flatten)]
        tenant: TenantArg,
        /// The dataset's number, or its whole name
        dataset: String,
    },
}

#[derive(Debug, Serialize)]
struct DatasetView {
    name: String,
    number: String,
    watermark: u64,
    content_hash: String,
    items: u64,
    experts: u64,
    first_time: Option<String>,
    last_time: Option<String>,
    validation: ValidationView,
    create_time: Option<String>,
}

#[derive(Debug, Serialize)]
struct ValidationView {
    items_without_expert: u64,
    unknown_experts: u64,
    thin_experts: u64,
    repeated_texts: u64,
    top_expert_per_mille: u32,
    duplicate_texts: u64,
    duplicates: Vec<GroupView>,
    contradictory_texts: u64,
    contradictions: Vec<GroupView>,
    warnings: Vec<String>,
}

#[derive(Debug, Serialize)]
struct GroupView {
    item_ids: Vec<String>,
    items: u64,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    differ_in: Vec<String>,
}

impl From<v1::DuplicateGroup> for GroupView {
    fn from(group: v1::DuplicateGroup) -> Self {
        Self {
            item_ids: group.item_ids,
            items: group.items,
            differ_in: group.differ_in,
        }
    }
}

impl GroupView {
    /// The group on a line of its own.
    fn line(&self) -> String {
        let mut line = format!("  {}", self.item_ids.join(", "));
        let more = self.items.saturating_sub(self.item_ids.len() as u64);
        if more > 0 {
            line += &format!(" and {more} more");
        }
        if !self.differ_in.is_empty() {
            line += &format!(": other {}", self.differ_in.join(" and "));
        }
        line
    }
}

impl From<v1::Dataset> for DatasetView {
    fn from(dataset: v1::Dataset) -> Self {
        let report = dataset.validation.unwrap_or_default();
        Self {
            number: last(&dataset.name).to_owned(),
            name: dataset.name,
            watermark: dataset.watermark,
            content_hash: dataset.content_hash,
            items: dataset.items,
            experts: dataset.experts,
            first_time: time(dataset.first_time.as_ref()),
            last_time: time(dataset.last_time.as_ref()),
            validation: ValidationView {
                items_without_expert: report.items_without_expert,
                unknown_experts: report.unknown_experts,
                thin_experts: report.thin_experts,
                repeated_texts: report.repeated_texts,
                top_expert_per_mille: report.top_expert_per_mille,
                duplicate_texts: report.duplicate_texts,
                duplicates: report.duplicates.into_iter().map(Into::into).collect(),
                contradictory_texts: report.contradictory_texts,
                contradictions: report.contradictions.into_iter().map(Into::into).collect(),
                warnings: report.warnings,
            },
            create_time: time(dataset.create_time.as_ref()),
        }
    }
}

impl DatasetView {
    fn findings(&self) -> String {
        let report = &self.validation;
        let counts = [
            (report.items_without_expert, "items without expert"),
            (report.unknown_experts, "unknown experts"),
            (report.thin_experts, "thin experts"),
            (report.repeated_texts, "repeated texts"),
            (report.contradictory_texts, "contradictory texts"),
        ];
        let counted = counts.into_iter().filter(|(count, _)| *count > 0);
        let mut findings: Vec<String> = counted
            .map(|(count, what)| format!("{count} {what}"))
            .collect();
        findings.extend(report.warnings.iter().cloned());
        if findings.is_empty() {
            "nothing found".to_owned()
        } else {
            findings.join("; ")
        }
    }
}

impl DatasetView {
    /// The dataset in words, with the ids of its duplicates and contradictions.
    fn words(&self) -> String {
        let heads = Self::COLUMNS.iter().map(|head| (*head).to_owned());
        let mut text = pairs(
            heads
                .zip(self.cells())
                .filter(|(_, value)| !value.is_empty()),
        );
        let report = &self.validation;
        let lists = [
            ("texts that contradict themselves", &report.contradictions),
            ("texts that several items have", &report.duplicates),
        ];
        for (head, groups) in lists.into_iter().filter(|(_, groups)| !groups.is_empty()) {
            text += &format!("\n{head}, the most frequent first\n");
            for group in groups {
                text += &pairs(std::iter::once((group.line(), String::new())));
            }
        }
        text
    }
}

impl Row for DatasetView {
    const COLUMNS: &'static [&'static str] = &[
        "number",
        "items",
        "experts",
        "watermark",
        "from",
        "to",
        "validation",
        "content hash",
        "created",
    ];
    const WHOLE: &'static [&'static str] = &["validation"];
    fn cells(&self) -> Vec<String> {
        vec![
            self.number.clone(),
            self.items.to_string(),
            self.experts.to_string(),
            self.watermark.to_string(),
            short_time(self.first_time.as_ref()),
            short_time(self.last_time.as_ref()),
            self.findings(),
            self.content_hash.chars().take(16).collect(),
            short_time(self.create_time.as_ref()),
        ]
    }
}

/// Runs a `datasets` command.
///
/// # Errors
/// What the person should be told.
pub async fn run(command: DatasetsCommand, context: &mut Context) -> Result<Exit, CliError> {
    let client = context.client().await?;
    let out = &mut context.out;
    match command {
        DatasetsCommand::Create { tenant } => {
            let request = client.timed(v1::CreateDatasetRequest {
                parent: tenant.parent()?,
            });
            let answer = client.answer(client.ingest().create_dataset(request).await)?;
            out.one(&DatasetView::from(answer.dataset.unwrap_or_default()))?;
        }
        DatasetsCommand::List { tenant, page } => {
            let parent = tenant.parent()?;
            let datasets = page
                .collect(async |page_size, page_token| {
                    let parent = parent.clone();
                    let request = v1::ListDatasetsRequest {
                        parent,
                        page_size,
                        page_token,
                    };
                    let answer = client.ingest().list_datasets(client.timed(request)).await;
                    let answer = client.answer(answer)?;
                    Ok((answer.datasets, answer.next_page_token))
                })
                .await?;
            out.list(
                &datasets
                    .into_iter()
                    .map(DatasetView::from)
                    .collect::<Vec<_>>(),
            )?;
        }
        DatasetsCommand::Show { tenant, dataset } => {
            let name = tenant.name_of(&dataset, "datasets")?;
            let request = client.timed(v1::GetDatasetRequest { name });
            let answer = client.answer(client.ingest().get_dataset(request).await);
            let answer = answer
                .map_err(|e| e.when_missing("`tenantry datasets list` shows those there are"))?;
            let view = DatasetView::from(answer.dataset.unwrap_or_default());
            out.document(&view, std::slice::from_ref(&view), |_| view.words())?;
        }
    }
    Ok(Exit::Done)
}

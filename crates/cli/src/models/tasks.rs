//! `tenantry tasks`: what is to be predicted beside experts.

use std::path::{Path, PathBuf};

use api::v1;
use serde::{Deserialize, Serialize};
use v1::task::source::Field;

use crate::Context;
use crate::args::{PageArgs, TenantArg, enum_name, filled, last};
use crate::client::Client;
use crate::error::{CliError, Exit};
use crate::output::{Output, Row, note, pairs, short_time, time};

/// Define, look at, change and delete tasks.
#[derive(Debug, clap::Subcommand)]
pub enum TasksCommand {
    /// Define a task: one label, several labels, or a number for a text
    #[command(
        after_help = "Items say what is right in their labels (with --prefix only in some), in their \
area, or in an attribute. Labels that items have need not be listed; listed ones can be answered \
before any item has them.

Examples:
  tenantry tasks create intent -t acme --kind single-label --prefix intent:
  tenantry tasks create topic -t acme --kind multi-label --label 'billing=invoices and payment' \\
      --label 'security=encryption, access' --keyword 'billing=late invoice'
  tenantry tasks create effort -t acme --kind regression --source attribute:story_points"
    )]
    Create(CreateArgs),
    /// List a tenant's tasks
    #[command(after_help = "Example:\n  tenantry tasks list -t acme")]
    List {
        #[command(flatten)]
        tenant: TenantArg,
        #[command(flatten)]
        page: PageArgs,
    },
    /// Show a task with its labels
    #[command(after_help = "Example:\n  tenantry tasks show -t acme intent -o json")]
    Show(TaskName),
    /// Change a task; what is not named stays
    #[command(after_help = "Labels are replaced as a whole.

Examples:
  tenantry tasks update -t acme intent --target-precision 0.9
  tenantry tasks update -t acme intent --labels labels.json --out-of-scope other")]
    Update(UpdateArgs),
    /// Delete a task with its corrections; its models serve no more
    #[command(after_help = "Example:\n  tenantry tasks delete -t acme intent --confirm intent")]
    Delete {
        #[command(flatten)]
        task: TaskName,
        /// The task's id once more
        #[arg(long, value_name = "TASK")]
        confirm: String,
    },
}

/// Which task is meant.
#[derive(Debug, clap::Args)]
pub struct TaskName {
    #[command(flatten)]
    tenant: TenantArg,
    /// The task's id, or its whole name
    task: String,
}

impl TaskName {
    fn name(&self) -> Result<String, CliError> {
        self.tenant.name_of(&self.task, "tasks")
    }
}

/// What is predicted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Kind {
    /// Exactly one label a text.
    SingleLabel,
    /// Any number of labels a text.
    MultiLabel,
    /// A number a text.
    Regression,
}

/// Options of `tasks create`.
#[derive(Debug, clap::Args)]
pub struct CreateArgs {
    #[command(flatten)]
    tenant: TenantArg,
    /// The task's id
    task: String,
    /// What is predicted
    #[arg(long)]
    kind: Kind,
    #[command(flatten)]
    fields: FieldArgs,
}

/// Options of `tasks update`.
#[derive(Debug, clap::Args)]
pub struct UpdateArgs {
    #[command(flatten)]
    task: TaskName,
    #[command(flatten)]
    fields: FieldArgs,
}

/// What of a task can be set.
#[derive(Debug, clap::Args)]
pub struct FieldArgs {
    /// Name for people
    #[arg(long)]
    name: Option<String>,
    /// Where items say what is right: labels, area, or attribute:NAME
    #[arg(long, value_name = "SOURCE")]
    source: Option<String>,
    /// Only labels that begin with this count, without it
    #[arg(long, value_name = "PREFIX")]
    prefix: Option<String>,
    /// A label, with what it means
    #[arg(long = "label", value_name = "NAME[=MEANING]")]
    label: Vec<String>,
    /// A word or phrase that speaks for a label
    #[arg(long = "keyword", value_name = "LABEL=PHRASE")]
    keyword: Vec<String>,
    /// A JSON file with a list of labels: name, description, keywords
    #[arg(long, value_name = "FILE")]
    labels: Option<PathBuf>,
    /// How often an answer that is given should be right
    #[arg(long, value_name = "SHARE")]
    target_precision: Option<f64>,
    /// Items with this label are texts that the task has no label for
    #[arg(long, value_name = "LABEL")]
    out_of_scope: Option<String>,
}

/// A label as it is printed, and as a file of labels has it.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct LabelView {
    name: String,
    #[serde(default)]
    description: String,
    #[serde(default)]
    keywords: Vec<String>,
}

/// A task as it is printed.
#[derive(Debug, Serialize)]
struct TaskView {
    task: String,
    display_name: String,
    kind: &'static str,
    source: String,
    labels: Vec<LabelView>,
    target_precision: f64,
    out_of_scope_label: Option<String>,
    create_time: Option<String>,
    update_time: Option<String>,
}

impl From<v1::Task> for TaskView {
    fn from(task: v1::Task) -> Self {
        let source = task.source.unwrap_or_default();
        let label = |label: v1::task::Label| LabelView {
            name: label.name,
            description: label.description,
            keywords: label.keywords,
        };
        Self {
            task: last(&task.name).to_owned(),
            display_name: task.display_name,
            kind: enum_name(task.kind, v1::task::Kind::short_name),
            source: match source.field() {
                Field::Attribute => format!("attribute:{}", source.attribute),
                Field::Area => "area".to_owned(),
                Field::Labels | Field::Unspecified if source.prefix.is_empty() => "labels".into(),
                Field::Labels | Field::Unspecified => format!("labels {}…", source.prefix),
            },
            labels: task.labels.into_iter().map(label).collect(),
            target_precision: task.target_precision,
            out_of_scope_label: filled(task.out_of_scope_label),
            create_time: time(task.create_time.as_ref()),
            update_time: time(task.update_time.as_ref()),
        }
    }
}

impl Row for TaskView {
    const COLUMNS: &'static [&'static str] = &[
        "task",
        "name",
        "kind",
        "source",
        "labels",
        "target precision",
        "out of scope",
        "changed",
    ];
    fn cells(&self) -> Vec<String> {
        vec![
            self.task.clone(),
            self.display_name.clone(),
            self.kind.to_owned(),
            self.source.clone(),
            self.labels.len().to_string(),
            self.target_precision.to_string(),
            self.out_of_scope_label.clone().unwrap_or_default(),
            short_time(self.update_time.as_ref()),
        ]
    }
}

impl Row for LabelView {
    const COLUMNS: &'static [&'static str] = &["label", "meaning", "keywords"];
    fn cells(&self) -> Vec<String> {
        vec![
            self.name.clone(),
            self.description.clone(),
            self.keywords.join("; "),
        ]
    }
}

impl TaskView {
    fn words(&self, out: &Output) -> String {
        let fields = Self::COLUMNS
            .iter()
            .map(|head| (*head).to_owned())
            .zip(self.cells());
        let mut text = pairs(fields.filter(|(_, value)| !value.is_empty()));
        if !self.labels.is_empty() {
            text.push('\n');
            text.push_str(&out.table(&self.labels));
        }
        text
    }
}

impl FieldArgs {
    /// The fields that were given, and their paths.
    fn task(&self) -> Result<(v1::Task, Vec<String>), CliError> {
        let mut task = v1::Task::default();
        let mut paths = Vec::new();
        let mut named = |path: &str| paths.push(path.to_owned());
        if let Some(name) = &self.name {
            task.display_name.clone_from(name);
            named("display_name");
        }
        if self.source.is_some() || self.prefix.is_some() {
            task.source = Some(self.source()?);
            named("source");
        }
        let labels = self.listed()?;
        if !labels.is_empty() || self.labels.is_some() {
            task.labels = labels;
            named("labels");
        }
        if let Some(precision) = self.target_precision {
            task.target_precision = precision;
            named("target_precision");
        }
        if let Some(label) = &self.out_of_scope {
            task.out_of_scope_label.clone_from(label);
            named("out_of_scope_label");
        }
        Ok((task, paths))
    }

    fn source(&self) -> Result<v1::task::Source, CliError> {
        let (field, attribute) = match self.source.as_deref().unwrap_or("labels") {
            "labels" => (Field::Labels, ""),
            "area" => (Field::Area, ""),
            other => match other.strip_prefix("attribute:") {
                Some(name) => (Field::Attribute, name),
                None => {
                    let message = format!("--source {other}: say labels, area or attribute:NAME");
                    return Err(CliError::usage(message));
                }
            },
        };
        Ok(v1::task::Source {
            field: field.into(),
            prefix: self.prefix.clone().unwrap_or_default(),
            attribute: attribute.to_owned(),
        })
    }

    fn listed(&self) -> Result<Vec<v1::task::Label>, CliError> {
        let mut labels = match &self.labels {
            Some(file) => read(file)?,
            None => Vec::new(),
        };
        for text in &self.label {
            let (name, description) = text.split_once('=').unwrap_or((text, ""));
            labels.push(LabelView {
                name: name.to_owned(),
                description: description.to_owned(),
                keywords: Vec::new(),
            });
        }
        for text in &self.keyword {
            let found = text.split_once('=').and_then(|(name, phrase)| {
                Some((labels.iter_mut().find(|label| label.name == name)?, phrase))
            });
            let Some((label, phrase)) = found else {
                let message = format!("--keyword {text}: say LABEL=PHRASE, of a listed label");
                return Err(CliError::usage(message));
            };
            label.keywords.push(phrase.to_owned());
        }
        let wire = |label: LabelView| v1::task::Label {
            name: label.name,
            description: label.description,
            keywords: label.keywords,
        };
        Ok(labels.into_iter().map(wire).collect())
    }
}

fn read(file: &Path) -> Result<Vec<LabelView>, CliError> {
    let cannot = |error: &dyn std::fmt::Display| {
        CliError::usage(format!("{} cannot be read: {error}", file.display())).hint(
            "it should hold a JSON list: [{\"name\": …, \"description\": …, \"keywords\": […]}]",
        )
    };
    let text = std::fs::read_to_string(file).map_err(|error| cannot(&error))?;
    serde_json::from_str(&text).map_err(|error| cannot(&error))
}

const MISSING: &str = "`tenantry tasks list -t TENANT` shows the tasks there are";

/// Runs a `tasks` command.
///
/// # Errors
/// What the person should be told.
pub async fn run(command: TasksCommand, context: &mut Context) -> Result<Exit, CliError> {
    let client = context.client().await?;
    let out = &mut context.out;
    match command {
        TasksCommand::Create(args) => {
            let (mut task, _) = args.fields.task()?;
            let kind = match args.kind {
                Kind::SingleLabel => v1::task::Kind::SingleLabel,
                Kind::MultiLabel => v1::task::Kind::MultiLabel,
                Kind::Regression => v1::task::Kind::Regression,
            };
            task.kind = kind.into();
            let request = client.timed(v1::CreateTaskRequest {
                parent: args.tenant.parent()?,
                task_id: args.task,
                task: Some(task),
            });
            let answer = client.answer(client.training().create_task(request).await)?;
            show(out, answer.task)?;
        }
        TasksCommand::List { tenant, page } => list(&client, &tenant.parent()?, &page, out).await?,
        TasksCommand::Show(task) => {
            let request = client.timed(v1::GetTaskRequest { name: task.name()? });
            let answer = client.answer(client.training().get_task(request).await);
            show(
                out,
                answer.map_err(|error| error.when_missing(MISSING))?.task,
            )?;
        }
        TasksCommand::Update(args) => {
            let (mut task, paths) = args.fields.task()?;
            task.name = args.task.name()?;
            let request = client.timed(v1::UpdateTaskRequest {
                task: Some(task),
                update_mask: Some(prost_types::FieldMask { paths }),
            });
            let answer = client.answer(client.training().update_task(request).await);
            show(
                out,
                answer.map_err(|error| error.when_missing(MISSING))?.task,
            )?;
        }
        TasksCommand::Delete { task, confirm } => {
            let name = task.name()?;
            if last(&name) != confirm {
                let message = format!("--confirm {confirm} is not {}", last(&name));
                return Err(CliError::usage(message).hint("nothing was deleted"));
            }
            let request = client.timed(v1::DeleteTaskRequest { name: name.clone() });
            let answer = client.answer(client.training().delete_task(request).await);
            answer.map_err(|error| error.when_missing(MISSING))?;
            note(&format!("{name} is deleted"));
        }
    }
    Ok(Exit::Done)
}

fn show(out: &mut Output, task: Option<v1::Task>) -> Result<(), CliError> {
    let view = TaskView::from(task.unwrap_or_default());
    out.document(&view, std::slice::from_ref(&view), |out| view.words(out))
}

async fn list(
    client: &Client,
    parent: &str,
    page: &PageArgs,
    out: &mut Output,
) -> Result<(), CliError> {
    let tasks = page
        .collect(async |page_size, page_token| {
            let request = client.timed(v1::ListTasksRequest {
                parent: parent.to_owned(),
                page_size,
                page_token,
            });
            let answer = client.answer(client.training().list_tasks(request).await)?;
            Ok((answer.tasks, answer.next_page_token))
        })
        .await?;
    out.list(&tasks.into_iter().map(TaskView::from).collect::<Vec<_>>())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields() -> FieldArgs {
        FieldArgs {
            name: None,
            source: None,
            prefix: None,
            label: vec!["billing=invoices = money".into(), "bug".into()],
            keyword: vec!["bug=it crashed".into()],
            labels: None,
            target_precision: None,
            out_of_scope: None,
        }
    }

    #[test]
    fn only_what_was_given_is_named() {
        let (task, paths) = fields().task().unwrap();
        assert_eq!(paths, ["labels"]);
        assert_eq!(task.labels[0].description, "invoices = money");
        assert_eq!(task.labels[1].keywords, ["it crashed"]);
        let mut unknown = fields();
        unknown.keyword = vec!["nothing=x".into()];
        assert!(unknown.task().is_err());
    }

    #[test]
    fn a_source_is_read_as_it_is_shown() {
        let mut args = fields();
        args.source = Some("attribute:points".into());
        let (task, _) = args.task().unwrap();
        assert_eq!(TaskView::from(task).source, "attribute:points");
        args.source = Some("colour".into());
        assert!(args.task().is_err());
    }
}

//! Tasks and the reports of their models.

use domain::{ResourceName, Task, TaskKind, TaskLabel, TaskSource, TenantId};

use crate::{timestamp, v1};

impl From<TaskKind> for v1::task::Kind {
    fn from(kind: TaskKind) -> Self {
        match kind {
            TaskKind::SingleLabel => Self::SingleLabel,
            TaskKind::MultiLabel => Self::MultiLabel,
            TaskKind::Regression => Self::Regression,
        }
    }
}

impl From<TaskSource> for v1::task::Source {
    fn from(source: TaskSource) -> Self {
        use v1::task::source::Field;
        let (field, prefix, attribute) = match source {
            TaskSource::Labels { prefix } => (Field::Labels, prefix, String::new()),
            TaskSource::Area => (Field::Area, String::new(), String::new()),
            TaskSource::Attribute(name) => (Field::Attribute, String::new(), name),
        };
        Self {
            field: field.into(),
            prefix,
            attribute,
        }
    }
}

impl From<TaskLabel> for v1::task::Label {
    fn from(label: TaskLabel) -> Self {
        Self {
            name: label.name,
            description: label.description,
            keywords: label.keywords,
        }
    }
}

impl v1::Task {
    /// The task of this tenant.
    #[must_use]
    pub fn of(tenant: &TenantId, task: Task) -> Self {
        let definition = task.definition;
        Self {
            name: ResourceName::Task(tenant.clone(), definition.id).to_string(),
            display_name: definition.display_name,
            kind: v1::task::Kind::from(definition.kind).into(),
            source: Some(definition.source.into()),
            labels: definition.labels.into_iter().map(Into::into).collect(),
            target_precision: definition.target_precision,
            out_of_scope_label: definition.out_of_scope_label.unwrap_or_default(),
            create_time: Some(timestamp(task.created_at)),
            update_time: Some(timestamp(task.updated_at)),
        }
    }
}

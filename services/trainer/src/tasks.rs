//! Tasks: messages to definitions, and what the five RPCs do.

use api::v1;
use domain::{
    Alias, AliasMoveCause, DEFAULT_TARGET_PRECISION, ErrorKind, MAX_TASKS, ResourceName,
    RoutingPolicy, Task, TaskDefinition, TaskId, TaskKind, TaskLabel, TaskSource, TenantContext,
};
use jobs::{CompareSpaces, JobSpec};
use server::ServiceError;
use storage::AliasMove;

use crate::Training;

const CHANGEABLE: &str = "display_name, source, labels, target_precision, out_of_scope_label";

/// The definition in a request to make a task.
pub(crate) fn definition(
    task_id: &str,
    task: Option<v1::Task>,
) -> Result<TaskDefinition, ServiceError> {
    let id = TaskId::parse(task_id).map_err(|error| ServiceError::id("task_id", &error))?;
    if id == TaskId::experts() {
        let message = "experts is the task that every tenant has; take another id";
        return Err(ServiceError::invalid("task_id", message));
    }
    let task = task.ok_or_else(|| ServiceError::invalid("task", "is missing"))?;
    let kind = match task.kind() {
        v1::task::Kind::SingleLabel => TaskKind::SingleLabel,
        v1::task::Kind::MultiLabel => TaskKind::MultiLabel,
        v1::task::Kind::Regression => TaskKind::Regression,
        v1::task::Kind::Unspecified => {
            let message = "say SINGLE_LABEL, MULTI_LABEL or REGRESSION";
            return Err(ServiceError::invalid("task.kind", message));
        }
    };
    let made = TaskDefinition {
        id,
        display_name: task.display_name,
        kind,
        source: source(task.source, kind)?,
        labels: task.labels.into_iter().map(label).collect(),
        target_precision: precision(task.target_precision),
        out_of_scope_label: Some(task.out_of_scope_label),
    };
    made.validate().map_err(ServiceError::violations)
}

/// Applies the fields that `mask` names to `definition`.
fn changed(
    mut definition: TaskDefinition,
    wanted: &v1::Task,
    mask: &[String],
) -> Result<TaskDefinition, ServiceError> {
    if mask.is_empty() {
        let message = format!("name the fields to change: {CHANGEABLE}");
        return Err(ServiceError::invalid("update_mask", message));
    }
    for path in mask {
        match path.as_str() {
            "display_name" => definition.display_name.clone_from(&wanted.display_name),
            "source" => definition.source = source(wanted.source.clone(), definition.kind)?,
            "labels" => definition.labels = wanted.labels.iter().cloned().map(label).collect(),
            "target_precision" => definition.target_precision = precision(wanted.target_precision),
            "out_of_scope_label" => {
                definition.out_of_scope_label = Some(wanted.out_of_scope_label.clone());
            }
            other => {
                let message = format!("{other:?} cannot be changed; {CHANGEABLE} can");
                return Err(ServiceError::invalid("update_mask", message));
            }
        }
    }
    definition.validate().map_err(ServiceError::violations)
}

fn source(source: Option<v1::task::Source>, kind: TaskKind) -> Result<TaskSource, ServiceError> {
    use v1::task::source::Field;
    let source = source.unwrap_or_default();
    match source.field() {
        Field::Unspecified if kind == TaskKind::Regression => {
            let message = "a REGRESSION reads its numbers from an ATTRIBUTE; name it";
            Err(ServiceError::invalid("task.source.field", message))
        }
        Field::Unspecified | Field::Labels => Ok(TaskSource::Labels {
            prefix: source.prefix,
        }),
        Field::Area => Ok(TaskSource::Area),
        Field::Attribute => Ok(TaskSource::Attribute(source.attribute)),
    }
}

fn label(label: v1::task::Label) -> TaskLabel {
    TaskLabel {
        name: label.name,
        description: label.description,
        keywords: label.keywords,
    }
}

fn precision(target: f64) -> f64 {
    if target == 0.0 {
        DEFAULT_TARGET_PRECISION
    } else {
        target
    }
}

impl Training {
    pub(crate) async fn create_task(
        &self,
        ctx: &TenantContext,
        definition: &TaskDefinition,
    ) -> Result<Task, ServiceError> {
        let now = self.clock.now();
        let tx = self.begin(ctx).await?;
        if tx.tasks().count().await? >= MAX_TASKS as u64 {
            let message = format!("a tenant has at most {MAX_TASKS} tasks; delete one");
            return Err(ServiceError::new(
                ErrorKind::ResourceExhausted,
                "TOO_MANY_TASKS",
                message,
            ));
        }
        let task = tx.tasks().insert(definition, now).await?;
        tx.audit()
            .record("tasks.create", definition.id.as_ref(), "", now)
            .await?;
        if tx.spaces().comparison().await?.is_some() {
            // A tenant with tasks is not moved by what its rankers say alone.
            tx.jobs().enqueue(CompareSpaces {}.new_job(), now).await?;
        }
        tx.commit().await?;
        Ok(task)
    }

    pub(crate) async fn task(
        &self,
        ctx: &TenantContext,
        id: &TaskId,
    ) -> Result<Task, ServiceError> {
        let found = self.begin(ctx).await?.tasks().get(id).await?;
        found.ok_or_else(|| missing(ctx, id))
    }

    pub(crate) async fn update_task(
        &self,
        ctx: &TenantContext,
        id: &TaskId,
        wanted: &v1::Task,
        mask: &[String],
    ) -> Result<Task, ServiceError> {
        let now = self.clock.now();
        let before = self.task(ctx, id).await?;
        let definition = changed(before.definition, wanted, mask)?;
        let tx = self.begin(ctx).await?;
        let task = tx.tasks().update(&definition, now).await?;
        let task = task.ok_or_else(|| missing(ctx, id))?;
        tx.audit()
            .record("tasks.update", id.as_ref(), &mask.join(","), now)
            .await?;
        tx.commit().await?;
        Ok(task)
    }

    /// Deletes the task; a task of the same id that is made later begins without a champion, a challenger
    /// or a routing policy.
    pub(crate) async fn delete_task(
        &self,
        ctx: &TenantContext,
        id: &TaskId,
    ) -> Result<(), ServiceError> {
        let now = self.clock.now();
        let tx = self.begin(ctx).await?;
        if !tx.tasks().delete(id).await? {
            return Err(missing(ctx, id));
        }
        for alias in [Alias::Champion, Alias::Challenger] {
            let by = AliasMove {
                cause: AliasMoveCause::TaskDeleted,
                reason: "the task was deleted",
                actor: ctx.actor(),
                now,
            };
            tx.models().set_alias(id, alias, None, by).await?;
        }
        if tx.routing().get(id).await?.is_some() {
            let auto = RoutingPolicy::default();
            tx.routing().set(id, &auto, now).await?;
        }
        tx.audit()
            .record("tasks.delete", id.as_ref(), "", now)
            .await?;
        tx.commit().await?;
        Ok(())
    }
}

fn missing(ctx: &TenantContext, id: &TaskId) -> ServiceError {
    ServiceError::not_found(ResourceName::Task(ctx.tenant().clone(), id.clone()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wire(kind: v1::task::Kind) -> v1::Task {
        v1::Task {
            kind: kind.into(),
            ..Default::default()
        }
    }

    #[test]
    fn a_task_is_read_with_its_defaults() {
        let made = definition("intent", Some(wire(v1::task::Kind::SingleLabel))).unwrap();
        assert_eq!(made.target_precision, DEFAULT_TARGET_PRECISION);
        let prefix = String::new();
        assert_eq!(made.source, TaskSource::Labels { prefix });
        assert_eq!(made.out_of_scope_label, None);
        for (id, kind) in [
            ("experts", v1::task::Kind::SingleLabel),
            ("Not OK", v1::task::Kind::SingleLabel),
            ("intent", v1::task::Kind::Unspecified),
            ("points", v1::task::Kind::Regression),
        ] {
            assert!(definition(id, Some(wire(kind))).is_err(), "{id} {kind:?}");
        }
        assert!(definition("intent", None).is_err());
    }

    #[test]
    fn only_named_fields_change() {
        let before = definition("intent", Some(wire(v1::task::Kind::SingleLabel))).unwrap();
        let wanted = v1::Task {
            display_name: "Intent".into(),
            target_precision: 0.5,
            ..Default::default()
        };
        let mask = ["display_name".to_owned()];
        let after = changed(before.clone(), &wanted, &mask).unwrap();
        assert_eq!(
            (after.display_name.as_str(), after.target_precision),
            ("Intent", 0.95)
        );
        for mask in [vec![], vec!["kind".to_owned()]] {
            assert!(changed(before.clone(), &wanted, &mask).is_err(), "{mask:?}");
        }
    }
}

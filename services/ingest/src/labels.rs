//! Labels that get another name: in items, corrections and tasks, in batches.

use api::v1;
use chrono::{DateTime, Utc};
use domain::{
    ErrorKind, ItemContent, Relabelling, ResourceName, TaskDefinition, TaskId, TaskKind,
    TaskSource, TenantContext, check_name, clean_name,
};
use server::ServiceError;

use crate::Ingest;
use crate::people::{record, some_of};

/// Items, or corrections, of one transaction: others can write between two of them.
const BATCH: u32 = 1_000;
const MAX_LABELS: usize = 100;
/// Tasks of one page.
const TASKS: u32 = 1_000;

/// Labels that become another one.
pub(crate) struct Relabel {
    /// Whose labels they are; none for items' labels as they stand there.
    task: Option<TaskId>,
    from: Vec<String>,
    into: String,
    /// The other one must be new.
    new: bool,
}

/// What a relabelling came to.
#[derive(Default)]
pub(crate) struct Relabelled {
    pub items: u64,
    pub corrections: u64,
    pub tasks: Vec<String>,
    pub watermark: u64,
}

impl TryFrom<v1::RenameLabelRequest> for Relabel {
    type Error = ServiceError;

    fn try_from(request: v1::RenameLabelRequest) -> Result<Self, ServiceError> {
        let from = label("label", &request.label)?;
        let into = label("new_label", &request.new_label)?;
        if from == into {
            let message = "is the name that the label has; send another";
            return Err(ServiceError::invalid("new_label", message));
        }
        Ok(Self {
            task: task(&request.task)?,
            // Another spelling of the same label is not another label.
            new: from.to_lowercase() != into.to_lowercase(),
            from: vec![from],
            into,
        })
    }
}

impl TryFrom<v1::MergeLabelsRequest> for Relabel {
    type Error = ServiceError;

    fn try_from(request: v1::MergeLabelsRequest) -> Result<Self, ServiceError> {
        let found = request.labels.len();
        if found == 0 || found > MAX_LABELS {
            let message = format!("has {found} labels; send 1 to {MAX_LABELS}");
            return Err(ServiceError::invalid("labels", message));
        }
        let labels = request.labels.iter().enumerate();
        Ok(Self {
            task: task(&request.task)?,
            from: labels
                .map(|(at, name)| label(&format!("labels[{at}]"), name))
                .collect::<Result<_, _>>()?,
            into: label("into_label", &request.into_label)?,
            new: false,
        })
    }
}

fn label(field: &str, name: &str) -> Result<String, ServiceError> {
    let name = clean_name(name);
    if name.is_empty() {
        return Err(ServiceError::invalid(field, "is empty; name a label"));
    }
    check_name(&name).map_err(|message| ServiceError::invalid(field, message))?;
    Ok(name)
}

fn task(id: &str) -> Result<Option<TaskId>, ServiceError> {
    if id.is_empty() {
        return Ok(None);
    }
    let id = TaskId::parse(id).map_err(|error| ServiceError::id("task", &error))?;
    Ok(Some(id))
}

impl Ingest {
    /// Gives labels another name, in items, in the tasks that read them there, and in their corrections.
    pub(crate) async fn relabel(
        &self,
        ctx: &TenantContext,
        command: Relabel,
    ) -> Result<Relabelled, ServiceError> {
        let now = self.clock.now();
        let change = Relabelling::new(&command.from, command.into.clone());
        let named = match &command.task {
            Some(id) => Some(self.labelled_task(ctx, id).await?),
            None => None,
        };
        let in_item = |item: &ItemContent| match &named {
            Some(task) => change.of_item(task, item),
            None => change.of_labels(item),
        };
        if command.new {
            self.check_is_new(ctx, &command, named.as_ref(), in_item)
                .await?;
        }
        let mut done = Relabelled::default();
        // The tasks first: what was interrupted there is found again, and their heads step back early.
        for (task, own) in self.readers(ctx, named.as_ref(), &change).await? {
            self.relabel_task(ctx, &task, &own, now, &mut done).await?;
        }
        done.items = self.relabel_items(ctx, now, in_item).await?;
        let tx = self.begin(ctx).await?;
        if done.items + done.corrections > 0 || !done.tasks.is_empty() {
            let from: Vec<&str> = command.from.iter().map(String::as_str).collect();
            let detail = format!(
                "{} into {}: {} items, {} corrections",
                some_of(&from),
                command.into,
                done.items,
                done.corrections
            );
            let action = match command.new {
                true => "labels.rename",
                false => "labels.merge",
            };
            record(&tx, action, &detail, now).await?;
        }
        done.watermark = tx.items().watermark().await?;
        tx.commit().await?;
        Ok(done)
    }

    async fn labelled_task(
        &self,
        ctx: &TenantContext,
        id: &TaskId,
    ) -> Result<TaskDefinition, ServiceError> {
        let found = self.begin(ctx).await?.tasks().get(id).await?;
        let name = || ResourceName::Task(ctx.tenant().clone(), id.clone());
        let task = found
            .ok_or_else(|| ServiceError::not_found(name()))?
            .definition;
        if task.kind == TaskKind::Regression {
            let message = "a REGRESSION has no labels";
            return Err(ServiceError::invalid("task", message));
        }
        Ok(task)
    }

    /// The tasks whose labels are renamed, each with how it calls them.
    async fn readers(
        &self,
        ctx: &TenantContext,
        named: Option<&TaskDefinition>,
        change: &Relabelling,
    ) -> Result<Vec<(TaskDefinition, Relabelling)>, ServiceError> {
        let tasks = self.begin(ctx).await?.tasks().list(None, TASKS).await?;
        let all = tasks.into_iter().map(|task| task.definition);
        // As items have them, where they are labels; other tasks may read them with another prefix.
        let in_items = match named.map(|task| &task.source) {
            Some(TaskSource::Labels { prefix }) => Some(change.prefixed(prefix)),
            Some(_) => None,
            None => Some(change.clone()),
        };
        let of = |task: &TaskDefinition| match (&in_items, &task.source) {
            (Some(all), TaskSource::Labels { prefix }) => all.without_prefix(prefix),
            (None, source) if named.is_some_and(|named| named.source == *source) => {
                Some(change.clone())
            }
            _ => None,
        };
        let labelled = all.filter(|task| task.kind != TaskKind::Regression);
        Ok(labelled
            .filter_map(|task| of(&task).map(|own| (task, own)))
            .collect())
    }

    /// A label that gets a new name must not become one that is there.
    async fn check_is_new(
        &self,
        ctx: &TenantContext,
        command: &Relabel,
        named: Option<&TaskDefinition>,
        in_item: impl Fn(&ItemContent) -> Option<ItemContent>,
    ) -> Result<(), ServiceError> {
        let taken = Relabelling::new(std::slice::from_ref(&command.into), String::new());
        let has_new = |item: &ItemContent| match named {
            Some(task) => taken.of_item(task, item).is_some(),
            None => taken.of_labels(item).is_some(),
        };
        let change = Relabelling::new(&command.from, command.into.clone());
        let readers = self.readers(ctx, named, &change).await?;
        let lists = |wanted: &dyn Fn(&Relabelling, &str) -> bool| {
            let mut listed = readers
                .iter()
                .flat_map(|(task, own)| task.labels.iter().map(move |l| (own, l.name.as_str())));
            listed.any(|(own, name)| wanted(own, name))
        };
        let mut old = lists(&|own, name| own.of(name).is_some());
        let mut new = lists(&|own, name| own.name().to_lowercase() == name.to_lowercase());
        let mut after = 0;
        let tx = self.begin(ctx).await?;
        while !(old && new) {
            let changes = tx.items().changed_since(after, BATCH).await?;
            for item in changes.iter().filter_map(|one| one.item.as_ref()) {
                old |= in_item(&item.content).is_some();
                new |= has_new(&item.content);
            }
            match changes.last() {
                Some(last) if changes.len() >= BATCH as usize => after = last.change,
                _ => break,
            }
        }
        // Where nothing has the old name any more, it is done already.
        if old && new {
            let message = format!(
                "the label {:?} is in use; MergeLabels makes two labels one",
                command.into
            );
            return Err(ServiceError::new(
                ErrorKind::AlreadyExists,
                "ALREADY_EXISTS",
                message,
            ));
        }
        Ok(())
    }

    async fn relabel_task(
        &self,
        ctx: &TenantContext,
        task: &TaskDefinition,
        change: &Relabelling,
        now: DateTime<Utc>,
        done: &mut Relabelled,
    ) -> Result<(), ServiceError> {
        let mut changed = false;
        if let Some(definition) = change.of_task(task) {
            let definition = definition.validate().map_err(ServiceError::violations)?;
            let tx = self.begin(ctx).await?;
            changed = tx.tasks().update(&definition, now).await?.is_some();
            tx.commit().await?;
        }
        let mut after: Option<String> = None;
        loop {
            let tx = self.begin(ctx).await?;
            let of = |target: &domain::Target| change.of_target(target);
            let (some, next) = tx
                .corrections()
                .rewrite(&task.id, after.as_deref(), BATCH, of)
                .await?;
            tx.commit().await?;
            done.corrections += some;
            changed |= some > 0;
            after = next;
            if after.is_none() {
                break;
            }
        }
        if changed {
            done.tasks.push(task.id.to_string());
        }
        Ok(())
    }

    /// Changes items up to the newest of now; what comes later says itself what it is called.
    async fn relabel_items(
        &self,
        ctx: &TenantContext,
        now: DateTime<Utc>,
        in_item: impl Fn(&ItemContent) -> Option<ItemContent>,
    ) -> Result<u64, ServiceError> {
        let until = self.begin(ctx).await?.items().watermark().await?;
        let (mut items, mut after) = (0, 0);
        loop {
            let tx = self.begin(ctx).await?;
            let range = (after, until);
            let (done, next) = tx
                .items()
                .rewrite_changed(range, BATCH, now, &in_item)
                .await?;
            let changed = done.before.len() as u64;
            self.commit_items(tx, changed, now).await?;
            items += changed;
            match next {
                Some(next) => after = next,
                None => return Ok(items),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_labels_are_cleaned_and_checked() {
        let rename = |from: &str, into: &str| {
            Relabel::try_from(v1::RenameLabelRequest {
                task: "intent".into(),
                label: from.into(),
                new_label: into.into(),
                ..Default::default()
            })
        };
        let made = rename(" re\nfund ", "Geld zuru\u{308}ck").unwrap();
        assert_eq!(
            (made.from[0].as_str(), made.into.as_str()),
            ("re fund", "Geld zurück")
        );
        assert!(made.new);
        assert!(!rename("refund", "Refund").unwrap().new, "the same label");
        for (from, into) in [("", "a"), ("a", " "), ("a", "a "), ("a", "b\u{7}")] {
            assert!(rename(from, into).is_err(), "{from:?} {into:?}");
        }
        let none = v1::MergeLabelsRequest::default();
        assert!(Relabel::try_from(none).is_err());
    }
}

//! The RPCs of `IngestService`: context, permission, command, one call, convert.

use api::v1;
use api::v1::ingest_service_server::IngestService;
use domain::{
    ErrorKind, ExpertId, ExpertPatch, FieldViolation, ItemId, MAX_EXPERTS, ResourceName, clean_name,
};
use jobs::{JobSpec, RebuildIndex};
use server::{Authorized, Caller, Page, PageBuilder, Reply, ServiceError, page, parse_page_token};
use storage::ItemQuery;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Request, Response, Status, Streaming};

use crate::Ingest;
use crate::batch::item_ids;
use crate::reconcile::known_space;

/// Experts of one request.
const MAX_BATCH: usize = 1_000;
/// Items that are read at once for a page: some are large, and a page ends by their bytes.
const ITEMS_AT_ONCE: u32 = 100;

#[tonic::async_trait]
impl IngestService for Ingest {
    type IngestItemsStream = ReceiverStream<Result<v1::IngestItemsResponse, Status>>;

    async fn batch_upsert_experts(
        &self,
        request: Request<v1::BatchUpsertExpertsRequest>,
    ) -> Reply<v1::BatchUpsertExpertsResponse> {
        let Authorized { ctx, request, .. } = self.gate.authorize(request).await?;
        let experts = patches(request)?;
        let changed = self.change_experts(&ctx, &experts).await?;
        Ok(Response::new(v1::BatchUpsertExpertsResponse { changed }))
    }

    async fn list_experts(
        &self,
        request: Request<v1::ListExpertsRequest>,
    ) -> Reply<v1::ListExpertsResponse> {
        let Authorized { ctx, request, .. } = self.gate.authorize(request).await?;
        let limit = page_limit(request.page_size)?;
        let after = parse_page_token::<ExpertId>(&request.page_token)?;
        let experts = self
            .begin(&ctx)
            .await?
            .experts()
            .list(after.as_ref(), limit)
            .await;
        let experts = experts.map_err(ServiceError::from)?;
        let page = page(experts, limit, |expert| {
            (expert.id.to_string(), expert.into())
        });
        Ok(Response::new(v1::ListExpertsResponse {
            experts: page.entries,
            next_page_token: page.next_page_token,
        }))
    }

    async fn ingest_items(
        &self,
        request: Request<Streaming<v1::IngestItemsRequest>>,
    ) -> Reply<Self::IngestItemsStream> {
        // Which tenant is known with the first batch; who calls is known now.
        let caller = Caller::of(request.extensions())?.clone();
        Ok(Response::new(
            self.clone().serve_stream(caller, request.into_inner()),
        ))
    }

    async fn get_item(&self, request: Request<v1::GetItemRequest>) -> Reply<v1::GetItemResponse> {
        let caller = Caller::of(request.extensions())?;
        let name = &request.get_ref().name;
        let (tenant, id) =
            ResourceName::item(name).map_err(|error| ServiceError::name("name", &error))?;
        let ctx = self.gate.enter_tenant(caller, &tenant).await?;
        let found = self
            .begin(&ctx)
            .await?
            .items()
            .get(&id)
            .await
            .map_err(ServiceError::from)?;
        let item = found.ok_or_else(|| ServiceError::not_found(name))?;
        Ok(Response::new(v1::GetItemResponse {
            item: Some(v1::Item::of(&tenant, item)),
        }))
    }

    async fn list_items(
        &self,
        request: Request<v1::ListItemsRequest>,
    ) -> Reply<v1::ListItemsResponse> {
        let Authorized { ctx, request, .. } = self.gate.authorize(request).await?;
        let limit = page_limit(request.page_size)?;
        let expert = match request.expert.as_str() {
            "" => None,
            id => Some(ExpertId::parse(id).map_err(|error| ServiceError::id("expert", &error))?),
        };
        let query = ItemQuery {
            after: parse_page_token::<ItemId>(&request.page_token)?,
            limit,
            area: Some(clean_name(&request.area)).filter(|area| !area.is_empty()),
            expert,
        };
        let page = self.item_page(&ctx, query).await?;
        Ok(Response::new(v1::ListItemsResponse {
            items: page.entries,
            next_page_token: page.next_page_token,
        }))
    }

    async fn batch_delete_items(
        &self,
        request: Request<v1::BatchDeleteItemsRequest>,
    ) -> Reply<v1::BatchDeleteItemsResponse> {
        let Authorized { ctx, request, .. } = self.gate.authorize(request).await?;
        let ids = item_ids(request.item_ids)?;
        Ok(Response::new(self.delete_items(&ctx, &ids).await?))
    }

    async fn list_rejections(
        &self,
        request: Request<v1::ListRejectionsRequest>,
    ) -> Reply<v1::ListRejectionsResponse> {
        let Authorized { ctx, request, .. } = self.gate.authorize(request).await?;
        let limit = page_limit(request.page_size)?;
        let after = parse_page_token::<i64>(&request.page_token)?.unwrap_or(0);
        let batch = Some(request.request_id_prefix.as_str()).filter(|prefix| !prefix.is_empty());
        let tx = self.begin(&ctx).await?;
        let found = tx
            .rejections()
            .list(after, limit, batch)
            .await
            .map_err(ServiceError::from)?;
        let total = tx.rejections().count().await.map_err(ServiceError::from)?;
        let page = page(found, limit, |rejection| {
            (rejection.sequence.to_string(), rejection.into())
        });
        Ok(Response::new(v1::ListRejectionsResponse {
            rejections: page.entries,
            next_page_token: page.next_page_token,
            total,
        }))
    }

    async fn create_dataset(
        &self,
        request: Request<v1::CreateDatasetRequest>,
    ) -> Reply<v1::CreateDatasetResponse> {
        let Authorized { ctx, .. } = self.gate.authorize(request).await?;
        let dataset = v1::Dataset::of(ctx.tenant(), self.pin_dataset(&ctx).await?);
        Ok(Response::new(v1::CreateDatasetResponse {
            dataset: Some(dataset),
        }))
    }

    async fn get_dataset(
        &self,
        request: Request<v1::GetDatasetRequest>,
    ) -> Reply<v1::GetDatasetResponse> {
        let caller = Caller::of(request.extensions())?;
        let name = &request.get_ref().name;
        let (tenant, number) =
            ResourceName::dataset(name).map_err(|error| ServiceError::name("name", &error))?;
        let ctx = self.gate.enter_tenant(caller, &tenant).await?;
        let found = self.begin(&ctx).await?.datasets().get(number).await;
        let dataset = found.map_err(ServiceError::from)?;
        let dataset = dataset.ok_or_else(|| ServiceError::not_found(name))?;
        let dataset = Some(v1::Dataset::of(&tenant, dataset));
        Ok(Response::new(v1::GetDatasetResponse { dataset }))
    }

    async fn list_datasets(
        &self,
        request: Request<v1::ListDatasetsRequest>,
    ) -> Reply<v1::ListDatasetsResponse> {
        let Authorized { ctx, request, .. } = self.gate.authorize(request).await?;
        let limit = page_limit(request.page_size)?;
        let before = parse_page_token::<u64>(&request.page_token)?;
        let found = self.begin(&ctx).await?.datasets().list(before, limit).await;
        let datasets = found.map_err(ServiceError::from)?;
        let page = page(datasets, limit, |dataset| {
            let number = dataset.number.to_string();
            (number, v1::Dataset::of(ctx.tenant(), dataset))
        });
        Ok(Response::new(v1::ListDatasetsResponse {
            datasets: page.entries,
            next_page_token: page.next_page_token,
        }))
    }

    async fn get_index_status(
        &self,
        request: Request<v1::GetIndexStatusRequest>,
    ) -> Reply<v1::GetIndexStatusResponse> {
        let Authorized { ctx, .. } = self.gate.authorize(request).await?;
        Ok(Response::new(self.index_status(&ctx).await?))
    }

    async fn rebuild_index(
        &self,
        request: Request<v1::RebuildIndexRequest>,
    ) -> Reply<v1::RebuildIndexResponse> {
        let Authorized { ctx, .. } = self.gate.authorize(request).await?;
        let tx = self.begin(&ctx).await?;
        let rebuild = RebuildIndex {}.new_job();
        let job = tx.jobs().enqueue(rebuild, self.clock.now()).await;
        let job = job.map_err(ServiceError::from)?;
        tx.commit().await.map_err(ServiceError::from)?;
        Ok(Response::new(v1::RebuildIndexResponse {
            job: Some(job.into()),
        }))
    }

    async fn batch_delete_experts(
        &self,
        request: Request<v1::BatchDeleteExpertsRequest>,
    ) -> Reply<v1::BatchDeleteExpertsResponse> {
        let Authorized { ctx, request, .. } = self.gate.authorize(request).await?;
        let command = request.try_into()?;
        Ok(Response::new(self.delete_experts(&ctx, command).await?))
    }

    async fn rename_expert(
        &self,
        request: Request<v1::RenameExpertRequest>,
    ) -> Reply<v1::RenameExpertResponse> {
        let Authorized { ctx, request, .. } = self.gate.authorize(request).await?;
        let command = request.try_into()?;
        Ok(Response::new(
            Ingest::rename_expert(self, &ctx, command).await?,
        ))
    }

    async fn merge_experts(
        &self,
        request: Request<v1::MergeExpertsRequest>,
    ) -> Reply<v1::MergeExpertsResponse> {
        let Authorized { ctx, request, .. } = self.gate.authorize(request).await?;
        let command = request.try_into()?;
        Ok(Response::new(
            Ingest::merge_experts(self, &ctx, command).await?,
        ))
    }

    async fn undo_merge(
        &self,
        request: Request<v1::UndoMergeRequest>,
    ) -> Reply<v1::UndoMergeResponse> {
        let Authorized { ctx, request, .. } = self.gate.authorize(request).await?;
        let undone = Ingest::undo_merge(self, &ctx, &request.merge_id).await?;
        Ok(Response::new(undone))
    }

    async fn list_merges(
        &self,
        request: Request<v1::ListMergesRequest>,
    ) -> Reply<v1::ListMergesResponse> {
        let Authorized { ctx, request, .. } = self.gate.authorize(request).await?;
        let limit = page_limit(request.page_size)?;
        let before = parse_page_token::<u64>(&request.page_token)?;
        let found = self.begin(&ctx).await?.merges().newest(before, limit).await;
        let merges = found.map_err(ServiceError::from)?;
        let page = page(merges, limit, |merge| (merge.id.clone(), merge.into()));
        Ok(Response::new(v1::ListMergesResponse {
            merges: page.entries,
            next_page_token: page.next_page_token,
        }))
    }

    async fn rename_label(
        &self,
        request: Request<v1::RenameLabelRequest>,
    ) -> Reply<v1::RenameLabelResponse> {
        let Authorized { ctx, request, .. } = self.gate.authorize(request).await?;
        let done = self.relabel(&ctx, request.try_into()?).await?;
        Ok(Response::new(v1::RenameLabelResponse {
            items: done.items,
            corrections: done.corrections,
            tasks: done.tasks,
            watermark: done.watermark,
        }))
    }

    async fn merge_labels(
        &self,
        request: Request<v1::MergeLabelsRequest>,
    ) -> Reply<v1::MergeLabelsResponse> {
        let Authorized { ctx, request, .. } = self.gate.authorize(request).await?;
        let done = self.relabel(&ctx, request.try_into()?).await?;
        Ok(Response::new(v1::MergeLabelsResponse {
            items: done.items,
            corrections: done.corrections,
            tasks: done.tasks,
            watermark: done.watermark,
        }))
    }
}

impl Ingest {
    /// Adds and changes experts; all or none.
    async fn change_experts(
        &self,
        ctx: &domain::TenantContext,
        experts: &[ExpertPatch],
    ) -> Result<u64, ServiceError> {
        let tx = self.begin(ctx).await?;
        let before = tx.experts().count().await?;
        let changed = tx.experts().change(experts, self.clock.now()).await?;
        let listed = tx.experts().count().await?;
        // One who has more from earlier times may still change them.
        if listed > MAX_EXPERTS.max(before) {
            let message = format!(
                "the tenant would list {listed} experts; at most {MAX_EXPERTS} are served. Delete those \
                 who left, or send only those who answer questions"
            );
            return Err(ServiceError::new(
                ErrorKind::FailedPrecondition,
                "TOO_MANY_EXPERTS",
                message,
            ));
        }
        tx.commit().await?;
        Ok(changed)
    }

    /// A page of items. They are read a few at a time, and no more than the page has room for.
    async fn item_page(
        &self,
        ctx: &domain::TenantContext,
        mut query: ItemQuery,
    ) -> Result<Page<v1::Item>, ServiceError> {
        let mut page = PageBuilder::new(query.limit);
        let tx = self.begin(ctx).await?;
        while let Some(limit) = page.room(ITEMS_AT_ONCE) {
            query.limit = limit;
            let items = tx.items().list(query.clone()).await?;
            let read = items.len();
            query.after = items.last().map(|item| item.content.id.clone());
            for item in items {
                let key = item.content.id.to_string();
                if !page.push(key, v1::Item::of(ctx.tenant(), item)) {
                    break;
                }
            }
            if read < limit as usize {
                break;
            }
        }
        Ok(page.finish())
    }

    async fn index_status(
        &self,
        ctx: &domain::TenantContext,
    ) -> Result<v1::GetIndexStatusResponse, ServiceError> {
        let tx = self.begin(ctx).await?;
        let space = tx.spaces().active().await?;
        let indexed_watermark = tx.index().watermark(&space).await?;
        let watermark = tx.items().watermark().await?;
        let items = tx.items().count().await?;
        drop(tx);
        let indexed_items = match known_space(&space) {
            Some(known) => self.vectors.count(&known, ctx.tenant()).await?,
            None => 0,
        };
        Ok(v1::GetIndexStatusResponse {
            watermark,
            indexed_watermark,
            items,
            indexed_items,
            space,
        })
    }
}

/// Pages of this service: 100 entries unless asked otherwise, 1,000 at the most.
fn page_limit(page_size: i32) -> Result<u32, ServiceError> {
    api::page_limit(page_size, 100, 1_000).map_err(|error| ServiceError::violations(vec![error]))
}

/// What a request says of experts, with every violation at once.
fn patches(request: v1::BatchUpsertExpertsRequest) -> Result<Vec<ExpertPatch>, ServiceError> {
    let experts = request.experts;
    if experts.len() > MAX_BATCH {
        let message = format!(
            "has {} entries; send at most {MAX_BATCH} at a time",
            experts.len()
        );
        return Err(ServiceError::invalid("experts", message));
    }
    let mask = request.update_mask.map(|mask| mask.paths);
    let mask = mask.filter(|paths| !paths.is_empty());
    let (mut good, mut violations) = (Vec::with_capacity(experts.len()), Vec::new());
    for (index, expert) in experts.into_iter().enumerate() {
        let expert = match &mask {
            Some(paths) => expert
                .masked(paths)
                .map_err(|violation| ServiceError::violations(vec![violation]))?,
            None => expert,
        };
        match ExpertPatch::try_from(expert) {
            Ok(patch) => good.push(patch),
            Err(violation) => violations.push(FieldViolation::new(
                format!("experts[{index}].{}", violation.field),
                violation.message,
            )),
        }
    }
    if violations.is_empty() {
        Ok(good)
    } else {
        Err(ServiceError::violations(violations))
    }
}

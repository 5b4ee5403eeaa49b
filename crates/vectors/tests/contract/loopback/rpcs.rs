//! The RPCs of the loopback server. Those the adapter does not use answer `UNIMPLEMENTED`.

use std::future::Future;
use std::pin::Pin;

use qdrant_client::qdrant::collections_server::Collections;
use qdrant_client::qdrant::payload_index_params::IndexParams;
use qdrant_client::qdrant::points_selector::PointsSelectorOneOf;
use qdrant_client::qdrant::points_server::Points;
use qdrant_client::qdrant::qdrant_server::Qdrant;
use qdrant_client::qdrant::with_vectors_selector::SelectorOptions;
use qdrant_client::qdrant::{self as wire, query};
use qdrant_edge as edge;
use tokio::sync::{MappedMutexGuard, MutexGuard};
use tonic::{Request, Response, Status};

use super::{Collection, Service, convert, failed, odd};

type Answer<T> = Result<Response<T>, Status>;

/// RPCs that answer `UNIMPLEMENTED`, written as `async_trait` would write them.
macro_rules! unimplemented_rpcs {
    ($($name:ident($request:ident) -> $response:ident;)*) => {
        $(
            fn $name<'life0, 'async_trait>(
                &'life0 self,
                _: Request<wire::$request>,
            ) -> Pin<Box<dyn Future<Output = Answer<wire::$response>> + Send + 'async_trait>>
            where
                'life0: 'async_trait,
                Self: 'async_trait,
            {
                Box::pin(async { Err(Status::unimplemented(stringify!($name))) })
            }
        )*
    };
}

impl Service {
    async fn collection(&self, name: &str) -> Result<MappedMutexGuard<'_, Collection>, Status> {
        MutexGuard::try_map(self.collections.lock().await, |all| all.get_mut(name))
            .map_err(|_| Status::not_found(format!("Collection `{name}` doesn't exist!")))
    }

    async fn update(
        &self,
        name: &str,
        wait: Option<bool>,
        operation: edge::UpdateOperation,
    ) -> Answer<wire::PointsOperationResponse> {
        if wait != Some(true) {
            return Err(odd(
                "a write that does not wait is not durable when it is answered",
            ));
        }
        self.collection(name)
            .await?
            .shard
            .update(operation)
            .map_err(failed)?;
        Ok(Response::new(wire::PointsOperationResponse::default()))
    }
}

#[tonic::async_trait]
impl Qdrant for Service {
    async fn health_check(
        &self,
        _: Request<wire::HealthCheckRequest>,
    ) -> Answer<wire::HealthCheckReply> {
        Ok(Response::new(wire::HealthCheckReply::default()))
    }
}

#[tonic::async_trait]
impl Collections for Service {
    async fn get(
        &self,
        request: Request<wire::GetCollectionInfoRequest>,
    ) -> Answer<wire::GetCollectionInfoResponse> {
        let collection = self
            .collection(&request.into_inner().collection_name)
            .await?;
        let vectors_config = Some(collection.vectors.clone());
        let params = wire::CollectionParams {
            vectors_config,
            ..Default::default()
        };
        let config = wire::CollectionConfig {
            params: Some(params),
            ..Default::default()
        };
        let info = wire::CollectionInfo {
            config: Some(config),
            ..Default::default()
        };
        Ok(Response::new(wire::GetCollectionInfoResponse {
            result: Some(info),
            time: 0.0,
        }))
    }

    async fn create(
        &self,
        request: Request<wire::CreateCollection>,
    ) -> Answer<wire::CollectionOperationResponse> {
        let request = request.into_inner();
        let name = request.collection_name.clone();
        let mut collections = self.collections.lock().await;
        if collections.contains_key(&name) {
            return Err(Status::already_exists(name));
        }
        collections.insert(name, Collection::create(request)?);
        Ok(Response::new(wire::CollectionOperationResponse {
            result: true,
            time: 0.0,
        }))
    }

    async fn delete(
        &self,
        request: Request<wire::DeleteCollection>,
    ) -> Answer<wire::CollectionOperationResponse> {
        let name = request.into_inner().collection_name;
        let result = self.collections.lock().await.remove(&name).is_some();
        Ok(Response::new(wire::CollectionOperationResponse {
            result,
            time: 0.0,
        }))
    }

    async fn collection_exists(
        &self,
        request: Request<wire::CollectionExistsRequest>,
    ) -> Answer<wire::CollectionExistsResponse> {
        let name = request.into_inner().collection_name;
        let exists = self.collections.lock().await.contains_key(&name);
        let result = Some(wire::CollectionExists { exists });
        Ok(Response::new(wire::CollectionExistsResponse {
            result,
            time: 0.0,
        }))
    }

    unimplemented_rpcs! {
        list(ListCollectionsRequest) -> ListCollectionsResponse;
        update(UpdateCollection) -> CollectionOperationResponse;
        update_aliases(ChangeAliases) -> CollectionOperationResponse;
        list_collection_aliases(ListCollectionAliasesRequest) -> ListAliasesResponse;
        list_aliases(ListAliasesRequest) -> ListAliasesResponse;
        collection_cluster_info(CollectionClusterInfoRequest) -> CollectionClusterInfoResponse;
        update_collection_cluster_setup(UpdateCollectionClusterSetupRequest)
            -> UpdateCollectionClusterSetupResponse;
        create_shard_key(CreateShardKeyRequest) -> CreateShardKeyResponse;
        delete_shard_key(DeleteShardKeyRequest) -> DeleteShardKeyResponse;
        list_shard_keys(ListShardKeysRequest) -> ListShardKeysResponse;
    }
}

#[tonic::async_trait]
impl Points for Service {
    async fn upsert(
        &self,
        request: Request<wire::UpsertPoints>,
    ) -> Answer<wire::PointsOperationResponse> {
        let request = request.into_inner();
        let points = request.points.into_iter().map(convert::point);
        let list = edge::PointInsertOperations::PointsList(points.collect::<Result<_, _>>()?);
        let operation = match request.update_filter {
            None => edge::PointOperations::UpsertPoints(list),
            Some(filter) => {
                edge::PointOperations::UpsertPointsConditional(edge::ConditionalInsertOperation {
                    points_op: list,
                    condition: convert::filter(filter)?,
                    update_mode: None,
                })
            }
        };
        let operation = edge::UpdateOperation::PointOperation(operation);
        Service::update(self, &request.collection_name, request.wait, operation).await
    }

    async fn delete(
        &self,
        request: Request<wire::DeletePoints>,
    ) -> Answer<wire::PointsOperationResponse> {
        let request = request.into_inner();
        let selector = request
            .points
            .and_then(|points| points.points_selector_one_of);
        let Some(PointsSelectorOneOf::Filter(filter)) = selector else {
            return Err(odd(
                "a removal without filter could touch another tenant's points",
            ));
        };
        let operation = edge::UpdateOperation::PointOperation(
            edge::PointOperations::DeletePointsByFilter(convert::filter(filter)?),
        );
        Service::update(self, &request.collection_name, request.wait, operation).await
    }

    async fn create_field_index(
        &self,
        request: Request<wire::CreateFieldIndexCollection>,
    ) -> Answer<wire::PointsOperationResponse> {
        let request = request.into_inner();
        let params = request
            .field_index_params
            .and_then(|params| params.index_params);
        let Some(IndexParams::KeywordIndexParams(params)) = params else {
            return Err(Status::unimplemented("an index that is no keyword index"));
        };
        let keyword = edge::KeywordIndexParams {
            is_tenant: params.is_tenant,
            ..Default::default()
        };
        let index = edge::CreateIndex {
            field_name: request
                .field_name
                .parse()
                .map_err(|()| odd("a key that is no path"))?,
            field_schema: Some(edge::PayloadFieldSchema::FieldParams(
                edge::PayloadSchemaParams::Keyword(keyword),
            )),
        };
        let operation = edge::UpdateOperation::FieldIndexOperation(
            edge::FieldIndexOperations::CreateIndex(index),
        );
        Service::update(self, &request.collection_name, request.wait, operation).await
    }

    async fn scroll(&self, request: Request<wire::ScrollPoints>) -> Answer<wire::ScrollResponse> {
        let request = request.into_inner();
        let with_vector = match request.with_vectors.and_then(|with| with.selector_options) {
            Some(SelectorOptions::Include(only)) => edge::WithVector::Selector(only.names),
            _ => edge::WithVector::Bool(false),
        };
        let scroll = edge::ScrollRequest {
            offset: request.offset.map(convert::id).transpose()?,
            limit: request.limit.map(|limit| limit as usize),
            filter: request.filter.map(convert::filter).transpose()?,
            with_payload: Some(edge::WithPayloadInterface::Bool(false)),
            with_vector,
            order_by: None,
        };
        let collection = self.collection(&request.collection_name).await?;
        let (records, next) = collection.shard.scroll(scroll).map_err(failed)?;
        Ok(Response::new(wire::ScrollResponse {
            next_page_offset: next.map(convert::id_back),
            result: records.into_iter().map(convert::record).collect(),
            ..Default::default()
        }))
    }

    async fn count(&self, request: Request<wire::CountPoints>) -> Answer<wire::CountResponse> {
        let request = request.into_inner();
        let count = edge::CountRequest {
            filter: request.filter.map(convert::filter).transpose()?,
            exact: request.exact == Some(true),
        };
        let collection = self.collection(&request.collection_name).await?;
        let count = collection.shard.count(count).map_err(failed)? as u64;
        let result = Some(wire::CountResult { count });
        Ok(Response::new(wire::CountResponse {
            result,
            ..Default::default()
        }))
    }

    async fn query(&self, request: Request<wire::QueryPoints>) -> Answer<wire::QueryResponse> {
        let request = request.into_inner();
        let Some(query::Variant::Nearest(vector)) = request.query.and_then(|query| query.variant)
        else {
            return Err(Status::unimplemented("a query that is not for the nearest"));
        };
        let search = edge::SearchRequest {
            query: edge::QueryEnum::Nearest(edge::NamedQuery {
                query: convert::query(vector)?,
                using: request.using,
            }),
            filter: request.filter.map(convert::filter).transpose()?,
            params: None,
            limit: request
                .limit
                .map_or(10, |limit| usize::try_from(limit).unwrap()),
            offset: 0,
            with_payload: None,
            with_vector: None,
            score_threshold: None,
        };
        let collection = self.collection(&request.collection_name).await?;
        let found = collection.shard.search(search).map_err(failed)?;
        let result = found
            .into_iter()
            .map(|point| wire::ScoredPoint {
                id: Some(convert::id_back(point.id)),
                score: point.score,
                ..Default::default()
            })
            .collect();
        Ok(Response::new(wire::QueryResponse {
            result,
            ..Default::default()
        }))
    }

    unimplemented_rpcs! {
        get(GetPoints) -> GetResponse;
        update_vectors(UpdatePointVectors) -> PointsOperationResponse;
        delete_vectors(DeletePointVectors) -> PointsOperationResponse;
        set_payload(SetPayloadPoints) -> PointsOperationResponse;
        overwrite_payload(SetPayloadPoints) -> PointsOperationResponse;
        delete_payload(DeletePayloadPoints) -> PointsOperationResponse;
        clear_payload(ClearPayloadPoints) -> PointsOperationResponse;
        delete_field_index(DeleteFieldIndexCollection) -> PointsOperationResponse;
        create_vector_name(CreateVectorNameRequest) -> PointsOperationResponse;
        delete_vector_name(DeleteVectorNameRequest) -> PointsOperationResponse;
        search(SearchPoints) -> SearchResponse;
        search_batch(SearchBatchPoints) -> SearchBatchResponse;
        search_groups(SearchPointGroups) -> SearchGroupsResponse;
        recommend(RecommendPoints) -> RecommendResponse;
        recommend_batch(RecommendBatchPoints) -> RecommendBatchResponse;
        recommend_groups(RecommendPointGroups) -> RecommendGroupsResponse;
        discover(DiscoverPoints) -> DiscoverResponse;
        discover_batch(DiscoverBatchPoints) -> DiscoverBatchResponse;
        update_batch(UpdateBatchPoints) -> UpdateBatchResponse;
        query_batch(QueryBatchPoints) -> QueryBatchResponse;
        query_groups(QueryPointGroups) -> QueryGroupsResponse;
        facet(FacetCounts) -> FacetResponse;
        search_matrix_pairs(SearchMatrixPoints) -> SearchMatrixPairsResponse;
        search_matrix_offsets(SearchMatrixPoints) -> SearchMatrixOffsetsResponse;
    }
}

//! The RPCs of the loopback server. Those the adapter does not use answer `UNIMPLEMENTED`.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::MutexGuard;

use qdrant_client::qdrant::collections_server::Collections;
use qdrant_client::qdrant::payload_index_params::IndexParams;
use qdrant_client::qdrant::points_selector::PointsSelectorOneOf;
use qdrant_client::qdrant::points_server::Points;
use qdrant_client::qdrant::qdrant_server::Qdrant;
use qdrant_client::qdrant::{self as wire, query};
use tonic::{Request, Response, Status};

use super::collection::{self, Collection};
use super::{Service, odd};

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
    fn all(&self) -> MutexGuard<'_, HashMap<String, Collection>> {
        self.collections.lock().unwrap()
    }

    /// Does something with a collection.
    fn with<T>(
        &self,
        name: &str,
        work: impl FnOnce(&mut Collection) -> Result<T, Status>,
    ) -> Result<T, Status> {
        let mut collections = self.all();
        let missing = || Status::not_found(format!("Collection `{name}` doesn't exist!"));
        work(collections.get_mut(name).ok_or_else(missing)?)
    }

    fn write(
        &self,
        name: &str,
        wait: Option<bool>,
        work: impl FnOnce(&mut Collection) -> Result<(), Status>,
    ) -> Answer<wire::PointsOperationResponse> {
        if wait != Some(true) {
            return Err(odd(
                "a write that does not wait is not durable when it is answered",
            ));
        }
        self.with(name, work)?;
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
        let name = request.into_inner().collection_name;
        let vectors_config = Some(self.with(&name, |collection| Ok(collection.vectors.clone()))?);
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
        let mut collections = self.all();
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
        let result = self.all().remove(&name).is_some();
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
        let exists = self.all().contains_key(&name);
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
        self.write(&request.collection_name, request.wait, |collection| {
            collection.upsert(request.points, request.update_filter.as_ref())
        })
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
        self.write(&request.collection_name, request.wait, |collection| {
            collection.delete(&filter)
        })
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
            return Err(Status::unimplemented(
                "an index that is not a keyword index",
            ));
        };
        if params.is_tenant != Some(true) {
            return Err(odd("the tenants' index is not one of tenants"));
        }
        self.write(&request.collection_name, request.wait, |_| Ok(()))
    }

    async fn scroll(&self, request: Request<wire::ScrollPoints>) -> Answer<wire::ScrollResponse> {
        let request = request.into_inner();
        let from = request
            .offset
            .map_or(Ok(0), |id| collection::number(Some(id)))?;
        let mut ids = self.with(&request.collection_name, |collection| {
            collection.matching(request.filter.as_ref())
        })?;
        ids.retain(|id| *id >= from);
        let limit = request.limit.map_or(10, |limit| limit as usize);
        let next = ids.get(limit).copied();
        ids.truncate(limit);
        let point = |id: u64| wire::RetrievedPoint {
            id: Some(id.into()),
            ..Default::default()
        };
        Ok(Response::new(wire::ScrollResponse {
            next_page_offset: next.map(Into::into),
            result: ids.into_iter().map(point).collect(),
            ..Default::default()
        }))
    }

    async fn count(&self, request: Request<wire::CountPoints>) -> Answer<wire::CountResponse> {
        let request = request.into_inner();
        let ids = self.with(&request.collection_name, |collection| {
            collection.matching(request.filter.as_ref())
        })?;
        let count = ids.len() as u64;
        Ok(Response::new(wire::CountResponse {
            result: Some(wire::CountResult { count }),
            ..Default::default()
        }))
    }

    async fn query(&self, request: Request<wire::QueryPoints>) -> Answer<wire::QueryResponse> {
        let request = request.into_inner();
        let Some(query::Variant::Nearest(vector)) = request.query.and_then(|query| query.variant)
        else {
            return Err(Status::unimplemented("a query that is not for the nearest"));
        };
        let using = request.using.ok_or_else(|| odd("no vector is named"))?;
        let limit = request.limit.map_or(10, |limit| limit as usize);
        let found = self.with(&request.collection_name, |collection| {
            collection.nearest(vector, &using, request.filter.as_ref(), limit)
        })?;
        let point = |(id, score): (u64, f32)| wire::ScoredPoint {
            id: Some(id.into()),
            score,
            ..Default::default()
        };
        Ok(Response::new(wire::QueryResponse {
            result: found.into_iter().map(point).collect(),
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

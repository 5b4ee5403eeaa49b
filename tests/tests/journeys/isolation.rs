//! No key, no answer; a key of one tenant never reaches another; a role does what it may.
//!
//! The table must name every RPC of the contract: a new one without its row fails here. Who may call
//! each is read from the contract itself.

use api::v1;
use prost::Message;
use testkit::{Client, TestServer};
use tonic::codec::{Codec, DecodeBuf, Decoder, EncodeBuf, Encoder};
use tonic::codegen::http::uri::PathAndQuery;
use tonic::{Code, Request, Status};
use v1::api_key::Role;

/// An RPC, and a request that names a tenant. Who may call it is what the contract declares.
struct Row {
    path: &'static str,
    request: fn(&str) -> Vec<u8>,
}

/// Rows whose request has one field with the tenant's name, or something below it.
macro_rules! rows {
    ($($service:ident / $method:ident, $message:ident { $field:ident: $suffix:literal };)*) => {
        &[$(Row {
            path: concat!("/tenantry.v1.", stringify!($service), "/", stringify!($method)),
            request: |tenant| v1::$message {
                $field: format!("tenants/{tenant}{}", $suffix),
                ..Default::default()
            }
            .encode_to_vec(),
        }),*]
    };
}

const ROWS: &[Row] = rows! {
    TenantService/GetTenant, GetTenantRequest { name: "" };
    TenantService/DeleteTenant, DeleteTenantRequest { name: "" };
    TenantService/ExportTenant, ExportTenantRequest { name: "" };
    TenantService/CreateApiKey, CreateApiKeyRequest { parent: "" };
    TenantService/ListApiKeys, ListApiKeysRequest { parent: "" };
    TenantService/RevokeApiKey, RevokeApiKeyRequest { name: "/apiKeys/k1" };
    TenantService/ListAuditEvents, ListAuditEventsRequest { parent: "" };
    IngestService/BatchUpsertExperts, BatchUpsertExpertsRequest { parent: "" };
    IngestService/ListExperts, ListExpertsRequest { parent: "" };
    IngestService/IngestItems, IngestItemsRequest { parent: "" };
    IngestService/GetItem, GetItemRequest { name: "/items/q-1" };
    IngestService/ListItems, ListItemsRequest { parent: "" };
    IngestService/BatchDeleteItems, BatchDeleteItemsRequest { parent: "" };
    IngestService/ListRejections, ListRejectionsRequest { parent: "" };
    IngestService/CreateDataset, CreateDatasetRequest { parent: "" };
    IngestService/GetDataset, GetDatasetRequest { name: "/datasets/1" };
    IngestService/ListDatasets, ListDatasetsRequest { parent: "" };
    IngestService/GetIndexStatus, GetIndexStatusRequest { parent: "" };
    IngestService/RebuildIndex, RebuildIndexRequest { parent: "" };
    IngestService/BatchDeleteExperts, BatchDeleteExpertsRequest { parent: "" };
    IngestService/RenameExpert, RenameExpertRequest { parent: "" };
    IngestService/MergeExperts, MergeExpertsRequest { parent: "" };
    IngestService/UndoMerge, UndoMergeRequest { parent: "" };
    IngestService/ListMerges, ListMergesRequest { parent: "" };
    IngestService/RenameLabel, RenameLabelRequest { parent: "" };
    IngestService/MergeLabels, MergeLabelsRequest { parent: "" };
    TrainingService/Retrain, RetrainRequest { parent: "" };
    TrainingService/GetJob, GetJobRequest { name: "/jobs/j1" };
    TrainingService/ListJobs, ListJobsRequest { parent: "" };
    TrainingService/CancelJob, CancelJobRequest { name: "/jobs/j1" };
    TrainingService/WatchJob, WatchJobRequest { name: "/jobs/j1" };
    TrainingService/ListModels, ListModelsRequest { parent: "" };
    TrainingService/GetModel, GetModelRequest { name: "/models/experts/versions/1" };
    TrainingService/CompareModels, CompareModelsRequest { parent: "" };
    TrainingService/PromoteModel, PromoteModelRequest { name: "/models/experts/versions/1" };
    TrainingService/RollbackModel, RollbackModelRequest { parent: "" };
    TrainingService/ReproduceModel, ReproduceModelRequest { name: "/models/experts/versions/1" };
    TrainingService/PruneModels, PruneModelsRequest { parent: "" };
    TrainingService/ListTrials, ListTrialsRequest { parent: "" };
    TrainingService/CreateTask, CreateTaskRequest { parent: "" };
    TrainingService/GetTask, GetTaskRequest { name: "/tasks/intent" };
    TrainingService/ListTasks, ListTasksRequest { parent: "" };
    TrainingService/DeleteTask, DeleteTaskRequest { name: "/tasks/intent" };
    RouterService/RecommendExperts, RecommendExpertsRequest { parent: "" };
    RouterService/BatchRecommendExperts, BatchRecommendExpertsRequest { parent: "" };
    RouterService/ListOpenItems, ListOpenItemsRequest { parent: "" };
    RouterService/Classify, ClassifyRequest { parent: "" };
    RouterService/CorrectLabel, CorrectLabelRequest { parent: "" };
    RouterService/WithdrawCorrection, WithdrawCorrectionRequest { parent: "" };
    RouterService/FindSimilarItems, FindSimilarItemsRequest { parent: "" };
    RouterService/SendFeedback, SendFeedbackRequest { parent: "" };
    RouterService/ExplainRoute, ExplainRouteRequest { parent: "" };
    RouterService/WarmTenant, WarmTenantRequest { parent: "" };
    RouterService/GetRoutingPolicy, GetRoutingPolicyRequest { parent: "" };
    RouterService/UpdateRoutingPolicy, UpdateRoutingPolicyRequest { parent: "" };
    CostService/GetCostReport, GetCostReportRequest { parent: "" };
    CostService/ListUsage, ListUsageRequest { parent: "" };
    CostService/ExportCosts, ExportCostsRequest { parent: "" };
    CostService/SetBudget, SetBudgetRequest { parent: "" };
};

/// Rows whose request has the tenant's name further inside.
const NESTED: &[Row] = &[Row {
    path: "/tenantry.v1.TrainingService/UpdateTask",
    request: |tenant| {
        let task = v1::Task {
            name: format!("tenants/{tenant}/tasks/intent"),
            ..Default::default()
        };
        v1::UpdateTaskRequest {
            task: Some(task),
            update_mask: None,
        }
        .encode_to_vec()
    },
}];

/// RPCs that name no tenant: for operators only.
const PLATFORM: &[(&str, fn() -> Vec<u8>)] = &[
    ("/tenantry.v1.TenantService/CreateTenant", || {
        v1::CreateTenantRequest::default().encode_to_vec()
    }),
    ("/tenantry.v1.TenantService/ListTenants", || {
        v1::ListTenantsRequest::default().encode_to_vec()
    }),
    ("/tenantry.v1.TenantService/UpdateTenant", || {
        v1::UpdateTenantRequest::default().encode_to_vec()
    }),
    // Without a parent, or with one that is not a tenant, these are about the platform.
    ("/tenantry.v1.TrainingService/ListJobs", || {
        v1::ListJobsRequest::default().encode_to_vec()
    }),
    ("/tenantry.v1.TrainingService/GetJob", || {
        let name = "jobs/j1".to_owned();
        v1::GetJobRequest { name }.encode_to_vec()
    }),
    ("/tenantry.v1.TrainingService/CancelJob", || {
        let name = "jobs/j1".to_owned();
        v1::CancelJobRequest { name }.encode_to_vec()
    }),
    ("/tenantry.v1.TrainingService/WatchJob", || {
        let name = "jobs/j1".to_owned();
        v1::WatchJobRequest { name }.encode_to_vec()
    }),
    ("/tenantry.v1.TrainingService/ListModels", || {
        let parent = "global".to_owned();
        v1::ListModelsRequest {
            parent,
            ..Default::default()
        }
        .encode_to_vec()
    }),
    ("/tenantry.v1.TrainingService/GetModel", || {
        let name = "global/models/experts/versions/1".to_owned();
        v1::GetModelRequest { name }.encode_to_vec()
    }),
    ("/tenantry.v1.TrainingService/PromoteModel", || {
        let name = "verticals/software/models/experts/versions/1".to_owned();
        v1::PromoteModelRequest {
            name,
            ..Default::default()
        }
        .encode_to_vec()
    }),
    ("/tenantry.v1.TrainingService/RollbackModel", || {
        let parent = "global".to_owned();
        v1::RollbackModelRequest {
            parent,
            ..Default::default()
        }
        .encode_to_vec()
    }),
    ("/tenantry.v1.TrainingService/ReproduceModel", || {
        let name = "global/models/experts/versions/1".to_owned();
        v1::ReproduceModelRequest { name }.encode_to_vec()
    }),
    ("/tenantry.v1.TrainingService/PruneModels", || {
        let parent = "global".to_owned();
        v1::PruneModelsRequest {
            parent,
            ..Default::default()
        }
        .encode_to_vec()
    }),
    ("/tenantry.v1.TrainingService/Retrain", || {
        let parent = "verticals/software".to_owned();
        let task = "nothing".to_owned();
        v1::RetrainRequest {
            parent,
            task,
            ..Default::default()
        }
        .encode_to_vec()
    }),
    ("/tenantry.v1.CostService/GetCostReport", || {
        let parent = "tenants/-".to_owned();
        v1::GetCostReportRequest {
            parent,
            ..Default::default()
        }
        .encode_to_vec()
    }),
    ("/tenantry.v1.CostService/ListUsage", || {
        let parent = "tenants/-".to_owned();
        v1::ListUsageRequest {
            parent,
            ..Default::default()
        }
        .encode_to_vec()
    }),
    ("/tenantry.v1.CostService/ExportCosts", || {
        let parent = "tenants/-".to_owned();
        v1::ExportCostsRequest {
            parent,
            ..Default::default()
        }
        .encode_to_vec()
    }),
    ("/tenantry.v1.CostService/GetPriceBook", || {
        v1::GetPriceBookRequest::default().encode_to_vec()
    }),
    ("/tenantry.v1.CostService/UpdatePriceBook", || {
        v1::UpdatePriceBookRequest::default().encode_to_vec()
    }),
    ("/tenantry.v1.CostService/SetBudget", || {
        let parent = "tenants/-".to_owned();
        v1::SetBudgetRequest {
            parent,
            ..Default::default()
        }
        .encode_to_vec()
    }),
    ("/tenantry.v1.TenantService/ListAuditEvents", || {
        v1::ListAuditEventsRequest::default().encode_to_vec()
    }),
    ("/tenantry.v1.TenantService/ListApiKeys", || {
        v1::ListApiKeysRequest::default().encode_to_vec()
    }),
    ("/tenantry.v1.TenantService/CreateApiKey", || {
        v1::CreateApiKeyRequest::default().encode_to_vec()
    }),
];

#[test]
fn every_rpc_has_its_row() {
    for method in api::methods() {
        let path = &method.path;
        let listed = ROWS.iter().chain(NESTED).any(|row| row.path == path)
            || PLATFORM.iter().any(|(p, _)| p == path);
        assert!(listed, "{path} has no row here");
    }
}

/// Whether the contract lets a role call the RPC.
fn may_call(role: domain::Role, path: &str) -> bool {
    let permission = api::method(path).and_then(|method| method.permission);
    role.holds(permission.unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn keys_open_what_they_should_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    for tenant in ["acme", "other"] {
        operator.make_tenant(tenant).await;
    }
    let key = |tenant: &'static str, role| operator.make_key(tenant, role);
    let backend = server.client(Some(&key("acme", Role::Backend).await)).await;
    let admin = server
        .client(Some(&key("acme", Role::TenantAdmin).await))
        .await;
    let other_admin = server
        .client(Some(&key("other", Role::TenantAdmin).await))
        .await;
    let nobody = server.client(None).await;
    let made_up = server
        .client(Some(&format!("tnt_k1_{}", "0".repeat(64))))
        .await;

    // DeleteTenant would end the tenant for the others: it is refused in the table, tried at last.
    for row in ROWS.iter().chain(NESTED) {
        let request = (row.request)("acme");
        for client in [&nobody, &made_up] {
            assert_eq!(
                call(client, row.path, &request).await,
                Code::Unauthenticated,
                "{}",
                row.path
            );
        }
        let wrong = call(&other_admin, row.path, &request).await;
        assert_eq!(
            wrong,
            Code::PermissionDenied,
            "{} for another tenant",
            row.path
        );
        // A tenant that is not there is told from one that is another's by nothing.
        let missing = call(&other_admin, row.path, &(row.request)("nowhere")).await;
        assert_eq!(missing, wrong, "{} tells whether a tenant exists", row.path);
        let by_backend = call(&backend, row.path, &request).await;
        assert_eq!(
            by_backend != Code::PermissionDenied,
            may_call(domain::Role::Backend, row.path),
            "{}: {by_backend:?}",
            row.path
        );
        let by_admin = call(&admin, row.path, &request).await;
        assert_eq!(
            by_admin != Code::PermissionDenied,
            may_call(domain::Role::TenantAdmin, row.path),
            "{}: {by_admin:?}",
            row.path
        );
        assert_ne!(by_admin, Code::Unauthenticated, "{}", row.path);
    }
    for (path, request) in PLATFORM {
        assert_eq!(
            call(&nobody, path, &request()).await,
            Code::Unauthenticated,
            "{path}"
        );
        for client in [&backend, &admin, &other_admin] {
            assert_eq!(
                call(client, path, &request()).await,
                Code::PermissionDenied,
                "{path}"
            );
        }
        let by_operator = call(&operator, path, &request()).await;
        assert!(
            !matches!(by_operator, Code::PermissionDenied | Code::Unauthenticated),
            "{path}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key_stops_and_an_erased_tenant_is_gone() {
    let folder = tempfile::tempdir().unwrap();
    let server = TestServer::start(folder.path()).await;
    let operator = server.operator().await;
    operator.make_tenant("acme").await;
    let secret = operator.make_key("acme", Role::Backend).await;
    let backend = server.client(Some(&secret)).await;
    backend
        .ingest_rows("acme", "first", testkit::content(30))
        .await;
    backend.wait_indexed("acme").await;
    let id = secret.split('_').nth(1).unwrap();
    let request = v1::RevokeApiKeyRequest {
        name: format!("tenants/acme/apiKeys/{id}"),
    };
    operator.tenants().revoke_api_key(request).await.unwrap();
    let path = "/tenantry.v1.IngestService/ListItems";
    let request = v1::ListItemsRequest {
        parent: "tenants/acme".into(),
        ..Default::default()
    }
    .encode_to_vec();
    for _ in 0..600 {
        if call(&backend, path, &request).await == Code::Unauthenticated {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    assert_eq!(call(&backend, path, &request).await, Code::Unauthenticated);

    let request = v1::DeleteTenantRequest {
        name: "tenants/acme".into(),
    };
    operator.tenants().delete_tenant(request).await.unwrap();
    for _ in 0..1200 {
        let request = v1::GetTenantRequest {
            name: "tenants/acme".into(),
        };
        if operator
            .tenants()
            .get_tenant(request)
            .await
            .is_err_and(|s| s.code() == Code::NotFound)
        {
            let again = v1::CreateTenantRequest {
                tenant_id: "acme".into(),
                vertical: "software".into(),
                ..Default::default()
            };
            let status = operator.tenants().create_tenant(again).await.unwrap_err();
            assert_eq!(
                status.code(),
                Code::AlreadyExists,
                "an erased id never comes back"
            );
            return;
        }
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    panic!("the tenant was never erased");
}

/// Calls any RPC with encoded bytes and returns the code it ends with, reading one message at most.
async fn call(client: &Client, path: &'static str, request: &[u8]) -> Code {
    let mut grpc = tonic::client::Grpc::new(client.keyed());
    grpc.ready().await.unwrap();
    let stream = tokio_stream::once(request.to_vec());
    let answer = grpc
        .streaming(
            Request::new(stream),
            PathAndQuery::from_static(path),
            RawCodec,
        )
        .await;
    let mut messages = match answer {
        Ok(answer) => answer.into_inner(),
        Err(status) => return status.code(),
    };
    messages
        .message()
        .await
        .err()
        .map_or(Code::Ok, |status| status.code())
}

/// Messages as the bytes they are.
#[derive(Clone, Copy)]
struct RawCodec;

impl Codec for RawCodec {
    type Encode = Vec<u8>;
    type Decode = Vec<u8>;
    type Encoder = Self;
    type Decoder = Self;
    fn encoder(&mut self) -> Self {
        Self
    }
    fn decoder(&mut self) -> Self {
        Self
    }
}

impl Encoder for RawCodec {
    type Item = Vec<u8>;
    type Error = Status;
    fn encode(&mut self, item: Vec<u8>, buffer: &mut EncodeBuf<'_>) -> Result<(), Status> {
        use prost::bytes::BufMut as _;
        buffer.put_slice(&item);
        Ok(())
    }
}

impl Decoder for RawCodec {
    type Item = Vec<u8>;
    type Error = Status;
    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<Vec<u8>>, Status> {
        use prost::bytes::Buf as _;
        let mut bytes = vec![0; buffer.remaining()];
        buffer.copy_to_slice(&mut bytes);
        Ok(Some(bytes))
    }
}

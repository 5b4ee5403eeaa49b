//! Export: everything a tenant has stored, as a stream in bounded memory.

use api::v1::{self, export_tenant_response::Record};
use domain::TenantContext;
use server::ServiceError;
use storage::{ItemQuery, Store};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

const PAGE: u32 = 200;

type Message = Result<v1::ExportTenantResponse, Status>;

/// The tenant, then its experts, then its items, each by id.
pub(crate) fn stream(
    store: Store,
    ctx: TenantContext,
    tenant: domain::Tenant,
) -> ReceiverStream<Message> {
    let (sender, receiver) = mpsc::channel(PAGE as usize);
    tokio::spawn(async move {
        if let Err(error) = send_all(&store, &ctx, tenant, &sender).await {
            // The receiver may be gone: then nobody wants to know.
            let _ = sender.send(Err(error.into())).await;
        }
    });
    ReceiverStream::new(receiver)
}

async fn send_all(
    store: &Store,
    ctx: &TenantContext,
    tenant: domain::Tenant,
    sender: &mpsc::Sender<Message>,
) -> Result<(), ServiceError> {
    if !send(sender, Record::Tenant(tenant.into())).await {
        return Ok(());
    }
    // Each page has a transaction of its own: a slow reader must not hold one open.
    let mut after = None;
    loop {
        let experts = store
            .begin(ctx)
            .await?
            .experts()
            .list(after.as_ref(), PAGE)
            .await?;
        let Some(last) = experts.last() else { break };
        after = Some(last.id.clone());
        for expert in experts {
            if !send(sender, Record::Expert(expert.into())).await {
                return Ok(());
            }
        }
    }
    let mut after = None;
    loop {
        let query = ItemQuery {
            after,
            limit: PAGE,
            ..ItemQuery::default()
        };
        let items = store.begin(ctx).await?.items().list(query).await?;
        let Some(last) = items.last() else {
            return Ok(());
        };
        after = Some(last.content.id.clone());
        for item in items {
            if !send(sender, Record::Item(v1::Item::of(ctx.tenant(), item))).await {
                return Ok(());
            }
        }
    }
}

/// Says whether somebody still listens.
async fn send(sender: &mpsc::Sender<Message>, record: Record) -> bool {
    sender
        .send(Ok(v1::ExportTenantResponse {
            record: Some(record),
        }))
        .await
        .is_ok()
}

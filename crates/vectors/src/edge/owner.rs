//! The one thread that writes a shard, flushes it, tidies it up and puts it away.
//!
//! The engine panics when a shard is flushed or dropped while another thread writes it, so all of
//! that happens here, one command after the other.

use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Instant;

use domain::TenantId;
use qdrant_edge::EdgeShard;
use tokio::sync::{mpsc, oneshot};

use super::folder::Folder;
use super::guard::guarded;
use super::settings::{eager_optimizers, optimizers};
use super::slot::{Slot, State};
use super::translate;
use crate::VectorError;
use crate::port::{Point, Result, Space};

/// Commands that may wait for the owner. More make the callers wait instead.
const QUEUE: usize = 16;

/// Points of one entry of the write-ahead log: about 1 MB at 384 dimensions.
const CHUNK: usize = 500;

/// Points that are written or removed, at least, before a flush is followed by tidying.
const TIDY_AFTER: usize = 2_000;

/// And at least this part of all points: one in so many. Tidying rewrites large segments, so how
/// often it does must follow their size; on the other side, writing words into a segment takes the
/// longer the more points it has gathered since.
const TIDY_SHARE: usize = 3;

/// Bytes of write-ahead log after which the shard is reloaded with a short one.
const LOG_BYTES: u64 = 256 << 20;

/// What a caller waits for.
type Reply<T> = oneshot::Sender<Result<T>>;

/// What the owner can be asked to do.
pub(super) enum Command {
    Upsert {
        tenant: TenantId,
        points: Vec<Point>,
        reply: Reply<()>,
    },
    Delete {
        tenant: TenantId,
        ids: Vec<u64>,
        reply: Reply<()>,
    },
    DeleteTenant {
        tenant: TenantId,
        reply: Reply<u64>,
    },
    Flush {
        reply: Reply<()>,
    },
    /// Flush, drop the shard and end. The last command that is obeyed.
    Close {
        reply: Reply<()>,
    },
}

/// The owner of one shard.
pub(super) struct Owner {
    space: Space,
    folder: Folder,
    slot: Arc<Slot>,
    /// Points written or removed since the last tidying.
    touched: usize,
    /// How many such points are enough to tidy; nothing is enough for the first time, since what was
    /// left to do when the shard was last open is not known.
    enough: usize,
    /// A tenant was removed, whose vectors must leave the disk.
    erased: bool,
}

impl Owner {
    /// Starts the owner's thread. It ends at [`Command::Close`], or when all senders are gone, and
    /// flushes in either case.
    pub(super) fn start(
        space: &Space,
        folder: &Folder,
        slot: &Arc<Slot>,
    ) -> Result<(mpsc::Sender<Command>, JoinHandle<()>)> {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let owner = Self {
            space: space.clone(),
            folder: folder.clone(),
            slot: Arc::clone(slot),
            touched: 0,
            enough: 0,
            erased: false,
        };
        let thread = std::thread::Builder::new()
            .name(format!("vectors-{}", space.name))
            .spawn(move || owner.run(receiver))
            .map_err(|source| VectorError::Engine {
                doing: "starting the owner's thread",
                source: source.into(),
            })?;
        Ok((sender, thread))
    }

    fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        while let Some(command) = commands.blocking_recv() {
            // A caller that has left does not take its answer; the work is done all the same.
            match command {
                Command::Upsert {
                    tenant,
                    points,
                    reply,
                } => {
                    let _ = reply.send(self.upsert(&tenant, points));
                }
                Command::Delete { tenant, ids, reply } => {
                    let _ = reply.send(self.delete(&tenant, ids));
                }
                Command::DeleteTenant { tenant, reply } => {
                    let _ = reply.send(self.delete_tenant(&tenant));
                }
                Command::Flush { reply } => {
                    let flushed = self.flush();
                    let tidy = flushed.is_ok();
                    let _ = reply.send(flushed);
                    if tidy {
                        self.tidy();
                    }
                }
                Command::Close { reply } => {
                    let _ = reply.send(self.close());
                    return;
                }
            }
        }
        if let Err(error) = self.close() {
            tracing::error!(space = self.space.name, %error, "the last flush of a shard failed");
        }
    }

    fn upsert(&mut self, tenant: &TenantId, mut points: Vec<Point>) -> Result<()> {
        let state = self.slot.read();
        let shard = state.shard()?;
        // Ids that are new, as most are, cost a look into the id table each; nobody else writes
        // between this look and the write.
        let foreign = translate::of_others_with_ids(tenant, points.iter().map(|point| point.id))?;
        let count = count(shard, foreign)?;
        if count > 0 {
            return Err(VectorError::OwnedByAnother { count });
        }
        while !points.is_empty() {
            let rest = points.split_off(points.len().min(CHUNK));
            self.touched += points.len();
            let write = translate::upsert(tenant, points)?;
            guarded("writing points", || shard.update(write))?;
            points = rest;
        }
        Ok(())
    }

    fn delete(&mut self, tenant: &TenantId, ids: Vec<u64>) -> Result<()> {
        self.touched += ids.len();
        let filter = translate::of_tenant_with_ids(tenant, ids)?;
        let state = self.slot.read();
        let shard = state.shard()?;
        guarded("removing points", || {
            shard.update(translate::delete(filter))
        })
    }

    fn delete_tenant(&mut self, tenant: &TenantId) -> Result<u64> {
        let state = self.slot.read();
        let shard = state.shard()?;
        let removed = count(shard, translate::of_tenant(tenant)?)?;
        if removed > 0 {
            let filter = translate::of_tenant(tenant)?;
            guarded("removing a tenant", || {
                shard.update(translate::delete(filter))
            })?;
            self.erased = true;
        }
        Ok(removed)
    }

    fn flush(&self) -> Result<()> {
        flush(self.slot.read().shard()?)
    }

    fn close(&self) -> Result<()> {
        let Some(shard) = self.slot.write().close() else {
            return Ok(());
        };
        // Flushed by name first: an error of the flush in `drop` could only be a panic.
        let flushed = flush(&shard);
        put_away(shard)?;
        flushed
    }

    /// Tidies up after a flush when enough was written: the engine has no thread that would. Small
    /// segments are merged and indexed, segments with many removed points are rewritten, and the
    /// log is cut. Writers wait meanwhile, searches do not, but for the reload that cuts the log.
    fn tidy(&mut self) {
        if self.touched < self.enough && !self.erased {
            return;
        }
        let started = Instant::now();
        match self
            .optimize()
            .and_then(|changed| Ok((changed, self.cut_log()?)))
        {
            Ok((optimized, reloaded)) => {
                self.touched = 0;
                self.enough = self
                    .points()
                    .map_or(0, |all| all / TIDY_SHARE)
                    .max(TIDY_AFTER);
                self.erased = false;
                tracing::debug!(
                    space = self.space.name,
                    optimized,
                    reloaded,
                    seconds = started.elapsed().as_secs_f64(),
                    "tidied a shard"
                );
            }
            // Nothing is lost: what was flushed is found, and the next flush tries again.
            Err(error) => {
                tracing::warn!(space = self.space.name, %error, "could not tidy a shard");
            }
        }
    }

    /// Points in the shard, of all tenants, about.
    fn points(&self) -> Result<usize> {
        let state = self.slot.read();
        let shard = state.shard()?;
        guarded("sizing a shard", || Ok(shard.info().points_count))
    }

    fn optimize(&self) -> Result<bool> {
        let state = self.slot.read();
        let shard = state.shard()?;
        if self.erased {
            guarded("setting up the optimizer", || {
                shard.set_optimizers_config(eager_optimizers())
            })?;
        }
        self.folder.tidying(&self.space)?;
        let optimized = guarded("optimizing a shard", || shard.optimize());
        if self.erased {
            guarded("setting up the optimizer", || {
                shard.set_optimizers_config(optimizers())
            })?;
        }
        let optimized = optimized?;
        if optimized {
            flush(shard)?;
        }
        self.folder.tidied(&self.space)?;
        Ok(optimized)
    }

    /// Reloads the shard without the old part of its log when that has grown long, or holds what a
    /// removed tenant once wrote. Searches wait for it.
    fn cut_log(&self) -> Result<bool> {
        let bytes = self.folder.log_bytes(&self.space).unwrap_or(0);
        if bytes < LOG_BYTES && !self.erased {
            return Ok(false);
        }
        let mut state = self.slot.write();
        let Some(shard) = state.close() else {
            return Ok(false);
        };
        match put_away(shard).and_then(|()| self.folder.load(&self.space)) {
            Ok(shard) => {
                *state = State::Open(Box::new(shard));
                Ok(true)
            }
            Err(error) => {
                let space = self.space.name.clone();
                *state = State::Broken {
                    space,
                    detail: error.to_string(),
                };
                Err(error)
            }
        }
    }
}

fn count(shard: &EdgeShard, filter: qdrant_edge::Filter) -> Result<u64> {
    let count = guarded("counting points", || shard.count(translate::count(filter)))?;
    Ok(count as u64)
}

fn flush(shard: &EdgeShard) -> Result<()> {
    guarded("flushing a shard", || {
        shard.flush();
        Ok(())
    })
}

/// Drops the shard, which flushes it. Nobody else may have it.
fn put_away(shard: Box<EdgeShard>) -> Result<()> {
    guarded("closing a shard", || {
        drop(shard);
        Ok(())
    })
}

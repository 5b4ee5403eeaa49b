//! The models that may answer one task of a tenant, as they are resident, and which of them does.

use domain::cost::ValueVerdict;
use domain::{
    Candidate, ModelHealth, ModelName, ModelRole, ModelVersion, NoChampionReason, Route,
    RouteRequest, RoutingPolicy, TaskId, choose_route,
};
use registry::load::Unusable;
use registry::resolve::builtin_model;

use crate::considered::considered;

/// Every model that a policy may want, each with its `M` where its artifact could be used.
pub(crate) struct RoutedModels<M> {
    pub task: TaskId,
    pub policy: RoutingPolicy,
    /// Why the tenant has no champion, when it has none.
    pub no_champion: NoChampionReason,
    /// Whether the tenant's own model is worth what it costs.
    pub own_model: Option<ValueVerdict>,
    pub models: Vec<RoutedModel<M>>,
    /// No artifact was out of reach when they were read: another look would find no more.
    pub is_complete: bool,
}

/// One of them.
pub(crate) struct RoutedModel<M> {
    pub name: ModelName,
    pub role: ModelRole,
    /// Why it may not answer though its artifact can be used.
    pub stale: Option<Stale>,
    /// None when the artifact is missing, damaged, or made for something else.
    pub model: Option<M>,
}

/// What has changed since a model was trained.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Stale {
    /// The tenant has left this space: the model says nothing about vectors of another.
    Space(String),
    /// The task's labels, source or kind.
    Task,
}

impl<M> RoutedModel<M> {
    fn health(&self) -> ModelHealth {
        match (&self.stale, &self.model) {
            (Some(Stale::Task), _) => ModelHealth::StaleTask,
            (Some(Stale::Space(_)), _) => ModelHealth::StaleSpace,
            (None, None) => ModelHealth::Unavailable,
            (None, Some(_)) => ModelHealth::Ready,
        }
    }
}

impl<M> RoutedModels<M> {
    /// No models yet.
    pub(crate) fn new(
        task: TaskId,
        policy: RoutingPolicy,
        no_champion: NoChampionReason,
        own_model: Option<ValueVerdict>,
    ) -> Self {
        Self {
            task,
            policy,
            no_champion,
            own_model,
            models: Vec::new(),
            is_complete: true,
        }
    }

    /// Adds a version as it was loaded.
    pub(crate) fn add(
        &mut self,
        (version, role): (ModelVersion, ModelRole),
        stale: Option<Stale>,
        loaded: Result<M, Unusable>,
    ) {
        self.is_complete &= !loaded.as_ref().is_err_and(Unusable::is_transient);
        self.models.push(RoutedModel {
            name: version.name,
            role,
            stale,
            model: loaded.ok(),
        });
    }

    /// Which model answers a request, and why.
    pub(crate) fn route(&self, request: RouteRequest) -> Route {
        let candidates: Vec<Candidate> = self
            .models
            .iter()
            .map(|one| Candidate {
                model: one.name.clone(),
                role: one.role,
                health: one.health(),
            })
            .collect();
        let request = RouteRequest {
            own_model: self.own_model,
            ..request
        };
        let built_in = builtin_model(&self.task);
        choose_route(
            &self.policy,
            request,
            &candidates,
            self.no_champion,
            &built_in,
        )
    }

    /// The model of this name, where it is resident. The built-in one is never among them.
    pub(crate) fn get(&self, name: &ModelName) -> Option<&M> {
        let found = self.models.iter().find(|one| one.name == *name)?;
        found.model.as_ref()
    }

    /// What routing looks at, in words.
    pub(crate) fn considered(&self) -> Vec<String> {
        considered(self)
    }
}

#[cfg(test)]
mod tests {
    use artifacts::{ArtifactStore, ArtifactsConfig};
    use chrono::DateTime;
    use domain::{Lineage, ModelOwner, RouteReason, RoutingMode, TenantId, Tier, Verdict};

    use super::*;

    fn version(number: u64) -> ModelVersion {
        ModelVersion {
            name: ModelName {
                owner: ModelOwner::Tenant(TenantId::parse("acme").unwrap()),
                task: TaskId::experts(),
                version: number,
            },
            artifact_path: String::new(),
            checksum: String::new(),
            size: 0,
            lineage: Lineage {
                dataset: 1,
                dataset_hash: String::new(),
                code_version: String::new(),
                seed: 17,
                space: String::new(),
                parameters: Vec::new(),
                parent: None,
            },
            verdict: Verdict::Promote,
            report: String::new(),
            aliases: Vec::new(),
            created_at: DateTime::UNIX_EPOCH,
        }
    }

    fn models() -> RoutedModels<u8> {
        let (policy, none) = (RoutingPolicy::default(), NoChampionReason::NotProven);
        RoutedModels::new(TaskId::experts(), policy, none, None)
    }

    fn reason(models: &RoutedModels<u8>) -> (Tier, RouteReason) {
        let route = models.route(RouteRequest::default());
        (route.model.tier(), route.reason)
    }

    #[test]
    fn how_a_model_was_loaded_decides_whether_it_serves() {
        let champion = || (version(2), ModelRole::Champion);
        assert_eq!(reason(&models()), (Tier::Global, RouteReason::NotProven));
        for (stale, loaded, expected) in [
            (None, Ok(7), (Tier::Tenant, RouteReason::ProvenBetter)),
            (
                None,
                Err(Unusable::Incompatible),
                (Tier::Global, RouteReason::FallbackUnavailable),
            ),
            (
                Some(Stale::Space("old".to_owned())),
                Ok(7),
                (Tier::Global, RouteReason::SpaceChanged),
            ),
            // What the tenant can change comes before what an operator has to repair.
            (
                Some(Stale::Task),
                Err(Unusable::Incompatible),
                (Tier::Global, RouteReason::TaskChanged),
            ),
        ] {
            let mut models = models();
            models.add(champion(), stale, loaded);
            assert_eq!(reason(&models), expected);
            assert!(models.is_complete, "another look finds the same");
        }
    }

    #[tokio::test]
    async fn an_artifact_store_that_does_not_answer_leaves_the_models_incomplete() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("blocked");
        let store = ArtifactStore::open(&ArtifactsConfig { path: path.clone() }).unwrap();
        std::fs::remove_dir_all(&path).unwrap();
        std::fs::write(&path, "a file where the store has its folder").unwrap();
        let error = store.get("model.json", "").await.unwrap_err();
        let mut models = models();
        models.add((version(1), ModelRole::Champion), None, Err(error.into()));
        assert!(!models.is_complete);
    }

    #[test]
    fn the_verdict_on_the_own_model_is_part_of_each_decision() {
        let mut models = models();
        models.policy.require_cost_effective = true;
        models.add((version(2), ModelRole::Champion), None, Ok(7));
        models.own_model = Some(ValueVerdict::NotCostEffective);
        let expected = (Tier::Global, RouteReason::CostNotJustified);
        assert_eq!(reason(&models), expected);
        models.own_model = Some(ValueVerdict::CostEffective);
        assert_eq!(reason(&models).0, Tier::Tenant);
        let route = models.route(RouteRequest::default());
        assert_eq!(models.get(&route.model), Some(&7));
        assert_eq!(models.get(&builtin_model(&TaskId::experts())), None);
    }

    #[test]
    fn what_is_considered_is_told_in_words() {
        let mut models = models();
        models.policy.mode = RoutingMode::Canary { percent: 5 };
        models.add((version(1), ModelRole::Champion), None, Ok(7));
        let stale = Some(Stale::Space("minilm-2".to_owned()));
        models.add((version(2), ModelRole::Challenger), stale, Ok(8));
        let broken = Err(Unusable::Incompatible);
        models.add((version(3), ModelRole::Unaliased), None, broken);
        let told = models.considered().join("\n");
        for part in [
            "policy: CANARY, 5 % to the challenger",
            "versions/1: champion, healthy",
            "versions/2: challenger, trained in the space minilm-2",
            "versions/3: stored, no alias points at it, its artifact cannot be used",
            "ships with the code",
        ] {
            assert!(told.contains(part), "{part} in\n{told}");
        }
        assert!(!told.contains("no champion"), "{told}");
    }
}

//! The effective responses to senders: as configured, or as overridden at run
//! time.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::watch;

use super::command::{ResponseOverride, ResponseOverrideRequest};
use crate::config::Config;
use crate::domain::endpoint::Endpoint;
use crate::domain::event_key::EventKey;
use crate::domain::failure::Failure;
use crate::domain::response_plan::{ResponsePlan, ResponseStep};
use crate::domain::route::ForwardMode;

/// Maximum number of events whose arrivals are counted; the counts are reset
/// beyond it.
const MAX_COUNTED_EVENTS: usize = 100_000;

/// The effective response for one endpoint.
#[derive(Clone, Debug)]
pub(super) struct EffectiveResponse {
    /// Who answers, and when it is sent on.
    pub(super) mode: ForwardMode,
    /// What creel answers where it is creel.
    pub(super) plan: Arc<ResponsePlan>,
    /// Whether somebody said so while creel runs.
    live: bool,
}

/// The response plans of all endpoints and the arrival counts.
pub(super) struct ResponsePlans {
    default: EffectiveResponse,
    endpoints: BTreeMap<String, EffectiveResponse>,
    live: RwLock<BTreeMap<Option<String>, ResponseOverride>>,
    counts: Mutex<HashMap<EventKey, u32>>,
    changed: watch::Sender<()>,
}

impl ResponsePlans {
    pub(super) fn new(config: &Config) -> Self {
        let default = EffectiveResponse {
            mode: config.mode,
            plan: Arc::new(config.answer.clone()),
            live: false,
        };
        let effective = |endpoint: &Endpoint| EffectiveResponse {
            mode: endpoint.mode.unwrap_or(default.mode),
            plan: endpoint
                .answer
                .as_ref()
                .map_or_else(|| Arc::clone(&default.plan), |p| Arc::new(p.clone())),
            live: false,
        };
        Self {
            endpoints: config
                .endpoints
                .iter()
                .map(|endpoint| (endpoint.name.clone(), effective(endpoint)))
                .collect(),
            default,
            live: RwLock::default(),
            counts: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    /// Returns the effective response for an endpoint.
    pub(super) fn of(&self, endpoint: Option<&str>) -> EffectiveResponse {
        let configured = endpoint
            .and_then(|name| self.endpoints.get(name))
            .unwrap_or(&self.default);
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        if live.is_empty() {
            return configured.clone();
        }
        let Some(overridden) = live.get(&endpoint.map(str::to_owned)) else {
            return configured.clone();
        };
        EffectiveResponse {
            mode: overridden.mode.unwrap_or(configured.mode),
            live: overridden.plan.is_some(),
            plan: overridden
                .plan
                .as_ref()
                .map_or_else(|| Arc::clone(&configured.plan), |p| Arc::new(p.clone())),
        }
    }

    /// Counts an arrival of an event and returns its step of the plan.
    ///
    /// `known` returns the number of stored arrivals. A configured plan
    /// continues after them when creel restarts; an overriding plan starts at
    /// its first step.
    pub(super) fn next_step(
        &self,
        effective: &EffectiveResponse,
        key: impl FnOnce() -> EventKey,
        known: impl FnOnce(&EventKey) -> u32,
    ) -> ResponseStep {
        if !effective.plan.counts() {
            return effective.plan.step(1);
        }
        let key = key();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= MAX_COUNTED_EVENTS && !counts.contains_key(&key) {
            counts.clear();
        }
        let count = counts
            .entry(key)
            .or_insert_with(|| if effective.live { 0 } else { known(&key) });
        *count = count.saturating_add(1);
        effective.plan.step(*count)
    }

    /// Overrides the response of an endpoint.
    ///
    /// # Errors
    /// Returns a [`Failure`] if the endpoint does not exist or the plan is
    /// invalid.
    pub(super) fn set_override(
        &self,
        order: ResponseOverrideRequest,
    ) -> Result<Vec<ResponseOverride>, Failure> {
        if let Some(name) = &order.endpoint
            && !self.endpoints.contains_key(name)
        {
            return Err(Failure::no(
                format!("There is no endpoint {name}."),
                "",
                "Use an endpoint of the configuration.",
            ));
        }
        if let Some((what, next)) = order.plan.as_ref().and_then(ResponsePlan::problem) {
            return Err(Failure::usage(
                "creel cannot send this response.",
                format!("{what}."),
                next,
            ));
        }
        let all = {
            let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
            let configured = order
                .endpoint
                .as_ref()
                .and_then(|name| self.endpoints.get(name))
                .unwrap_or(&self.default);
            let overridden = ResponseOverride {
                mode: order.mode.filter(|mode| *mode != configured.mode),
                plan: order.plan.filter(|plan| *plan != *configured.plan),
                endpoint: order.endpoint.clone(),
            };
            if overridden.mode.is_none() && overridden.plan.is_none() {
                live.remove(&order.endpoint);
            } else {
                live.insert(order.endpoint, overridden);
            }
            live.values().cloned().collect()
        };
        self.counts
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clear();
        self.changed.send_replace(());
        Ok(all)
    }

    /// Returns all overrides.
    pub(super) fn live(&self) -> Vec<ResponseOverride> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        live.values().cloned().collect()
    }

    /// Returns a receiver that is notified of changes.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::response_plan::{parse_steps, steps_text};

    fn plans() -> ResponsePlans {
        let plan = |text| ResponsePlan {
            steps: parse_steps(text).unwrap(),
            ..ResponsePlan::default()
        };
        ResponsePlans {
            default: EffectiveResponse {
                mode: ForwardMode::AckFirst,
                plan: Arc::new(plan("500, 500, 200")),
                live: false,
            },
            endpoints: BTreeMap::from([(
                "a".to_owned(),
                EffectiveResponse {
                    mode: ForwardMode::Hold,
                    plan: Arc::new(plan("201")),
                    live: false,
                },
            )]),
            live: RwLock::default(),
            counts: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    fn key(id: &str) -> EventKey {
        EventKey::of_id("p", id)
    }

    #[test]
    fn each_event_advances_its_own_sequence() {
        let plans = plans();
        let effective = plans.of(None);
        let next = |id: &str, known| {
            let step = plans.next_step(&effective, || key(id), |_| known);
            step.to_string()
        };
        assert_eq!([next("x", 0), next("y", 0), next("x", 9)], ["500"; 3]);
        assert_eq!([next("x", 0), next("x", 0)], ["200"; 2]);
        assert_eq!(next("kept before", 2), "200");
    }

    #[test]
    fn an_override_holds_until_it_equals_the_configuration() {
        let plans = plans();
        let order = |mode, steps: Option<&str>| ResponseOverrideRequest {
            endpoint: Some("a".into()),
            mode,
            plan: steps.map(|text| ResponsePlan {
                steps: parse_steps(text).unwrap(),
                ..ResponsePlan::default()
            }),
        };
        let live = plans.set_override(order(None, Some("500, 200"))).unwrap();
        assert_eq!((live.len(), live[0].mode), (1, None));
        let effective = plans.of(Some("a"));
        assert_eq!(
            (effective.mode, steps_text(&effective.plan.steps).as_str()),
            (ForwardMode::Hold, "500, 200")
        );
        assert_eq!(
            plans.next_step(&effective, || key("x"), |_| 7),
            ResponseStep::Status(500)
        );
        assert_eq!(plans.of(None).plan.steps.len(), 3);
        // A plan equal to the configuration removes the override.
        assert!(
            plans
                .set_override(order(Some(ForwardMode::Hold), Some("201")))
                .unwrap()
                .is_empty()
        );
        assert!(plans.live().is_empty());
        let nobody = ResponseOverrideRequest {
            endpoint: Some("b".into()),
            mode: None,
            plan: None,
        };
        assert!(plans.set_override(nobody).is_err());
    }
}

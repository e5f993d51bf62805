//! What senders are answered just now: as configured, or as somebody said
//! while creel runs.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use tokio::sync::watch;

use super::command::{AnswerOrder, LiveAnswer};
use crate::config::Config;
use crate::domain::answer::{AnswerPlan, Step};
use crate::domain::endpoint::Endpoint;
use crate::domain::event::EventKey;
use crate::domain::failure::Failure;
use crate::domain::route::Mode;

/// How many events' arrivals are counted at once; beyond it they are counted
/// from the beginning.
const COUNTED: usize = 100_000;

/// What one delivery's sender is answered.
#[derive(Clone, Debug)]
pub(super) struct Told {
    /// Who answers, and when it is sent on.
    pub(super) mode: Mode,
    /// What creel answers where it is creel.
    pub(super) plan: Arc<AnswerPlan>,
    /// Whether somebody said so while creel runs.
    live: bool,
}

/// What senders are answered.
pub(super) struct Answering {
    everywhere: Told,
    endpoints: BTreeMap<String, Told>,
    live: RwLock<BTreeMap<Option<String>, LiveAnswer>>,
    counts: Mutex<HashMap<EventKey, u32>>,
    changed: watch::Sender<()>,
}

impl Answering {
    pub(super) fn new(config: &Config) -> Self {
        let everywhere = Told {
            mode: config.mode,
            plan: Arc::new(config.answer.clone()),
            live: false,
        };
        let told = |endpoint: &Endpoint| Told {
            mode: endpoint.mode.unwrap_or(everywhere.mode),
            plan: endpoint
                .answer
                .as_ref()
                .map_or_else(|| Arc::clone(&everywhere.plan), |p| Arc::new(p.clone())),
            live: false,
        };
        Self {
            endpoints: config
                .endpoints
                .iter()
                .map(|endpoint| (endpoint.name.clone(), told(endpoint)))
                .collect(),
            everywhere,
            live: RwLock::default(),
            counts: Mutex::default(),
            changed: watch::Sender::new(()),
        }
    }

    /// Returns what holds for deliveries to an endpoint.
    pub(super) fn of(&self, endpoint: Option<&str>) -> Told {
        let configured = endpoint
            .and_then(|name| self.endpoints.get(name))
            .unwrap_or(&self.everywhere);
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        if live.is_empty() {
            return configured.clone();
        }
        let Some(said) = live.get(&endpoint.map(str::to_owned)) else {
            return configured.clone();
        };
        Told {
            mode: said.mode.unwrap_or(configured.mode),
            live: said.plan.is_some(),
            plan: said
                .plan
                .as_ref()
                .map_or_else(|| Arc::clone(&configured.plan), |p| Arc::new(p.clone())),
        }
    }

    /// Returns what the next arrival of an event is answered, and counts it.
    ///
    /// `known` says how many came before, as far as that is kept: a plan of
    /// the configuration goes on where it was when creel ended, one that was
    /// made just now begins anew.
    pub(super) fn step(
        &self,
        told: &Told,
        key: impl FnOnce() -> EventKey,
        known: impl FnOnce(&EventKey) -> u32,
    ) -> Step {
        if !told.plan.counts() {
            return told.plan.step(1);
        }
        let key = key();
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.len() >= COUNTED && !counts.contains_key(&key) {
            counts.clear();
        }
        let count = counts
            .entry(key)
            .or_insert_with(|| if told.live { 0 } else { known(&key) });
        *count = count.saturating_add(1);
        told.plan.step(*count)
    }

    /// Does from now on as somebody says.
    ///
    /// # Errors
    /// A [`Failure`] where there is no such endpoint, or it cannot be done.
    pub(super) fn set(&self, order: AnswerOrder) -> Result<Vec<LiveAnswer>, Failure> {
        if let Some(name) = &order.endpoint
            && !self.endpoints.contains_key(name)
        {
            return Err(Failure::no(
                format!("There is no endpoint {name}."),
                "",
                "Name one of the configuration.",
            ));
        }
        if let Some((what, next)) = order.plan.as_ref().and_then(AnswerPlan::problem) {
            return Err(Failure::usage(
                "creel cannot answer so.",
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
                .unwrap_or(&self.everywhere);
            let said = LiveAnswer {
                mode: order.mode.filter(|mode| *mode != configured.mode),
                plan: order.plan.filter(|plan| *plan != *configured.plan),
                endpoint: order.endpoint.clone(),
            };
            if said.mode.is_none() && said.plan.is_none() {
                live.remove(&order.endpoint);
            } else {
                live.insert(order.endpoint, said);
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

    /// Returns what differs from the configuration.
    pub(super) fn live(&self) -> Vec<LiveAnswer> {
        let live = self.live.read().unwrap_or_else(PoisonError::into_inner);
        live.values().cloned().collect()
    }

    /// Tells when something else is to be done.
    pub(super) fn changes(&self) -> watch::Receiver<()> {
        self.changed.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::answer::{read_steps, steps_text};

    fn answering() -> Answering {
        let plan = |text| AnswerPlan {
            steps: read_steps(text).unwrap(),
            ..AnswerPlan::default()
        };
        Answering {
            everywhere: Told {
                mode: Mode::AckFirst,
                plan: Arc::new(plan("500, 500, 200")),
                live: false,
            },
            endpoints: BTreeMap::from([(
                "a".to_owned(),
                Told {
                    mode: Mode::Hold,
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
    fn each_event_has_its_own_turn() {
        let answering = answering();
        let told = answering.of(None);
        let next = |id: &str, known| {
            let step = answering.step(&told, || key(id), |_| known);
            step.to_string()
        };
        assert_eq!([next("x", 0), next("y", 0), next("x", 9)], ["500"; 3]);
        assert_eq!([next("x", 0), next("x", 0)], ["200"; 2]);
        assert_eq!(next("kept before", 2), "200");
    }

    #[test]
    fn what_is_said_holds_until_it_is_as_configured_again() {
        let answering = answering();
        let order = |mode, steps: Option<&str>| AnswerOrder {
            endpoint: Some("a".into()),
            mode,
            plan: steps.map(|text| AnswerPlan {
                steps: read_steps(text).unwrap(),
                ..AnswerPlan::default()
            }),
        };
        let live = answering.set(order(None, Some("500, 200"))).unwrap();
        assert_eq!((live.len(), live[0].mode), (1, None));
        let told = answering.of(Some("a"));
        assert_eq!(
            (told.mode, steps_text(&told.plan.steps).as_str()),
            (Mode::Hold, "500, 200")
        );
        assert_eq!(answering.step(&told, || key("x"), |_| 7), Step::Status(500));
        assert_eq!(answering.of(None).plan.steps.len(), 3);
        // As configured is nothing that was said.
        assert!(
            answering
                .set(order(Some(Mode::Hold), Some("201")))
                .unwrap()
                .is_empty()
        );
        assert!(answering.live().is_empty());
        let nobody = AnswerOrder {
            endpoint: Some("b".into()),
            mode: None,
            plan: None,
        };
        assert!(answering.set(nobody).is_err());
    }
}

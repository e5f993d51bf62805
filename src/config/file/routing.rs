//! Reads the settings that define where deliveries go and when.

use serde::Deserialize;
use toml::Spanned;

use super::SourceFile;
use crate::domain::failure::Failure;
use crate::domain::provider::Catalog;
use crate::domain::route::{ForwardMode, MAX_PARALLEL, PathMode, Route, target_problem};

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteTable {
    path: Option<Spanned<String>>,
    provider: Option<Spanned<String>>,
    event: Option<String>,
    target: Spanned<String>,
    path_mode: Option<Spanned<String>>,
    parallel: Option<Spanned<u32>>,
}

impl SourceFile<'_> {
    /// Reads a target.
    pub(super) fn target(&self, target: Spanned<String>) -> Result<String, Failure> {
        if let Some(why) = target_problem(target.get_ref()) {
            return Err(self.at(
                &target.span(),
                "creel cannot send to this target.",
                why,
                "Write, for example, target = \"http://127.0.0.1:3000/hooks\"",
            ));
        }
        Ok(target.into_inner())
    }

    /// Reads when deliveries are sent on.
    pub(super) fn mode(&self, mode: &Spanned<String>) -> Result<ForwardMode, Failure> {
        ForwardMode::named(mode.get_ref()).ok_or_else(|| {
            self.at(
                &mode.span(),
                &format!("there is no mode {}.", mode.get_ref()),
                "",
                format!(
                    "Take one of {}.",
                    words(&ForwardMode::ALL.map(ForwardMode::word))
                ),
            )
        })
    }

    /// Reads a path mode.
    pub(super) fn path_mode(&self, mode: &Spanned<String>) -> Result<PathMode, Failure> {
        PathMode::named(mode.get_ref()).ok_or_else(|| {
            self.at(
                &mode.span(),
                &format!("there is no path_mode {}.", mode.get_ref()),
                "",
                format!("Take one of {}.", words(&PathMode::ALL.map(PathMode::word))),
            )
        })
    }

    /// Reads the maximum number of deliveries in flight.
    pub(super) fn parallel(&self, parallel: &Spanned<u32>) -> Result<u32, Failure> {
        let number = *parallel.get_ref();
        if (1..=MAX_PARALLEL).contains(&number) {
            return Ok(number);
        }
        Err(self.at(
            &parallel.span(),
            &format!("creel cannot forward {number} deliveries at once."),
            format!("It is a number from 1 to {MAX_PARALLEL}."),
            "Write parallel = 1 for one at a time in strict order, or leave it out for 8.",
        ))
    }

    /// Reads routes.
    pub(super) fn routes(
        &self,
        routes: Vec<RouteTable>,
        catalog: &Catalog,
    ) -> Result<Vec<Route>, Failure> {
        let route = |table: RouteTable| self.route(table, catalog);
        routes.into_iter().map(route).collect()
    }

    fn route(&self, table: RouteTable, catalog: &Catalog) -> Result<Route, Failure> {
        if let Some(path) = &table.path
            && !path.get_ref().starts_with(['/', '*'])
        {
            return Err(self.at(
                &path.span(),
                "a path begins with a slash.",
                "",
                format!("Write path = \"/{}\"", path.get_ref()),
            ));
        }
        let provider = match table.provider {
            Some(name) if name.get_ref().contains('*') => Some(name.into_inner()),
            Some(name) => Some(self.provider(name, catalog)?),
            None => None,
        };
        Ok(Route {
            path: table.path.map(Spanned::into_inner),
            provider,
            event: table.event,
            target: self.target(table.target)?,
            path_mode: table
                .path_mode
                .map(|mode| self.path_mode(&mode))
                .transpose()?,
            parallel: table.parallel.map(|p| self.parallel(&p)).transpose()?,
        })
    }
}

/// Joins quoted words with commas.
fn words(words: &[&str]) -> String {
    let words: Vec<String> = words.iter().map(|word| format!("\"{word}\"")).collect();
    words.join(", ")
}

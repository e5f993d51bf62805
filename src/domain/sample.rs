//! Sample events with bodies as the providers send them.
//!
//! [`super::signature`] signs them. The texts are in `assets/samples`, one
//! event per heading.

/// One sample event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sample {
    /// The event's name.
    pub event: String,
    /// The body.
    pub body: Vec<u8>,
    /// Whether the provider signs it; verification requests may be unsigned.
    pub signed: bool,
}

/// The sample files, by provider.
const TEXTS: &[(&str, &str)] = &[
    (
        "stackryze",
        include_str!("../../assets/samples/stackryze.txt"),
    ),
    ("porkbun", include_str!("../../assets/samples/porkbun.txt")),
    (
        "tenant-platform",
        include_str!("../../assets/samples/tenant-platform.txt"),
    ),
    ("zyra", include_str!("../../assets/samples/zyra.txt")),
    (
        "stack-auth",
        include_str!("../../assets/samples/stack-auth.txt"),
    ),
];

/// Returns the names of the providers that have samples.
pub fn providers() -> impl Iterator<Item = &'static str> {
    TEXTS.iter().map(|(name, _)| *name)
}

/// Returns a provider's samples; empty if it has none.
pub fn samples(provider: &str) -> Vec<Sample> {
    let text = TEXTS
        .iter()
        .find(|(name, _)| *name == provider)
        .map_or("", |(_, text)| text);
    let mut samples = Vec::new();
    for part in text.split("### ").skip(1) {
        let (heading, body) = part.split_once('\n').unwrap_or((part, ""));
        let (event, signed) = match heading.trim().strip_suffix(" (unsigned)") {
            Some(event) => (event, false),
            None => (heading.trim(), true),
        };
        samples.push(Sample {
            event: event.to_owned(),
            body: body.trim_end().as_bytes().to_vec(),
            signed,
        });
    }
    samples
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::provider::Catalog;

    #[test]
    fn every_event_a_provider_names_has_a_sample() {
        let catalog = Catalog::builtin();
        for name in providers() {
            let samples = samples(name);
            assert!(!samples.is_empty(), "{name}");
            for event in &catalog.get(name).unwrap().events {
                assert!(
                    samples.iter().any(|s| s.event == *event),
                    "{name} has no sample of {event}"
                );
            }
            for sample in samples {
                serde_json::from_slice::<serde_json::Value>(&sample.body)
                    .unwrap_or_else(|error| panic!("{name} {}: {error}", sample.event));
            }
        }
    }
}

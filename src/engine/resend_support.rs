//! Determines which ways of resending a delivery supports.

use super::command::ResendSupport;
use super::prepare::secret_to_sign;
use crate::domain::assess::Assessor;
use crate::domain::delivery::Delivery;
use crate::domain::provider::Provider;
use crate::domain::retry::Schedule;
use crate::domain::signature;

/// Returns which ways of resending a delivery supports with the current secrets
/// and providers.
pub(super) fn resend_support(assessor: &Assessor, delivery: &Delivery) -> ResendSupport {
    let endpoint = delivery.endpoint.as_deref();
    let Some(provider) = assessor.provider_of(endpoint, &delivery.request) else {
        let why = "its provider is not known";
        return ResendSupport {
            no_signature: Some(why.to_owned()),
            no_retries: Some(why.to_owned()),
        };
    };
    ResendSupport {
        no_signature: no_signature(assessor, delivery, provider),
        no_retries: Schedule::of(provider)
            .err()
            .map(|_| format!("{} does not retry", provider.title)),
    }
}

fn no_signature(assessor: &Assessor, delivery: &Delivery, provider: &Provider) -> Option<String> {
    if let Some(why) = signature::why_unsignable(provider) {
        return Some(why.trim_end_matches('.').to_owned());
    }
    let secret = secret_to_sign(assessor, delivery, provider);
    let title = &provider.title;
    (secret.is_none()).then(|| format!("no secret of {title} is configured"))
}

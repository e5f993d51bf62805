//! Makes one signature, and the token that contains it.

use serde_json::Value;

use super::{expected, key, token};
use crate::domain::failure::{Failure, Remedy};
use crate::domain::provider::template::{Part, Template, TemplateValues};
use crate::domain::provider::{Provider, Scheme};
use crate::domain::request::Request;
use crate::domain::secret::Secret;
use crate::domain::timestamp::Timestamp;

/// The inputs of a signature.
#[derive(Clone, Copy)]
pub(super) struct SigningContext<'a> {
    pub(super) provider: &'a Provider,
    pub(super) scheme: &'a Scheme,
    pub(super) secret: &'a Secret,
    pub(super) url: Option<&'a str>,
    pub(super) now: Timestamp,
    pub(super) timestamp: &'a str,
    pub(super) id: &'a [u8],
}

impl SigningContext<'_> {
    /// Makes the signature or, for a JSON Web Token, the whole token.
    pub(super) fn signature(&self, request: &Request) -> Result<String, Failure> {
        let Self {
            provider,
            scheme,
            secret,
            ..
        } = self;
        let address = |template: &Template| template.has(&Part::Url);
        let wanted = scheme.requirements.iter().filter_map(|r| r.is.as_ref());
        if self.url.is_none() && wanted.chain([&scheme.signed]).any(address) {
            return Err(Failure::usage(
                format!(
                    "{} signs the address, and none is configured.",
                    provider.title
                ),
                "",
                "Name it:  --url https://…   (or public_url in creel.toml)",
            )
            .with_remedy(Remedy::KeepSignature));
        }
        let filling = TemplateValues {
            body: &request.body,
            timestamp: self.timestamp.as_bytes(),
            id: self.id,
            method: request.method.as_bytes(),
            url: self.url.unwrap_or_default().as_bytes(),
            headers: scheme.headers.as_ref(),
            request: Some(request),
            ..TemplateValues::default()
        };
        let token = self.token(&filling);
        let filling = TemplateValues {
            token: token.as_deref().unwrap_or_default().as_bytes(),
            ..filling
        };
        let signature = expected(scheme, secret, &filling).ok_or_else(|| {
            Failure::usage(
                format!(
                    "The secret {secret} is not a valid key of {}.",
                    provider.title
                ),
                "It is empty, or not in the form that the scheme requires.",
                "Copy the whole secret again from the provider.",
            )
        })?;
        Ok(match token {
            Some(token) => format!("{token}.{signature}"),
            None => signature,
        })
    }

    pub(super) fn header_value(&self, signature: &str) -> String {
        self.scheme
            .format
            .replace("{timestamp}", self.timestamp)
            .replace("{signature}", signature)
    }

    /// Makes the signed part of a JSON Web Token.
    fn token(&self, filling: &TemplateValues<'_>) -> Option<String> {
        let jwt = self.scheme.jwt.as_ref()?;
        let text = |bytes: &[u8]| Value::String(String::from_utf8_lossy(bytes).into_owned());
        let mut claims = token::Claims::new();
        for requirement in &self.scheme.requirements {
            let Some(claim) = &requirement.at.claim else {
                continue;
            };
            if requirement.only_with_body && filling.body.is_empty() {
                continue;
            }
            let value = match &requirement.is {
                Some(template) => text(&template.fill(filling)),
                None => text(self.id),
            };
            claims.insert(claim.clone(), value);
        }
        let key_id = self.scheme.key_id.as_ref().and_then(|s| s.claim.as_ref());
        if let (Some(claim), (Some(id), _)) =
            (key_id, key::parts(self.secret.reveal(), self.scheme))
        {
            claims.insert(claim.clone(), text(id));
        }
        let now = self.now.unix_seconds();
        let end = now.saturating_add_unsigned(jwt.lifetime.seconds());
        for (claim, time) in [("iat", now), ("nbf", now), ("exp", end)] {
            claims.insert(claim.to_owned(), time.into());
        }
        token::write(self.scheme.algorithm, &claims)
    }
}

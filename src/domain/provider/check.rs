//! Checks a scheme for contradictions that its types do not exclude.

use super::algorithm::{Algorithm, Encoding};
use super::definition::Contradiction;
use super::scheme::Scheme;
use super::template::{Part, Template};

impl Scheme {
    /// Checks the scheme for contradictions that its types do not exclude.
    pub(super) fn check(&self) -> Result<(), Contradiction> {
        let no = |what: &str, next| Err((what.to_owned(), next));
        let places = [&self.timestamp, &self.id, &self.key_id];
        let wanted = self.requirements.iter().map(|r| &r.at);
        let versions = self.variants.iter().map(|v| &v.at);
        for place in places.into_iter().flatten().chain(wanted).chain(versions) {
            place.check()?;
            if place.claim.is_some() && self.jwt.is_none() {
                return no(
                    "a claim is named, and the signature is not a JSON Web Token.",
                    "Add the table [signature.jwt], or name a header",
                );
            }
        }
        if self.variants.iter().any(|v| v.at.claim.is_some()) {
            return no(
                "a version cannot be in a claim.",
                "Name a header, a pointer or a query parameter under [[signature.variant]]",
            );
        }
        if self.header.is_empty() == self.pointer.is_none() {
            return no(
                "a signature is either in a header or, by its pointer, in the body.",
                "Write, for example, header = \"x-acme-signature\" under [signature]",
            );
        }
        if !self.format.contains("{signature}") {
            return no(
                "signature.format has no {signature}.",
                "Write, for example, format = \"sha256={signature}\"",
            );
        }
        if let Some(asymmetric) = &self.asymmetric
            && (self.separator.is_none()
                || !asymmetric.algorithm.is_public()
                || !asymmetric.format.contains("{signature}"))
        {
            return no(
                "signature.asymmetric requires a list, a format of its own and an algorithm with a public key.",
                "Write separator = \" \" and asymmetric = { format = \"v1a,{signature}\", algorithm = \"ed25519\", secret = \"whpk\" }",
            );
        }
        if (self.encoding == Encoding::Text) != (self.algorithm == Algorithm::Token) {
            return no(
                "the encoding \"text\" is only for tokens, and tokens require it.",
                "Write encoding = \"hex\" or encoding = \"base64\", whichever the provider sends",
            );
        }
        self.check_signed(self.algorithm, &self.signed)?;
        for beside in &self.beside {
            if let Some(at) = &beside.at {
                at.check_outside_token()?;
            }
            if !beside.format.contains("{signature}") {
                return no(
                    "signature.format has no {signature}.",
                    "Write, for example, format = \"sha1={signature}\" under [[signature.beside]]",
                );
            }
        }
        for variant in &self.variants {
            let algorithm = variant.algorithm.unwrap_or(self.algorithm);
            self.check_signed(algorithm, variant.signed.as_ref().unwrap_or(&self.signed))?;
        }
        Ok(())
    }

    fn check_signed(&self, algorithm: Algorithm, signed: &Template) -> Result<(), Contradiction> {
        let no = |what: &str, next| Err((what.to_owned(), next));
        if self.jwt.is_some() != signed.has(&Part::Token) {
            return no(
                "{token} is required for a JSON Web Token, and only valid there.",
                "Write signed = \"{token}\" and the table [signature.jwt], or neither",
            );
        }
        if algorithm.holds_secret() != signed.has(&Part::Secret) {
            return no(
                "{secret} is required if the algorithm is a plain hash or a token, and only valid there.",
                "Write, for example, algorithm = \"sha256\" and signed = \"{secret}{body}\"",
            );
        }
        let about_the_body = signed.reads_body() || algorithm == Algorithm::Token;
        if !about_the_body && !self.requires_body() {
            return no(
                "signature.signed has no {body}.",
                "Write, for example, signed = \"{timestamp}.{body}\"",
            );
        }
        let in_header = self.format.contains("{timestamp}");
        if signed.has(&Part::Timestamp) && self.timestamp.is_none() && !in_header {
            return no(
                "the place of the timestamp is not specified.",
                "Add timestamp = { header = \"…\" } under [signature]",
            );
        }
        if signed.has(&Part::Id) && self.id.is_none() {
            return no(
                "the place of the id is not specified.",
                "Add id = { header = \"…\" } under [signature]",
            );
        }
        if signed.has(&Part::Headers) && self.headers.is_none() {
            return no(
                "the signed headers are not specified.",
                "Add headers = { named_by = \"…\", join = \";\" } under [signature]",
            );
        }
        Ok(())
    }

    /// Returns whether a requirement binds the body to the signed text.
    fn requires_body(&self) -> bool {
        let variants = self.variants.iter().flat_map(|v| &v.require);
        self.requirements
            .iter()
            .chain(variants)
            .filter_map(|r| r.is.as_ref())
            .any(Template::reads_body)
    }
}
